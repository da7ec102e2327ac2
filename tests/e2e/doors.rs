//! The doors beside another proxy: the same decisions as the reverse proxy's, told as each proxy needs it.
//!
//! One table of requests goes through every door. A further door joins by a line in `Door::CHECKS`.

use std::net::IpAddr;

use crate::support::doors::{Ask, Decision, Door, TOLD, ask_envoy, call, question, send, through};
use crate::support::{Browser, Form, Setup, Upstream, ok, wait_until};

use Decision::{Allowed, Refused};

const ROUTES: &str = "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: other
    rules:
      - { path: /open/**, require: public }
      - { path: /secret/**, require: deny }
      - { path: /home/**, require: signed-in }
      - { path: /fresh/**, require: fresh }
      - { path: /brief, require: brief }
      - { path: /maybe, require: other, optional: true }
      - { path: /once/**, require: once }
  - name: finance
    host: finance.localhost
    upstream: $UPSTREAM
    require: signed-in
    allow: { groups: [finance] }
";

fn setup(upstream: &Upstream) -> Setup {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .section(
            "levels",
            "
  - { name: fresh, any_of: [totp], valid_for: 15m }
  - { name: other, any_of: [totp, recovery_code], valid_for: 12h }
  - { name: brief, any_of: [totp], valid_for: 1s }
  - { name: once, any_of: [totp], valid_for: 0s }",
        )
        .section(
            "identity",
            "
  - { name: local, type: local }
  - { name: sso, type: trusted-header, from: [127.0.0.1], session: X-Sso-Session, attributes: { user: X-Sso-User, groups: X-Sso-Groups } }",
        )
        .server("trusted_proxies: [127.0.0.1]")
}

/// Codes count once, so no two doors share a person.
fn a_person_for_each_door(setup: Setup) -> Setup {
    Door::CHECKS
        .into_iter()
        .fold(setup, |setup, door| setup.user(&format!("{door:?}"), &[]))
}

fn asked(level: &str) -> Decision {
    Decision::Asked(level.to_owned())
}

fn led(page: &str) -> Decision {
    Decision::Led(page.to_owned())
}

/// With the cookies that a browser has for the request's host.
fn by(browser: &Browser, ask: Ask) -> Ask {
    match browser.cookie_header(&ask.host) {
        Some(cookies) => ask.with("Cookie", &format!("theme=dark; {cookies}")),
        None => ask,
    }
}

fn forged(ask: Ask) -> Ask {
    TOLD.into_iter()
        .fold(ask, |ask, name| ask.with(name, "root").with(&name.replace('-', "_"), "root"))
}

/// A WebSocket handshake from this page.
fn socket(ask: Ask, origin: &str) -> Ask {
    ask.with("Upgrade", "websocket")
        .with("Connection", "Upgrade")
        .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .with("Sec-WebSocket-Version", "13")
        .with("Origin", origin)
}

#[test]
fn a16_one_table_of_requests_has_one_answer_at_every_door() {
    let upstream = Upstream::answering(|request| match &*request.method() {
        "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n".to_vec(),
        _ => ok("upstream"),
    });
    let options = [
        "--name",
        "Anna Ångström",
        "--email",
        "anna@example.test",
        "--groups",
        "staff",
    ];
    let gate = setup(&upstream).user("anna", &options).user("ben", &[]).start();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut anna, &mut authenticator);
    let known = gate.signed_in("anna");
    let ben = gate.signed_in("ben");
    let sso = |ask: Ask, groups: &str| {
        ask.with("X-Sso-User", "carla")
            .with("X-Sso-Session", "7")
            .with("X-Sso-Groups", groups)
    };
    let finance = |groups: &str| sso(Ask::get("/ledger").host("finance.localhost"), groups);
    wait_until("the proof to be too old for `brief`", || {
        let stale = through(Door::Proxy, &gate, &upstream, &by(&anna, Ask::get("/brief")));
        (stale.decision == asked("brief")).then_some(())
    });
    let here = gate.url("localhost", "");
    let get = Ask::get;
    let table = [
        // Nobody.
        (get("/"), asked("")),
        (get("/").navigating(), led("sign-in")),
        (get("/").method("POST"), asked("")),
        (get("/").method("POST").navigating(), led("sign-in")),
        (get("/").with("X-Requested-With", "XMLHttpRequest").with("Accept", "text/html"), asked("")),
        (get("/open/x"), Allowed),
        (get("/open/x").method("POST"), Allowed),
        (get("/open/x").method("HEAD"), Allowed),
        (get("/open/x").method("OPTIONS"), Allowed),
        (get("/open/x").method("BREW"), asked("")),
        (get("/secret/x"), Refused),
        (get("/").host("unknown.localhost"), Refused),
        (forged(get("/")), asked("")),
        (forged(get("/open/x")), Allowed),
        // Signed in.
        (by(&known, get("/home/x")), Allowed),
        (by(&known, forged(get("/home/x"))), Allowed),
        (by(&known, get("/home/x").method("BREW")), asked("other")),
        (by(&known, get("/home/x").method("HEAD")), Allowed),
        (by(&known, get("/")), asked("other")),
        (by(&known, get("/").navigating()), led("challenge")),
        (by(&known, get("/").method("POST").navigating()), led("challenge")),
        (by(&known, get("/fresh/x")), asked("fresh")),
        (by(&known, get("/maybe")), asked("other")),
        (by(&ben, get("/maybe")), Allowed),
        (by(&known, get("/secret/x")), Refused),
        // Stepped up.
        (by(&anna, get("/")), Allowed),
        (by(&anna, get("/?next=/secret/x")), Allowed),
        (by(&anna, get("/").method("DELETE")), Allowed),
        (by(&anna, forged(get("/"))), Allowed),
        (by(&anna, get("/fresh/x")), Allowed),
        (by(&anna, get("/open/x")), Allowed),
        (by(&anna, get("/brief")), asked("brief")),
        (by(&anna, get("/once/7")), asked("once")),
        (by(&anna, by(&anna, get("/"))), asked("")),
        (by(&anna, get("/").host("finance.localhost")), asked("")),
        // By headers of the proxy.
        (finance("finance"), Allowed),
        (finance("staff"), Refused),
        (finance("finance").with("X-Sso-User", "root"), Refused),
        (sso(get("/home/x"), "staff"), Allowed),
        // Paths that somebody could understand in another way (A03 to A07).
        (by(&anna, get("/open/../secret/x")), Refused),
        (by(&anna, get("/open/%2e%2e/secret/x")), Refused),
        (by(&anna, get("//secret/x")), Refused),
        (by(&anna, get("/secret;v=1/x")), Refused),
        (by(&anna, get("/SECRET/x")), Refused),
        (by(&anna, get("/%73ecret/x")), Refused),
        (by(&anna, get("/open%2f..%2fsecret/x")), Refused),
        (by(&anna, get("/open/%zz")), Refused),
        (by(&anna, get("/open/%00")), Refused),
        (get("/open/..;/home/x"), asked("")),
        (get("/open//home/x"), Allowed),
        (by(&anna, get("/a%20b/%C3%A9+~@:;c?d=e%2f")), Allowed),
        (get("/open/x").method("TRACE"), Refused),
        (get(&format!("/open/{}", "x".repeat(9000))), Refused),
        // Headers that could name another request (A01) mean nothing.
        (
            by(&known, get("/").with("X-Rewrite-URL", "/open/x").with("X-HTTP-Method-Override", "GET")),
            asked("other"),
        ),
        // WebSockets.
        (by(&anna, socket(get("/"), &here)), Allowed),
        (by(&anna, socket(get("/"), "http://evil.example")), Refused),
        (socket(get("/open/x"), "http://evil.example"), Allowed),
        (socket(get("/"), &here), asked("")),
    ];
    let mut wrong = Vec::new();
    for (ask, expected) in table {
        let proxied = through(Door::Proxy, &gate, &upstream, &ask);
        if proxied.decision != expected {
            wrong.push(format!("reverse proxy: {:?}, not {expected:?}: {ask:?}", proxied.decision));
        }
        for door in Door::CHECKS {
            let outcome = through(door, &gate, &upstream, &ask);
            if outcome.decision != expected {
                wrong.push(format!("{door:?}: {:?}, not {expected:?}: {ask:?}", outcome.decision));
            }
            if outcome.told != proxied.told {
                wrong.push(format!("{door:?}: {:?}, not {:?}: {ask:?}", outcome.told, proxied.told));
            }
            let reason = outcome.header("stepgate-reason");
            if outcome.decision == Allowed {
                assert!(outcome.body.is_empty() && reason.is_none(), "{door:?}: {ask:?}");
                assert_eq!(outcome.header("set-cookie"), None, "{door:?}: {ask:?}");
            } else {
                assert!(reason.is_some_and(|reason| reason != "refused"), "{door:?}: {ask:?} {reason:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(upstream.take().is_empty(), "a check alone never reaches an app");
    let metrics = gate.operations("/metrics").text();
    for mode in ["proxy", "forward", "nginx", "envoy_http", "envoy_grpc"] {
        let counted = format!("stepgate_decisions_total{{route=\"app\",decision=\"allow\",mode=\"{mode}\"}}");
        assert!(metrics.contains(&counted), "{counted} in {metrics}");
    }
}

#[test]
fn an_allow_has_every_identity_header_and_nothing_else() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).user("anna", &[]).start();
    let anna = gate.signed_in("anna");
    let transport = ["date", "content-length", "connection"];
    for door in [Door::Forward, Door::Nginx, Door::EnvoyHttp] {
        for ask in [Ask::get("/open/x"), by(&anna, Ask::get("/home/x"))] {
            let outcome = through(door, &gate, &upstream, &ask);
            assert_eq!(outcome.status, 200, "exactly 200");
            let mut names: Vec<String> =
                outcome.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
            names.retain(|name| !transport.contains(&&**name));
            names.sort();
            let mut all = TOLD.map(str::to_owned).to_vec();
            all.sort();
            assert_eq!(names, all, "{door:?}: {ask:?}");
        }
    }
}

#[test]
fn what_must_be_proved_each_time_is_used_up_by_the_check() {
    let upstream = Upstream::start();
    let gate = a_person_for_each_door(setup(&upstream)).start();
    for door in Door::CHECKS {
        let (mut anna, mut authenticator) = gate.enrolled(&format!("{door:?}"));
        let target = "/once/7";
        let ask = by(&anna, Ask::get(target));
        let led = through(door, &gate, &upstream, &ask.clone().navigating());
        let page = anna.go(led.header("location").expect("a way to the challenge"));
        let form = Form::code(&page.text()).expect("a field for a code");
        // The page that follows would go to the app by itself, and this is not a test of that.
        let passed = anna.submit(&form.fill("code", &authenticator.code()));
        assert!(passed.status < 400, "{} {}", passed.status, passed.text());
        let ask = by(&anna, Ask::get(target));
        let other = by(&anna, Ask::get("/once/other"));
        assert_eq!(through(door, &gate, &upstream, &other).decision, asked("once"), "{door:?}");
        assert_eq!(through(door, &gate, &upstream, &ask).decision, Allowed, "{door:?}");
        assert_eq!(through(door, &gate, &upstream, &ask).decision, asked("once"), "{door:?}: once");
    }
}

#[test]
fn a_code_can_come_with_the_request() {
    let upstream = Upstream::start();
    let gate = a_person_for_each_door(setup(&upstream)).start();
    for door in Door::CHECKS {
        let name = format!("{door:?}");
        let (_, mut authenticator) = gate.enrolled(&name);
        let anna = gate.signed_in(&name);
        let code = format!("totp:{}", authenticator.code());
        let ask = by(&anna, Ask::get("/fresh/x").with("Stepgate-Code", &code));
        assert_eq!(through(door, &gate, &upstream, &ask).decision, Allowed, "{door:?}");
        let again = through(door, &gate, &upstream, &ask);
        assert_ne!(again.decision, Allowed, "{door:?}");
        assert_eq!(again.header("stepgate-reason"), Some("code_wrong"), "{door:?}");
    }
}

#[test]
fn a01_b05_only_trusted_proxies_may_ask() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).user("anna", &[]).start();
    let anna = gate.signed_in("anna");
    let stranger: IpAddr = [127, 0, 0, 2].into();
    let headers: Vec<(String, String)> = [
        ("Host", "localhost"),
        ("Cookie", &*anna.cookie_header("localhost").expect("cookies")),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Uri", "/open/x"),
        ("X-Original-Method", "GET"),
        ("X-Original-URL", "http://localhost/open/x"),
        ("X-Forwarded-For", "192.0.2.1"),
    ]
    .iter()
    .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
    .collect();
    for path in [
        "forward",
        "nginx",
        "envoy/open/x",
        "envoy/open/../x",
        "envoy//open/%zz",
        "envoy/",
        "forward?x=y",
    ] {
        let path = format!("/.stepgate/authz/{path}");
        let reply = send(&gate, stranger, "GET", &path, &headers).expect(404);
        assert!(TOLD.iter().all(|name| reply.header(name).is_none()), "{path}");
        // A host of ours is not a proxy's own name for us, and changes nothing.
        let elsewhere = send(&gate, stranger, "POST", &path, &headers[1..]);
        assert!(matches!(elsewhere.status, 400 | 404), "{path}: {}", elsewhere.status);
    }
    for path in ["", "/", "/forwards", "/envoy", "/envoyx/", "/traefik"] {
        let path = format!("/.stepgate/authz{path}");
        send(&gate, [127, 0, 0, 1].into(), "GET", &path, &headers).expect(404);
    }
    // What a trusted proxy passes on for its client is no question of Envoy's, whatever its path looks like
    // to either of them.
    for path in ["envoy/open/x", "envoy/open/../../../x"] {
        send(&gate, [127, 0, 0, 1].into(), "GET", &format!("/.stepgate/authz/{path}"), &headers).expect(404);
    }
    // Without trusted proxies nobody may ask.
    let closed = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .section("levels", "[{ name: fresh, any_of: [totp] }, { name: other, any_of: [totp] }, { name: brief, any_of: [totp] }, { name: once, any_of: [totp], valid_for: 0s }]")
        .start();
    send(&closed, [127, 0, 0, 1].into(), "GET", "/.stepgate/authz/forward", &headers).expect(404);
}

#[test]
fn a01_a_site_that_is_forwarded_here_cannot_be_asked_about_on_its_own_host() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    // A trusted proxy passes this on for its client, who would like to be somebody.
    let mine = question(&gate, &Ask::get("/home/x").with("X-Sso-User", "root"));
    let answer = ask_envoy(&gate, "stepgate", mine.clone()).expect("a proxy's own question");
    assert_eq!(answer.status.expect("a status").code, 0);
    for host in ["localhost", "finance.localhost"] {
        ask_envoy(&gate, host, mine.clone()).expect_err("an ordinary request");
    }
    for (name, value) in [("x-forwarded-host", "localhost"), ("forwarded", "host=localhost")] {
        let (status, ..) =
            call(&gate, "stepgate", "/envoy.service.auth.v3.Authorization/Check", Some((name, value)));
        assert_eq!(status, 401, "passed on for a client: {name}");
    }
}

#[test]
fn envoy_can_ask_whether_we_are_there() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let (status, message, grpc) = call(&gate, "stepgate", "/grpc.health.v1.Health/Check", None);
    assert_eq!((status, &*message, grpc.as_deref()), (200, &[0, 0, 0, 0, 2, 8, 1][..], Some("0")));
    let (status, ..) = call(&gate, "localhost", "/grpc.health.v1.Health/Check", None);
    assert_eq!(status, 401, "on a site's own host it is the app's");
}

#[test]
fn d5_a_check_that_does_not_say_which_request_is_refused() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let forward = [
        ("Host", "stepgate"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Uri", "/open/x"),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    let nginx = [
        ("Host", "stepgate"),
        ("X-Original-Method", "GET"),
        ("X-Original-URL", "https://localhost/open/x"),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    let envoy = [
        ("Host", "localhost"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    let owned = |lines: &[(&str, &str)]| -> Vec<(String, String)> {
        lines.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    };
    let doors: [(&str, Vec<(String, String)>); 3] = [
        ("forward", owned(&forward)),
        ("nginx", owned(&nginx)),
        ("envoy/open/x", owned(&envoy)),
    ];
    let ask = |path: &str, headers: &[(String, String)]| {
        send(&gate, [127, 0, 0, 1].into(), "GET", &format!("/.stepgate/authz/{path}"), headers)
    };
    let refused = |path: &str, headers: &[(String, String)], code: &str| {
        let reply = ask(path, headers).expect(403);
        assert_eq!(reply.header("stepgate-error"), Some(code), "{path} {headers:?}");
        assert_eq!(reply.header("stepgate-reason"), Some("check_unclear"), "{path} {headers:?}");
    };
    for (path, whole) in &doors {
        ask(path, whole).expect(200);
        for at in 1..whole.len() {
            let (name, value) = whole[at].clone();
            let mut changed = whole.clone();
            changed.remove(at);
            let optional = path.starts_with("envoy") && name == "X-Forwarded-Proto";
            if optional {
                ask(path, &changed).expect(200);
            } else {
                refused(path, &changed, "SG-A01");
            }
            if name != "X-Forwarded-For" {
                let mut changed = whole.clone();
                changed.push((name.clone(), value.clone()));
                refused(path, &changed, "SG-A02");
                changed.last_mut().expect("a header").1 = "/other".to_owned();
                refused(path, &changed, "SG-A02");
            }
            let mut changed = whole.clone();
            changed[at].1 = String::new();
            refused(path, &changed, "SG-A01");
        }
    }
    for (name, value) in [
        ("X-Forwarded-Method", "GET /"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Proto", "https,http"),
        ("X-Forwarded-Host", "localhost, evil.example"),
        ("X-Forwarded-Host", "localhost/x"),
        ("X-Forwarded-Uri", "open/x"),
        ("X-Forwarded-Uri", "*"),
        ("X-Forwarded-Uri", "http://localhost/open/x"),
        ("X-Forwarded-Uri", "/open/x#y"),
        ("X-Forwarded-Uri", "/open/x y"),
    ] {
        let mut changed = owned(&forward);
        changed.iter_mut().find(|(n, _)| n == name).expect("a header").1 = value.to_owned();
        refused("forward", &changed, "SG-A03");
    }
    for url in [
        "/open/x",
        "https://localhost",
        "https:/localhost/open/x",
        "ftp://localhost/open/x",
        "https:///open/x",
        "https://a@localhost/open/x",
    ] {
        let mut changed = owned(&nginx);
        changed[2].1 = url.to_owned();
        refused("nginx", &changed, "SG-A03");
    }
    for address in ["unknown", "192.0.2.1, nobody", "192.0.2.1,"] {
        let mut changed = owned(&forward);
        changed[5].1 = address.to_owned();
        refused("forward", &changed, "SG-A03");
    }
    // The same over gRPC: denied, never an allow.
    let whole = question(&gate, &Ask::get("/open/x"));
    let code = |change: &dyn Fn(&mut envoy_types::pb::envoy::service::auth::v3::AttributeContext)| {
        let mut question = whole.clone();
        change(question.attributes.as_mut().expect("attributes"));
        ask_envoy(&gate, "stepgate", question)
            .expect("an answer")
            .status
            .expect("a status")
            .code
    };
    assert_eq!(code(&|_| ()), 0);
    assert_ne!(code(&|all| all.source = None), 0);
    assert_ne!(code(&|all| all.request = None), 0);
    let http =
        |change: fn(&mut envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest)| {
            code(&move |all| change(all.request.as_mut().expect("a request").http.as_mut().expect("HTTP")))
        };
    assert_ne!(http(|http| http.path.clear()), 0);
    assert_ne!(http(|http| http.path = "/open/y".to_owned()), 0, "`:path` says something else");
    assert_ne!(http(|http| http.host = "finance.localhost".to_owned()), 0);
    assert_ne!(http(|http| http.method = "G T".to_owned()), 0);
    assert_ne!(http(|http| http.method.clear()), 0);
}

#[test]
fn a12_paths_of_ours_are_not_another_proxy_s_to_forward() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    for target in [
        "/.stepgate/my-mfa",
        "/.stepgate/callback?code=x",
        "/x/..;/.stepgate/",
        "/.Stepgate/",
        "/.stepgate/authz/envoy/open/x",
    ] {
        for door in Door::CHECKS {
            assert_eq!(
                through(door, &gate, &upstream, &Ask::get(target)).decision,
                Refused,
                "{door:?}: {target}"
            );
        }
    }
}

#[test]
fn b05_the_client_is_the_right_most_address_that_no_proxy_has() {
    let upstream = Upstream::start();
    let routes =
        "[{ name: app, host: localhost, require: deny, rules: [{ when: office, require: public }] }]";
    let gate = Setup::new("")
        .section("routes", routes)
        .section("conditions", "{ office: { network: [192.0.2.0/24] } }")
        .server("trusted_proxies: [127.0.0.1, 10.9.0.0/16]")
        .start();
    drop(upstream);
    for (list, inside) in [
        ("192.0.2.7", true),
        ("198.51.100.1, 192.0.2.7", true),
        ("192.0.2.7, 198.51.100.1", false),
        ("192.0.2.7, 10.9.1.1", true),
        ("192.0.2.7, nobody, 10.9.1.1", false),
        ("192.0.2.7:4711", true),
        ("127.0.0.1", false),
    ] {
        let headers: Vec<(String, String)> = [
            ("Host", "stepgate"),
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "localhost"),
            ("X-Forwarded-Uri", "/"),
            ("X-Forwarded-For", list),
            // Clients write these themselves, and proxies pass them on.
            ("Forwarded", "for=192.0.2.7"),
            ("X-Real-IP", "192.0.2.7"),
        ]
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
        let reply = send(&gate, [127, 0, 0, 1].into(), "GET", "/.stepgate/authz/forward", &headers);
        assert_eq!(reply.status == 200, inside, "{list}: {}", reply.status);
    }
}

#[test]
fn a_journey_begun_at_a_check_ends_at_the_app_s_own_host() {
    let upstream = Upstream::start();
    let routes = "- { name: wiki, host: wiki.localhost, require: standard }";
    let setup = Setup::new(routes).server("trusted_proxies: [127.0.0.1]");
    let gate = a_person_for_each_door(setup).start();
    for door in Door::CHECKS {
        let name = format!("{door:?}");
        let (_, mut authenticator) = gate.enrolled(&name);
        let mut browser = gate.browser();
        let ask = Ask::get("/page?x=1").host("wiki.localhost");
        let begun = through(door, &gate, &upstream, &ask.clone().navigating());
        assert_eq!(begun.decision, led("sign-in"), "{door:?}");
        let cookies: Vec<_> = begun
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .collect();
        let [(_, cookie)] = cookies[..] else {
            panic!("one cookie, for proxies that pass one on: {cookies:?}")
        };
        let (cookie, value) = cookie
            .split(';')
            .next()
            .and_then(|pair| pair.split_once('='))
            .expect("a cookie");
        browser
            .cookies
            .entry("wiki.localhost".to_owned())
            .or_default()
            .insert(cookie.to_owned(), value.to_owned());
        let location = begun.header("location").expect("a location").to_owned();
        let last = browser.go_through(&location, &name, &Setup::password(&name), Some(&mut authenticator));
        assert_eq!(last.status, 404, "no app stands behind this gate: {}", last.text());
        assert_eq!(browser.url, gate.url("wiki.localhost", "/page?x=1"), "{door:?}");
        let there = through(door, &gate, &upstream, &by(&browser, ask));
        assert_eq!(there.decision, Allowed, "{door:?}");
        assert_eq!(there.told["remote-user"].to_lowercase(), name.to_lowercase());
        let claims: serde_json::Value =
            serde_json::from_str(&there.told["stepgate-assertion"]).expect("claims");
        assert_eq!(claims["aud"], gate.url("wiki.localhost", ""), "{door:?}");
        assert_eq!(claims["acr"], "standard", "{door:?}");
    }
}

#[test]
fn a_failure_of_our_own_is_never_an_allow() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).user("anna", &[]).start();
    let known = gate.signed_in("anna");
    // A message over the bound, over gRPC.
    let large = question(&gate, &Ask::get("/open/x").with("X-Large", &"x".repeat(200 * 1024)));
    let status = ask_envoy(&gate, "stepgate", large).expect_err("too large to be read");
    assert_ne!(status.code(), tonic::Code::Ok);
    // Challenges are written to the audit log before anybody hears of them; without a log there is no answer.
    gate.sql("DROP TABLE audit");
    for door in Door::CHECKS {
        let outcome = through(door, &gate, &upstream, &by(&known, Ask::get("/")));
        assert_eq!(outcome.decision, Decision::Unavailable, "{door:?}");
    }
}
