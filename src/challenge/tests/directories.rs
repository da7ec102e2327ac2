//! Passwords that a source judges: counted under the person's one name, whoever they say they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::{ExposeSecret as _, SecretString};

use super::*;
use crate::calls::Unwell;
use crate::challenge::PasswordOutcome;
use crate::challenge::password::MAX_COUNTERS;
use crate::delivery::BoxFuture;
use crate::identity::password::Asking;
use crate::identity::{Candidate, PasswordAnswer, PasswordSource, SourceDown, Stop, StopReason};
use crate::session::NewPerson;
use crate::store::{CounterKey, CounterKind, Lane};

const RIGHT: &str = "correct horse";

/// Knows anna by three names; what her password does is said by what is typed.
#[derive(Default)]
struct Fake {
    asked: Arc<AtomicUsize>,
    finds: bool,
    /// As with a template: nobody is looked up before the password is judged.
    by_template: bool,
}

struct Anna {
    asked: Arc<AtomicUsize>,
    looked_up: bool,
}

impl PasswordSource for Fake {
    fn name(&self) -> &'static str {
        "corp"
    }

    fn find<'a>(&'a self, typed: &'a str) -> Asking<'a, Option<Box<dyn Candidate>>> {
        Box::pin(async move {
            if !self.finds {
                return Err(SourceDown { why: "it is not there".to_owned(), asked: false });
            }
            let anna = ["anna", "Anna", "anna@corp.example"].contains(&typed);
            let found = Anna { asked: Arc::clone(&self.asked), looked_up: !self.by_template };
            Ok(anna.then(|| Box::new(found) as Box<dyn Candidate>))
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        Box::pin(async { Ok(()) })
    }
}

impl Candidate for Anna {
    fn subject(&self) -> &'static str {
        "anna"
    }

    fn is_known(&self) -> bool {
        self.looked_up
    }

    fn judge(&self, password: SecretString) -> Asking<'_, PasswordAnswer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let stop = |why, proved| Stop { why, proved, source: "Corp".to_owned() };
        let answer = match password.expose_secret() {
            RIGHT => Ok(PasswordAnswer::Right(Box::new(NewPerson::new("corp", "anna")))),
            "old" => Ok(PasswordAnswer::Stopped(stop(StopReason::MustChange, true))),
            "locked" => Ok(PasswordAnswer::Stopped(stop(StopReason::Barred, false))),
            "gone" => Err(SourceDown { why: "not reached".to_owned(), asked: false }),
            "silent" => Err(SourceDown { why: "no answer".to_owned(), asked: true }),
            _ => Ok(PasswordAnswer::Wrong),
        };
        Box::pin(async move { answer })
    }
}

async fn with_fake() -> (World, Arc<AtomicUsize>) {
    with(Fake { finds: true, ..Fake::default() }).await
}

async fn with(fake: Fake) -> (World, Arc<AtomicUsize>) {
    let mut world = world().await;
    let asked = Arc::clone(&fake.asked);
    world.challenges = world.challenges.with_directories(vec![Arc::new(fake)]);
    (world, asked)
}

async fn attempt(world: &World, name: &str, password: &str, browser: Option<&str>) -> &'static str {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let password = SecretString::from(password);
    match world.challenges.check_password(name, password, browser, address).await {
        Ok(PasswordOutcome::RightElsewhere(person)) if person.subject == "anna" => "right",
        Ok(PasswordOutcome::RightElsewhere(_) | PasswordOutcome::Right(_)) => "somebody else",
        Ok(PasswordOutcome::Stopped(_)) => "stopped",
        Ok(PasswordOutcome::Wrong) => "wrong",
        Ok(PasswordOutcome::Locked(_)) => "locked",
        Err(_) => "error",
    }
}

#[tokio::test]
async fn h02_guesses_count_under_one_name_whatever_is_typed() {
    let (world, asked) = with_fake().await;
    assert_eq!(attempt(&world, "Anna", RIGHT, None).await, "right");
    for name in ["anna", "Anna", "anna@corp.example", "anna"] {
        assert_eq!(attempt(&world, name, "guess", None).await, "wrong", "{name}");
    }
    assert_eq!(attempt(&world, "Anna", "guess", None).await, "locked", "the fifth");
    let before = asked.load(Ordering::Relaxed);
    for name in ["anna", "anna@corp.example"] {
        assert_eq!(attempt(&world, name, RIGHT, None).await, "locked", "{name}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), before, "who is locked is not asked about");
}

#[tokio::test]
async fn h01_an_empty_password_and_a_stranger_never_reach_the_source() {
    let (world, asked) = with_fake().await;
    assert_eq!(attempt(&world, "anna", "", None).await, "wrong");
    assert_eq!(attempt(&world, "anna", &"x".repeat(1025), None).await, "wrong");
    assert_eq!(attempt(&world, "bob", RIGHT, None).await, "wrong");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_nobody_judged_is_not_counted_and_silence_is() {
    let (world, _) = with_fake().await;
    for _ in 0..10 {
        assert_eq!(attempt(&world, "anna", "gone", None).await, "error");
    }
    assert_eq!(attempt(&world, "anna", RIGHT, None).await, "right");
    for _ in 0..5 {
        assert_eq!(attempt(&world, "anna", "silent", None).await, "error");
    }
    assert_eq!(attempt(&world, "anna", RIGHT, None).await, "locked");
}

#[tokio::test]
async fn a_locked_account_is_said_to_its_owner_and_an_old_password_to_who_knows_it() {
    let (world, _) = with_fake().await;
    assert_eq!(attempt(&world, "anna", "old", None).await, "stopped");
    assert_eq!(attempt(&world, "anna", "locked", None).await, "wrong", "to a stranger");
    let key = SubjectKey::new("corp", "anna");
    world
        .store
        .write(move |mut tx| async move {
            tx.remember_browser(&key, "her browser", START).await?;
            tx.commit(()).await
        })
        .await
        .unwrap();
    assert_eq!(attempt(&world, "anna", "locked", Some("her browser")).await, "stopped");
}

#[tokio::test]
async fn r24_a_source_that_is_down_closes_itself_and_no_other() {
    let (mut world, _) = with_fake().await;
    let down: Arc<dyn PasswordSource> = Arc::new(Fake::default());
    let there: Arc<dyn PasswordSource> = Arc::new(Fake { finds: true, ..Fake::default() });
    world.challenges = world.challenges.with_directories(vec![down, there]);
    assert_eq!(attempt(&world, "anna", RIGHT, None).await, "right");
    assert_eq!(attempt(&world, "bob", RIGHT, None).await, "error", "nobody can say that it is wrong");
}

#[tokio::test]
async fn h02_who_was_not_looked_up_is_not_judged_where_nothing_can_be_counted() {
    let (world, asked) = with(Fake { finds: true, by_template: true, ..Fake::default() }).await;
    for n in 0..MAX_COUNTERS {
        let subject = SubjectKey::new("app", &format!("name{n}"));
        let key = CounterKey { subject, kind: CounterKind::Password, lane: Lane::Other };
        world.challenges.reserve(&key, false).await.unwrap();
    }
    assert_eq!(attempt(&world, "anna", RIGHT, None).await, "locked");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}
