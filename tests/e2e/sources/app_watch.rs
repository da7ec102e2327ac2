//! The table's column for the app's own login, watched as it goes by.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use super::app_probe::enrol;
use crate::support::{Browser, Gate, Recorded, Reply, Setup, Upstream, ok};

const SITE: &str = "app.localhost";
const FORM: &str = "application/x-www-form-urlencoded";

/// What an app of this kind remembers, and how it behaves.
#[derive(Default)]
struct App {
    /// Value of the cookie `sid` to user.
    sessions: BTreeMap<String, String>,
    made: usize,
    keeps_cookie: bool,
    is_silent: bool,
}

/// An app that takes the last of two names, as PHP does, and sends whoever fails back with a new cookie.
fn app(keeps_cookie: bool) -> (Upstream, Arc<Mutex<App>>) {
    let app = Arc::new(Mutex::new(App { keeps_cookie, ..App::default() }));
    let own = Arc::clone(&app);
    let upstream = Upstream::scripted(move |request, stream| {
        let answer = own.lock().unwrap().answer(request);
        match answer {
            Some(bytes) => stream.write_all(&bytes).map(|()| true),
            None => std::io::copy(stream, &mut std::io::sink()).map(|_| false),
        }
    });
    (upstream, app)
}

impl App {
    fn answer(&mut self, request: &Recorded) -> Option<Vec<u8>> {
        let cookies = request.all("cookie").join("; ");
        let sid = cookies.split(';').find_map(|pair| pair.trim().strip_prefix("sid="));
        let target = request.target();
        Some(match target.split('?').next().unwrap_or_default() {
            "/login" if request.method() == "POST" && self.is_silent => return None,
            "/login" if request.method() == "POST" => self.login(&request.body, sid),
            "/unwatched" => self.session("anna", None),
            "/logout" => redirect("/login", Some("sid=; Max-Age=0; Path=/")),
            _ => ok(sid.and_then(|sid| self.sessions.get(sid)).map_or("nobody", String::as_str)),
        })
    }

    fn login(&mut self, body: &[u8], sid: Option<&str>) -> Vec<u8> {
        let fields: BTreeMap<_, _> = form_urlencoded::parse(body).collect();
        let (user, password) = (fields.get("user").cloned().unwrap_or_default(), fields.get("password"));
        if password.is_none_or(|password| *password != format!("app secret {}", user.trim().to_lowercase())) {
            self.made += 1;
            return redirect("/login?failed", Some(&format!("sid=anonymous-{}; Path=/", self.made)));
        }
        self.session(&user, sid.filter(|_| self.keeps_cookie).map(str::to_owned))
    }

    fn session(&mut self, user: &str, kept: Option<String>) -> Vec<u8> {
        self.made += 1;
        let fresh = format!("sid=made-{}; Path=/; HttpOnly", self.made);
        let sid = kept.clone().unwrap_or_else(|| format!("made-{}", self.made));
        self.sessions.insert(sid, user.trim().to_lowercase());
        redirect("/", Some(&fresh).filter(|_| kept.is_none()).map(String::as_str))
    }
}

fn redirect(to: &str, cookie: Option<&str>) -> Vec<u8> {
    let cookie = cookie.map(|cookie| format!("Set-Cookie: {cookie}\r\n")).unwrap_or_default();
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n{cookie}Content-Length: 0\r\n\r\n").into_bytes()
}

fn gate(app: &Upstream, success: &str) -> Gate {
    let routes = format!(
        "\n  - {{ name: App, host: {SITE}, upstream: \"{}\", identity: app, require: signed-in, timeouts: {{ response: 2s }}, \
         rules: [{{ path: [/login, /unwatched], require: public }}, {{ path: /sure/**, require: standard }}] }}\n",
        app.url()
    );
    let source = format!(
        "[{{ name: app, type: app-session, watch: {{ path: /login, user: {{ form: user }}, cookie: sid{success} }}, \
         sign_in: \"/login?next={{target}}\", sign_out: /logout }}]"
    );
    Setup::new(&routes).section("identity", &source).start()
}

fn scene() -> (Upstream, Arc<Mutex<App>>, Gate) {
    let (upstream, state) = app(false);
    let gate = gate(&upstream, "");
    (upstream, state, gate)
}

fn page(gate: &Gate) -> String {
    gate.url(SITE, "/page?a=1")
}

fn post(gate: &Gate, browser: &mut Browser, body: &str) -> Reply {
    browser.post_form(&gate.url(SITE, "/login"), body.as_bytes().to_vec(), FORM)
}

#[track_caller]
fn log_in(gate: &Gate, browser: &mut Browser, name: &str) {
    let reply = post(gate, browser, &format!("user={name}&password=app+secret+{name}")).expect(302);
    assert!(reply.location().ends_with('/'), "{}", reply.location());
}

/// Who the app hears it is.
fn heard(upstream: &Upstream) -> Vec<String> {
    upstream.last().twins("remote-user")
}

/// Led to the app's own page; a sign-in there is all it takes, and the app gets it byte for byte.
pub fn unknown_person() {
    let (upstream, _, gate) = scene();
    let mut browser = gate.browser();
    let led = browser.visit(&page(&gate)).expect(303);
    assert_eq!(led.location(), gate.url(SITE, "/login?next=%2Fpage%3Fa%3D1"));
    browser.fetch("GET", &page(&gate), None).expect(401);
    assert!(upstream.requests().is_empty());
    let body = "x=%26&user=+Anna+&password=app+secret+anna&y=";
    post(&gate, &mut browser, body).expect(302);
    assert_eq!(upstream.last().body, body.as_bytes());
    assert_eq!(browser.fetch("GET", &page(&gate), None).expect(200).text(), "anna");
    assert_eq!(heard(&upstream), ["anna"]);
    assert!(!gate.log().contains("secret"), "the password is nowhere");
}

/// A cookie that the app sets all the same is nobody's.
pub fn wrong_credential() {
    let (_upstream, _, gate) = scene();
    let mut browser = gate.browser();
    for body in [
        "user=anna&password=wrong",
        "user=anna",
        "password=app+secret+anna",
        "",
    ] {
        let reply = post(&gate, &mut browser, body).expect(302);
        assert!(reply.location().contains("failed"), "{body}");
        assert!(browser.cookies[SITE]["sid"].starts_with("anonymous"));
        browser.fetch("GET", &page(&gate), None).expect(401);
    }
    super::with_cookie(&gate, "made-1").fetch("GET", &page(&gate), None).expect(401);
}

/// An app that does not answer has signed nobody in.
pub fn slow() {
    let (_upstream, state, gate) = scene();
    state.lock().unwrap().is_silent = true;
    let mut browser = gate.browser();
    post(&gate, &mut browser, "user=anna&password=app+secret+anna").expect(504);
    super::with_cookie(&gate, "made-1").fetch("GET", &page(&gate), None).expect(401);
    state.lock().unwrap().is_silent = false;
    log_in(&gate, &mut browser, "anna");
    browser.fetch("GET", &page(&gate), None).expect(200);
}

pub fn down() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = Setup::new(&format!(
        "\n  - {{ name: App, host: {SITE}, upstream: \"http://{gone}\", identity: app, require: public }}\n"
    ))
    .section(
        "identity",
        "[{ name: app, type: app-session, watch: { path: /login, user: { form: user }, cookie: sid }, sign_out: /logout }]",
    )
    .start();
    let mut browser = dead.browser();
    post(&dead, &mut browser, "user=anna&password=app+secret+anna").expect(502);
    assert!(dead.audit("session.started").is_empty());
}

/// A login that is too large to be read works at the app, and here it is nobody's: the app could have
/// found another name in it.
pub fn lies_oversized() {
    let (_upstream, _, gate) = scene();
    let mut browser = gate.browser();
    log_in(&gate, &mut browser, "ben");
    let mut before = browser.clone();
    let body = format!("user=anna&password=app+secret+anna&pad={}", "x".repeat(70_000));
    post(&gate, &mut browser, &body).expect(302);
    browser.fetch("GET", &page(&gate), None).expect(401);
    before.fetch("GET", &page(&gate), None).expect(401);
    log_in(&gate, &mut browser, "anna");
    browser.fetch("GET", &page(&gate), None).expect(200);
}

/// Whatever an app could read in two ways names nobody.
pub fn lies_wrong_type() {
    let (upstream, _, gate) = scene();
    let anna = "user=anna&password=app+secret+anna";
    for (body, kind, query) in [
        (format!("user=ben&{anna}"), FORM, ""),
        (format!("USER=ben&{anna}"), FORM, ""),
        (format!("user[]=ben&{anna}"), FORM, ""),
        (format!("{anna}&x=1;user=ben"), FORM, ""),
        (anna.to_owned(), FORM, "?user=ben"),
        (anna.to_owned(), "text/plain", ""),
        (anna.to_owned(), "application/x-www-form-urlencoded; charset=utf-7", ""),
    ] {
        let mut browser = gate.browser();
        let url = gate.url(SITE, &format!("/login{query}"));
        let reply = browser.post_form(&url, body.clone().into_bytes(), kind).expect(302);
        assert!(!reply.location().contains("failed"), "the app takes it: {body}");
        browser.fetch("GET", &page(&gate), None).expect(401);
        assert_eq!(upstream.last().body, body.as_bytes());
    }
    assert!(gate.audit("session.started").is_empty());
    // Two cookies of the name, of which the app may take the other.
    let mut browser = super::with_cookie(&gate, "one; sid=two");
    browser.post_form(&gate.url(SITE, "/login"), anna.into(), FORM).expect(400);
}

/// Somebody else signs in, by a new cookie and by the same one: nothing of what was proved is theirs.
pub fn other_user_mid_session() {
    for keeps in [false, true] {
        let (upstream, _state) = app(keeps);
        let success = if keeps {
            ", success: { keeps_cookie: true }"
        } else {
            ""
        };
        let gate = gate(&upstream, success);
        let mut browser = super::with_cookie(&gate, "first");
        log_in(&gate, &mut browser, "anna");
        enrol(&gate, &mut browser);
        let sure = gate.url(SITE, "/sure/x");
        browser.fetch("GET", &sure, None).expect(200);
        let before = browser.clone();
        log_in(&gate, &mut browser, "ben");
        assert_eq!(browser.cookies[SITE]["sid"] == "first", keeps);
        browser.fetch("GET", &sure, None).expect(401);
        browser.fetch("GET", &page(&gate), None).expect(200);
        assert_eq!(heard(&upstream), ["ben"]);
        // The browser has moved on: what the older cookie stood for is over.
        let old = before.clone().fetch("GET", &sure, None);
        assert_eq!(old.status, 401);
        // A login whose name is not clear ends it as well, before the app has even answered.
        post(&gate, &mut browser, "user=ben&user=anna&password=app+secret+anna").expect(302);
        browser.fetch("GET", &page(&gate), None).expect(401);
    }
}

/// A cookie that the app changes elsewhere is nobody's: it could stand for anybody now.
pub fn rotated_keys() {
    let (_upstream, _, gate) = scene();
    let mut browser = gate.browser();
    log_in(&gate, &mut browser, "ben");
    enrol(&gate, &mut browser);
    browser.visit(&gate.url(SITE, "/unwatched")).expect(302);
    browser.fetch("GET", &page(&gate), None).expect(401);
    browser.fetch("GET", &gate.url(SITE, "/sure/x"), None).expect(401);
}

/// Nobody is asked, and what is remembered reads nothing of the store.
pub fn ten_tabs() {
    let (upstream, _, gate) = scene();
    let mut browser = gate.browser();
    log_in(&gate, &mut browser, "anna");
    let sent = upstream.requests().len();
    std::thread::scope(|tabs| {
        for tab in 0..50 {
            let (mut browser, url) = (browser.clone(), gate.url(SITE, &format!("/tab/{tab}")));
            tabs.spawn(move || browser.fetch("GET", &url, None).expect(200));
        }
    });
    assert_eq!(upstream.requests().len(), sent + 50);
    assert_eq!(gate.audit("session.started").len(), 1);
}

pub fn log_out_in_one_tab() {
    let (_upstream, state, gate) = scene();
    let mut browser = gate.browser();
    log_in(&gate, &mut browser, "anna");
    enrol(&gate, &mut browser);
    let mut other_tab = browser.clone();
    browser.visit(&gate.url(SITE, "/logout")).expect(302);
    for path in ["/page", "/sure/x"] {
        other_tab.fetch("GET", &gate.url(SITE, path), None).expect(401);
    }
    assert!(!state.lock().unwrap().sessions.is_empty(), "the app itself would go on");
}
