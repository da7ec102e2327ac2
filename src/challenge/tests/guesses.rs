//! Names and passwords that an app judges: what stays counted, what strangers can do, what is not judged.

use super::*;
use crate::challenge::password::MAX_COUNTERS;
use crate::identity::IdentityError;
use crate::identity::app_session::Person;
use crate::identity::guesses::{Guess, Guesses as _};

type Word = Result<Option<Person>, IdentityError>;

fn right() -> Word {
    Ok(Some(Person::default()))
}

impl World {
    /// What becomes of a guess of which the app says this.
    async fn guess(&self, subject: &str, was_right: bool, word: Word) -> &'static str {
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let guess = Guess { source: "app", subject, client, was_right };
        let judging = Box::pin(std::future::ready(word));
        match self.challenges.counted(guess, judging).await {
            Ok(Some(_)) => "right",
            Ok(None) => "wrong",
            Err(IdentityError::Locked(seconds)) if seconds <= 3600 => "wait",
            Err(IdentityError::Locked(_)) => "stop",
            Err(_) => "error",
        }
    }
}

#[tokio::test]
async fn h02_what_an_app_may_have_judged_stays_counted() {
    let world = world().await;
    for _ in 0..10 {
        let word = Err(IdentityError::NotReached("no route".into()));
        assert_eq!(world.guess("anna", false, word).await, "error");
    }
    for _ in 0..5 {
        let word = Err(IdentityError::Unavailable("slow".into()));
        assert_eq!(world.guess("anna", false, word).await, "error");
    }
    assert_eq!(world.guess("anna", false, right()).await, "wait");
    world.pass_time(60);
    assert_eq!(world.guess("anna", false, right()).await, "right");
}

#[tokio::test]
async fn h02_strangers_make_people_wait_but_not_those_who_were_here() {
    let world = world().await;
    for _ in 0..60 {
        assert_ne!(world.guess("anna", false, Ok(None)).await, "stop");
        world.pass_time(3600);
    }
    assert_eq!(world.guess("anna", false, right()).await, "right", "no stop");
    for _ in 0..6 {
        world.guess("anna", false, Ok(None)).await;
    }
    assert_eq!(world.guess("anna", false, right()).await, "wait");
    assert_eq!(world.guess("anna", true, right()).await, "right");
}

#[tokio::test]
async fn h02_what_cannot_be_counted_is_not_judged() {
    let world = world().await;
    for n in 0..MAX_COUNTERS {
        assert_eq!(world.guess(&format!("name{n}"), false, Ok(None)).await, "wrong");
    }
    assert_eq!(world.guess("anna", false, right()).await, "wait");
    assert_eq!(world.guess("name0", false, right()).await, "right", "who has a counter keeps it");
}
