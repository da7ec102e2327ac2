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
