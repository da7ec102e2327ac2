//! Whose session it is, over time: remembered, asked again, changed, over.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderValue};

use super::*;
use crate::config::settings::{AppWay, Basic, ProbeUrl, Question};
use crate::identity::guesses::{Guess, Judging};
use crate::policy::tests_support;
use crate::session::Revocations;
use crate::session::sessions::Lifetimes;

const NOW: UnixTime = UnixTime(1_700_000_000);

/// An app that says what it is told to say, and counts.
struct App {
    says: Mutex<Result<Option<Person>, IdentityError>>,
    asked: AtomicUsize,
    /// When its cookies end.
    until: Mutex<UnixTime>,
}

struct Told(Arc<App>, Names);

impl Way for Told {
    fn credential(
        &self,
        credentials: &Credentials<'_>,
        _now: UnixTime,
    ) -> Result<Option<Credential>, IdentityError> {
        let pairs = self.1.pairs(credentials.headers);
        Ok((!pairs.is_empty()).then(|| Credential::new(&pairs, *self.0.until.lock().unwrap())))
    }

    fn who<'a>(&'a self, _asking: Asking<'a>) -> Finding<'a> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let said = self.0.says.lock().unwrap().clone();
        Box::pin(std::future::ready(said))
    }

    fn names(&self) -> &Names {
        &self.1
    }
}

struct Uncounted;

impl Guesses for Uncounted {
    fn counted<'a>(&'a self, _guess: Guess<'a>, judging: Judging<'a>) -> Judging<'a> {
        judging
    }
}

struct Scene {
    app: Arc<App>,
    source: AppSession,
    sessions: Arc<Sessions>,
    clock: Clock,
    _directory: tempfile::TempDir,
}

async fn scene() -> Scene {
    let app = Arc::new(App {
        says: Mutex::new(Ok(None)),
        asked: AtomicUsize::new(0),
        until: Mutex::new(UnixTime::NEVER),
    });
    let way = Told(Arc::clone(&app), Names::new(&["sid".to_owned()], Vec::new()));
    scene_of(app, Box::new(way)).await
}

async fn scene_of(app: Arc<App>, way: Box<dyn Way>) -> Scene {
    let (directory, store) = crate::store::testing::store().await;

    let clock = Clock::manual(NOW);
    let lifetimes = Lifetimes { idle: 3600, absolute: 43_200 };
    let sessions = Arc::new(Sessions::new(store.clone(), Arc::new(Revocations::default()), lifetimes));
    let policy = Arc::new(tests_support::policy(tests_support::route(tests_support::public())));
    let guesses: Arc<dyn Guesses> = Arc::new(Uncounted);
    let building = Building {
        sessions: &sessions,
        store: &store,
        clock: &clock,
        public_url: &policy.settings().server.public_url,
        policy: &policy,
        guesses: &guesses,
    };
    let question = Question {
        url: ProbeUrl::Path("/".into()),
        signed_in_status: 200,
        timeout: Duration::from_secs(3),
        authority: None,
        groups: None,
        name: None,
        email: None,
        attributes: BTreeMap::new(),
    };
    let settings = settings::AppSession {
        way: AppWay::Basic(Basic { question, realm: String::new(), user: None }),
        recheck: Duration::from_secs(60),
        sign_in: None,
        sign_out: Vec::new(),
        ignores_case: true,
        keeps_authorization: false,
    };
    let source = AppSession::with(way, "wiki", &settings, &building);
    Scene { app, source, sessions, clock, _directory: directory }
}

impl Scene {
    fn says(&self, user: &str) {
        let person = Person { user: user.to_owned(), ..Person::default() };
        *self.app.says.lock().unwrap() = Ok(Some(person));
    }

    fn says_nobody(&self) {
        *self.app.says.lock().unwrap() = Ok(None);
    }

    fn asked(&self) -> usize {
        self.app.asked.load(Ordering::SeqCst)
    }

    async fn who(&self, cookie: &str, now: UnixTime) -> Result<Option<Established>, IdentityError> {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::try_from(cookie).unwrap());
        let credentials = crate::identity::testing::of(&headers);
        match self.source.recall(&credentials, now)? {
            Recall::Known(known) => Ok(Some(known)),
            Recall::Nothing => Ok(None),
            Recall::Ask => self.source.establish(credentials, now).await,
        }
    }

    async fn subject(&self, cookie: &str, now: UnixTime) -> Option<String> {
        self.who(cookie, now)
            .await
            .unwrap()
            .map(|known| known.identity.subject.to_string())
    }
}

#[tokio::test]
async fn an_answer_is_believed_for_as_long_as_configured_and_the_session_stays_the_same() {
    let scene = scene().await;
    scene.says("Anna");
    let first = scene.who("theme=dark; sid=1", NOW).await.unwrap().unwrap();
    assert_eq!((&*first.identity.subject, first.identity.key.as_str()), ("anna", "wiki:anna"));
    for cookie in ["sid=1", "sid=1; theme=light"] {
        let again = scene.who(cookie, NOW.plus(59)).await.unwrap().unwrap();
        assert_eq!(again.session, first.session, "{cookie}");
    }
    assert_eq!(scene.asked(), 1, "remembered");
    let later = scene.who("sid=1", NOW.plus(60)).await.unwrap().unwrap();
    assert_eq!((scene.asked(), later.identity.binding), (2, first.identity.binding));
    let other = scene.who("sid=2", NOW.plus(60)).await.unwrap().unwrap();
    assert_ne!(other.identity.binding, first.identity.binding, "another session of the same person");
}

/// Looks on at a request with this cookie, as one that is about to be sent.
fn sent(scene: &Scene, method: &Method, cookie: &str) -> Box<dyn Onlooker> {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::try_from(cookie).unwrap());
    let credentials = Credentials { method, ..crate::identity::testing::of(&headers) };
    scene.source.onlooker(&credentials, None, None).unwrap().unwrap()
}

#[tokio::test]
async fn what_the_app_said_is_not_believed_over_what_it_acts_on() {
    let scene = scene().await;
    let ok = http::StatusCode::OK;
    scene.says("anna");
    scene.who("sid=1", NOW).await.unwrap().unwrap();
    // Reading changes nothing.
    sent(&scene, &Method::GET, "sid=1")
        .answered(ok, &HeaderMap::new(), NOW)
        .await
        .unwrap();
    assert_eq!((scene.subject("sid=1", NOW).await.as_deref(), scene.asked()), (Some("anna"), 1));
    // While the app acts, it is asked each time; once it has answered, once.
    let login = sent(&scene, &Method::POST, "sid=%31; theme=dark");
    for asked in [2, 3] {
        assert_eq!((scene.subject("sid=1", NOW).await.as_deref(), scene.asked()), (Some("anna"), asked));
    }
    scene.says("ben");
    login.answered(ok, &HeaderMap::new(), NOW).await.unwrap();
    for _ in 0..2 {
        assert_eq!((scene.subject("sid=1", NOW).await.as_deref(), scene.asked()), (Some("ben"), 4));
    }
    // A sign-in elsewhere comes back by a redirect.
    scene.says("carla");
    let back = sent(&scene, &Method::GET, "sid=1");
    back.answered(http::StatusCode::FOUND, &HeaderMap::new(), NOW).await.unwrap();
    assert_eq!(scene.subject("sid=1", NOW).await.as_deref(), Some("carla"));
    // Nobody waited for the answer: the app may still be at it.
    drop(sent(&scene, &Method::POST, "sid=1"));
    let before = scene.asked();
    assert!(scene.who("sid=1", scene.clock.now()).await.unwrap().is_some());
    assert!(scene.who("sid=1", scene.clock.now()).await.unwrap().is_some());
    assert_eq!(scene.asked(), before + 2);
}

#[tokio::test]
async fn who_came_with_a_cookie_that_ends_is_known_until_then() {
    let scene = scene().await;
    scene.says("anna");
    for ends in [10, 100] {
        *scene.app.until.lock().unwrap() = NOW.plus(ends);
        for _ in 0..2 {
            assert_eq!(scene.who("sid=1", NOW).await.unwrap().unwrap().until, NOW.plus(ends));
        }
    }
}

#[tokio::test]
async fn an_answer_from_before_the_app_acted_is_not_believed() {
    let scene = scene().await;
    scene.says("anna");
    let anna = scene.who("sid=1", NOW).await.unwrap().unwrap().live.unwrap();
    let inner = &*scene.source.0;
    let keys = [inner.key(b"sid=1")];
    let asked = inner.hands.asking("token", &keys, NOW);
    drop(sent(&scene, &Method::POST, "sid=1"));
    asked.answer.believe(&anna, NOW.plus(60));
    assert_eq!(anna.recheck_at(), UnixTime(0));
}

#[tokio::test]
async fn another_user_in_mid_session_is_another_session() {
    let scene = scene().await;
    scene.says("anna");
    let anna = scene.who("sid=1", NOW).await.unwrap().unwrap();
    scene.says("ben");
    let ben = scene.who("sid=1", NOW.plus(61)).await.unwrap().unwrap();
    assert_eq!(&*ben.identity.subject, "ben");
    assert_ne!(ben.session, anna.session);
    scene.says("anna");
    let back = scene.who("sid=1", NOW.plus(122)).await.unwrap().unwrap();
    assert_ne!(back.identity.binding, anna.identity.binding, "what anna proved before is over");
}

#[tokio::test]
async fn nobody_is_believed_for_a_moment_and_ends_what_was() {
    let scene = scene().await;
    assert_eq!(scene.subject("sid=1", NOW).await, None);
    assert_eq!(scene.subject("sid=1", NOW.plus(1)).await, None);
    assert_eq!(scene.asked(), 1, "not asked again at once");
    scene.says("anna");
    assert_eq!(scene.subject("sid=1", NOW.plus(2)).await.as_deref(), Some("anna"));
    let anna = scene.who("sid=1", NOW.plus(2)).await.unwrap().unwrap();
    scene.says_nobody();
    assert_eq!(scene.subject("sid=1", NOW.plus(63)).await, None);
    scene.says("anna");
    let again = scene.who("sid=1", NOW.plus(66)).await.unwrap().unwrap();
    assert_ne!(again.identity.binding, anna.identity.binding);
    assert_eq!(scene.subject("theme=dark", NOW).await, None, "nothing to ask with");
    assert_eq!(scene.asked(), 4);
}

#[tokio::test]
async fn an_app_that_cannot_be_asked_is_an_error_also_for_somebody_known() {
    let scene = scene().await;
    scene.says("anna");
    let anna = scene.who("sid=1", NOW).await.unwrap().unwrap();
    *scene.app.says.lock().unwrap() = Err(IdentityError::Unavailable("down".into()));
    assert!(scene.who("sid=1", NOW.plus(59)).await.unwrap().is_some(), "believed still");
    assert!(matches!(scene.who("sid=1", NOW.plus(61)).await, Err(IdentityError::Unavailable(_))));
    assert!(matches!(scene.who("sid=2", NOW).await, Err(IdentityError::Unavailable(_))));
    scene.says("anna");
    let back = scene.who("sid=1", NOW.plus(62)).await.unwrap().unwrap();
    assert_eq!(back.session, anna.session, "nothing was lost");
}

#[tokio::test]
async fn b07_names_that_break_the_grammar_are_refused() {
    let scene = scene().await;
    for bad in ["a@b@c", " anna", "anna\u{ff20}x@evil.example"] {
        scene.says(bad);
        let answer = scene.who(&format!("sid={}", bad.len()), NOW).await;
        assert!(matches!(answer, Err(IdentityError::Refused(_))), "{bad}");
    }
}

#[tokio::test]
async fn what_the_app_says_of_a_person_may_change() {
    let scene = scene().await;
    let tell = |groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let person = Person { user: "anna".into(), groups: Some(groups), ..Person::default() };
        *scene.app.says.lock().unwrap() = Ok(Some(person));
    };
    tell(&["hr", "admins"]);
    let first = scene.who("sid=1", NOW).await.unwrap().unwrap();
    assert_eq!(first.identity.groups().len(), 2);
    tell(&["hr"]);
    let later = scene.who("sid=1", NOW.plus(61)).await.unwrap().unwrap();
    assert_eq!((later.identity.groups().len(), &later.session), (1, &first.session));
    assert_eq!(later.identity.authenticated_at, first.identity.authenticated_at);
}

#[tokio::test]
async fn a_session_idle_for_too_long_is_begun_anew() {
    let scene = scene().await;
    scene.says("anna");
    let first = scene.who("sid=1", NOW).await.unwrap().unwrap();
    let late = NOW.plus(3602);
    let second = scene.who("sid=1", late).await.unwrap().unwrap();
    assert_ne!(second.session, first.session);
}

#[tokio::test]
async fn a_cookie_that_the_app_replaced_goes_on_with_the_session_of_the_same_person() {
    let scene = scene().await;
    scene.says("anna");
    let first = scene.who("sid=1", NOW).await.unwrap().unwrap();
    let token = |cookie: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::try_from(cookie).unwrap());
        let credential =
            Credential::new(&Names::new(&["sid".to_owned()], Vec::new()).pairs(&headers), UnixTime::NEVER);
        scene.source.0.token(&credential, "a.example")
    };
    let live = first.live.clone().unwrap();
    scene
        .source
        .0
        .successors
        .note(&token("sid=1"), &token("sid=2"), Arc::clone(&live));
    let second = scene.who("sid=2", NOW.plus(1)).await.unwrap().unwrap();
    assert_eq!((second.session.as_ref(), scene.asked()), (first.session.as_ref(), 2));
    // The old cookie is nobody's by now, which does not end the session.
    scene.says_nobody();
    assert_eq!(scene.subject("sid=1", NOW.plus(62)).await, None);
    scene.says("anna");
    let third = scene.who("sid=2", NOW.plus(63)).await.unwrap().unwrap();
    assert_eq!(third.session, first.session);
    // For somebody else there is no going on.
    scene.source.0.successors.note(&token("sid=2"), &token("sid=3"), live);
    scene.says("ben");
    let ben = scene.who("sid=3", NOW.plus(64)).await.unwrap().unwrap();
    assert_ne!(ben.session, first.session);
    let old = scene
        .sessions
        .resolve(&token("sid=2"), "a.example", NOW.plus(64))
        .await
        .unwrap();
    assert!(old.is_none(), "the app has signed anna out");
    // A new cookie that is nobody's is a sign-out as well.
    let live = ben.live.unwrap();
    scene.source.0.successors.note(&token("sid=3"), &token("sid=4"), live);
    scene.says_nobody();
    assert_eq!(scene.subject("sid=4", NOW.plus(65)).await, None);
    let old = scene
        .sessions
        .resolve(&token("sid=3"), "a.example", NOW.plus(65))
        .await
        .unwrap();
    assert!(old.is_none(), "the app has signed ben out");
}

/// A login of this person with one and the same cookie, as it has just been sent.
async fn logging_in(scene: &Scene, user: &str) -> Box<dyn Onlooker> {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_static("sid=1"));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let target = PathAndQuery::from_static("/login");
    let credentials =
        Credentials { method: &Method::POST, target: &target, ..crate::identity::testing::of(&headers) };
    let body = Bytes::from(format!("user={user}&password=x"));
    let mut login = scene.source.onlooker(&credentials, None, Some(&body)).unwrap().unwrap();
    login.sending(NOW).await.unwrap();
    login
}

#[tokio::test]
async fn two_people_who_sign_in_at_once_with_one_cookie_are_nobody() {
    let watch = watch::Watch::new(&settings::Watch {
        path: "/login".to_owned(),
        method: Method::POST,
        user: settings::LoginName::Form("user".to_owned()),
        cookie: "sid".to_owned(),
        status: vec![http::StatusCode::FOUND],
        location_not: Vec::new(),
        keeps_cookie: true,
    });
    let app = scene().await.app;
    let scene = scene_of(app, Box::new(watch)).await;
    let worked = http::StatusCode::FOUND;
    let nothing = HeaderMap::new();
    let anna = logging_in(&scene, "anna").await;
    let ben = logging_in(&scene, "ben").await;
    for login in [ben, anna] {
        login.answered(worked, &nothing, NOW).await.unwrap();
        assert_eq!(scene.subject("sid=1", NOW).await, None);
    }
    let alone = logging_in(&scene, "anna").await;
    alone.answered(worked, &nothing, NOW).await.unwrap();
    assert_eq!(scene.subject("sid=1", NOW).await.as_deref(), Some("anna"));
}
