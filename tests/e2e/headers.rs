//! Identity and hop-by-hop headers (security.md 1.2): what the client sends can't name itself.

use crate::support::{Gate, Reply, Setup, Upstream};

/// Every name that speaks of identity or assurance to an upstream.
const OURS: &[&str] = &[
    "Remote-User",
    "Remote-Groups",
    "Remote-Name",
    "Remote-Email",
    "Stepgate-Acr",
    "Stepgate-Amr",
    "Stepgate-Auth-Time",
    "Stepgate-Assertion",
    "Stepgate-Anything",
];

const ROUTES: &str = "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: signed-in
    rules: [{ path: /public/**, require: public }, { path: /sure, require: standard }]
";

fn gate(upstream: &Upstream) -> Gate {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .user(
            "anna",
            &[
                "--name",
                "Anna Ångström",
                "--email",
                "anna@example.test",
                "--groups",
                "staff,finance",
            ],
        )
        .start()
}

/// Spellings that some back end reads as the same name.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    for separator in [
        "_", ".", "!", "~", "|", "^", "'", "`", "#", "$", "%", "&", "*", "+",
    ] {
        all.push(name.replace('-', separator));
        all.push(name.replacen('-', separator, 1));
    }
    all
}

fn raw(gate: &Gate, path: &str, fields: &str) -> Reply {
    gate.raw()
        .send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n"))
        .reply()
}

#[test]
fn b01_b02_no_spelling_of_an_identity_header_passes() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for name in OURS {
        for spelling in spellings(name) {
            upstream.take();
            let reply = raw(&gate, "/public/x", &format!("{spelling}: mallory\r\n"));
            assert!(matches!(reply.status, 200 | 400), "{spelling}: {}", reply.status);
            if reply.status == 200 {
                let twins = upstream.last().twins(name);
                assert_eq!(twins, Vec::<String>::new(), "{spelling} reached the upstream");
            }
        }
    }
}

#[test]
fn b01_ours_replace_the_client_s_on_protected_routes() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut anna = gate.signed_in("anna");
    for name in OURS {
        for spelling in [(*name).to_owned(), name.replace('-', "_")] {
            anna.extra.push((spelling, "mallory".into()));
        }
    }
    anna.visit(&gate.url("localhost", "/x")).expect(200);
    let request = upstream.last();
    assert_eq!(request.twins("remote-user"), ["anna"]);
    assert_eq!(request.twins("remote-groups").len(), 1);
    assert!(
        !String::from_utf8_lossy(&request.head).contains("mallory"),
        "{}",
        String::from_utf8_lossy(&request.head)
    );
}

#[test]
fn what_is_known_of_the_person_and_the_proof_is_asserted() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut anna, &mut authenticator);
    anna.visit(&gate.url("localhost", "/sure")).expect(200);
    let request = upstream.last();
    assert_eq!(request.all("remote-user"), ["anna"]);
    assert_eq!(request.all("remote-email"), ["anna@example.test"]);
    let groups = request.header("remote-groups").unwrap_or_default();
    assert!(groups.contains("staff") && groups.contains("finance"), "{groups}");
    assert!(request.header("stepgate-acr").is_some_and(|acr| acr.contains("standard")));
    assert!(request.header("stepgate-amr").is_some_and(|amr| amr.contains("otp")));
    let time: u64 = request
        .header("stepgate-auth-time")
        .and_then(|t| t.parse().ok())
        .expect("a time");
    assert!(crate::support::unix_now().abs_diff(time) < 120, "{time}");
    let assertion = request.header("stepgate-assertion").expect("a signed assertion");
    assert_eq!(assertion.split('.').count(), 3, "{assertion}");
    let keys = anna.fetch("GET", &gate.portal("jwks.json"), None).expect(200).json();
    assert!(keys["keys"].as_array().is_some_and(|k| !k.is_empty()), "{keys}");
}

#[test]
fn b03_connection_cannot_take_our_headers_away() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let anna = gate.signed_in("anna");
    let cookie = anna.cookie_header("localhost").unwrap();
    for nominated in [
        "Remote-User, Remote-Groups, Stepgate-Assertion, X-Forwarded-For, Cookie, Host",
        "close, remote-user",
    ] {
        gate.raw()
            .send(format!(
                "GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nX-Hop: 1\r\nX-Kept: 1\r\n\
                 Connection: {nominated}\r\nConnection: X-Hop\r\n\r\n"
            ))
            .reply()
            .expect(200);
        let request = upstream.last();
        assert_eq!(request.all("remote-user"), ["anna"]);
        assert_eq!(request.all("x-forwarded-for").len(), 1);
        assert_eq!(request.all("host").len(), 1);
        assert_eq!(request.all("x-hop"), Vec::<String>::new(), "nominated by the second Connection field");
        assert_eq!(request.all("x-kept"), ["1"]);
    }
}

#[test]
fn b03_hop_by_hop_headers_stop_here_in_both_directions() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
          X-Outer: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok"
            .to_vec()
    });
    let gate = gate(&upstream);
    let reply = raw(
        &gate,
        "/public/x",
        "Keep-Alive: timeout=9\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: x\r\nTE: gzip\r\nTrailer: X-T\r\nHTTP2-Settings: AAA\r\n",
    );
    let request = upstream.last();
    for name in [
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "http2-settings",
        "upgrade",
    ] {
        assert_eq!(request.all(name), Vec::<String>::new(), "{name} reached the upstream");
    }
    for name in ["x-inner", "keep-alive", "proxy-authenticate"] {
        assert_eq!(reply.header(name), None, "{name} reached the client");
    }
    assert_eq!(reply.header("x-outer"), Some("1"));
    assert_eq!(reply.all("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"], "never merged");
}

fn behind_a_proxy(upstream: &Upstream) -> Gate {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .server("trusted_proxies: [127.0.0.1]")
        .section(
            "identity",
            "
  - name: front
    type: trusted-header
    from: [127.0.0.1]
    attributes: { user: X-Front-User, groups: X-Front-Groups, email: X-Front-Email }",
        )
        .start()
}

#[test]
fn a_trusted_header_counts_only_from_its_address() {
    let upstream = Upstream::start();
    let gate = behind_a_proxy(&upstream);
    let mut proxy = gate.browser();
    proxy.extra = vec![
        ("X-Front-User".into(), "Carla".into()),
        ("X-Front-Groups".into(), "staff".into()),
    ];
    proxy.fetch("GET", &gate.url("localhost", "/x"), None).expect(200);
    let request = upstream.last();
    assert!(request.all("remote-user")[0].eq_ignore_ascii_case("carla"));
    assert_eq!(
        request.twins("x-front-user"),
        Vec::<String>::new(),
        "the source's own header is not passed on"
    );
    proxy.from = Some([127, 0, 0, 2].into());
    let stranger = proxy.fetch("GET", &gate.url("localhost", "/x"), None);
    assert!(matches!(stranger.status, 400 | 401), "from another address: {}", stranger.status);
    proxy.fetch("GET", &gate.url("localhost", "/public/x"), None).expect(200);
    assert_eq!(upstream.last().twins("x-front-user"), Vec::<String>::new(), "and is removed everywhere");
}

#[test]
fn b04_b07_an_identity_that_contradicts_itself_is_refused() {
    let upstream = Upstream::start();
    let gate = behind_a_proxy(&upstream);
    for fields in [
        "X-Front-User: carla\r\nX-Front-User: mallory\r\n",
        "X-Front-User: carla\r\nx-front-user: carla\r\n",
        "X-Front-User: \r\n",
        "X-Front-User: carla\u{1}\r\n",
        "X-Front-User: carla\r\nX-Front-Email: a@b@c\r\n",
        "X-Front-User: carla\r\nX-Front-Groups: a\r\nX-Front-Groups: b\r\n",
    ] {
        let reply = raw(&gate, "/x", fields);
        assert!((400..500).contains(&reply.status), "{fields:?}: {}", reply.status);
        assert!(upstream.requests().is_empty(), "{fields:?}");
    }
    let twin = raw(&gate, "/x", "X-Front-User: carla\r\nX_Front_User: mallory\r\n");
    if twin.status == 200 {
        let request = upstream.last();
        assert_eq!(request.all("remote-user"), ["carla"], "only the name as configured counts");
        assert!(!String::from_utf8_lossy(&request.head).contains("mallory"));
    }
    let one = raw(&gate, "/x", "X-Front-User: smith, john\r\n");
    if one.status == 200 {
        assert_eq!(upstream.last().all("remote-user"), ["smith, john"], "a value is never split");
    }
}

#[test]
fn b05_the_client_s_address_comes_from_trusted_peers_only() {
    let upstream = Upstream::start();
    let setup = Setup::new(
        "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: deny
    rules: [{ when: inside, require: public }]
"
        .replace("$UPSTREAM", &upstream.url())
        .as_str(),
    )
    .server("trusted_proxies: [127.0.0.1, 10.0.0.0/24]")
    .section("conditions", "{ inside: { network: [198.51.100.7] } }");
    let gate = setup.start();
    let mut browser = gate.browser();
    for (from, list, inside) in [
        (1, "198.51.100.7", true),
        (1, "6.6.6.6, 198.51.100.7", true),
        (1, "198.51.100.7, 10.0.0.9", true),
        (1, "198.51.100.7, 6.6.6.6", false),
        (1, "198.51.100.7, nonsense", false),
        (1, "198.51.100.7, nonsense, 10.0.0.9", false),
        (1, "198.51.100.7, ", false),
        (2, "198.51.100.7", false),
        (2, "198.51.100.7, 127.0.0.1", false),
    ] {
        browser.from = Some([127, 0, 0, from].into());
        browser.extra = vec![("X-Forwarded-For".into(), list.into())];
        let status = browser.fetch("GET", &gate.url("localhost", "/x"), None).status;
        assert_eq!(status == 200, inside, "from 127.0.0.{from} with {list:?}: {status}");
    }
    for name in [
        "Forwarded",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
    ] {
        browser.from = Some([127, 0, 0, 1].into());
        browser.extra = vec![(name.into(), "198.51.100.7".into())];
        let status = browser.fetch("GET", &gate.url("localhost", "/x"), None).status;
        assert_ne!(status, 200, "{name}");
    }
}

#[test]
fn b05_the_upstream_gets_fresh_forwarding_headers() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let fields = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\
                  X-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n";
    raw(&gate, "/public/x", fields).expect(200);
    let request = upstream.last();
    assert_eq!(request.twins("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.twins("x-forwarded-proto"), ["http"]);
    assert!(request.twins("x-forwarded-host").iter().all(|h| h.starts_with("localhost")));
    let head = String::from_utf8_lossy(&request.head).into_owned();
    assert!(!head.contains("6.6.6.6") && !head.contains("evil.test"), "{head}");
}

#[test]
fn b06_no_address_that_we_emit_comes_from_the_request() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let port = gate.setup.port();
    for fields in [
        "Host: localhost\r\nX-Forwarded-Host: evil.test\r\n",
        "Host: localhost:1\r\n",
        "Host: localhost\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.test;proto=https\r\n",
    ] {
        let reply = gate
            .raw()
            .send(format!("GET /x HTTP/1.1\r\n{fields}Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nConnection: close\r\n\r\n"))
            .reply()
            .expect(303);
        let to = reply.location();
        assert!(
            to.starts_with('/') && !to.starts_with("//")
                || to.starts_with(&format!("http://localhost:{port}/")),
            "{to}"
        );
    }
}

#[test]
fn g02_no_redirect_is_made_of_a_header() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let anna = gate.signed_in("anna");
    let cookie = anna.cookie_header("localhost").unwrap();
    let evil: String = [
        "X-Forwarded-Prefix",
        "X-Forwarded-Host",
        "X-Forwarded-Uri",
        "X-Forwarded-Path",
        "X-Original-URL",
        "X-Script-Name",
        "Referer",
        "X-Host",
        "Forwarded",
        "Origin",
    ]
    .map(|name| format!("{name}: http://evil.test/evil\r\n"))
    .concat();
    let page = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    // Where a journey leads has an identifier of its own each time.
    let shape = |to: &str| to.split(['=', '?']).next().unwrap_or_default().to_owned();
    for (path, cookie) in [
        ("/x", String::new()),
        ("/sure", format!("Cookie: {cookie}\r\n")),
        ("/.stepgate", String::new()),
        ("/.stepgate/", String::new()),
        ("/.stepgate/my-mfa", String::new()),
        ("/.stepgate/challenge", String::new()),
    ] {
        let ask = |more: &str| raw(&gate, path, &format!("{page}{cookie}{more}"));
        let (with, without) = (ask(&evil), ask(""));
        assert_eq!(with.status, without.status, "{path}");
        let to = with.header("location").unwrap_or_default();
        assert!(!to.contains("evil"), "{path} leads to {to}");
        assert_eq!(shape(to), shape(without.header("location").unwrap_or_default()), "{path}");
        for value in with.headers.iter().map(|(_, value)| value) {
            assert!(!value.contains("evil"), "{path}: {value}");
        }
        assert!(!with.text().contains("evil"), "{path}: {}", with.text());
    }
}

#[test]
fn b08_every_spelling_of_a_name_is_one_person() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let (_, _) = gate.enrolled("anna");
    let mut shouting = gate.browser();
    let body = serde_json::json!({ "username": "ANNA", "password": Setup::password("anna") });
    let reply = shouting.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body));
    if reply.status >= 300 {
        return; // refused: also no second record
    }
    let session = shouting.fetch("GET", &gate.portal("api/v1/session"), None).expect(200).json();
    assert_eq!(session["subject"], "local:anna", "{session}");
    let challenge = gate.challenge(&mut shouting);
    assert!(
        challenge["ways"].as_array().is_some_and(|w| !w.is_empty()),
        "the same factors: {challenge}"
    );
}

#[test]
fn our_cookies_are_not_passed_on_and_the_app_s_are() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let (anna, _) = gate.enrolled("anna");
    let ours = anna.cookie_header("localhost").unwrap();
    gate.raw()
        .send(format!("GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: a=1; {ours}; b=\"2; 3\"\r\nConnection: close\r\n\r\n"))
        .reply()
        .expect(200);
    let cookies = upstream.last().all("cookie").join("; ");
    assert!(cookies.contains("a=1") && cookies.contains("b="), "{cookies}");
    assert!(!cookies.contains("stepgate"), "{cookies}");
    raw(&gate, "/x", &format!("Cookie: {ours}\r\n")).expect(200);
    assert_eq!(upstream.last().all("cookie"), Vec::<String>::new(), "an empty Cookie field is dropped");
}
