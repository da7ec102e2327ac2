//! Passwords of local users: right, wrong, unknown, locked.

use super::*;
use crate::challenge::PasswordOutcome;
use crate::identity::local;
use crate::store::NewUser;
use secrecy::SecretString;

const RIGHT: &str = "correct horse";

async fn with_anna() -> World {
    let world = world().await;
    let user = NewUser {
        name: "anna".to_owned(),
        display_name: None,
        email: None,
        groups: vec![],
        password_hash: local::hash(&SecretString::from(RIGHT)).unwrap(),
        disabled: false,
        must_change: false,
    };
    assert!(world.store.add_user(user, START, None).await.unwrap());
    world
}

impl World {
    async fn sign_in(&self, name: &str, password: &str, browser: Option<&str>) -> &'static str {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        match self
            .challenges
            .check_password(name, SecretString::from(password), browser, address)
            .await
        {
            Ok(PasswordOutcome::Right(user)) if user.name == "anna" => "right",
            Ok(PasswordOutcome::Right(_)) => "somebody else",
            Ok(PasswordOutcome::RightElsewhere(_)) => "right elsewhere",
            Ok(PasswordOutcome::Stopped(_)) => "stopped",
            Ok(PasswordOutcome::Wrong) => "wrong",
            Ok(PasswordOutcome::Locked(_)) => "locked",
            Err(_) => "error",
        }
    }
}

#[tokio::test]
async fn b08_any_spelling_of_the_name_is_the_person() {
    let world = with_anna().await;
    for name in ["anna", "Anna", "ＡＮＮＡ"] {
        assert_eq!(world.sign_in(name, RIGHT, None).await, "right", "{name}");
    }
    for (name, password) in [
        ("anna", "correct house"),
        ("anna", ""),
        ("bob", RIGHT),
        ("", RIGHT),
    ] {
        assert_eq!(world.sign_in(name, password, None).await, "wrong", "{name}");
    }
}

#[tokio::test]
async fn a_disabled_person_is_told_nothing_else_than_wrong() {
    let world = with_anna().await;
    let key = SubjectKey::new("local", "anna");
    world.store.set_disabled("anna", &key, true, START, None).await.unwrap();
    assert_eq!(world.sign_in("anna", RIGHT, None).await, "wrong");
}

#[tokio::test]
async fn unknown_names_lock_like_known_ones_and_factors_are_not_locked() {
    let world = with_anna().await;
    for name in ["anna", "nobody"] {
        for expected in ["wrong", "wrong", "wrong", "wrong", "locked"] {
            assert_eq!(world.sign_in(name, "wrong password", None).await, expected, "{name}");
        }
        assert_eq!(world.sign_in(name, RIGHT, None).await, "locked", "{name}");
    }
    assert_eq!(world.challenges.lock(&caller("anna")).await.unwrap(), None);
    world.pass_time(60);
    assert_eq!(world.sign_in("anna", RIGHT, None).await, "right");
    assert_eq!(world.sign_in("anna", "wrong password", None).await, "wrong", "counted from zero again");
}

#[tokio::test]
async fn strangers_cannot_lock_the_password_in_a_known_browser() {
    let world = with_anna().await;
    let key = SubjectKey::new("local", "anna");
    world
        .store
        .write(move |mut tx| async move {
            tx.remember_browser(&key, "laptop", START).await?;
            tx.commit(()).await
        })
        .await
        .unwrap();
    for _ in 0..6 {
        world.sign_in("anna", "wrong password", Some("some other")).await;
    }
    assert_eq!(world.sign_in("anna", RIGHT, None).await, "locked");
    assert_eq!(world.sign_in("anna", RIGHT, Some("laptop")).await, "right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e07_parallel_guesses_are_compared_at_most_five_times() {
    let world = Arc::new(with_anna().await);
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let world = Arc::clone(&world);
        posts.spawn(async move { world.sign_in("anna", "wrong password", None).await });
    }
    posts.join_all().await;
    let compared = world
        .audit()
        .await
        .iter()
        .filter(|(what, _)| what == "sign_in.password")
        .count();
    assert_eq!(compared, 5);
}

#[tokio::test]
async fn h05_a_password_typed_as_a_name_is_in_no_log() {
    let world = with_anna().await;
    world.sign_in("hunter2 hunter2", "", None).await;
    let records = world.store.audit_after(0, 10).await.unwrap();
    assert_eq!(records.len(), 1);
    assert!(!serde_json::to_string(&records).unwrap().contains("hunter2"));
}
