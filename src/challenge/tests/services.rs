//! Factors that a service judges, and what must begin before there can be an answer: counted before
//! anybody is asked, taken back when nobody could judge, and good for one challenge alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::challenge::view::{Beginning, Outcome, Start};
use crate::config::Properties;
use crate::delivery::BoxFuture;
use crate::factors::{
    About, Asking, EnrolError, Enrolling, Factor, Factors, Malformed, Material, NormalForm, Prompt, Question,
    Right, Shows, StartError, Started, Starting, Starts, Unavailable, Verdict,
};
use secrecy::ExposeSecret as _;

/// A service that judges by what is typed: "right", "wrong", "more", "away", "cloned".
#[derive(Default)]
struct Service {
    asked: Arc<AtomicUsize>,
    /// Whether something must begin first; then "right" is right only with what was begun.
    starts: bool,
    /// Whether it judges itself instead of being asked.
    local: bool,
    away: bool,
}

impl Service {
    fn verdict(&self, typed: &str, material: &Material, begun: Option<&[u8]>) -> Verdict {
        match typed {
            "right" if !self.starts || begun == Some(b"begun") => Verdict::Right(Right::once_more(material)),
            "right" if begun == Some(b"more") => Verdict::Right(Right::once_more(material)),
            "more" => Verdict::Again(Box::new(begun_as(b"more"))),
            "cloned" => Verdict::Cloned,
            "silent" => Verdict::Silent("it may have judged".to_owned()),
            "ask" => Verdict::Waiting,
            "no" => Verdict::Fraud,
            _ => Verdict::Wrong,
        }
    }
}

fn begun_as(payload: &[u8]) -> Started {
    Started {
        payload: payload.to_vec().into(),
        shows: Shows::Question { says: Some("One more".to_owned()) },
        send: None,
        handle: Some("way-back".to_owned()),
        lives: 120,
    }
}

impl Factor for Service {
    fn kind(&self) -> FactorKind {
        FactorKind::Radius
    }

    fn default_name(&self, _: &Material) -> String {
        "Company code".to_owned()
    }

    fn prompt(&self) -> Prompt {
        Prompt::OneTimePassword
    }

    fn begin(&self, _: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        Ok((Material::new(Vec::new(), 0), Setup::OneTimePassword))
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        Ok(NormalForm(match answer {
            Answer::Code(code) | Answer::Return { code, .. } => code.as_str().into(),
            _ => "ask".into(),
        }))
    }

    fn check(&self, question: &Question<'_>, answer: &NormalForm) -> Verdict {
        let begun = question.begun.map(secrecy::ExposeSecret::expose_secret);
        self.verdict(answer.0.expose_secret(), question.material, begun)
    }

    fn starts(&self) -> Starts {
        if self.starts {
            Starts::OnRequest
        } else {
            Starts::Never
        }
    }

    fn start<'a>(&'a self, _: Starting<'a>) -> BoxFuture<'a, Result<Started, StartError>> {
        let away = self.away;
        Box::pin(async move {
            if away {
                return Err(StartError::Waived);
            }
            Ok(begun_as(b"begun"))
        })
    }

    fn is_remote(&self) -> bool {
        !self.local
    }

    fn ask<'a>(&'a self, asking: Asking<'a>) -> BoxFuture<'a, Result<Verdict, Unavailable>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let typed = asking.answer.0.expose_secret().to_owned();
        let verdict =
            self.verdict(&typed, asking.material, asking.begun.map(secrecy::ExposeSecret::expose_secret));
        Box::pin(async move {
            tokio::task::yield_now().await;
            if typed == "away" {
                return Err(Unavailable("nobody there".to_owned()));
            }
            Ok(verdict)
        })
    }
}

/// A world in which anna has this factor, and a challenge open for her.
struct Scene {
    world: World,
    challenges: Challenges,
    anna: Caller,
    enrolment: EnrolmentId,
    id: String,
}

async fn scene(service: Service) -> Scene {
    let world = world().await;
    let challenges = world.challenges.with_factors(Factors::of(vec![Box::new(service)]));
    let about = About { properties: Properties::DEVICE_BOUND, ..About::default() };
    let material = Material { about, ..Material::new(Vec::new(), 0) };
    let enrolment = world.enrol("anna", FactorKind::Radius, material).await;
    let anna = caller("anna");
    let id = challenges.open(&anna, purpose(), every_kind(), None).await.unwrap().id;
    Scene { world, challenges, anna, enrolment, id }
}

impl Scene {
    async fn answer(&self, text: &str) -> Outcome {
        let answer = if text == "ask" { Answer::Ask } else { code(text) };
        let outcome = self.challenges.answer(&self.anna, &self.id, &self.enrolment, answer).await;
        outcome.unwrap().expect("the challenge is hers")
    }

    async fn start(&self) -> Beginning {
        let start = Start { choice: String::new(), onward: "?j=1".to_owned() };
        let begun = self.challenges.start(&self.anna, &self.id, &self.enrolment, &start).await;
        begun.unwrap().expect("the challenge is hers")
    }
}

#[tokio::test]
async fn a_service_that_says_yes_makes_one_proof_with_its_properties() {
    let scene = scene(Service::default()).await;
    let Outcome::Passed { proof, .. } = scene.answer("right").await else {
        panic!("it is right")
    };
    assert_eq!((proof.factor, proof.properties), (FactorKind::Radius, Properties::DEVICE_BOUND));
    let Outcome::Passed { proof: again, .. } = scene.answer("right").await else {
        panic!("the same answer to the same challenge has the same outcome")
    };
    assert_eq!(again, proof);
    assert!(matches!(scene.answer("other").await, Outcome::Expired));
}

#[tokio::test]
async fn wrong_answers_count_and_a_service_that_is_away_counts_nothing() {
    let scene = scene(Service::default()).await;
    for _ in 0..20 {
        assert!(matches!(scene.answer("away").await, Outcome::Unavailable));
    }
    assert_eq!(scene.challenges.lock(&scene.anna).await.unwrap(), None);
    for left in [4, 3, 2, 1] {
        let outcome = scene.answer("wrong").await;
        assert!(
            matches!(outcome, Outcome::Wrong { attempts_left } if attempts_left == left),
            "{outcome:?}"
        );
    }
    assert!(matches!(scene.answer("cloned").await, Outcome::Locked(_)));
    assert!(matches!(scene.answer("right").await, Outcome::Locked(_) | Outcome::Expired));
    let results: Vec<String> = scene.world.audit().await.into_iter().map(|(_, result)| result).collect();
    assert!(results.contains(&"cloned".to_owned()), "{results:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e07_two_hundred_parallel_guesses_ask_the_service_at_most_five_times() {
    let service = Service::default();
    let asked = Arc::clone(&service.asked);
    let scene = Arc::new(scene(service).await);
    let mut posts = tokio::task::JoinSet::new();
    for n in 0..200 {
        let scene = Arc::clone(&scene);
        posts.spawn(async move {
            let answer = code(&format!("guess {n}"));
            scene.challenges.answer(&scene.anna, &scene.id, &scene.enrolment, answer).await
        });
    }
    let outcomes = posts.join_all().await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| !matches!(outcome, Ok(Some(Outcome::Passed { .. }))))
    );
    let asked = asked.load(Ordering::Relaxed);
    assert!((1..=5).contains(&asked), "asked {asked} times");
}

#[tokio::test]
async fn asking_whether_it_is_decided_is_no_guess_and_a_no_is_told() {
    let scene = scene(Service { starts: true, ..Service::default() }).await;
    assert!(matches!(scene.answer("ask").await, Outcome::NotBegun));
    assert!(matches!(scene.start().await, Beginning::Begun(_)));
    for _ in 0..30 {
        assert!(matches!(scene.answer("ask").await, Outcome::Waiting));
    }
    assert_eq!(scene.challenges.lock(&scene.anna).await.unwrap(), None);
    assert!(matches!(scene.answer("no").await, Outcome::Denied { fraud: true, attempts_left: 4 }));
}

#[tokio::test]
async fn what_was_begun_is_for_one_challenge_and_one_person() {
    let scene = scene(Service { starts: true, local: true, ..Service::default() }).await;
    assert!(matches!(scene.answer("right").await, Outcome::NotBegun));
    assert!(matches!(scene.start().await, Beginning::Begun(_)));
    let view = scene.challenges.view(&scene.anna, &scene.id).await.unwrap().unwrap();
    assert!(view.ways[0].started.is_some(), "the page can show it");
    let other = in_session("anna", "s2");
    let second = scene.challenges.open(&other, purpose(), every_kind(), None).await.unwrap();
    let outcome = scene
        .challenges
        .answer(&other, &second.id, &scene.enrolment, code("right"))
        .await
        .unwrap();
    assert!(matches!(outcome, Some(Outcome::NotBegun)), "{outcome:?}");
    let bob = caller("bob");
    assert!(scene.challenges.way_back(&bob, "way-back").await.unwrap().is_none());
    let back = scene.challenges.way_back(&scene.anna, "way-back").await.unwrap().unwrap();
    assert_eq!((back.question.as_str(), back.onward.as_str()), (scene.id.as_str(), "?j=1"));
    assert!(matches!(scene.answer("right").await, Outcome::Passed { .. }));
    assert!(scene.challenges.way_back(&scene.anna, "way-back").await.unwrap().is_none(), "used up");
}

#[tokio::test]
async fn what_was_begun_runs_out() {
    let scene = scene(Service { starts: true, local: true, ..Service::default() }).await;
    scene.start().await;
    scene.world.pass_time(121);
    assert!(matches!(scene.answer("right").await, Outcome::NotBegun));
}

#[tokio::test]
async fn a_service_may_ask_for_more() {
    let scene = scene(Service::default()).await;
    assert!(matches!(scene.answer("more").await, Outcome::Again));
    let view = scene.challenges.view(&scene.anna, &scene.id).await.unwrap().unwrap();
    let Some(started) = &view.ways[0].started else {
        panic!("what it asks is shown")
    };
    assert_eq!(started.shows, Shows::Question { says: Some("One more".to_owned()) });
    assert!(matches!(scene.answer("right").await, Outcome::Passed { .. }));
}

#[tokio::test]
async fn questions_count_like_wrong_answers_until_a_right_one_follows() {
    let patient = scene(Service::default()).await;
    for _ in 0..4 {
        assert!(matches!(patient.answer("more").await, Outcome::Again));
    }
    assert!(matches!(patient.answer("right").await, Outcome::Passed { .. }));
    let flooded = scene(Service::default()).await;
    for _ in 0..6 {
        assert!(matches!(flooded.answer("more").await, Outcome::Again));
    }
    assert!(matches!(flooded.answer("right").await, Outcome::Locked(_)));
}

#[tokio::test]
async fn a_service_that_is_done_without_makes_a_proof_that_is_worth_nothing_more_and_is_told() {
    let scene = scene(Service { starts: true, away: true, ..Service::default() }).await;
    let Beginning::Waived(Outcome::Passed { proof, .. }) = scene.start().await else {
        panic!("it is done without")
    };
    assert_eq!(proof.properties, Properties::EMPTY);
    assert!(
        scene
            .world
            .audit()
            .await
            .contains(&("challenge.answered".to_owned(), "waived".to_owned()))
    );
}

#[tokio::test]
async fn e05_a_service_that_was_asked_and_is_silent_may_have_judged() {
    let scene = scene(Service::default()).await;
    for _ in 0..5 {
        assert!(matches!(scene.answer("silent").await, Outcome::Unavailable));
    }
    assert!(
        scene.challenges.lock(&scene.anna).await.unwrap().is_some(),
        "holding answers back gains no guess"
    );
}

#[tokio::test]
async fn who_is_half_through_is_not_made_to_wait_by_the_first_half() {
    let scene = scene(Service::default()).await;
    for _ in 0..4 {
        scene.answer("wrong").await;
    }
    assert!(matches!(scene.answer("more").await, Outcome::Again));
    assert!(matches!(scene.answer("right").await, Outcome::Passed { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e02_a_hundred_posts_of_one_right_answer_ask_the_service_once() {
    let service = Service::default();
    let asked = Arc::clone(&service.asked);
    let scene = Arc::new(scene(service).await);
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let scene = Arc::clone(&scene);
        posts.spawn(async move { scene.answer("right").await });
    }
    for outcome in posts.join_all().await {
        assert!(matches!(outcome, Outcome::Passed { .. }), "{outcome:?}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(scene.challenges.lock(&scene.anna).await.unwrap(), None);
}
