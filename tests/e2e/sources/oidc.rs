//! The table's column for OpenID providers, by one of our own that lies when it is told to. What a real one
//! does is `oidc`, and every lie `oidc_lies`.

use serde_json::json;

use crate::support::{Browser, Gate, Liar, Lie, Reply, Setup, Upstream, ok, unix_now, wait_until};

struct Scene {
    upstream: Upstream,
    liar: Liar,
    gate: Gate,
}

fn scene() -> Scene {
    let upstream = Upstream::start();
    let liar = Liar::start();
    let routes = format!(
        "\n  - {{ name: App, host: app.localhost, upstream: \"{}\", require: signed-in }}\n",
        upstream.url()
    );
    let gate = Setup::new(&routes).section("identity", &liar.source("sso", "")).start();
    Scene { upstream, liar, gate }
}

impl Scene {
    fn sign_in(&self, browser: &mut Browser) -> Reply {
        let asked = self.liar.ask(&self.gate, browser, "sso", "");
        self.liar.come_back(&self.gate, browser, "sso", &asked)
    }

    fn signed_in(&self) -> Browser {
        let mut browser = self.gate.browser();
        let reply = self.sign_in(&mut browser);
        assert_eq!(reply.status, 303, "{} {}", reply.text(), self.gate.log());
        browser
    }

    /// Nobody is signed in, and the app has heard nothing.
    fn nobody(&self, browser: &mut Browser) {
        let session = browser.fetch("GET", &self.gate.portal("api/v1/session"), None).json();
        assert_eq!(session, json!({ "signed_in": false }));
        browser.fetch("GET", &self.gate.url("app.localhost", "/"), None).expect(401);
        assert!(self.upstream.take().is_empty());
    }

    fn refused(&self, lie: Lie, status: u16) {
        self.liar.lies(lie);
        let mut browser = self.gate.browser();
        let reply = self.sign_in(&mut browser);
        assert_eq!(reply.status, status, "{}", reply.text());
        self.nobody(&mut browser);
        self.liar.lies(Lie::default());
    }
}

fn answers(path: &'static str, answer: Vec<u8>) -> Lie {
    Lie { answers: vec![(path, answer)], ..Lie::default() }
}

/// The provider sends somebody back whom it does not know.
pub fn unknown_person() {
    let scene = scene();
    let mut browser = scene.gate.browser();
    let asked = scene.liar.ask(&scene.gate, &mut browser, "sso", "");
    let issuer: String = form_urlencoded::byte_serialize(scene.liar.issuer().as_bytes()).collect();
    let back = format!("sign-in/sso/callback?error=access_denied&state={}&iss={issuer}", asked.state);
    browser.visit(&scene.gate.portal(&back)).expect(200);
    scene.nobody(&mut browser);
}

/// The code is not one that the provider has given out.
pub fn wrong_credential() {
    let refusal = b"HTTP/1.1 400 No\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n{\"error\":\"invalid_grant\"}";
    scene().refused(answers("/token", refusal.to_vec()), 400);
}

/// Nobody waits for longer than for one silent answer, and nobody who is in is kept waiting at all.
pub fn slow() {
    let scene = scene();
    let mut inside = scene.signed_in();
    inside.go(&scene.gate.url("app.localhost", "/in")).expect(200);
    scene.upstream.take();
    scene.refused(answers("/token", Vec::new()), 503);
    inside.fetch("GET", &scene.gate.url("app.localhost", "/in"), None).expect(200);
    scene.signed_in();
}

/// Who is in stays in; who is not is told so and can try again.
pub fn down() {
    let Scene { upstream, liar, gate } = scene();
    let mut stranger = gate.browser();
    let source = liar.issuer();
    drop(liar);
    wait_until("the provider is gone", || {
        let address = source.trim_start_matches("http://").parse().ok()?;
        std::net::TcpStream::connect::<std::net::SocketAddr>(address).err()
    });
    let page = stranger.visit(&gate.portal("sign-in/sso")).expect(503);
    assert!(page.text().contains("Try again"), "{}", page.text());
    stranger.fetch("GET", &gate.url("app.localhost", "/"), None).expect(401);
    assert!(upstream.take().is_empty());
}

pub fn lies_oversized() {
    let scene = scene();
    let long = "x".repeat(257 * 1024);
    scene.refused(answers("/token", ok(&long)), 503);
    scene.refused(answers("/me", ok(&long)), 503);
    let mut groups = Lie { claims: json!({ "groups": vec!["g"; 257] }), ..Lie::default() };
    scene.refused(groups.clone(), 400);
    groups.claims = json!({ "sub": "a".repeat(256) });
    scene.refused(groups, 400);
    scene.signed_in();
}

pub fn lies_wrong_type() {
    let scene = scene();
    for claims in [
        json!({ "sub": 1 }),
        json!({ "sub": ["anna"] }),
        json!({ "exp": "soon" }),
        json!({ "groups": { "staff": true } }),
        json!({ "name": 5 }),
        json!({ "sid": true }),
    ] {
        scene.liar.lies(Lie { claims: claims.clone(), ..Lie::default() });
        let mut browser = scene.gate.browser();
        // Not readable at all, or readable and refused: nobody is signed in by either.
        let status = scene.sign_in(&mut browser).status;
        assert!(matches!(status, 400 | 503), "{claims}: {status}");
        scene.nobody(&mut browser);
    }
    scene.liar.lies(Lie::default());
    scene.signed_in();
}

/// Whoever signs in over somebody else's session has nothing of theirs.
pub fn other_user_mid_session() {
    let scene = scene();
    let mut browser = scene.signed_in();
    scene.gate.enrol(&mut browser);
    scene.liar.lies(Lie {
        claims: json!({ "sub": "ben", "sid": "session-2" }),
        userinfo: json!({ "sub": "ben" }),
        ..Lie::default()
    });
    scene.sign_in(&mut browser).expect(303);
    let session = browser.fetch("GET", &scene.gate.portal("api/v1/session"), None).json();
    assert_eq!((&session["subject"], &session["proofs"]), (&json!("sso:ben"), &json!([])), "{session}");
    browser.go(&scene.gate.url("app.localhost", "/")).expect(200);
    assert_eq!(scene.upstream.last().twins("remote-user"), ["ben"]);
}

/// The new keys are found by the first token they sign; the old ones have no say any more.
pub fn rotated_keys() {
    let scene = scene();
    scene.signed_in();
    let before = scene.liar.requests("/jwks").len();
    scene.liar.rotate();
    scene.signed_in();
    assert_eq!(scene.liar.requests("/jwks").len(), before + 1);
    scene.signed_in();
    assert_eq!(scene.liar.requests("/jwks").len(), before + 1, "known by now");
}

pub fn clock_skew() {
    let scene = scene();
    let now = unix_now();
    for (ahead, good) in [(-30_i64, true), (30, true), (-400, false), (400, false)] {
        let at = i64::try_from(now).unwrap() + ahead;
        let lie = Lie { claims: json!({ "iat": at, "exp": at + 300 }), ..Lie::default() };
        if good {
            scene.liar.lies(lie);
            scene.signed_in();
        } else {
            scene.refused(lie, 400);
        }
    }
}

pub fn replayed_callback() {
    let scene = scene();
    let mut browser = scene.gate.browser();
    let asked = scene.liar.ask(&scene.gate, &mut browser, "sso", "");
    let mut thief = browser.clone();
    scene.liar.come_back(&scene.gate, &mut browser, "sso", &asked).expect(303);
    scene.liar.come_back(&scene.gate, &mut thief, "sso", &asked).expect(400);
    assert_eq!(scene.liar.requests("/token").len(), 1, "the code was not even shown a second time");
    scene.nobody(&mut thief);
}

/// All of them are under way at the same time, and each ends where it began.
pub fn ten_tabs() {
    let scene = scene();
    let mut browser = scene.gate.browser();
    let tabs: Vec<_> = (0..10)
        .map(|tab| {
            let reply = browser.visit(&scene.gate.url("app.localhost", &format!("/tab/{tab}")));
            let way = browser.next(&reply).expect("led to the portal");
            let journey = way.split_once("j=").expect("a journey").1.split('&').next().unwrap().to_owned();
            scene.liar.ask(&scene.gate, &mut browser, "sso", &format!("?j={journey}"))
        })
        .collect();
    for (tab, asked) in tabs.iter().enumerate() {
        let reply = scene.liar.come_back(&scene.gate, &mut browser, "sso", asked);
        browser.settle(reply).expect(200);
        assert_eq!(scene.upstream.last().target(), format!("/tab/{tab}"));
    }
}

pub fn log_out_in_one_tab() {
    let scene = scene();
    let mut browser = scene.signed_in();
    browser.go(&scene.gate.url("app.localhost", "/")).expect(200);
    let mut other_tab = browser.clone();
    browser
        .fetch("POST", &scene.gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    wait_until("the other tab is signed out", || {
        let reply = other_tab.fetch("GET", &scene.gate.url("app.localhost", "/"), None);
        (reply.status == 401).then_some(())
    });
    scene.upstream.take();
    scene.nobody(&mut other_tab);
}
