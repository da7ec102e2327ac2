//! Who is told of what: once, durable acts only, and never on the channel that it happened on.

use super::*;
use crate::challenge::view::Outcome;
use crate::delivery::testing::Outbox;
use crate::delivery::{Channel, Content, Event, Message};

async fn world_with_mail() -> (World, Arc<Outbox>) {
    let mut world = world().await;
    let (outbox, delivery) = Outbox::new(&[Channel::Email]);
    world.challenges.delivery = delivery;
    (world, outbox)
}

fn with_address(mut caller: Caller) -> Caller {
    let identity = Identity { email: Some("anna@example.com".into()), ..(*caller.identity).clone() };
    caller.identity = Arc::new(identity);
    caller
}

/// Everything that was told, once all of it has left: to whom, and of what.
async fn told(world: &World, outbox: &Outbox) -> Vec<(String, Event)> {
    world.challenges.end(Duration::from_secs(60)).await;
    let event = |message: Message| match message.content {
        Content::Notice(notice) => {
            assert!(notice.page.ends_with("/.stepgate/my-mfa") && notice.brand == "Example");
            (message.to, notice.event)
        }
        Content::Code(_) => panic!("no code was asked for"),
    };
    outbox.take().into_iter().map(event).collect()
}

fn to_anna(event: Event) -> Vec<(String, Event)> {
    vec![("anna@example.com".to_owned(), event)]
}

#[tokio::test]
async fn who_adds_and_removes_a_factor_is_told_by_mail() {
    let (world, outbox) = world_with_mail().await;
    let anna = with_address(caller("anna"));
    let none = std::collections::BTreeMap::new();
    let pending = world.challenges.begin_enrolment(&anna, FactorKind::Totp, &none).await.unwrap();
    let Setup::Totp { key, .. } = &pending.setup else {
        panic!("not an app")
    };
    let confirm = async |text: &str| {
        let confirmed = world.challenges.confirm_enrolment(&anna, &pending.id, "Work phone", code(text));
        confirmed.await.unwrap().unwrap()
    };
    assert!(matches!(confirm("000000").await, Outcome::Wrong { .. }));
    assert!(told(&world, &outbox).await.is_empty(), "nothing has happened");
    let right = app_code(key, world.now());
    let Outcome::Passed { proof, .. } = confirm(&right).await else {
        panic!("the code is right")
    };
    let added = Event::FactorAdded { name: "Work phone".to_owned() };
    assert_eq!(told(&world, &outbox).await, to_anna(added));
    confirm(&right).await;
    assert!(told(&world, &outbox).await.is_empty(), "the same answer again is not another act");

    let anna = proved(anna, FactorKind::Totp, &proof.enrolment, world.now());
    assert!(world.challenges.remove(&anna, &proof.enrolment).await.unwrap());
    let removed = Event::FactorRemoved { name: "Work phone".to_owned() };
    assert_eq!(told(&world, &outbox).await, to_anna(removed));
}

#[tokio::test]
async fn a_recovery_code_that_was_used_is_told_and_a_wrong_one_not() {
    let (world, outbox) = world_with_mail().await;
    let anna = with_address(caller("anna"));
    let (codes_id, codes) = world.recovery_codes("anna").await;
    let id = world.open(&anna).await;
    let answer = async |text: &str| {
        world
            .challenges
            .answer(&anna, &id, &codes_id, code(text))
            .await
            .unwrap()
            .unwrap()
    };
    assert!(matches!(answer("aaaa-aaaa-aaaa-aaaa").await, Outcome::Wrong { .. }));
    assert!(told(&world, &outbox).await.is_empty());
    assert!(matches!(answer(&codes[0]).await, Outcome::Passed { .. }));
    assert_eq!(told(&world, &outbox).await, to_anna(Event::RecoveryCodeUsed { left: 9 }));
    answer(&codes[0]).await;
    assert!(told(&world, &outbox).await.is_empty());
}

#[tokio::test]
async fn a_temporary_code_that_was_used_is_told() {
    let (world, outbox) = world_with_mail().await;
    let anna = with_address(caller("anna"));
    let (material, issued) = crate::factors::temporary_code(Duration::from_hours(1), world.now());
    let id = world.enrol("anna", FactorKind::TemporaryCode, material).await;
    let challenge = world.open(&anna).await;
    let answer = code(secrecy::ExposeSecret::expose_secret(&issued));
    let passed = world.challenges.answer(&anna, &challenge, &id, answer).await.unwrap();
    assert!(matches!(passed, Some(Outcome::Passed { .. })));
    assert_eq!(told(&world, &outbox).await, to_anna(Event::TemporaryCodeUsed));
}

#[tokio::test]
async fn an_app_that_is_used_every_day_is_not_told_and_nobody_without_an_address_is() {
    let (world, outbox) = world_with_mail().await;
    let app = world.app("anna").await;
    let anna = with_address(caller("anna"));
    let id = world.open(&anna).await;
    let passed = world.challenges.answer(&anna, &id, &app.id, code(&app.code(world.now()))).await;
    assert!(matches!(passed.unwrap(), Some(Outcome::Passed { .. })));
    let ben = world.app("ben").await;
    let nobody = proved(caller("ben"), FactorKind::Totp, &ben.id, world.now());
    assert!(world.challenges.remove(&nobody, &ben.id).await.unwrap());
    assert!(told(&world, &outbox).await.is_empty());
}

#[tokio::test]
async fn who_says_that_it_was_not_them_stops_everything_once_until_an_administrator_allows_it() {
    let (world, outbox) = world_with_mail().await;
    let (codes_id, codes) = world.recovery_codes("anna").await;
    let anna = with_address(caller("anna"));
    let id = world.open(&anna).await;
    let passed = world.challenges.answer(&anna, &id, &codes_id, code(&codes[0])).await;
    assert!(matches!(passed.unwrap(), Some(Outcome::Passed { .. })));
    world.challenges.end(Duration::from_secs(60)).await;
    let link = outbox.take().into_iter().find_map(|message| match message.content {
        Content::Notice(notice) => notice.not_me,
        Content::Code(_) => None,
    });
    let link = link.expect("a mail has the link");
    let token = link.address().rsplit("not-me?link=").next().unwrap().to_owned();

    let reported = world.challenges.reported(&token).await.unwrap().expect("it counts");
    assert_eq!(reported.what, "A recovery code was used. You have 9 left.");
    let open = async || world.challenges.view(&anna, &world.open(&anna).await).await;
    assert!(open().await.is_ok(), "looking at it stops nothing");
    assert!(world.challenges.not_me(&token, anna.address, "Firefox").await.unwrap());
    assert!(!world.challenges.not_me(&token, anna.address, "Firefox").await.unwrap(), "one use");
    assert!(world.challenges.reported(&token).await.unwrap().is_none());

    let stopped = world.challenges.lock(&anna).await.unwrap();
    assert_eq!(stopped, Some(crate::challenge::view::Locked::Stopped));
    let inline = world.challenges.verify_inline(&anna, FactorKind::RecoveryCode, &codes[1]).await;
    assert!(matches!(inline.unwrap(), Some(Outcome::Locked(crate::challenge::view::Locked::Stopped))));
    world.challenges.store.unlock_person(&anna.identity.key, None).await.unwrap();
    let again = world.challenges.verify_inline(&anna, FactorKind::RecoveryCode, &codes[1]).await;
    assert!(matches!(again.unwrap(), Some(Outcome::Passed { .. })), "nothing was taken away");
}

#[tokio::test]
async fn a_row_of_wrong_answers_is_told_once_and_by_mail() {
    let (world, outbox) = world_with_mail().await;
    let app = world.app("anna").await;
    let anna = with_address(caller("anna"));
    for _ in 0..7 {
        let answer = world.challenges.verify_inline(&anna, FactorKind::Totp, "000000").await;
        assert!(matches!(answer.unwrap(), Some(Outcome::Wrong { .. } | Outcome::Locked(_))));
    }
    assert!(!app.code(world.now()).is_empty());
    assert_eq!(told(&world, &outbox).await, to_anna(Event::Locked));
}
