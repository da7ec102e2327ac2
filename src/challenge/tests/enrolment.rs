//! Enrolling and changing factors: who may, and what becomes of it.

use super::*;
use crate::challenge::view::{Change, ChangePermission, Outcome, PendingEnrolment};
use crate::config::settings::When;
use crate::factors::SAVED;
use crate::store::RevocationKind;

fn key_of(pending: &PendingEnrolment) -> String {
    let Setup::Totp { key, .. } = &pending.setup else {
        panic!("not an app")
    };
    key.clone()
}

fn not_permitted<T>(result: Result<T, ChallengeError>) -> Option<ChangePermission> {
    match result {
        Err(ChallengeError::NotPermitted(permission)) => Some(permission),
        _ => None,
    }
}

/// No details are needed.
fn none() -> std::collections::BTreeMap<String, String> {
    std::collections::BTreeMap::new()
}

#[tokio::test]
async fn an_app_is_confirmed_by_a_code_that_then_counts_no_more() {
    let world = world().await;
    let anna = caller("anna");
    let pending = world
        .challenges
        .begin_enrolment(&anna, FactorKind::Totp, &none())
        .await
        .unwrap();
    assert_eq!(pending.name, "Phone");
    let key = key_of(&pending);
    assert_eq!(key_of(&world.challenges.pending(&anna, &pending.id).await.unwrap().unwrap()), key);
    assert!(world.challenges.pending(&caller("bob"), &pending.id).await.unwrap().is_none());
    assert!(world.challenges.enrolments(&anna).await.unwrap().is_empty(), "pending is not enrolled");

    let confirm = async |text: &str| {
        world
            .challenges
            .confirm_enrolment(&anna, &pending.id, "Work phone", code(text))
            .await
            .unwrap()
    };
    assert!(matches!(confirm("000000").await, Some(Outcome::Wrong { attempts_left: 4 })));
    let right = app_code(&key, world.now());
    let Some(Outcome::Passed { proof, browser: Some(browser), .. }) = confirm(&right).await else {
        panic!("the code is right")
    };
    let again = confirm(&right).await;
    assert!(
        matches!(&again, Some(Outcome::Passed { proof: p, browser: Some(b), .. }) if *p == proof && *b == browser),
        "{again:?}"
    );
    let enrolled = world.challenges.enrolments(&anna).await.unwrap();
    assert_eq!(enrolled.len(), 1, "a double submit enrols once");
    assert_eq!((enrolled[0].name.as_str(), &enrolled[0].id), ("Work phone", &proof.enrolment));
    assert!(
        world.challenges.pending(&anna, &pending.id).await.unwrap().is_none(),
        "the secret is gone"
    );

    let inline = world.challenges.verify_inline(&anna, FactorKind::Totp, &right).await.unwrap();
    assert!(matches!(inline, Some(Outcome::Used { .. })), "{inline:?}");
    let kinds: Vec<_> = world
        .store
        .revocations_after(0)
        .await
        .unwrap()
        .into_iter()
        .map(|r| r.kind)
        .collect();
    assert_eq!(kinds, [RevocationKind::Enrolled]);
}

#[tokio::test]
async fn a_pending_enrolment_runs_out() {
    let world = world().await;
    let anna = caller("anna");
    let pending = world
        .challenges
        .begin_enrolment(&anna, FactorKind::Totp, &none())
        .await
        .unwrap();
    world.pass_time(900);
    assert!(world.challenges.pending(&anna, &pending.id).await.unwrap().is_none());
    let right = code(&app_code(&key_of(&pending), world.now()));
    let outcome = world.challenges.confirm_enrolment(&anna, &pending.id, "", right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Expired)), "{outcome:?}");
}

#[tokio::test]
async fn of_two_first_enrolments_only_one_is_the_first() {
    let world = world().await;
    let (anna, thief) = (caller("anna"), in_session("anna", "stolen"));
    let mine = world
        .challenges
        .begin_enrolment(&anna, FactorKind::Totp, &none())
        .await
        .unwrap();
    let theirs = world
        .challenges
        .begin_enrolment(&thief, FactorKind::Totp, &none())
        .await
        .unwrap();
    let now = world.now();
    let right = code(&app_code(&key_of(&mine), now));
    world.challenges.confirm_enrolment(&anna, &mine.id, "", right).await.unwrap();
    let right = code(&app_code(&key_of(&theirs), now));
    let refused = world.challenges.confirm_enrolment(&thief, &theirs.id, "", right).await;
    assert_eq!(not_permitted(refused), Some(ChangePermission::NeedsProof));
    assert_eq!(world.challenges.enrolments(&anna).await.unwrap().len(), 1);
}

#[tokio::test]
async fn recovery_codes_need_the_word_saved_and_take_the_place_of_the_old() {
    let world = world().await;
    let app = world.app("anna").await;
    let (old, codes) = world.recovery_codes("anna").await;
    world.pass_time(1);
    let anna = proved(caller("anna"), FactorKind::Totp, &app.id, world.now());
    let pending = world
        .challenges
        .begin_enrolment(&anna, FactorKind::RecoveryCode, &none())
        .await
        .unwrap();
    let confirm = async |word: &str| {
        world
            .challenges
            .confirm_enrolment(&anna, &pending.id, "", code(word))
            .await
            .unwrap()
    };
    assert!(matches!(confirm("").await, Some(Outcome::Malformed(_))));
    let open = world.open(&anna).await;
    assert!(matches!(confirm(SAVED).await, Some(Outcome::Saved)));
    assert!(matches!(confirm(SAVED).await, Some(Outcome::Saved)), "a double submit ends well");
    assert!(world.challenges.pending(&anna, &pending.id).await.unwrap().is_none());
    let outcome = world.challenges.answer(&anna, &open, &old, code(&codes[0])).await.unwrap();
    assert!(outcome.is_none(), "the old codes are void");
    let enrolled = world.challenges.enrolments(&anna).await.unwrap();
    let left: Vec<_> = enrolled.iter().map(|one| (one.factor, one.left)).collect();
    assert_eq!(left, [(FactorKind::Totp, None), (FactorKind::RecoveryCode, Some(10))]);
    let Setup::RecoveryCodes { codes } = pending.setup else {
        panic!("not codes")
    };
    let outcome = world
        .challenges
        .answer(&anna, &open, &enrolled[1].id, code(&codes[0]))
        .await
        .unwrap();
    assert!(
        matches!(outcome, Some(Outcome::Passed { recovery_codes_left: Some(9), .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn e14_changes_need_a_fresh_proof() {
    let world = world().await;
    let app = world.app("anna").await;
    let stale = proved(caller("anna"), FactorKind::Totp, &app.id, world.now().plus(-301));
    let needs = Some(ChangePermission::NeedsProof);
    for who in [&caller("anna"), &stale] {
        assert_eq!(
            not_permitted(world.challenges.begin_enrolment(who, FactorKind::Totp, &none()).await),
            needs
        );
        assert_eq!(not_permitted(world.challenges.remove(who, &app.id).await), needs);
        assert_eq!(not_permitted(world.challenges.rename(who, &app.id, "x").await), needs);
    }
    let fresh = proved(caller("anna"), FactorKind::Totp, &app.id, world.now());
    assert!(world.challenges.rename(&fresh, &app.id, " My phone ").await.unwrap());
    assert_eq!(world.challenges.enrolments(&fresh).await.unwrap()[0].name, "My phone");
    assert!(matches!(
        world.challenges.rename(&fresh, &app.id, "a\nb").await,
        Err(ChallengeError::BadName)
    ));
    let bobs = world.app("bob").await;
    assert!(!world.challenges.remove(&fresh, &bobs.id).await.unwrap(), "another person's");
    assert!(world.challenges.remove(&fresh, &app.id).await.unwrap());
    let feed = world.store.revocations_after(0).await.unwrap();
    assert!(feed.iter().any(|r| r.kind == RevocationKind::Enrolment && r.key == *app.id.0));
    assert_eq!(
        world.challenges.permission(&fresh, Change::Other).await.unwrap(),
        ChangePermission::NeedsInvitation
    );
}

#[tokio::test]
async fn the_first_factor_needs_an_invitation_used_in_this_session() {
    let world = world_with(FirstFactor::Invitation).await;
    let (anna, bob) = (caller("anna"), caller("bob"));
    let key = anna.identity.key.clone();
    let needs = Some(ChangePermission::NeedsInvitation);
    assert_eq!(
        not_permitted(world.challenges.begin_enrolment(&anna, FactorKind::Totp, &none()).await),
        needs
    );
    let until = world.now().plus(86_400);
    world
        .store
        .create_invitation("token", &key, world.now(), until, None)
        .await
        .unwrap();
    assert!(!world.challenges.redeem_invitation(&bob, "token").await.unwrap());
    assert!(world.challenges.redeem_invitation(&anna, "token").await.unwrap());
    assert!(!world.challenges.redeem_invitation(&anna, "token").await.unwrap(), "one use");
    let elsewhere = in_session("anna", "s2");
    assert_eq!(
        world.challenges.permission(&elsewhere, Change::Other).await.unwrap(),
        ChangePermission::NeedsInvitation
    );
    let pending = world
        .challenges
        .begin_enrolment(&anna, FactorKind::Totp, &none())
        .await
        .unwrap();
    let right = code(&app_code(&key_of(&pending), world.now()));
    let outcome = world.challenges.confirm_enrolment(&anna, &pending.id, "", right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Passed { .. })), "{outcome:?}");
    assert_eq!(
        world.challenges.permission(&anna, Change::Other).await.unwrap(),
        ChangePermission::NeedsProof
    );
}

#[tokio::test]
async fn a_reset_removes_everything_and_reopens_nothing() {
    let world = world_with(FirstFactor::When(When::Is("office".into()))).await;
    let mut anna = caller("anna");
    anna.trusted_place = true;
    assert_eq!(
        world.challenges.permission(&anna, Change::Other).await.unwrap(),
        ChangePermission::Granted
    );
    let app = world.app("anna").await;
    let id = world.open(&anna).await;
    assert_eq!(world.store.reset_person(&anna.identity.key, world.now(), None).await.unwrap(), 1);
    let right = code(&app.code(world.now()));
    assert!(world.challenges.answer(&anna, &id, &app.id, right).await.unwrap().is_none());
    assert_eq!(
        world.challenges.permission(&anna, Change::Other).await.unwrap(),
        ChangePermission::NeedsInvitation
    );
}

#[tokio::test]
async fn names_are_proposed_apart_and_there_is_a_limit() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = proved(caller("anna"), FactorKind::Totp, &app.id, world.now());
    world.challenges.rename(&anna, &app.id, "Phone").await.unwrap();
    let pending = world
        .challenges
        .begin_enrolment(&anna, FactorKind::Totp, &none())
        .await
        .unwrap();
    assert_eq!(pending.name, "Phone 2");
    for _ in 1..20 {
        world.app("anna").await;
    }
    let more = world.challenges.begin_enrolment(&anna, FactorKind::Totp, &none()).await;
    assert!(matches!(more, Err(ChallengeError::TooMany)));
}

#[tokio::test]
async fn the_way_a_person_prefers_is_asked_for_first() {
    let world = world().await;
    let (first, second) = (world.app("anna").await, world.app("anna").await);
    let anna = proved(caller("anna"), FactorKind::Totp, &first.id, world.now());
    for one in [&second, &first] {
        assert!(world.challenges.prefer(&anna, &one.id).await.unwrap());
        let view = world.challenges.open(&anna, purpose(), every_kind(), None).await.unwrap();
        assert_eq!(view.chosen.as_ref(), Some(&one.id));
    }
    let bobs = world.app("bob").await;
    assert!(!world.challenges.prefer(&anna, &bobs.id).await.unwrap());
}

#[tokio::test]
async fn what_was_just_begun_is_never_what_goes_for_want_of_room() {
    let world = world().await;
    let anna = caller("anna");
    for n in 0..30 {
        let begun = world
            .challenges
            .begin_enrolment(&anna, FactorKind::Totp, &none())
            .await
            .unwrap();
        assert!(
            world.challenges.pending(&anna, &begun.id).await.unwrap().is_some(),
            "the {n}th of a second"
        );
        let purpose = Purpose { app: n.to_string(), ..purpose() };
        let opened = world.challenges.open(&anna, purpose, every_kind(), None).await.unwrap();
        assert!(world.challenges.view(&anna, &opened.id).await.unwrap().is_some(), "the {n}th of a second");
    }
}
