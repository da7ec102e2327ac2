//! A portal with one person, and a browser without script to walk through it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{Method, Request, StatusCode};
use secrecy::SecretString;
use tower::ServiceExt as _;

use crate::ambient::{Clock, UnixTime};
use crate::api::{Entry, Services};
use crate::challenge::Challenges;
use crate::config::settings::{FirstFactor, IdentityKind, IdentitySource, Settings};
use crate::gate::limits::NetworkLimit;
use crate::gate::{AuditQueue, Gate, InUse, Passage, Shared};
use crate::policy::tests_support;
use crate::portal::{Frame, Portal, router};
use crate::session::sessions::Lifetimes;
use crate::session::{CookieMode, KeyRing, Revocations, Sessions};
use crate::store::{NewUser, Store};

pub const PASSWORD: &str = "correct horse battery";
const START: UnixTime = UnixTime(1_795_327_500);

pub struct World {
    _guard: tempfile::TempDir,
    pub store: Store,
    pub clock: Clock,
    revocations: Arc<Revocations>,
    router: Router,
}

fn settings(first_factor: FirstFactor) -> Settings {
    let mut payroll = tests_support::route(tests_support::asks(&[tests_support::STANDARD]));
    payroll.name = "Payroll".to_owned();
    payroll.hosts = vec!["mfa.example.com".to_owned()];
    payroll.rules = vec![
        tests_support::rule(&["/pay"], tests_support::asks(&[tests_support::CRITICAL])),
        tests_support::rule(&["/never"], tests_support::deny()),
    ];
    let mut wiki = tests_support::route(tests_support::asks(&[tests_support::STANDARD]));
    wiki.name = "Wiki".to_owned();
    wiki.hosts = vec!["wiki.example.com".to_owned()];
    let mut rest = tests_support::route(tests_support::asks(&[tests_support::STANDARD]));
    rest.name = "Everything else".to_owned();
    rest.hosts = vec!["*".to_owned()];
    let mut settings = tests_support::settings(vec![payroll, wiki, rest]);
    settings.identity = vec![IdentitySource { name: "local".to_owned(), kind: IdentityKind::Local }];
    settings.limits.window = Duration::from_mins(15);
    settings.limits.per_network_per_minute = 10_000;
    settings.sessions.idle_timeout = Duration::from_hours(1);
    settings.sessions.absolute_timeout = Duration::from_hours(12);
    settings.enrolment.first_factor = first_factor;
    settings.levels[usize::from(tests_support::STANDARD.0)].remember_device =
        Some(Duration::from_hours(30 * 24));
    settings
}

pub async fn world() -> World {
    world_with(FirstFactor::Open).await
}

/// A portal where Maja has an account and no factor.
pub async fn world_with(first_factor: FirstFactor) -> World {
    let (guard, store) = crate::store::testing::store().await;
    let settings = Arc::new(settings(first_factor));
    let clock = Clock::manual(START);
    let revocations = Arc::new(Revocations::default());
    revocations.apply(&[], START);
    let origin = settings.server.public_url.origin();
    let ring = KeyRing::open(&guard.path().join("keys"), origin, START);
    let lifetimes = Lifetimes { idle: 3600, absolute: 12 * 3600 };
    let challenges = Challenges::new(store.clone(), Arc::clone(&settings), clock.clone()).unwrap();
    let shared = Arc::new(Shared {
        state_directory: guard.path().join("keys"),
        store: store.clone(),
        clock: clock.clone(),
        ring: Arc::new(ArcSwap::from_pointee(ring.unwrap())),
        revocations: Arc::clone(&revocations),
        sessions: Arc::new(Sessions::new(store.clone(), Arc::clone(&revocations), lifetimes)),
        challenges: challenges.clone(),
        audit: AuditQueue::start(store.clone()),
        in_use: InUse::default(),
        mode: CookieMode::for_https(true),
        attempts: NetworkLimit::new("attempts", 10_000),
        journeys: NetworkLimit::new("journeys", 10_000),
        strangers: NetworkLimit::new("stranger_audit", 10_000),
    });
    let frame = Frame::new(&settings);
    let gate = Gate::new(shared, &settings, Arc::new(frame.clone())).unwrap();
    let services = Services::new(Passage::new(Arc::new(gate)), challenges, &settings);
    let router = router(Portal { services, frame, clear_storage: true, related_origins: Vec::new().into() });
    let user = NewUser {
        name: "maja".to_owned(),
        display_name: Some("Maja Berg".to_owned()),
        email: None,
        groups: vec![],
        password_hash: crate::identity::local::hash(&SecretString::from(PASSWORD)).unwrap(),
        disabled: false,
        must_change: false,
    };
    assert!(store.add_user(user, START, None).await.unwrap());
    World { _guard: guard, store, clock, revocations, router }
}

impl World {
    pub fn browser(&self) -> Browser<'_> {
        Browser { world: self, cookies: BTreeMap::new() }
    }

    /// Time goes by, and the feed is read in between.
    pub async fn pass_time(&self, seconds: i64) {
        self.clock.set(self.clock.now().plus(seconds));
        self.read_feed().await;
    }

    /// What another process, or this one, has revoked.
    pub async fn read_feed(&self) {
        let rows = self.store.revocations_after(self.revocations.last()).await.unwrap();
        self.revocations.apply(&rows, self.clock.now());
    }

    /// One request through the portal's door.
    pub async fn send(&self, request: Request<Body>) -> Seen {
        self.send_as(request, true).await
    }

    pub async fn send_as(&self, mut request: Request<Body>, is_portal: bool) -> Seen {
        let peer = std::net::IpAddr::from([203, 0, 113, 9]);
        request
            .extensions_mut()
            .insert(Entry { peer, is_portal, reference: "0a1b2c3d".to_owned() });
        self.send_without_door(request).await
    }

    /// A request that no door vouches for.
    pub async fn send_without_door(&self, request: Request<Body>) -> Seen {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Seen { parts, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// The code that an app with this key shows now.
    pub fn app_code(&self, key: &str) -> String {
        let secret = totp_rs::Secret::try_from_base32(key.replace(' ', "")).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(self.clock.now().0.unsigned_abs()).to_string()
    }
}

/// An answer.
pub struct Seen {
    pub parts: http::response::Parts,
    pub text: String,
}

impl Seen {
    pub fn status(&self) -> StatusCode {
        self.parts.status
    }

    pub fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.parts.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        self.header(LOCATION)
    }

    pub fn heading(&self) -> &str {
        between(&self.text, "<h1", "</h1>")
            .and_then(|h1| h1.split_once('>'))
            .map_or("", |(_, text)| text)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The hidden fields of the last form that is posted to an address with `action` in it.
    pub fn form(&self, action: &str) -> Form {
        let form = self
            .text
            .split("<form method=\"post\" action=\"")
            .skip(1)
            .find(|form| form.split('"').next().unwrap().contains(action))
            .unwrap_or_else(|| panic!("no form to {action} in {}", self.text));
        let mut fields = Vec::new();
        for input in form.split("</form>").next().unwrap().split("<input type=\"hidden\" ").skip(1) {
            let name = between(input, "name=\"", "\"").unwrap();
            fields.push((name.to_owned(), between(input, "value=\"", "\"").unwrap().to_owned()));
        }
        Form { action: form.split('"').next().unwrap().replace("&#38;", "&"), fields }
    }

    /// Where the page moves on to by itself.
    pub fn refresh(&self) -> Option<String> {
        between(&self.text, "content=\"0; url=", "\"").map(|url| url.replace("&#38;", "&"))
    }
}

pub fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inner, _)| inner)
}

/// A form of a page, to be filled in.
#[derive(Clone)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Cookies, and nothing else.
#[derive(Clone)]
pub struct Browser<'a> {
    pub world: &'a World,
    pub cookies: BTreeMap<String, String>,
}

impl Browser<'_> {
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", "mfa.example.com")
            .header(COOKIE, cookies.join("; "))
            .header("sec-fetch-site", "same-origin")
    }

    pub async fn take(&mut self, request: Request<Body>) -> Seen {
        let seen = self.world.send(request).await;
        for cookie in seen.parts.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        seen
    }

    /// Follows redirects within the portal.
    pub async fn get(&mut self, path: &str) -> Seen {
        let mut path = path.to_owned();
        for _ in 0..8 {
            let seen = self.take(self.request(Method::GET, &path).body(Body::empty()).unwrap()).await;
            if seen.status() != StatusCode::SEE_OTHER {
                return seen;
            }
            seen.location().clone_into(&mut path);
        }
        panic!("redirects without end");
    }

    pub async fn post_once(&mut self, form: &Form) -> Seen {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form.fields)
            .finish();
        let request = self
            .request(Method::POST, &form.action)
            // What browsers send from a page whose policy is `no-referrer`.
            .header(ORIGIN, "null")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body));
        self.take(request.unwrap()).await
    }

    pub async fn post(&mut self, form: &Form) -> Seen {
        let seen = self.post_once(form).await;
        if seen.status() == StatusCode::SEE_OTHER {
            let location = seen.location().to_owned();
            return self.get(&location).await;
        }
        seen
    }

    pub async fn json(&mut self, method: Method, path: &str, body: &serde_json::Value) -> Seen {
        let request = self
            .request(method, &format!("/.stepgate/api/v1{path}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        self.take(request.unwrap()).await
    }

    /// Signs Maja in at the page that asks for it.
    pub async fn sign_in(&mut self, page: &Seen) -> Seen {
        let form = page.form("sign-in").with("username", "Maja").with("password", PASSWORD);
        self.post(&form).await
    }

    /// Signs Maja in and sets up an app and codes; returns the app's key.
    pub async fn set_up(&mut self) -> String {
        let page = self.get("/.stepgate/enrol").await;
        let page = self.sign_in(&page).await;
        let page = self.post(&page.form("enrol").with("factor", "totp")).await;
        let key = between(&page.text, "<code id=\"key\">", "</code>").unwrap().to_owned();
        let form = page
            .form("enrol/")
            .with("name", "Phone")
            .with("code", &self.world.app_code(&key));
        let page = self.post(&form).await;
        assert_eq!(page.heading(), "Save your recovery codes");
        let page = self.post(&page.form("enrol/").with("saved", "yes")).await;
        assert_eq!(page.heading(), "My MFA settings");
        key
    }
}
