//! Other people's proxies ask the gate: each is started with the very output of `stepgate recipe`, and must
//! let pass, challenge and refuse as the gate says, whatever the client makes up and whatever is down.

use std::io::{Read as _, Write as _};

use crate::support::{
    Browser, Gate, Kind, Proxy, Raw, Recorded, Reply, Reserved, Setup, Upstream, ok, wait_until,
};

const ROUTES: &str = "
  - name: app
    host: app.localhost
    require: standard
    rules:
      - { path: /public/**, require: public }
      - { path: /never, require: deny }
  - { name: open, host: open.localhost, require: public }
";

/// What the app may learn about a person, and what a stranger would like to write there.
const IDENTITY: [&str; 8] = [
    "Remote-User",
    "Remote-Groups",
    "Remote-Name",
    "Remote-Email",
    "Stepgate-Acr",
    "Stepgate-Amr",
    "Stepgate-Auth-Time",
    "Stepgate-Assertion",
];

/// In what the proxies differ.
struct Traits {
    kind: Kind,
    /// Whether the body of a refusal reaches the client.
    bodies: bool,
    /// Whether stepgate's own cookies can be kept from the app.
    cookies: bool,
}

#[test]
fn nginx_asks_and_obeys() {
    matrix(&Traits { kind: Kind::Nginx, bodies: false, cookies: true });
}

#[test]
fn traefik_asks_and_obeys() {
    matrix(&Traits { kind: Kind::Traefik, bodies: true, cookies: false });
}

#[test]
fn caddy_asks_and_obeys() {
    matrix(&Traits { kind: Kind::Caddy, bodies: true, cookies: true });
}

#[test]
fn envoy_asks_over_grpc_and_obeys() {
    matrix(&Traits { kind: Kind::EnvoyGrpc, bodies: true, cookies: true });
}

#[test]
fn envoy_asks_over_http_and_obeys() {
    matrix(&Traits { kind: Kind::EnvoyHttp, bodies: true, cookies: false });
}

#[test]
fn haproxy_asks_and_obeys() {
    matrix(&Traits { kind: Kind::Haproxy, bodies: true, cookies: true });
}

/// A proxy before two apps, beside a gate.
struct Stand {
    app: Upstream,
    open: Upstream,
    gate: Gate,
    _proxy: Proxy,
    _port: Reserved,
}

fn matrix(traits: &Traits) {
    let mut stand = Stand::start(traits.kind);
    let mut anna = leads_through_the_challenge_and_back(&stand);
    asks_what_does_not_navigate_by_status(&stand, traits);
    refuses_what_is_denied(&stand, &mut anna, traits);
    drops_forged_identities(&stand, &mut anna);
    keeps_its_cookies(&stand, &mut anna, traits);
    keeps_one_host(&stand);
    closes_the_checks_to_the_outside(&stand);
    carries_bodies(&stand, &mut anna);
    upgrades_only_what_is_allowed(&stand, &anna);
    fails_closed(&mut stand, &mut anna);
}

impl Stand {
    fn start(kind: Kind) -> Self {
        let (app, open) = (echo(), Upstream::start());
        let port = Reserved::new();
        let setup = Setup::new(ROUTES).behind(port.port).user("anna", &[]);
        let apps = [format!("app={}", app.url()), format!("open={}", open.url())];
        let said = kind.write(&setup, &apps);
        assert!(!said.stderr.contains("note:"), "nothing is left to say: {}", said.stderr);
        let directory = setup.path("");
        kind.validate(&directory);
        let proxy = Proxy::start(kind, &directory, port.port);
        let stand = Self { app, open, gate: setup.start(), _proxy: proxy, _port: port };
        // Listening is not yet being ready, neither here nor in the proxy's view of the gate.
        wait_until("the way to the app", || {
            let reply = stand.gate.browser().visit(&stand.url("/public/"));
            (reply.status == 200).then_some(())
        });
        stand.app.take();
        stand
    }

    fn url(&self, path: &str) -> String {
        self.gate.url("app.localhost", path)
    }

    /// A request by hand to the app's host.
    fn send(&self, method: &str, path: &str, fields: &str) -> Raw {
        let port = self.gate.address().port();
        self.gate
            .raw()
            .send(format!("{method} {path} HTTP/1.1\r\nHost: app.localhost:{port}\r\n{fields}\r\n"))
    }

    fn nothing_came(&self, what: &str) {
        assert!(self.app.requests().is_empty(), "{what}: {:?}", self.app.last().line());
    }
}

/// An app that agrees to WebSockets and echoes their bytes.
fn echo() -> Upstream {
    Upstream::scripted(|request, stream| {
        if request.header("upgrade").is_none() {
            stream.write_all(&ok("upstream"))?;
            return Ok(true);
        }
        stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )?;
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(false),
                n => stream.write_all(&buffer[..n])?,
            }
        }
    })
}

/// Anonymous → sign-in → code → exactly where the person was going.
fn leads_through_the_challenge_and_back(stand: &Stand) -> Browser {
    let (_, mut authenticator) = stand.gate.enrolled("anna");
    let mut browser = stand.gate.browser();
    let first = browser.visit(&stand.url("/report?month=11&x=%20"));
    assert!(matches!(first.status, 302 | 303), "{} {}", first.status, first.text());
    assert!(first.location().starts_with(&stand.gate.portal("")), "{}", first.location());
    stand.nothing_came("before the challenge");
    let page = stand.url("/report?month=11&x=%20");
    let there = browser
        .go_through(&page, "anna", &Setup::password("anna"), Some(&mut authenticator))
        .expect(200);
    assert_eq!(there.text(), "upstream");
    let request = stand.app.last();
    assert_eq!(request.line(), "GET /report?month=11&x=%20 HTTP/1.1");
    assert_eq!(request.twins("remote-user"), ["anna"]);
    assert_eq!(request.twins("stepgate-acr"), ["standard"]);
    assert_eq!(request.twins("stepgate-assertion").len(), 1);
    assert_eq!(request.header("host"), Some(format!("app.localhost:{}", stand.gate.address().port())));
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    stand.app.take();
    browser
}

fn asks_what_does_not_navigate_by_status(stand: &Stand, traits: &Traits) {
    let mut stranger = stand.gate.browser();
    let reply = stranger.fetch("GET", &stand.url("/data"), None).expect(401);
    assert!(
        reply.header("www-authenticate").is_some_and(|v| v.starts_with("Bearer")),
        "{:?}",
        reply.headers
    );
    assert_eq!(reply.header("location"), None);
    if traits.bodies {
        assert_eq!(reply.json()["code"], "sign_in_required");
    }
    let bare = stand.send("GET", "/data", "Connection: close\r\n").reply().expect(401);
    assert_eq!(bare.all("www-authenticate").count(), 1, "{:?}", bare.headers);

    stranger.url = stand.url("/form");
    let form = "application/x-www-form-urlencoded";
    let posted = stranger.post_form(&stand.url("/save"), b"text=long".to_vec(), form);
    assert!(matches!(posted.status, 302 | 303 | 401 | 403), "{}", posted.status);
    stand.nothing_came("a stranger's requests");
}

fn refuses_what_is_denied(stand: &Stand, anna: &mut Browser, traits: &Traits) {
    let reply = anna.visit(&stand.url("/never")).expect(403);
    if traits.bodies {
        assert!(reply.text().contains("<html"), "our page, not the proxy's: {}", reply.text());
    }
    for path in [
        "/public/../never",
        "/x/%2e%2e/never",
        "/public/..%2fnever",
        "/./never",
        "/a;b/../never",
    ] {
        let reply = send_as(stand, anna, "GET", path, "");
        assert!(reply.status >= 400, "{path}: {}", reply.status);
    }
    stand.nothing_came("what is denied");
}

fn drops_forged_identities(stand: &Stand, anna: &mut Browser) {
    let mut forged = String::new();
    for name in IDENTITY {
        forged.push_str(&format!("{name}: forged\r\n{}: forged\r\n", name.replace('-', "_")));
    }
    forged.push_str("REMOTE-user: forged\r\nX-Forwarded-For: 10.9.8.7\r\n");
    forged
        .push_str("X-HTTP-Method-Override: forged\r\nX-Original-URL: /forged\r\nX-Rewrite-URL: /forged\r\n");
    let reply = send_as(stand, anna, "GET", "/x", &forged);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let request = stand.app.last();
    assert_eq!(request.twins("remote-user"), ["anna"]);
    assert_clean(&request);

    for fields in ["", "Cookie: other=1\r\n"] {
        stand
            .send("GET", "/public/x", &format!("{forged}{fields}Connection: close\r\n"))
            .reply()
            .expect(200);
        let request = stand.app.last();
        for name in IDENTITY {
            assert_eq!(request.twins(name).concat(), "", "public carries no person: {name}");
        }
        assert_clean(&request);
    }

    // Security.md B03: what `Connection` names is dropped by some; ours must come all the same, or nothing.
    let nominated = send_as(stand, anna, "GET", "/x", &format!("{forged}Connection: Remote-User, close\r\n"));
    if nominated.status == 200 {
        assert_eq!(stand.app.last().twins("remote-user"), ["anna"]);
    } else {
        assert_eq!(nominated.status, 400, "{}", nominated.text());
    }
    stand.app.take();
}

fn assert_clean(request: &Recorded) {
    let head = String::from_utf8_lossy(&request.head).into_owned();
    for forged in ["forged", "10.9.8.7"] {
        // Envoy hands on what the client says about its address, with the real one behind it.
        let passed = head
            .lines()
            .filter(|line| line.contains(forged) && !line.contains(", 127.0.0.1"));
        assert_eq!(passed.collect::<Vec<_>>(), Vec::<&str>::new(), "{head}");
    }
    assert_eq!(request.header("stepgate-code"), None);
}

/// The app's cookies reach it, and stepgate's do not, where the proxy can take them out.
fn keeps_its_cookies(stand: &Stand, anna: &mut Browser, traits: &Traits) {
    let jar = anna.cookies.entry("app.localhost".to_owned()).or_default();
    jar.insert("a-first".to_owned(), "stepgate=1".to_owned());
    jar.insert("theme".to_owned(), "dark".to_owned());
    anna.visit(&stand.url("/x")).expect(200);
    let cookies = stand
        .app
        .take()
        .pop()
        .and_then(|request| request.header("cookie"))
        .unwrap_or_default();
    if traits.cookies {
        assert_eq!(cookies, "a-first=stepgate=1; theme=dark");
    } else {
        assert!(cookies.contains("theme=dark"), "{cookies}");
    }
}

/// The host that the gate judges is the one whose app gets the request.
fn keeps_one_host(stand: &Stand) {
    let port = stand.gate.address().port();
    for (target, host) in [
        (format!("http://app.localhost:{port}/secret"), format!("open.localhost:{port}")),
        (format!("http://open.localhost:{port}/secret"), format!("app.localhost:{port}")),
        ("/secret".to_owned(), format!("open.localhost:{port}\r\nHost: app.localhost:{port}")),
        ("/secret".to_owned(), format!("open.localhost:{port}\r\nX-Forwarded-Host: app.localhost")),
        ("/secret".to_owned(), format!("app.localhost:{port}\r\nX-Forwarded-Host: open.localhost")),
        ("/secret".to_owned(), format!("app.localhost:{port}\r\nX-Forwarded-Uri: /public/")),
        (
            "/secret".to_owned(),
            format!("app.localhost:{port}\r\nX-Original-URL: http://open.localhost/"),
        ),
        ("/secret".to_owned(), format!("app.localhost:{port}\r\nForwarded: host=open.localhost")),
    ] {
        let _ = stand
            .gate
            .raw()
            .send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .reply_to("GET");
        stand.nothing_came(&format!("{target} with Host: {host}"));
    }
    stand.open.take();
}

/// Nobody outside may ask, or say what a check is to be about.
fn closes_the_checks_to_the_outside(stand: &Stand) {
    let port = stand.gate.address().port();
    for path in ["forward", "nginx", "envoy/public/", "envoy"] {
        let fields = format!(
            "X-Forwarded-Method: GET\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: app.localhost\r\n\
             X-Forwarded-Uri: /public/\r\nX-Original-Method: GET\r\nX-Original-URL: http://app.localhost:{port}/public/\r\n\
             Connection: close\r\n"
        );
        let reply = stand.send("GET", &format!("/.stepgate/authz/{path}"), &fields).reply();
        assert_eq!(reply.status, 404, "{path}: {}", reply.text());
    }
    stand.gate.browser().visit(&stand.url("/.stepgate/jwks.json")).expect(200);
    stand.nothing_came("paths of ours");
}

fn carries_bodies(stand: &Stand, anna: &mut Browser) {
    let body: Vec<u8> = (0..3 * 1024 * 1024_u32).map(|n| n.to_le_bytes()[0]).collect();
    anna.url = stand.url("/upload");
    anna.post_form(&stand.url("/upload"), body.clone(), "application/octet-stream")
        .expect(200);
    assert_eq!(stand.app.last().method(), "POST");
    assert!(stand.app.last().body == body, "{} bytes came", stand.app.last().body.len());
    let chunked =
        "Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\nOrigin: $ORIGIN\r\nConnection: close\r\n";
    let chunked = chunked.replace("$ORIGIN", &stand.url("")) + &cookies(anna);
    let reply = stand
        .send("POST", "/upload", &chunked)
        .send("4\r\nlong\r\n0\r\n\r\n")
        .reply()
        .expect(200);
    assert_eq!(reply.text(), "upstream");
    assert_eq!(stand.app.last().body, b"long");
    stand.app.take();
}

fn upgrades_only_what_is_allowed(stand: &Stand, anna: &Browser) {
    let own = stand.url("");
    let upgrade = |fields: &str| {
        stand.send(
            "GET",
            "/live",
            &format!(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}"
            ),
        )
    };
    let refused = upgrade(&format!("Origin: {own}\r\n")).reply().status;
    assert!((300..500).contains(&refused), "a stranger's WebSocket: {refused}");
    let foreign = upgrade(&format!("Origin: https://evil.example\r\n{}", cookies(anna)))
        .reply()
        .status;
    assert_eq!(foreign, 403, "another site's WebSocket (security.md G09)");
    stand.nothing_came("refused WebSockets");
    // A connection that becomes HTTP/2 carries requests that nobody judges (security.md C09).
    for protocol in ["h2c", "H2C", "websocket, h2c", "TLS/1.0"] {
        let switch = format!(
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
        );
        let status = stand.send("GET", "/public/x", &switch).reply().status;
        assert_ne!(status, 101, "{protocol}");
        let reached = stand.app.requests().iter().any(|request| {
            request
                .header("upgrade")
                .is_some_and(|value| value.to_ascii_lowercase().contains("h2c"))
        });
        assert!(!reached, "{protocol} came to the app");
    }
    stand.app.take();

    let mut socket = upgrade(&format!("Origin: {own}\r\n{}", cookies(anna)));
    socket.reply().expect(101);
    let frame = [0x81, 0x84, 1, 2, 3, 4, b'p' ^ 1, b'i' ^ 2, b'n' ^ 3, b'g' ^ 4];
    socket.try_send(frame).expect("an open socket");
    assert_eq!(socket.read_exact(frame.len()).expect("the echo"), frame);
    stand.app.take();
}

/// Without the gate nothing passes, not even what is public.
fn fails_closed(stand: &mut Stand, anna: &mut Browser) {
    stand.gate.kill();
    for path in ["/x", "/public/x"] {
        let status = anna.visit(&stand.url(path)).status;
        assert!(matches!(status, 403 | 500 | 502 | 503 | 504), "{path}: {status}");
    }
    let posted = anna.post_form(&stand.url("/upload"), b"a=b".to_vec(), "application/x-www-form-urlencoded");
    assert!(posted.status >= 400, "{}", posted.status);
    stand.nothing_came("without a gate");
}

fn cookies(browser: &Browser) -> String {
    browser
        .cookie_header("app.localhost")
        .map_or_else(String::new, |cookies| format!("Cookie: {cookies}\r\n"))
}

fn send_as(stand: &Stand, browser: &Browser, method: &str, path: &str, fields: &str) -> Reply {
    let close = if fields.contains("Connection:") {
        ""
    } else {
        "Connection: close\r\n"
    };
    let fields = format!("{fields}{}{close}", cookies(browser));
    stand.send(method, path, &fields).reply()
}

/// TLS, other apps and odd hosts: what the matrix has no room for is at least accepted by each proxy.
#[test]
fn recipes_for_https_and_wildcards_are_accepted_by_the_proxies() {
    let routes = "
  - { name: wiki, host: [wiki.example.com, \"*.wiki.example.com\"], require: standard, max_body: 8MiB }
  - { name: rest, host: \"*\", require: standard }
";
    for kind in [
        Kind::Nginx,
        Kind::Caddy,
        Kind::EnvoyGrpc,
        Kind::EnvoyHttp,
        Kind::Haproxy,
    ] {
        let setup = Setup::new(routes)
            .section(
                "server",
                "{ listen: \"127.0.0.1:$PORT\", public_url: \"https://mfa.example.com\", trusted_proxies: [127.0.0.1] }",
            )
            .section(
                "identity",
                "[{ name: front, type: trusted-header, from: [127.0.0.1], session: X-Sid, attributes: { user: X-Front-User } }]",
            );
        let apps = [
            "wiki=https://127.0.0.1:8443".to_owned(),
            "rest=http://127.0.0.1:3000".to_owned(),
        ];
        kind.write(&setup, &apps);
        let made =
            rcgen::generate_simple_self_signed(vec!["wiki.example.com".to_owned()]).expect("a certificate");
        let tls = setup.path("tls");
        std::fs::create_dir(&tls).expect("the directory is writable");
        std::fs::write(tls.join("tls.crt"), made.cert.pem()).expect("the directory is writable");
        std::fs::write(tls.join("tls.key"), made.signing_key.serialize_pem())
            .expect("the directory is writable");
        if kind == Kind::Haproxy {
            let pair = made.cert.pem() + &made.signing_key.serialize_pem();
            std::fs::create_dir(tls.join("pairs")).expect("the directory is writable");
            std::fs::write(tls.join("pairs/all.pem"), pair).expect("the directory is writable");
        }
        for file in std::fs::read_dir(setup.path("recipe")).expect("the recipe").flatten() {
            let text = std::fs::read_to_string(file.path()).expect("the recipe");
            let tls = if kind == Kind::Haproxy {
                tls.join("pairs")
            } else {
                tls.clone()
            };
            let text = text.replace("/etc/ssl/stepgate", &tls.to_string_lossy());
            std::fs::write(file.path(), text).expect("our own file");
        }
        kind.validate(&setup.path(""));
    }
}

#[test]
fn a_recipe_says_what_the_configuration_lacks_and_overwrites_nothing() {
    let setup = Setup::new("  - { name: wiki, host: wiki.localhost, require: standard }\n");
    let said = setup.command(&["recipe", "nginx"], "").expect(0);
    assert!(said.stderr.contains("trusted_proxies: [127.0.0.1]"), "{}", said.stderr);
    assert!(said.stderr.contains("--app wiki=URL"), "{}", said.stderr);
    assert!(said.stdout.contains("auth_request"), "{}", said.stdout);
    let both = setup.command(&["recipe", "haproxy"], "").expect(0);
    assert!(both.stdout.contains("# ---- stepgate.lua ----"), "{}", both.stdout);
    let directory = setup.path("made").to_string_lossy().into_owned();
    setup.command(&["recipe", "caddy", "--write", &directory], "").expect(0);
    let again = setup.command(&["recipe", "caddy", "--write", &directory], "").expect(2);
    assert!(again.stderr.contains("Caddyfile"), "{}", again.stderr);
    setup.command(&["recipe", "nginx", "--route", "wikki"], "").expect(2);
    setup.command(&["recipe", "envoy", "--form", "soap"], "").expect(2);
    setup.command(&["recipe", "apache"], "").expect(2);
}
