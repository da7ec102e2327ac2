//! What goes to the app: who it is in the words the app knows, a credential in its own, and nothing of ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use stepgate::session::{CookieMode, Ours};

use crate::support::doors::{Ask, Door, ask_envoy, question, send, through};

use crate::support::{Gate, Http2, Setup, Upstream, ok};

/// The four things every preset says, in the order user, groups, name, mail; what a preset has no word for is
/// empty.
const PRESETS: [(&str, [&str; 4]); 5] = [
    ("remote", ["Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email"]),
    (
        "stepgate",
        [
            "Stepgate-User",
            "Stepgate-Groups",
            "Stepgate-Name",
            "Stepgate-Email",
        ],
    ),
    ("x-forwarded", ["X-Forwarded-User", "X-Forwarded-Groups", "", "X-Forwarded-Email"]),
    (
        "x-auth-request",
        [
            "X-Auth-Request-User",
            "X-Auth-Request-Groups",
            "",
            "X-Auth-Request-Email",
        ],
    ),
    (
        "pomerium",
        [
            "X-Pomerium-Claim-User",
            "X-Pomerium-Claim-Groups",
            "X-Pomerium-Claim-Name",
            "X-Pomerium-Claim-Email",
        ],
    ),
];

const MORE: [&str; 9] = [
    "X-Forwarded-Preferred-Username",
    "X-Auth-Request-Preferred-Username",
    "X-Auth-Request-Access-Token",
    "X-Pomerium-Claim-Anything",
    "X-Pomerium-Jwt-Assertion",
    "Stepgate-Assertion",
    "Stepgate-Acr",
    "Stepgate-Amr",
    "Stepgate-Auth-Time",
];

/// Every name that speaks of a person in any convention.
fn every_name() -> Vec<&'static str> {
    let presets = PRESETS.iter().flat_map(|(_, names)| names.iter().copied());
    presets.filter(|name| !name.is_empty()).chain(MORE).collect()
}

fn anna(setup: Setup) -> Setup {
    let options = [
        "--name",
        "Anna Ångström",
        "--email",
        "anna@example.test",
        "--groups",
        "staff,finance",
    ];
    setup.user("anna", &options)
}

/// One site for each preset, all with the same app, `none` among them.
fn sites(upstream: &Upstream) -> Setup {
    let mut routes = String::from(
        "
  - { name: usual, host: localhost, upstream: $UPSTREAM, require: signed-in, rules: [{ path: /public/**, require: public }] }",
    );
    for preset in PRESETS.map(|(preset, _)| preset).into_iter().chain(["none"]) {
        routes.push_str(&format!(
            "\n  - {{ host: {preset}.localhost, upstream: $UPSTREAM, require: signed-in, to_upstream: {{ preset: {preset} }} }}"
        ));
    }
    Setup::new(&routes.replace("$UPSTREAM", &upstream.url()))
        .section(
            "identity",
            "
  - { name: sso, type: trusted-header, from: [127.0.0.1], session: X-Sso-Session, attributes: { user: X-Sso-User, groups: X-Sso-Groups, name: X-Sso-Name, email: X-Sso-Email, mail: X-Sso-Mail, roles: X-Sso-Roles } }",
        )
        .server("trusted_proxies: [127.0.0.1]")
}

fn by_sso(ask: Ask) -> Ask {
    ask.with("X-Sso-User", "anna")
        .with("X-Sso-Session", "7")
        .with("X-Sso-Groups", "staff,finance")
        .with("X-Sso-Name", "Anna")
        .with("X-Sso-Email", "anna@example.test")
}

fn headers_of(gate: &Gate, ask: &Ask) -> Vec<(String, String)> {
    let mut headers = ask.headers.clone();
    headers.push(("Host".to_owned(), format!("{}:{}", ask.host, gate.setup.port())));
    headers
}

#[test]
fn each_preset_says_who_it_is_in_its_own_words_and_in_no_others() {
    let upstream = Upstream::start();
    let gate = sites(&upstream).start();
    for (preset, names) in PRESETS {
        let ask = by_sso(Ask::get("/x").host(&format!("{preset}.localhost")));
        upstream.take();
        let own = std::net::Ipv4Addr::LOCALHOST.into();
        send(&gate, own, "GET", "/x", &headers_of(&gate, &ask)).expect(200);
        let seen = upstream.last();
        for (name, value) in names.iter().zip(["anna", "staff,finance", "Anna", "anna@example.test"]) {
            if !name.is_empty() {
                assert_eq!(seen.twins(name), [value], "{preset}: {name}");
            }
        }
        for other in every_name() {
            let ours = names.contains(&other) || other.starts_with("Stepgate-A");
            let preferred = other.to_lowercase() == format!("{preset}-preferred-username");
            let assertion = preset == "pomerium" && other == "X-Pomerium-Jwt-Assertion";
            if !ours && !preferred && !assertion {
                assert_eq!(seen.twins(other), Vec::<String>::new(), "{preset}: {other}");
            }
        }
        let assertion = match preset {
            "pomerium" => "X-Pomerium-Jwt-Assertion",
            _ => "Stepgate-Assertion",
        };
        assert_eq!(seen.header(assertion).map(|token| token.split('.').count()), Some(3), "{preset}");
    }
    let ask = by_sso(Ask::get("/x").host("none.localhost"));
    send(&gate, std::net::Ipv4Addr::LOCALHOST.into(), "GET", "/x", &headers_of(&gate, &ask)).expect(200);
    let seen = upstream.last();
    for name in every_name().into_iter().filter(|name| *name != "Stepgate-Assertion") {
        assert_eq!(seen.twins(name), Vec::<String>::new(), "none: {name}");
    }
}

#[test]
fn b01_b02_no_name_of_any_preset_passes_in_any_spelling_on_any_route() {
    let upstream = Upstream::start();
    let gate = sites(&upstream).start();
    for separator in [
        "-", "_", ".", "!", "~", "|", "^", "'", "`", "#", "$", "%", "&", "*", "+",
    ] {
        let spell = |name: &str| name.replace('-', separator);
        let forged = |ask: Ask| {
            every_name().into_iter().fold(ask, |ask, name| {
                let mixed = name.replacen('-', separator, 1);
                ask.with(&spell(name), "mallory").with(&mixed.to_uppercase(), "mallory")
            })
        };
        let asks = [
            Ask::get("/public/x"),
            by_sso(Ask::get("/x")),
            by_sso(Ask::get("/x").host("none.localhost")),
            by_sso(Ask::get("/x").host("pomerium.localhost")),
        ];
        for ask in asks.map(forged) {
            upstream.take();
            let from = std::net::Ipv4Addr::LOCALHOST.into();
            send(&gate, from, "GET", &ask.target, &headers_of(&gate, &ask)).expect(200);
            let head = String::from_utf8_lossy(&upstream.last().head).into_owned();
            assert!(!head.contains("mallory"), "{separator}: {head}");
        }
    }
}

#[test]
fn other_proxies_are_told_every_name_of_every_route_so_that_none_is_left_as_it_came() {
    let upstream = Upstream::start();
    let gate = sites(&upstream).start();
    for (host, names) in [
        ("pomerium.localhost", PRESETS[4].1),
        ("remote.localhost", PRESETS[0].1),
    ] {
        let ask = every_name()
            .into_iter()
            .fold(by_sso(Ask::get("/x").host(host)), |ask, name| ask.with(name, "mallory"));
        for door in [Door::Forward, Door::Nginx, Door::EnvoyHttp] {
            let outcome = through(door, &gate, &upstream, &ask);
            assert_eq!(outcome.status, 200, "{door:?}");
            for (_, all) in PRESETS {
                for name in all.iter().filter(|name| !name.is_empty()) {
                    let told = outcome.header(name);
                    let said = told.is_some_and(|value| !value.is_empty());
                    assert_eq!(said, names.contains(name), "{door:?} {host}: {name} is {told:?}");
                    assert!(told.is_some(), "{door:?} {host}: {name} would stay as the client wrote it");
                }
            }
        }
        let answer = ask_envoy(&gate, "stepgate", question(&gate, &ask)).expect("an answer");
        let Some(HttpResponse::OkResponse(ok)) = answer.http_response else {
            panic!("refused")
        };
        for name in every_name().into_iter().map(str::to_lowercase) {
            let set = ok
                .headers
                .iter()
                .any(|option| option.header.as_ref().is_some_and(|h| h.key == name));
            assert!(set || ok.headers_to_remove.contains(&name), "{host}: {name} stays");
        }
    }
}

#[test]
fn headers_of_one_s_own_are_filled_in_and_go_where_a_value_is_missing() {
    let upstream = Upstream::start();
    let setup = sites(&upstream).section(
        "to_upstream",
        "{ headers: { X-User: \"{user}\", X-Roles: \"{attribute:roles|;}\", X-Groups: \"{groups|;}\", X-Mail: \"<{attribute:mail}>\" } }",
    );
    let gate = setup.start();
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    let ask = |more: &[(&str, &str)]| {
        upstream.take();
        let ask = more
            .iter()
            .fold(by_sso(Ask::get("/x")), |ask, (name, value)| ask.with(name, value));
        send(&gate, from, "GET", "/x", &headers_of(&gate, &ask)).expect(200);
        upstream.last()
    };
    let seen = ask(&[
        ("X-Sso-Mail", "a@b.test"),
        ("X_User", "mallory"),
        ("X-Mail", "mallory"),
    ]);
    assert_eq!(seen.twins("x-user"), ["anna"]);
    assert_eq!(seen.twins("x-groups"), ["staff;finance"]);
    assert_eq!(seen.twins("x-mail"), ["<a@b.test>"]);
    assert_eq!(seen.twins("remote-user"), ["anna"], "beside the preset's");
    let seen = ask(&[("X-Mail", "mallory"), ("X-Roles", "admin")]);
    assert_eq!(seen.twins("x-mail"), Vec::<String>::new(), "nobody says it: nothing is sent");
    assert_eq!(seen.twins("x-roles"), Vec::<String>::new());
    // A public request has no person, and a route without the header passes no client's either.
    let public = Ask::get("/public/x").with("X-User", "mallory");
    send(&gate, from, "GET", "/public/x", &headers_of(&gate, &public)).expect(200);
    assert_eq!(upstream.last().twins("x-user"), Vec::<String>::new());
}

#[test]
fn what_cannot_be_said_is_an_error_at_check() {
    let route = |told: &str| {
        Setup::new(&format!(
            "\n  - {{ host: localhost, upstream: \"http://127.0.0.1:1\", require: signed-in, to_upstream: {told} }}"
        ))
    };
    for (told, say) in [
        (
            "{ headers: { X-Mail: \"{attribute:mail}\" } }",
            "no identity source knows an attribute `mail`",
        ),
        ("{ headers: { X-Mail: \"{mail}\" } }", "this placeholder is not known"),
        ("{ headers: { Cookie: \"{user}\" } }", "cannot be a header about the person"),
        ("{ headers: { X-Forwarded-For: \"{user}\" } }", "cannot be a header about the person"),
        ("{ headers: { Remote_User: \"{user}\" } }", "cannot be a header about the person"),
        ("{ headers: { \"X User\": \"{user}\" } }", "cannot be a header about the person"),
        ("{ headers: { X-User: \"a\\r\\nX-Admin: 1\" } }", "there is a control character in it"),
        ("{ preset: oauth2 }", "this word is not known here"),
        (
            "{ inject: { basic: { username: \"{user}\", password: p }, bearer: { token: t } } }",
            "exclude each other",
        ),
        (
            "{ inject: { basic: { username: \"{attribute:uid}\", password: p } } }",
            "knows an attribute `uid`",
        ),
    ] {
        let finished = route(told).command(&["check"], "");
        assert_eq!(finished.code, Some(78), "{told}");
        assert!(finished.stdout.contains(say) || finished.stderr.contains(say), "{told}: {finished:?}");
    }
    let nowhere =
        "\n  - { host: localhost, require: signed-in, to_upstream: { inject: { bearer: { token: t } } } }";
    let finished = Setup::new(nowhere)
        .server("trusted_proxies: [127.0.0.1]")
        .command(&["check"], "");
    assert_eq!(finished.code, Some(78), "{finished:?}");
}

/// An app that wants HTTP Basic from everybody, and one that wants a token.
fn injecting(upstream: &Upstream) -> Gate {
    let routes = "
  - name: basic
    host: localhost
    upstream: $UPSTREAM
    require: signed-in
    rules: [{ path: /public/**, require: public }]
    to_upstream: { inject: { basic: { username: \"{user}@corp\", password: { file: $DIR/password } } } }
  - name: bearer
    host: bearer.localhost
    upstream: $UPSTREAM
    require: signed-in
    to_upstream: { inject: { bearer: { token: { file: $DIR/token } } } }
  - name: none
    host: none.localhost
    upstream: $UPSTREAM
    require: signed-in
";
    let setup = Setup::new(&routes.replace("$UPSTREAM", &upstream.url())).section(
        "identity",
        "
  - { name: sso, type: trusted-header, from: [127.0.0.1], session: X-Sso-Session, attributes: { user: X-Sso-User } }",
    );
    crate::support::write_private(&setup.path("password"), "hunter two\n");
    crate::support::write_private(&setup.path("token"), "t0ken-of-the-app\n");
    setup.server("trusted_proxies: [127.0.0.1]").start()
}

#[test]
fn a_credential_of_the_app_s_own_takes_the_place_of_the_client_s() {
    let upstream = Upstream::start();
    let gate = injecting(&upstream);
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    let ask = |host: &str, target: &str| {
        upstream.take();
        let ask = Ask::get(target)
            .host(host)
            .with("X-Sso-User", "anna")
            .with("X-Sso-Session", "7")
            .with("Authorization", "Basic bWFsbG9yeTptYWxsb3J5");
        send(&gate, from, "GET", target, &headers_of(&gate, &ask)).expect(200);
        upstream.last().all("authorization")
    };
    assert_eq!(ask("localhost", "/x"), [format!("Basic {}", BASE64.encode("anna@corp:hunter two"))]);
    assert_eq!(ask("bearer.localhost", "/x"), ["Bearer t0ken-of-the-app"]);
    assert_eq!(
        ask("localhost", "/public/x"),
        Vec::<String>::new(),
        "nobody gets it, nor may send their own"
    );
    assert_eq!(
        ask("none.localhost", "/x"),
        ["Basic bWFsbG9yeTptYWxsb3J5"],
        "elsewhere it is the client's"
    );
    // Another proxy that asks about the same route is given no credential.
    let asked = Ask::get("/x").with("X-Sso-User", "anna").with("X-Sso-Session", "7");
    for door in [Door::Forward, Door::Nginx, Door::EnvoyHttp, Door::EnvoyGrpc] {
        let outcome = through(door, &gate, &upstream, &asked);
        assert_eq!(outcome.status, 200, "{door:?}");
        assert_eq!(outcome.header("authorization"), None, "{door:?}");
    }
    let log = gate.log();
    assert!(!log.contains("hunter") && !log.contains("t0ken"), "{log}");
}

/// Every name that a cookie of ours has or could be mistaken for.
fn our_cookies() -> Vec<String> {
    let modes = [CookieMode::Secure, CookieMode::Loopback];
    let names = modes
        .into_iter()
        .flat_map(|mode| Ours::ALL.into_iter().map(move |ours| mode.name(ours).to_owned()));
    names
        .flat_map(|name| {
            let plain = name.trim_start_matches("__Host-").to_owned();
            [
                name.to_uppercase(),
                format!("__Secure-{plain}"),
                format!(" {name} "),
                name,
            ]
        })
        .collect()
}

#[test]
fn no_cookie_of_ours_reaches_the_app_over_either_version_of_http_or_another_proxy() {
    let upstream = Upstream::answering(|_| ok("upstream"));
    let gate = anna(Setup::new(
        &"
  - { host: localhost, upstream: $UPSTREAM, require: signed-in, rules: [{ path: /public/**, require: public }] }
"
        .replace("$UPSTREAM", &upstream.url()),
    ))
    .server("trusted_proxies: [127.0.0.1]")
    .start();
    let anna = gate.signed_in("anna");
    let id = anna.cookie_header("localhost").expect("signed in");
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    let clean = |what: &str| {
        let seen = upstream.last();
        let kept = seen.all("cookie").join("; ");
        assert!(!kept.to_lowercase().contains("stepgate"), "{what}: {kept}");
        assert_eq!(kept, "theme=dark; sid=\"1\"", "{what}: the app's own pass as they are");
    };
    for (path, id) in [("/public/x", String::new()), ("/x", format!("; {id}"))] {
        for name in our_cookies() {
            // A second one of a name that counts would make it count no more.
            let twice = id.contains(&format!("{}=", name.trim()));
            let field = if twice {
                String::new()
            } else {
                format!("; {name}=x")
            };
            let cookies = format!("theme=dark{field}{id}; sid=\"1\"");
            upstream.take();
            let ask = Ask::get(path).with("Cookie", &cookies);
            send(&gate, from, "GET", path, &headers_of(&gate, &ask)).expect(200);
            clean(&format!("HTTP/1.1 {cookies}"));

            // HTTP/2 clients send a field for each.
            upstream.take();
            let mut fields: Vec<(Vec<u8>, Vec<u8>)> = [
                (":method", "GET"),
                (":scheme", "http"),
                (":path", path),
                (":authority", &format!("localhost:{}", gate.setup.port())),
            ]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
            fields.extend(
                cookies
                    .split("; ")
                    .map(|pair| (b"cookie".to_vec(), pair.trim().as_bytes().to_vec())),
            );
            Http2::connect(gate.address()).ask(&fields, None);
            clean(&format!("HTTP/2 {cookies}"));

            let ask = Ask::get(path).with("cookie", &cookies);
            let answer = ask_envoy(&gate, "stepgate", question(&gate, &ask)).expect("an answer");
            let Some(HttpResponse::OkResponse(ok)) = answer.http_response else {
                panic!("refused")
            };
            let set = ok.headers.iter().filter_map(|option| option.header.as_ref());
            let kept = set.filter(|header| header.key == "cookie").map(|header| header.value.clone());
            assert_eq!(kept.collect::<Vec<_>>(), ["theme=dark; sid=\"1\""], "Envoy {cookies}");
        }
    }
}

#[test]
fn a_code_in_the_request_ends_here() {
    let upstream = Upstream::start();
    let gate = anna(Setup::new(
        &"
  - { host: localhost, upstream: $UPSTREAM, require: standard, rules: [{ path: /public/**, require: public }] }
"
        .replace("$UPSTREAM", &upstream.url()),
    ))
    .start();
    let (anna, mut authenticator) = gate.enrolled("anna");
    let fresh = gate.signed_in("anna");
    drop(anna);
    let id = fresh.cookie_header("localhost").expect("signed in");
    let code = format!("totp:{}", authenticator.code());
    for (path, cookie) in [("/public/x", None), ("/x", Some(&id))] {
        for name in ["Stepgate-Code", "stepgate_code"] {
            upstream.take();
            let mut ask = Ask::get(path).with(name, &code);
            if let Some(cookie) = cookie {
                ask = ask.with("Cookie", cookie);
            }
            let from = std::net::Ipv4Addr::LOCALHOST.into();
            let reply = send(&gate, from, "GET", path, &headers_of(&gate, &ask));
            let counted = path == "/public/x" || name == "Stepgate-Code";
            assert_eq!(reply.status == 200, counted, "{path} {name}: {}", reply.status);
            if counted {
                assert_eq!(upstream.last().twins("stepgate-code"), Vec::<String>::new(), "{path} {name}");
                let head = String::from_utf8_lossy(&upstream.last().head).into_owned();
                assert!(!head.contains(code.trim_start_matches("totp:")), "{head}");
            }
        }
    }
}
