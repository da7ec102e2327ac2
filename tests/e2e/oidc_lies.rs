//! A provider that lies, and answers that are somebody else's: nobody is signed in by any of them.

use serde_json::{Value, json};

use crate::support::{Browser, Gate, Liar, Lie, Reply, Setup, SignedBy, Upstream, ok, unix_now};

pub(crate) fn start(more: &str) -> (Upstream, Liar, Gate) {
    let upstream = Upstream::start();
    let liar = Liar::start();
    let routes =
        format!("- {{ name: app, host: localhost, upstream: \"{}\", require: signed-in }}", upstream.url());
    let gate = Setup::new(&routes).section("identity", &liar.source("sso", more)).start();
    (upstream, liar, gate)
}

/// From the door to the way back.
fn try_it(gate: &Gate, liar: &Liar) -> (Browser, Reply) {
    let mut browser = gate.browser();
    let asked = liar.ask(gate, &mut browser, "sso", "");
    let reply = liar.come_back(gate, &mut browser, "sso", &asked);
    (browser, reply)
}

fn is_signed_in(gate: &Gate, browser: &mut Browser) -> bool {
    browser.fetch("GET", &gate.portal("api/v1/session"), None).json()["signed_in"] == true
}

#[test]
fn the_truth_signs_in_and_no_lie_does() {
    let (_upstream, liar, gate) = start("");
    let now = unix_now();
    let claims = |claims: Value| Lie { claims, ..Lie::default() };
    let header = |header: Value| Lie { header, ..Lie::default() };
    let signed = |signer: SignedBy| Lie { signer, ..Lie::default() };
    let answered =
        |path: &'static str, answer: Vec<u8>| Lie { answers: vec![(path, answer)], ..Lie::default() };
    let (mut browser, reply) = try_it(&gate, &liar);
    assert_eq!(reply.status, 303, "{}\n{}", reply.text(), gate.log());
    assert!(is_signed_in(&gate, &mut browser));
    let long = "x".repeat(300 * 1024);
    let lies: Vec<(&str, Lie)> = vec![
        ("another issuer", claims(json!({ "iss": "https://login.example.com" }))),
        ("no issuer", claims(json!({ "iss": null }))),
        ("another client", claims(json!({ "aud": "another" }))),
        ("several clients, without azp", claims(json!({ "aud": ["stepgate", "another"] }))),
        ("made for another client", claims(json!({ "aud": ["stepgate", "another"], "azp": "another" }))),
        ("an audience that is no text", claims(json!({ "aud": ["stepgate", 7], "azp": "stepgate" }))),
        ("no audience", claims(json!({ "aud": null }))),
        ("expired", claims(json!({ "exp": now - 120, "iat": now - 300 }))),
        ("without an end", claims(json!({ "exp": null }))),
        ("an end that is text", claims(json!({ "exp": (now + 300).to_string() }))),
        ("from the future", claims(json!({ "iat": now + 300, "exp": now + 600 }))),
        ("without a beginning", claims(json!({ "iat": null }))),
        ("not yet", claims(json!({ "nbf": now + 300 }))),
        ("not yet, as text", claims(json!({ "nbf": "now" }))),
        ("another nonce", claims(json!({ "nonce": "another" }))),
        ("no nonce", claims(json!({ "nonce": null }))),
        ("nobody", claims(json!({ "sub": null }))),
        ("an empty name", claims(json!({ "sub": "" }))),
        ("a number for a name", claims(json!({ "sub": 1 }))),
        ("a name with a line break", claims(json!({ "sub": "anna\nben" }))),
        ("an endless name", claims(json!({ "sub": "a".repeat(256) }))),
        ("another access token", claims(json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }))),
        ("groups of the wrong type", claims(json!({ "groups": [1, 2] }))),
        ("a session of the wrong type", claims(json!({ "sid": 5 }))),
        ("unsigned", signed(SignedBy::Nobody)),
        ("signed by another key", signed(SignedBy::Stranger)),
        ("signed by an unpublished key", signed(SignedBy::Unpublished)),
        ("HS256 with the public key", signed(SignedBy::PublicKey)),
        ("HS256 with the client's secret", signed(SignedBy::ClientSecret)),
        ("an access token", header(json!({ "typ": "at+jwt" }))),
        ("a logout token", header(json!({ "typ": "logout+jwt" }))),
        ("a header that must be understood", header(json!({ "crit": ["exp"], "exp": 1 }))),
        ("a key of its own", header(json!({ "jku": "https://evil.example/jwks" }))),
        ("userinfo of another", Lie { userinfo: json!({ "sub": "ben" }), ..Lie::default() }),
        ("userinfo with groups of the wrong type", Lie { userinfo: json!({ "groups": { "a": 1 } }), ..Lie::default() }),
        ("no JSON", answered("/token", ok("{ no"))),
        ("an endless answer", answered("/token", ok(&long))),
        ("a way elsewhere", answered("/token", b"HTTP/1.1 302 Found\r\nLocation: /token2\r\nContent-Length: 0\r\n\r\n".to_vec())),
        ("an error", answered("/token", b"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n{\"error\":\"invalid_grant\"}".to_vec())),
        ("a broken server", answered("/token", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec())),
        ("endless userinfo", answered("/me", ok(&long))),
    ];
    for (name, lie) in lies {
        liar.lies(lie);
        let (mut browser, reply) = try_it(&gate, &liar);
        assert!(matches!(reply.status, 400 | 503), "{name}: {} {}", reply.status, reply.text());
        assert!(browser.cookie("localhost", "stepgate-id").is_none(), "{name}");
        assert!(!is_signed_in(&gate, &mut browser), "{name}");
    }
    // What is not a lie is taken: other audiences beside ours where it was made for us, and clocks that
    // differ by less than a minute.
    for good in [
        json!({ "aud": ["stepgate", "another"], "azp": "stepgate" }),
        json!({ "iat": now + 30, "nbf": now + 30 }),
        json!({ "exp": now - 20, "iat": now - 100 }),
    ] {
        liar.lies(claims(good.clone()));
        let (mut browser, reply) = try_it(&gate, &liar);
        assert_eq!(reply.status, 303, "{good}: {}", gate.log());
        assert!(is_signed_in(&gate, &mut browser), "{good}");
    }
    let log = gate.log();
    for secret in ["an-access-token", "a-code", "hush-hush", "eyJ"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn g05_an_answer_counts_once_for_the_browser_that_asked() {
    let (_upstream, liar, gate) = start("");
    let mut anna = gate.browser();
    let asked = liar.ask(&gate, &mut anna, "sso", "");
    let back = |query: &str| gate.portal(&format!("sign-in/sso/callback?{query}"));
    let issuer = liar.issuer();
    let state = &asked.state;
    // Another browser has the whole answer, and none of what was kept.
    let mut mallory = gate.browser();
    liar.come_back(&gate, &mut mallory, "sso", &asked).expect(400);
    // Or has begun one of its own.
    let own = liar.ask(&gate, &mut mallory, "sso", "");
    liar.come_back(&gate, &mut mallory, "sso", &asked).expect(400);
    assert!(!is_signed_in(&gate, &mut mallory));
    for query in [
        String::new(),
        format!("code=x&iss={issuer}"),
        format!("code=x&iss={issuer}&state="),
        format!("code=x&iss={issuer}&state={}", own.state),
        format!("code=x&iss={issuer}&state={}x", &state[..29]),
        format!("code=x&iss={issuer}&state={state}&state={state}"),
    ] {
        anna.visit(&back(&query)).expect(400);
    }
    assert!(liar.requests("/token").is_empty(), "nothing was asked for any of these");
    // Hers is good, once.
    liar.come_back(&gate, &mut anna, "sso", &asked).expect(303);
    let mut again = anna.clone();
    liar.come_back(&gate, &mut again, "sso", &asked).expect(400);
    assert_eq!(liar.requests("/token").len(), 1);
}

#[test]
fn an_answer_that_does_not_say_where_it_comes_from_is_used_up_and_refused() {
    let (_upstream, liar, gate) = start("");
    for tail in [
        "",
        "&iss=https%3A%2F%2Fevil.example",
        "&error=server_error",
        "&error=invalid_scope",
    ] {
        let mut browser = gate.browser();
        let asked = liar.ask(&gate, &mut browser, "sso", "");
        let url = gate.portal(&format!("sign-in/sso/callback?code=x&state={}{tail}", asked.state));
        browser.visit(&url).expect(400);
        assert!(liar.requests("/token").is_empty());
        // It was used up: the right answer comes too late.
        liar.come_back(&gate, &mut browser, "sso", &asked).expect(400);
    }
    // Who has cancelled is told so, and can go on.
    let mut browser = gate.browser();
    let asked = liar.ask(&gate, &mut browser, "sso", "");
    let issuer: String = form_urlencoded::byte_serialize(liar.issuer().as_bytes()).collect();
    let url = format!("sign-in/sso/callback?error=access_denied&state={}&iss={issuer}", asked.state);
    let page = browser.visit(&gate.portal(&url)).expect(200).text();
    assert!(page.contains("cancelled") && page.contains("Try again"), "{page}");
}

#[test]
fn the_request_says_what_it_must_and_one_browser_keeps_few_of_them() {
    let (_upstream, liar, gate) = start("scopes: [openid, groups]");
    let mut browser = gate.browser();
    let asked = liar.ask(&gate, &mut browser, "sso", "");
    let one = |name: &str| {
        asked
            .query
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(one("response_type"), ["code"]);
    assert_eq!(one("client_id"), ["stepgate"]);
    assert_eq!(one("redirect_uri"), [gate.portal("sign-in/sso/callback")]);
    assert_eq!(one("scope"), ["openid groups"]);
    assert_eq!(one("code_challenge_method"), ["S256"]);
    assert_eq!(
        (one("state")[0].len(), one("nonce")[0].len(), one("code_challenge")[0].len()),
        (30, 22, 43)
    );
    let mut all = vec![asked];
    for _ in 0..40 {
        all.push(liar.ask(&gate, &mut browser, "sso", ""));
        let kept = browser.cookies["localhost"].keys().filter(|name| name.contains("oidc")).count();
        assert!(kept <= 12, "{kept}");
    }
    let field = browser.cookie_header("localhost").unwrap();
    assert!(field.len() < 8 * 1024, "{}", field.len());
    let mut late = browser.clone();
    let last = all.pop().unwrap();
    let mut taken = 0;
    for asked in &all {
        taken += usize::from(liar.come_back(&gate, &mut late, "sso", asked).status == 303);
    }
    assert!(taken < 12, "{taken} of those that were to be forgotten");
    liar.come_back(&gate, &mut browser, "sso", &last).expect(303);
}

#[test]
fn how_people_are_authenticated_is_asked_for_and_checked() {
    let (_upstream, liar, gate) = start("acr_values: [phr, mfa], max_age: 10m, prompt: login");
    let asked = liar.ask(&gate, &mut gate.browser(), "sso", "");
    for (name, value) in [("acr_values", "phr mfa"), ("max_age", "600"), ("prompt", "login")] {
        let said: Vec<_> = asked.query.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        assert_eq!(said, [value]);
    }
    let now = unix_now();
    for (claims, status) in [
        (json!({}), 400),
        (json!({ "acr": "pwd", "auth_time": now }), 400),
        (json!({ "acr": "mfa" }), 400),
        (json!({ "acr": "mfa", "auth_time": now - 3600 }), 400),
        (json!({ "acr": "mfa", "auth_time": now + 3600 }), 400),
        (json!({ "acr": ["mfa"], "auth_time": now }), 400),
        (json!({ "acr": "mfa", "auth_time": now - 60 }), 303),
    ] {
        liar.lies(Lie { claims: claims.clone(), ..Lie::default() });
        let (mut browser, reply) = try_it(&gate, &liar);
        let fits = reply.status == status || (status == 400 && reply.status == 503);
        assert!(fits, "{claims}: {} {}", reply.status, gate.log());
        assert_eq!(is_signed_in(&gate, &mut browser), status == 303, "{claims}");
    }
}

#[test]
fn a_provider_that_describes_itself_as_another_signs_nobody_in() {
    for discovery in [
        json!({ "issuer": "https://login.example.com" }),
        json!({ "token_endpoint": "http://login.example.com/token" }),
        json!({ "authorization_endpoint": "javascript:alert(1)" }),
        json!({ "token_endpoint": null }),
        json!({ "jwks_uri": 7 }),
    ] {
        let (_upstream, liar, gate) = start("");
        liar.lies(Lie { discovery: discovery.clone(), ..Lie::default() });
        let mut browser = gate.browser();
        let reply = browser.visit(&gate.portal("sign-in/sso"));
        assert_eq!(reply.status, 503, "{discovery}: {}", reply.text());
        assert!(reply.text().contains("Try again"), "{discovery}");
    }
}

#[test]
fn an_unverified_address_is_no_address() {
    for (claims, more, seen) in [
        (json!({ "email_verified": false }), "", None),
        (json!({ "email_verified": null }), "", None),
        (json!({ "email_verified": null }), "emails_are_verified: true", Some("anna@example.com")),
        (json!({}), "", Some("anna@example.com")),
    ] {
        let (upstream, liar, gate) = start(more);
        liar.lies(Lie {
            claims: claims.clone(),
            userinfo: json!({ "email": "other@example.com" }),
            ..Lie::default()
        });
        let (mut browser, reply) = try_it(&gate, &liar);
        assert_eq!(reply.status, 303, "{claims}: {}", gate.log());
        browser.fetch("GET", &gate.url("localhost", "/x"), None).expect(200);
        let expected: Vec<String> = seen.iter().map(ToString::to_string).collect();
        assert_eq!(upstream.last().twins("remote-email"), expected, "{claims} {more}");
    }
}

#[test]
fn logout_tokens_end_what_they_name_and_nothing_else_does() {
    let (_upstream, liar, gate) = start("");
    let back = gate.portal("sign-out/sso/back");
    let send = |token: &str| {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("logout_token", token)
            .finish();
        let mut provider = gate.browser();
        let reply = provider.send(crate::support::Ask {
            method: "POST",
            url: &back,
            headers: vec![("Content-Type", "application/x-www-form-urlencoded".to_owned())],
            body: body.into_bytes(),
        });
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        reply.status
    };
    let (mut anna, reply) = try_it(&gate, &liar);
    reply.expect(303);
    let now = unix_now();
    for (name, claims) in [
        ("names nobody", json!({})),
        ("no event", json!({ "sid": "session-1", "events": null })),
        ("another event", json!({ "sid": "session-1", "events": { "x": {} } })),
        (
            "an event that is no object",
            json!({ "sid": "session-1", "events": { "http://schemas.openid.net/event/backchannel-logout": 1 } }),
        ),
        ("a nonce", json!({ "sid": "session-1", "nonce": "x" })),
        ("another issuer", json!({ "sid": "session-1", "iss": "https://evil.example" })),
        ("another client", json!({ "sid": "session-1", "aud": "another" })),
        ("expired", json!({ "sid": "session-1", "exp": now - 100 })),
        ("for ever", json!({ "sid": "session-1", "exp": now + 100 * 24 * 3600 })),
        ("no name of its own", json!({ "sid": "session-1", "jti": null })),
        ("a number", json!({ "sid": 1 })),
    ] {
        assert_eq!(send(&liar.logout_token(&claims)), 400, "{name}");
        assert!(is_signed_in(&gate, &mut anna), "{name}");
    }
    assert_eq!(send("x.y.z"), 400);
    // Another session of the same person is not hers.
    assert_eq!(send(&liar.logout_token(&json!({ "sid": "session-2" }))), 200);
    assert!(is_signed_in(&gate, &mut anna));
    let token = liar.logout_token(&json!({ "sid": "session-1" }));
    assert_eq!(send(&token), 200);
    assert!(!is_signed_in(&gate, &mut anna));
    // The same token does not end what begins later; one that names her ends all of hers.
    let (mut anna, _) = try_it(&gate, &liar);
    assert_eq!(send(&token), 400);
    assert!(is_signed_in(&gate, &mut anna));
    assert_eq!(send(&liar.logout_token(&json!({ "sub": "anna" }))), 200);
    assert!(!is_signed_in(&gate, &mut anna));
    // A session that has ended already says nothing of her next one; one that was never heard of here may
    // be any of hers.
    liar.lies(Lie { claims: json!({ "sid": "session-3" }), ..Lie::default() });
    let (mut anna, _) = try_it(&gate, &liar);
    assert_eq!(send(&liar.logout_token(&json!({ "sid": "session-1", "sub": "anna" }))), 200);
    assert!(is_signed_in(&gate, &mut anna));
    assert_eq!(send(&liar.logout_token(&json!({ "sid": "session-9", "sub": "ben" }))), 200);
    assert!(is_signed_in(&gate, &mut anna));
    assert_eq!(send(&liar.logout_token(&json!({ "sid": "session-9", "sub": "anna" }))), 200);
    assert!(!is_signed_in(&gate, &mut anna));
}

#[test]
fn a_frame_of_the_provider_ends_the_session_it_names() {
    let (_upstream, liar, gate) = start("");
    let (mut anna, _) = try_it(&gate, &liar);
    let issuer: String = form_urlencoded::byte_serialize(liar.issuer().as_bytes()).collect();
    // In a frame of another site no cookie of ours arrives.
    let mut frame = gate.browser();
    for query in [
        "",
        "sid=session-1",
        "iss=https%3A%2F%2Fevil.example&sid=session-1",
        &format!("iss={issuer}"),
        &format!("iss={issuer}&sid={}", "x".repeat(256)),
    ] {
        frame.visit(&gate.portal(&format!("sign-out/sso/front?{query}"))).expect(400);
    }
    assert!(is_signed_in(&gate, &mut anna));
    let reply = frame
        .visit(&gate.portal(&format!("sign-out/sso/front?iss={issuer}&sid=session-1")))
        .expect(200);
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("frame-ancestors {}", liar.issuer())), "{policy}");
    assert_eq!(reply.header("x-frame-options"), None);
    assert!(!is_signed_in(&gate, &mut anna));
    // A name that nobody has is no news.
    let made_up = gate.portal(&format!("sign-out/sso/front?iss={issuer}&sid=made-up"));
    frame.visit(&made_up).expect(200);
    // No other page of ours may stand in a frame.
    let page = frame.visit(&gate.portal("sign-out"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
}

#[test]
fn strangers_neither_set_out_nor_name_sessions_without_end() {
    let upstream = Upstream::start();
    let liar = Liar::start();
    let routes =
        format!("- {{ name: app, host: localhost, upstream: \"{}\", require: signed-in }}", upstream.url());
    let limited = || {
        Setup::new(&routes)
            .section("identity", &liar.source("sso", ""))
            .section("limits", " { per_network: 1 per 1m }")
            .start()
    };
    let issuer: String = form_urlencoded::byte_serialize(liar.issuer().as_bytes()).collect();
    let front = format!("sign-out/sso/front?iss={issuer}&sid=made-up");
    for (page, good) in [("sign-in/sso", 303), (front.as_str(), 200)] {
        let gate = limited();
        let mut browser = gate.browser();
        let said: Vec<u16> = (0..5).map(|_| browser.visit(&gate.portal(page)).status).collect();
        assert_eq!((said.first(), said.last()), (Some(&good), Some(&429)), "{page}: {said:?}");
    }
}
