//! Answers to challenges: once, counted, locked, and shared by tabs.

use super::*;
use crate::challenge::view::{Locked, Outcome};
use crate::factors::Malformed;

#[tokio::test]
async fn a_right_code_makes_one_proof_and_a_known_browser() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = caller("anna");
    let id = world.open(&anna).await;
    let outcome = world
        .challenges
        .answer(&anna, &id, &app.id, code(&app.code(world.now())))
        .await
        .unwrap();
    let Some(Outcome::Passed { proof, browser: Some(token), recovery_codes_left: None }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(proof, Proof::new(FactorKind::Totp, app.id, world.now()));
    assert!(world.store.is_known_browser(&anna.identity.key, &token).await.unwrap());
    let bob = SubjectKey::new("local", "bob");
    assert!(!world.store.is_known_browser(&bob, &token).await.unwrap());
    assert_eq!(world.audit().await, [("challenge.answered".to_owned(), "passed".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e02_a_thousand_parallel_right_posts_make_one_proof_and_no_lock() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = caller("anna");
    let id = world.open(&anna).await;
    let right = app.code(world.now());
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (challenges, anna, id, app_id) =
            (world.challenges.clone(), anna.clone(), id.clone(), app.id.clone());
        let right = code(&right);
        posts.spawn(async move { challenges.answer(&anna, &id, &app_id, right).await });
    }
    let mut proofs = Vec::new();
    for outcome in posts.join_all().await {
        match outcome {
            Ok(Some(Outcome::Passed { proof, browser, .. })) => proofs.push((proof, browser)),
            // Too many at once may be told to come again; nobody may be told that it was wrong.
            Err(ChallengeError::Store(crate::store::StoreError::Busy)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(proofs.len() > 500, "only {} were answered", proofs.len());
    proofs.dedup();
    assert_eq!(proofs.len(), 1);
    assert_eq!(world.audit().await.len(), 1, "one answer counted");
    assert_eq!(world.challenges.lock(&anna).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e07_two_hundred_parallel_wrong_codes_are_compared_at_most_five_times() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = caller("anna");
    let id = world.open(&anna).await;
    let wrong = wrong_code(&app, world.now());
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (challenges, anna, id, app_id) =
            (world.challenges.clone(), anna.clone(), id.clone(), app.id.clone());
        let wrong = code(&wrong);
        posts.spawn(async move { challenges.answer(&anna, &id, &app_id, wrong).await });
    }
    let outcomes = posts.join_all().await;
    let told_wrong = outcomes.iter().filter(|o| matches!(o, Ok(Some(Outcome::Wrong { .. })))).count();
    assert_eq!(told_wrong, 4, "the fifth is told that it locked");
    assert!(outcomes.iter().all(|o| matches!(
        o,
        Ok(Some(Outcome::Wrong { .. } | Outcome::Locked(_))) | Err(ChallengeError::Store(_))
    )));
    let compared = world.audit().await.iter().filter(|(_, result)| result == "wrong").count();
    assert_eq!(compared, 5);
}

#[tokio::test]
async fn e01_a_used_code_counts_as_wrong_anywhere_else() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = caller("anna");
    let right = app.code(world.now());
    let first = world.open(&anna).await;
    world.challenges.answer(&anna, &first, &app.id, code(&right)).await.unwrap();
    let second = world.open(&anna).await;
    assert_ne!(first, second, "a passed challenge is not shared");
    let outcome = world.challenges.answer(&anna, &second, &app.id, code(&right)).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Used { attempts_left: 4 })), "{outcome:?}");
    let inline = world.challenges.verify_inline(&anna, FactorKind::Totp, &right).await.unwrap();
    assert!(matches!(inline, Some(Outcome::Used { attempts_left: 3 })), "{inline:?}");
    // Another code for a challenge that has passed is not judged at all.
    let other = world.challenges.answer(&anna, &first, &app.id, code("000000")).await.unwrap();
    assert!(matches!(other, Some(Outcome::Expired)), "{other:?}");
}

#[tokio::test]
async fn e03_another_spelling_is_the_same_answer() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = caller("anna");
    let id = world.open(&anna).await;
    let right = app.code(world.now());
    let (start, end) = right.split_at(3);
    let spaced = format!(" {start}-{end} ");
    for typed in [&right, &spaced] {
        let outcome = world.challenges.answer(&anna, &id, &app.id, code(typed)).await.unwrap();
        assert!(matches!(outcome, Some(Outcome::Passed { .. })), "{outcome:?}");
    }
    assert_eq!(world.audit().await.len(), 1);
}

#[tokio::test]
async fn a_malformed_answer_is_not_counted() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = caller("anna");
    let id = world.open(&anna).await;
    for _ in 0..10 {
        let outcome = world.challenges.answer(&anna, &id, &app.id, code("12345")).await.unwrap();
        let shape = Malformed::Length { expected: 6, got: 5 };
        assert!(matches!(outcome, Some(Outcome::Malformed(m)) if m == shape), "{outcome:?}");
    }
    assert_eq!(world.challenges.view(&anna, &id).await.unwrap().unwrap().attempts_left, 5);
}

#[tokio::test]
async fn e04_e17_wrong_codes_count_over_sessions_and_a_lock_ends_the_challenge() {
    let world = world().await;
    let app = world.app("anna").await;
    for session in ["s1", "s2", "s3", "s4"] {
        let anna = in_session("anna", session);
        let id = world.open(&anna).await;
        let wrong = code(&wrong_code(&app, world.now()));
        world.challenges.answer(&anna, &id, &app.id, wrong).await.unwrap();
    }
    let anna = in_session("anna", "s5");
    let id = world.open(&anna).await;
    let wrong = code(&wrong_code(&app, world.now()));
    let outcome = world.challenges.answer(&anna, &id, &app.id, wrong).await.unwrap();
    let until = Locked::Until(world.now().plus(60));
    assert!(matches!(outcome, Some(Outcome::Locked(l)) if l == until), "{outcome:?}");

    let right = code(&app.code(world.now()));
    let outcome = world.challenges.answer(&anna, &id, &app.id, right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Locked(l)) if l == until), "{outcome:?}");
    let open = world.challenges.open(&anna, purpose(), every_kind(), None).await;
    assert!(matches!(open, Err(ChallengeError::Locked(l)) if l == until));

    world.pass_time(60);
    let right = code(&app.code(world.now()));
    let outcome = world.challenges.answer(&anna, &id, &app.id, right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Expired)), "the lock ended it: {outcome:?}");
    assert!(world.challenges.view(&anna, &id).await.unwrap().unwrap().expires_at <= world.now());
    let fresh = world.open(&anna).await;
    let right = code(&app.code(world.now()));
    let outcome = world.challenges.answer(&anna, &fresh, &app.id, right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Passed { .. })), "{outcome:?}");
}

#[tokio::test]
async fn strangers_cannot_lock_a_known_browser_and_success_resets_only_its_own_lane() {
    let world = world().await;
    let app = world.app("anna").await;
    let mut anna = caller("anna");
    let id = world.open(&anna).await;
    let right = code(&app.code(world.now()));
    let outcome = world.challenges.answer(&anna, &id, &app.id, right).await.unwrap();
    let Some(Outcome::Passed { browser: Some(token), .. }) = outcome else {
        panic!("{outcome:?}")
    };
    anna.browser = Some(token);

    let stranger = in_session("anna", "stolen");
    let id = world.open(&stranger).await;
    for _ in 0..5 {
        let wrong = code(&wrong_code(&app, world.now()));
        world.challenges.answer(&stranger, &id, &app.id, wrong).await.unwrap();
    }
    assert!(world.challenges.lock(&stranger).await.unwrap().is_some());
    assert_eq!(world.challenges.lock(&anna).await.unwrap(), None);

    world.pass_time(30);
    let id = world.open(&anna).await;
    let right = code(&app.code(world.now()));
    let outcome = world.challenges.answer(&anna, &id, &app.id, right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Passed { browser: None, .. })), "{outcome:?}");
    assert!(world.challenges.lock(&stranger).await.unwrap().is_some(), "another lane, another count");
}

#[tokio::test]
async fn e15_another_persons_challenge_session_and_enrolment_are_nobodys() {
    let world = world().await;
    let (app, bobs) = (world.app("anna").await, world.app("bob").await);
    let anna = caller("anna");
    let id = world.open(&anna).await;
    let answer = async |who: &Caller, by: &App| {
        world
            .challenges
            .answer(who, &id, &by.id, code(&by.code(world.now())))
            .await
            .unwrap()
    };
    assert!(answer(&anna, &bobs).await.is_none());
    assert!(answer(&caller("bob"), &bobs).await.is_none());
    assert!(answer(&in_session("anna", "s2"), &app).await.is_none());
    assert!(world.challenges.view(&caller("bob"), &id).await.unwrap().is_none());
    assert!(world.challenges.origin(&caller("bob"), &id).await.unwrap().is_none());
    assert!(matches!(answer(&anna, &app).await, Some(Outcome::Passed { .. })));
}

#[tokio::test]
async fn two_tabs_share_a_challenge_and_an_expired_one_begins_anew() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = caller("anna");
    let open =
        async |journey| world.challenges.open(&anna, purpose(), every_kind(), journey).await.unwrap().id;
    let id = open(Some("j1")).await;
    assert_eq!(open(Some("j1")).await, id);
    assert_ne!(open(Some("j2")).await, id);
    world.pass_time(300);
    let right = code(&app.code(world.now()));
    let outcome = world.challenges.answer(&anna, &id, &app.id, right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Expired)), "{outcome:?}");
    let (journey, what) = world.challenges.origin(&anna, &id).await.unwrap().unwrap();
    assert_eq!((journey.as_deref(), what), (Some("j1"), purpose()));
    assert_ne!(open(Some("j1")).await, id);
}

#[tokio::test]
async fn a_way_that_does_not_count_is_shown_and_never_judged() {
    let world = world().await;
    let app = world.app("anna").await;
    let (codes_id, codes) = world.recovery_codes("anna").await;
    let anna = caller("anna");
    let totp = Accepted::kinds_of(FactorSet::EMPTY.with(FactorKind::Totp));
    let view = world.challenges.open(&anna, purpose(), totp, None).await.unwrap();
    assert_eq!(view.chosen, Some(app.id.clone()));
    let shown: Vec<_> = view.ways.iter().map(|way| (way.factor, way.accepted, way.left)).collect();
    assert_eq!(
        shown,
        [
            (FactorKind::Totp, true, None),
            (FactorKind::RecoveryCode, false, Some(10))
        ]
    );
    let outcome = world
        .challenges
        .answer(&anna, &view.id, &codes_id, code(&codes[0]))
        .await
        .unwrap();
    assert!(outcome.is_none());
}

#[tokio::test]
async fn e16_a_recovery_code_counts_once() {
    let world = world().await;
    let (codes_id, codes) = world.recovery_codes("anna").await;
    let anna = caller("anna");
    let first = world.open(&anna).await;
    let outcome = world
        .challenges
        .answer(&anna, &first, &codes_id, code(&codes[3]))
        .await
        .unwrap();
    assert!(
        matches!(outcome, Some(Outcome::Passed { recovery_codes_left: Some(9), .. })),
        "{outcome:?}"
    );
    let second = world.open(&anna).await;
    let outcome = world
        .challenges
        .answer(&anna, &second, &codes_id, code(&codes[3]))
        .await
        .unwrap();
    assert!(matches!(outcome, Some(Outcome::Used { .. })), "{outcome:?}");
}

#[tokio::test]
async fn an_inline_code_is_counted_and_makes_no_known_browser() {
    let world = world().await;
    let app = world.app("anna").await;
    let second = world.app("anna").await;
    let anna = caller("anna");
    let inline =
        async |text: &str| world.challenges.verify_inline(&anna, FactorKind::Totp, text).await.unwrap();
    let outcome = inline(&second.code(world.now())).await;
    assert!(
        matches!(&outcome, Some(Outcome::Passed { proof, browser: None, .. }) if proof.enrolment == second.id),
        "{outcome:?}"
    );
    let none = world
        .challenges
        .verify_inline(&anna, FactorKind::RecoveryCode, "0000000000000000")
        .await
        .unwrap();
    assert!(none.is_none(), "nothing of that kind is enrolled");
    for _ in 0..4 {
        assert!(matches!(inline("000000").await, Some(Outcome::Wrong { .. } | Outcome::Used { .. })));
    }
    assert!(matches!(inline("000000").await, Some(Outcome::Locked(_))));
    assert!(matches!(inline(&app.code(world.now())).await, Some(Outcome::Locked(_))));
}

#[tokio::test]
async fn fifty_wrong_in_a_row_stop_even_right_codes_until_an_administrator_helps() {
    let world = world().await;
    let app = world.app("anna").await;
    let anna = caller("anna");
    let mut judged = 0;
    while world.challenges.lock(&anna).await.unwrap() != Some(Locked::Hard) {
        world.pass_time(3600);
        let wrong = wrong_code(&app, world.now());
        world.challenges.verify_inline(&anna, FactorKind::Totp, &wrong).await.unwrap();
        judged += 1;
    }
    assert_eq!(judged, 50);
    world.pass_time(30 * 86_400);
    let right = app.code(world.now());
    let outcome = world.challenges.verify_inline(&anna, FactorKind::Totp, &right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Locked(Locked::Hard))), "{outcome:?}");
    assert!(world.store.unlock_person(&anna.identity.key, None).await.unwrap());
    let outcome = world.challenges.verify_inline(&anna, FactorKind::Totp, &right).await.unwrap();
    assert!(matches!(outcome, Some(Outcome::Passed { .. })), "{outcome:?}");
}

#[tokio::test]
async fn e04_one_factor_is_no_help_in_guessing_at_another() {
    let world = world().await;
    let anna = caller("anna");
    let app = world.app("anna").await;
    let (list, codes) = world.recovery_codes("anna").await;
    let wrong = wrong_code(&app, world.now());
    let answer = async |enrolment: &EnrolmentId, text: &str| {
        let id = world.open(&anna).await;
        world
            .challenges
            .answer(&anna, &id, enrolment, code(text))
            .await
            .unwrap()
            .expect("it is hers")
    };
    for left in [4, 3, 2, 1] {
        let outcome = answer(&app.id, &wrong).await;
        assert!(
            matches!(outcome, Outcome::Wrong { attempts_left } if attempts_left == left),
            "{outcome:?}"
        );
    }
    assert!(matches!(answer(&list, &codes[0]).await, Outcome::Passed { .. }));
    assert!(
        matches!(answer(&app.id, &wrong).await, Outcome::Locked(_)),
        "the fifth, whatever came between"
    );
    world.pass_time(61);
    assert!(matches!(answer(&app.id, &app.code(world.now())).await, Outcome::Passed { .. }));
    assert!(matches!(
        answer(&app.id, &wrong_code(&app, world.now())).await,
        Outcome::Wrong { attempts_left: 4 }
    ));
}
