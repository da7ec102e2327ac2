//! Another password: by the present one, by a ticket, by a mailed link; and hashes that get better.

use super::*;
use crate::challenge::view::{ChangePermission, Locked};
use crate::challenge::{Asker, NewPassword, PasswordOutcome};
use crate::delivery::testing::Outbox;
use crate::delivery::{Channel, Content, Event, Origin};
use crate::identity::local::{self, BadPassword};
use crate::store::{NewUser, User};
use secrecy::{ExposeSecret as _, SecretString};

const OLD: &str = "correct horse";
const NEW: &str = "yellow submarine fleet";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

async fn with_anna(hash: SecretString) -> (World, Arc<Outbox>) {
    with_anna_who(true, hash).await
}

async fn with_anna_who(must_change: bool, hash: SecretString) -> (World, Arc<Outbox>) {
    let mut world = world().await;
    let (outbox, delivery) = Outbox::new(&[Channel::Email]);
    world.challenges.delivery = delivery;
    let mut settings = settings(FirstFactor::Open);
    settings.passwords.reset_by_mail = true;
    world.challenges.settings = Arc::new(settings);
    let user = NewUser {
        name: "anna".to_owned(),
        display_name: None,
        email: Some("anna@example.com".to_owned()),
        groups: vec![],
        password_hash: hash,
        disabled: false,
        must_change,
    };
    assert!(world.store.add_user(user, START, None).await.unwrap());
    (world, outbox)
}

async fn anna() -> (World, Arc<Outbox>) {
    with_anna(local::hash(&secret(OLD)).unwrap()).await
}

impl World {
    async fn user(&self) -> User {
        self.store.user("anna").await.unwrap().unwrap()
    }

    async fn is_right(&self, password: &str) -> bool {
        let checked = self.challenges.check_password("anna", secret(password), None, HERE).await;
        matches!(checked, Ok(PasswordOutcome::Right(_)))
    }

    async fn change(&self, caller: &Caller, current: &str, new: &str) -> NewPassword {
        let changed = self.challenges.change_password(caller, None, secret(current), secret(new));
        changed.await.unwrap()
    }

    /// Asks for a link, and the token in each mail that came of it.
    async fn links(&self, outbox: &Outbox, name: &str) -> Vec<String> {
        let asker = Asker { address: HERE, agent: "Firefox on Linux".to_owned() };
        self.challenges.mail_password_link(name, asker);
        // When the question has been looked at, its place is free again.
        self.challenges.asked_all().await;
        self.challenges.end(Duration::from_secs(60)).await;
        let token = |message: crate::delivery::Message| {
            assert_eq!((message.channel, &*message.to), (Channel::Email, "anna@example.com"));
            let Content::Notice(notice) = message.content else {
                panic!("no code was asked for")
            };
            let Event::PasswordLink { link, .. } = notice.event else {
                panic!("{:?}", notice.event)
            };
            let (agent, address) = ("Firefox on Linux".to_owned(), "127.0.0.1".to_owned());
            assert_eq!(notice.origin, Some(Origin::Browser { agent, address }));
            link.address().rsplit('=').next().unwrap().to_owned()
        };
        outbox.take().into_iter().map(token).collect()
    }

    async fn by_link(&self, token: &str, new: &str) -> NewPassword {
        let redeemed = self.challenges.redeem_password_link(token, secret(new), HERE, "Firefox");
        redeemed.await.unwrap()
    }
}

#[tokio::test]
async fn a_weaker_hash_gets_better_with_its_password_and_only_then() {
    let (world, _) = with_anna(secret("{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=")).await;
    assert!(!world.is_right("wrong password").await);
    assert!(world.user().await.password_hash.expose_secret().starts_with("{SHA}"));
    assert!(world.is_right(OLD).await);
    let better = world.user().await.password_hash;
    assert!(better.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(world.is_right(OLD).await && !world.is_right("wrong password").await);
    assert_eq!(world.user().await.password_hash.expose_secret(), better.expose_secret(), "once");
    assert!(
        world
            .audit()
            .await
            .contains(&("user.password_rehashed".to_owned(), "ok".to_owned()))
    );
}

#[tokio::test]
async fn the_present_password_is_counted_and_the_new_one_judged() {
    let (world, outbox) = anna().await;
    let caller = caller("anna");
    assert_eq!(world.change(&caller, "wrong password", NEW).await, NewPassword::WrongNow);
    for (new, bad) in [
        (OLD, BadPassword::Same),
        ("short", BadPassword::Short { least: 8 }),
        ("password1", BadPassword::Known),
        ("anna-1877", BadPassword::Personal),
    ] {
        assert_eq!(world.change(&caller, OLD, new).await, NewPassword::Unfit(bad), "{new}");
    }
    assert!(world.is_right(OLD).await);
    assert_eq!(world.change(&caller, OLD, NEW).await, NewPassword::Changed);
    assert!(world.is_right(NEW).await && !world.is_right(OLD).await);
    assert!(!world.user().await.must_change);
    world.challenges.end(Duration::from_secs(60)).await;
    assert_eq!(outbox.take().len(), 1, "its owner is told");
    for _ in 0..4 {
        world.change(&caller, "wrong password", OLD).await;
    }
    let locked = world.change(&caller, NEW, OLD).await;
    assert!(matches!(locked, NewPassword::Locked(Locked::Until(_))), "{locked:?}");
}

#[tokio::test]
async fn who_has_a_factor_proves_it_first() {
    let (world, _) = anna().await;
    let app = world.app("anna").await;
    let changed = |caller: Caller| {
        let challenges = world.challenges.clone();
        async move { challenges.change_password(&caller, None, secret(OLD), secret(NEW)).await }
    };
    let refused = changed(caller("anna")).await;
    assert!(matches!(refused, Err(ChallengeError::NotPermitted(ChangePermission::NeedsProof))));
    let stale = proved(caller("anna"), FactorKind::Totp, &app.id, world.now().plus(-301));
    assert!(changed(stale).await.is_err());
    assert!(world.is_right(OLD).await);
    let fresh = proved(caller("anna"), FactorKind::Totp, &app.id, world.now());
    assert_eq!(changed(fresh).await.unwrap(), NewPassword::Changed);
}

#[tokio::test]
async fn a_ticket_is_for_one_browser_one_password_and_ten_minutes() {
    let (world, _) = anna().await;
    let ticket = world.challenges.password_ticket(&world.user().await, "laptop").unwrap();
    let redeem = async |browser: &str, new: &str| {
        let redeemed =
            world
                .challenges
                .redeem_password_ticket(&ticket, browser, secret(new), HERE, "Firefox");
        redeemed.await.unwrap().0
    };
    assert_eq!(redeem("another", NEW).await, NewPassword::Gone);
    assert_eq!(redeem("laptop", "short").await, NewPassword::Unfit(BadPassword::Short { least: 8 }));
    world.pass_time(599);
    assert_eq!(redeem("laptop", NEW).await, NewPassword::Changed);
    for guess in [NEW, "another one yet"] {
        assert_eq!(redeem("laptop", guess).await, NewPassword::Gone, "it says nothing of the new password");
    }
    assert!(world.is_right(NEW).await && !world.user().await.must_change);
    let late = world.challenges.password_ticket(&world.user().await, "laptop").unwrap();
    world.pass_time(600);
    let redeemed = world
        .challenges
        .redeem_password_ticket(&late, "laptop", secret(OLD), HERE, "Firefox");
    assert_eq!(redeemed.await.unwrap().0, NewPassword::Gone);
}

#[tokio::test]
async fn a_mailed_link_counts_once_and_ends_what_rested_on_the_old_password() {
    let (world, outbox) = anna().await;
    world.app("anna").await;
    let (first, second) = (world.links(&outbox, "ANNA").await.remove(0), {
        world.pass_time(60);
        world.links(&outbox, "anna").await.remove(0)
    });
    assert!(world.challenges.is_password_link(&first).await.unwrap(), "looking uses nothing up");
    assert_eq!(world.by_link("no-such-link", NEW).await, NewPassword::Gone);
    assert_eq!(world.by_link(&first, "short").await, NewPassword::Unfit(BadPassword::Short { least: 8 }));
    for _ in 0..6 {
        world.is_right("wrong password").await;
    }
    assert!(!world.is_right(OLD).await, "locked by strangers");
    assert_eq!(world.by_link(&first, NEW).await, NewPassword::Changed);
    assert!(world.is_right(NEW).await, "and open again by the owner");
    for link in [&first, &second] {
        assert_eq!(world.by_link(link, "another one yet").await, NewPassword::Gone);
    }
    let key = SubjectKey::new("local", "anna");
    assert_eq!(world.store.enrolments(&key).await.unwrap().len(), 1, "factors stay");
    let feed = world.store.revocations_after(0).await.unwrap();
    assert!(feed.iter().any(|row| row.key == "local:anna"), "every session is over");
}

#[tokio::test]
async fn a_link_does_not_tell_the_present_password() {
    let hash = local::hash(&secret(OLD)).unwrap();
    let (world, outbox) = with_anna_who(false, hash).await;
    let link = world.links(&outbox, "anna").await.remove(0);
    assert_eq!(world.by_link(&link, OLD).await, NewPassword::Changed, "as any other would have been");
    // Who has to choose another is told, and the link was good for that one try.
    let (world, outbox) = anna().await;
    let link = world.links(&outbox, "anna").await.remove(0);
    assert_eq!(world.by_link(&link, OLD).await, NewPassword::Unfit(BadPassword::Same));
    assert_eq!(world.by_link(&link, NEW).await, NewPassword::Gone);
    assert!(world.is_right(OLD).await && world.user().await.must_change);
}

#[tokio::test]
async fn links_run_out_are_capped_and_go_to_nobody_else() {
    let (world, outbox) = anna().await;
    for nobody in ["ben", "", "a:b"] {
        assert!(world.links(&outbox, nobody).await.is_empty(), "{nobody}");
    }
    let link = world.links(&outbox, "anna").await.remove(0);
    assert!(world.links(&outbox, "anna").await.is_empty(), "one a minute");
    world.pass_time(1799);
    assert!(world.challenges.is_password_link(&link).await.unwrap());
    world.pass_time(1);
    assert_eq!(world.by_link(&link, NEW).await, NewPassword::Gone);
    let key = SubjectKey::new("local", "anna");
    world.store.set_disabled("anna", &key, true, world.now(), None).await.unwrap();
    assert!(world.links(&outbox, "anna").await.is_empty(), "disabled");
    let audit = world.audit().await;
    assert_eq!(audit.iter().filter(|(what, _)| what == "user.password_link").count(), 1);
}
