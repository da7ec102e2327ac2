//! What pages may do to people (security.md 1.7): no open redirects, no forgery, no framing, no caching.

use serde_json::json;

use crate::support::{Ask, Form, Gate, Reply, Setup, Upstream, ok, text_of};

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard, rules: [{{ path: /public/**, require: public }}] }}\n",
        upstream.url()
    ))
    .section("branding", "{ name: \"A & <b>B</b>\" }")
    .user("anna", &[])
    .user("ben", &[])
    .start();
    (upstream, gate)
}

#[test]
fn g01_the_way_back_is_never_to_somewhere_else() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    for rd in [
        "https://evil.test/",
        "//evil.test/",
        "/\\evil.test",
        "\\\\evil.test",
        "https:evil.test",
        "javascript:alert(1)",
        "/%0d%0aLocation:https://evil.test",
        "http://localhost@evil.test/",
        "http://localhost.evil.test/",
        "/\t/evil.test",
        "http://evil.test/.localhost",
        " https://evil.test",
        "data:text/html,x",
        "///evil.test",
        "/.//evil.test",
    ] {
        for page in ["sign-in", "challenge"] {
            let mut browser = gate.browser();
            let encoded: String = form_urlencoded::byte_serialize(rd.as_bytes()).collect();
            let mut reply = browser.visit(&gate.portal(&format!("{page}?rd={encoded}&return={encoded}")));
            for _ in 0..6 {
                let Some(to) = reply.header("location").map(str::to_owned) else {
                    break;
                };
                assert!(!to.contains("evil") && !to.starts_with("//"), "{page} {rd:?} led to {to}");
                reply = browser.visit(&to);
            }
            assert!(!reply.text().contains("evil.test"), "{page} {rd:?}: {}", reply.text());
            let Some(form) = Form::sign_in(&reply.text()) else {
                continue;
            };
            let signed =
                browser.submit(&form.fill("username", "anna").fill("password", &Setup::password("anna")));
            let to = signed.header("location").unwrap_or_default().to_owned();
            assert!(!to.contains("evil") && !to.starts_with("//"), "{page} {rd:?} led to {to} after sign-in");
        }
    }
    let mut browser = gate.browser();
    let body = json!({ "username": "anna", "password": Setup::password("anna") });
    browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body));
    for rd in ["https://evil.test/", "//evil.test"] {
        let opened = browser.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({ "return": rd })));
        if opened.status >= 300 {
            continue;
        }
        let answered = gate.answer(&mut browser, &opened.json(), "totp", &authenticator.code());
        assert!(!answered.text().contains("evil"), "{}", answered.text());
    }
}

/// Every page and answer of ours that can be had without a proof, and one of each kind behind it.
fn our_pages(gate: &Gate) -> Vec<(String, Reply)> {
    let mut pages = Vec::new();
    let mut nobody = gate.browser();
    let mut anna = gate.signed_in("anna");
    for path in [
        "sign-in",
        "sign-out",
        "challenge",
        "enrol",
        "my-mfa",
        "no-such-page",
    ] {
        pages.push((format!("{path} as nobody"), nobody.go(&gate.portal(path))));
        pages.push((format!("{path} as Anna"), anna.go(&gate.portal(path))));
    }
    pages.push(("met the challenge".into(), anna.go(&gate.url("localhost", "/x"))));
    pages.push(("unknown host".into(), nobody.visit(&gate.url("nowhere.localhost", "/x"))));
    pages.push(("API, signed out".into(), nobody.fetch("GET", &gate.portal("api/v1/session"), None)));
    pages.push(("API, signed in".into(), anna.fetch("GET", &gate.portal("api/v1/session"), None)));
    pages.push(("401".into(), nobody.fetch("GET", &gate.url("localhost", "/x"), None)));
    pages
}

#[test]
fn g07_g08_our_answers_are_neither_framed_nor_cached_nor_sniffed() {
    let (_upstream, gate) = scene();
    gate.enrolled("anna");
    for (what, reply) in our_pages(&gate) {
        let header = |name: &str| reply.header(name).unwrap_or_default().to_owned();
        assert!(header("cache-control").contains("no-store"), "{what}: {:?}", reply.headers);
        assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
        if !header("content-type").starts_with("text/html") {
            continue;
        }
        assert_eq!(header("x-frame-options").to_ascii_uppercase(), "DENY", "{what}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{what}");
        let policy = header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(directive), "{what}: {directive} is missing in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        let html = reply.text();
        assert!(
            !html.contains(" style=")
                && !html.contains(" onclick=")
                && !html.contains("<script>")
                && !html.contains("<style>"),
            "{what} has inline script or style"
        );
        for one in ["<h1", "<main", "lang=\"", "<title>"] {
            assert_eq!(
                html.matches(one).count(),
                if one == "lang=\"" {
                    html.matches(one).count().max(1)
                } else {
                    1
                },
                "{what}: {one}"
            );
        }
        let text = text_of(&html);
        for jargon in ["TOTP", "2FA", "WebAuthn", "MFA token"] {
            assert!(!text.contains(jargon), "{what} says {jargon}");
        }
    }
}

#[test]
fn g04_a_post_from_elsewhere_changes_nothing() {
    let (_upstream, gate) = scene();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    let challenge = gate.challenge(&mut anna);
    let id = challenge["id"].as_str().unwrap();
    let body = json!({ "factor": "totp", "code": authenticator.code() }).to_string();
    let url = gate.portal(&format!("api/v1/challenges/{id}/answer"));
    let json_type = "application/json";
    let mut attempts: Vec<(&str, Vec<(&str, String)>)> = Vec::new();
    for (what, origin, site) in [
        ("another origin", Some("https://evil.test"), None),
        ("another port", Some("http://localhost:1"), None),
        ("null", Some("null"), None),
        ("cross-site", None, Some("cross-site")),
        ("same-site", None, Some("same-site")),
        ("they disagree", Some("https://evil.test"), Some("same-origin")),
    ] {
        let mut headers = vec![("Content-Type", json_type.to_owned())];
        headers.extend(origin.map(|o| ("Origin", o.to_owned())));
        headers.extend(site.map(|s| ("Sec-Fetch-Site", s.to_owned())));
        attempts.push((what, headers));
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain;application/json",
    ] {
        attempts.push((kind, vec![("Content-Type", kind.to_owned())]));
    }
    attempts.push(("no type", vec![]));
    for (what, headers) in attempts {
        let reply =
            anna.clone()
                .send(Ask { method: "POST", url: &url, headers, body: body.clone().into_bytes() });
        assert!(matches!(reply.status, 400 | 403 | 415), "{what}: {} {}", reply.status, reply.text());
    }
    let right = anna.send(Ask {
        method: "POST",
        url: &url,
        headers: vec![("Content-Type", json_type.into())],
        body: body.into_bytes(),
    });
    assert!(right.status < 300, "a client that is no browser: {} {}", right.status, right.text());
}

#[test]
fn g04_forms_need_their_token_and_their_origin() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.signed_in("anna");
    let page = browser.go(&gate.url("localhost", "/x"));
    let form = Form::code(&page.text()).unwrap().fill("code", &authenticator.code());
    let here = browser.url.clone();

    let mut elsewhere = browser.clone();
    elsewhere.url = "http://evil.test/".into();
    let mut absolute = form.clone();
    absolute.action = browser.absolute(&form.action);
    let reply = elsewhere.submit(&absolute);
    assert!(matches!(reply.status, 400 | 403), "from another origin: {}", reply.status);

    let mut bare = form.clone();
    bare.fields.retain(|field| field.name == "code");
    let reply = browser.clone().submit(&bare);
    assert!(
        matches!(reply.status, 400 | 403),
        "without the token: {} {}",
        reply.status,
        text_of(&reply.text())
    );

    let mut bens = gate.signed_in("ben");
    bens.url.clone_from(&here);
    let reply = bens.submit(&form);
    assert!(reply.status >= 400 || reply.status == 303, "another person's token: {}", reply.status);
    assert_eq!(bens.cookie("localhost", "stepgate"), None);

    let reply = browser.submit(&form);
    assert_eq!(browser.settle(reply).text(), "upstream");
}

#[test]
fn g04_getting_changes_nothing() {
    let (_upstream, gate) = scene();
    let (mut anna, _) = gate.enrolled("anna");
    for path in [
        "sign-out",
        "api/v1/sign-out",
        "api/v1/challenges",
        "my-mfa/remove",
        "api/v1/sign-in",
        "enrol?factor=totp",
    ] {
        anna.visit(&gate.portal(path));
        anna.send(Ask { method: "HEAD", url: &gate.portal(path), headers: vec![], body: vec![] });
    }
    anna.fetch("GET", &gate.url("localhost", "/x"), None).expect(200);
    let list = anna.fetch("GET", &gate.portal("api/v1/enrolments"), None).expect(200).text();
    assert_eq!(list.matches("\"totp\"").count(), 1, "{list}");
}

#[test]
fn g03_g06_what_was_typed_stays_text() {
    let (_upstream, gate) = scene();
    let mut browser = gate.browser();
    let page = browser.go(&gate.url("localhost", "/<script>alert(1)</script>?x=\"><img src=x>"));
    if page.status == 200 {
        let form = Form::sign_in(&page.text()).unwrap();
        let reply =
            browser.submit(&form.fill("username", "\"><script>alert(1)</script>").fill("password", "<b>"));
        let page = browser.settle(reply);
        assert!(!page.text().contains("<script>alert") && !page.text().contains("<b>"), "{}", page.text());
    }
    for path in [
        "challenge?id=<script>alert(1)</script>",
        "enrol?invitation=\"><script>alert(1)</script>",
        "<script>alert(1)</script>",
    ] {
        let page = gate.browser().go(&gate.portal(
            &path
                .replace(' ', "%20")
                .replace('<', "%3C")
                .replace('>', "%3E")
                .replace('"', "%22"),
        ));
        assert!(!page.text().contains("<script>alert"), "{path}");
    }
    let mut anna = gate.signed_in("anna");
    gate.enrol(&mut anna);
    let mut again = gate.signed_in("anna");
    let page = again.go(&gate.url("localhost", "/x"));
    assert!(!page.text().contains("<b>B</b>"), "the name of an app is text");
    assert!(page.text().contains("A &amp; ") || page.text().contains("A &#38; "), "{}", page.text());
    for inserted in ["a\r\nX-Injected: 1", "a\u{1b}[2Jb"] {
        let body = json!({ "username": inserted, "password": "x" });
        let reply = gate.browser().fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body));
        assert_eq!(reply.header("x-injected"), None);
    }
    let log = gate.log();
    assert!(
        !log.contains('\u{1b}') && !log.contains("\nX-Injected"),
        "a log line is one line of plain text"
    );
}

#[test]
fn g08_protected_answers_are_private() {
    let upstream = Upstream::answering(|request| match request.target().as_str() {
        "/shared" => {
            b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=600\r\nContent-Length: 1\r\n\r\nx".to_vec()
        }
        "/never" => b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 1\r\n\r\nx".to_vec(),
        _ => ok("x"),
    });
    let gate = Gate::with(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: signed-in, rules: [{{ path: /public/**, require: public }}] }}\n",
        upstream.url()
    ));
    let mut anna = gate.signed_in("anna");
    for (path, wanted) in [("/x", "private"), ("/shared", "private"), ("/never", "no-store")] {
        let reply = anna.fetch("GET", &gate.url("localhost", path), None).expect(200);
        let control = reply.all("cache-control").collect::<Vec<_>>().join(", ");
        assert!(control.contains(wanted) && !control.contains("public"), "{path}: {control:?}");
    }
    let reply = anna.fetch("GET", &gate.url("localhost", "/public/x"), None).expect(200);
    assert!(
        !reply.header("cache-control").unwrap_or_default().contains("private"),
        "public stays as the app says"
    );
}

#[test]
fn g10_the_app_cannot_plant_our_cookies() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\nSet-Cookie: stepgate-id=planted; Path=/\r\nSet-Cookie: __Host-stepgate=planted; Path=/; Secure\r\n\
          set-cookie: stepgate=planted\r\nSet-Cookie: stepgate-browser=planted\r\nSet-Cookie:  __Host-stepgate-id = planted\r\n\
          Set-Cookie: app=1; Path=/\r\nSet-Cookie: stepgateish=1\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    });
    let gate = Gate::with(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: public }}\n",
        upstream.url()
    ));
    let reply = gate.browser().visit(&gate.url("localhost", "/x")).expect(200);
    let cookies: Vec<&str> = reply.all("set-cookie").collect();
    assert!(!cookies.iter().any(|c| c.contains("planted")), "{cookies:?}");
    assert_eq!(cookies.len(), 2, "{cookies:?}");
}

#[test]
fn two_tabs_the_back_button_and_a_double_submit_all_end_well() {
    let (upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.signed_in("anna");
    let first = browser.go(&gate.url("localhost", "/one"));
    let first_url = browser.url.clone();
    let second = browser.go(&gate.url("localhost", "/two"));
    let second_url = browser.url.clone();
    let code = authenticator.code();

    browser.url.clone_from(&first_url);
    let form = Form::code(&first.text()).unwrap().fill("code", &code);
    let one = browser.submit(&form);
    let twice = browser.submit(&form);
    assert_eq!(browser.settle(one).text(), "upstream");
    assert_eq!(upstream.last().target(), "/one");
    let page = browser.settle(twice);
    assert!(
        page.status < 400,
        "the second press of the button: {} {}",
        page.status,
        text_of(&page.text())
    );

    // The second tab: its form is stale, its person is confirmed; the same code or reload, both arrive.
    browser.url.clone_from(&second_url);
    let reply = browser.submit(&Form::code(&second.text()).unwrap().fill("code", &code));
    let page = browser.settle(reply);
    assert!(page.status < 400, "{} {}", page.status, text_of(&page.text()));
    assert_eq!(browser.go(&gate.url("localhost", "/two")).text(), "upstream");

    // Back to the challenge: no stale code, no dead end.
    let page = browser.go(&first_url);
    assert!(
        page.status < 500 && !page.text().contains(&code),
        "{} {}",
        page.status,
        text_of(&page.text())
    );
}

#[test]
fn pages_live_on_the_portal_only() {
    let upstream = Upstream::start();
    let gate = Gate::with(&format!(
        "\n  - {{ name: wiki, host: wiki.localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ));
    let mut anna = gate.signed_in("anna");
    for path in [
        "sign-in",
        "challenge",
        "enrol",
        "my-mfa",
        "admin",
        "api/v1/session",
        "api/v1/sign-in",
        "api/v1/openapi.json",
    ] {
        let reply = anna.visit(&gate.url("wiki.localhost", &format!("/.stepgate/{path}")));
        assert_eq!(reply.status, 404, "{path}");
    }
    gate.browser()
        .fetch("GET", &gate.url("wiki.localhost", "/.stepgate/jwks.json"), None)
        .expect(200);
    let checks = gate
        .browser()
        .fetch("GET", &gate.url("wiki.localhost", "/.stepgate/authz/forward"), None);
    assert_eq!(checks.status, 404, "no check endpoint for strangers");
    assert!(upstream.requests().is_empty());
}
