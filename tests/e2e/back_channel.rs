//! What stepgate remembers of identities and asks of others (security.md A17 to A19, F11, H04): nobody gets what
//! was remembered of somebody else, and whoever is asked can neither stall nor flood nor learn.

use std::io::Write as _;

use serde_json::json;

use super::identity::{Issuer, ask, by_token, claims};
use crate::support::{Gate, PATIENCE, Raw, Setup, Upstream, timed};

/// Answers with the name that the upstream was told.
fn names() -> Upstream {
    Upstream::answering(|request| crate::support::ok(request.twins("remote-user").join("+")))
}

#[test]
fn a17_what_is_remembered_of_one_credential_is_nobody_elses() {
    let upstream = names();
    let issuer = Issuer::new();
    let pem = issuer.public("one").replace('\n', "\\n");
    let gate = by_token(&upstream, &format!("public_key: \"{pem}\""));
    let tokens = ["Anna", "Ben", "Cleo"].map(|user| (user, issuer.token("one", user)));
    let request = |token: &str| {
        format!("GET /page HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
    };
    std::thread::scope(|scope| {
        for at in 0..6 {
            let (tokens, gate) = (&tokens, &gate);
            scope.spawn(move || {
                let mut raw = gate.raw();
                for n in 0..40 {
                    let (user, token) = &tokens[(n + at) % tokens.len()];
                    raw.try_send(request(token)).unwrap();
                    assert_eq!(raw.reply().expect(200).text(), *user);
                }
            });
        }
    });
    // Remembered or not, the whole token counts: a shorter, longer or changed one is another.
    let (_, anna) = &tokens[0];
    let (_, ben) = &tokens[1];
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let mixed = format!("{}.{}.{}", parts(anna)[0], parts(ben)[1], parts(anna)[2]);
    for token in [&anna[..anna.len() - 1], &format!("{anna}A"), &mixed, ""] {
        assert_eq!(ask(&gate, token), 401, "{token}");
    }
    assert_eq!(ask(&gate, anna), 200);
}

#[test]
fn a17_a_session_that_one_site_remembers_is_none_at_another() {
    let upstream = names();
    let routes = ["one", "two"].map(|name| {
        format!(
            "\n  - {{ name: {name}, host: {name}.localhost, upstream: \"{}\", require: signed-in }}",
            upstream.url()
        )
    });
    let gate = Gate::with(&routes.concat());
    let (mut anna, mut ben) = (gate.signed_in("anna"), gate.signed_in("ben"));
    let mut cookies = Vec::new();
    for (browser, user) in [(&mut anna, "anna"), (&mut ben, "ben")] {
        for host in ["one.localhost", "two.localhost"] {
            assert_eq!(browser.go(&gate.url(host, "/x")).expect(200).text(), user);
            cookies.push((host, user, browser.cookie_header(host).unwrap()));
        }
    }
    let mut raw = gate.raw();
    for _ in 0..3 {
        for (site, user, cookie) in &cookies {
            for host in ["one.localhost", "two.localhost"] {
                raw.try_send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n"))
                    .unwrap();
                let reply = raw.reply();
                if host == *site {
                    assert_eq!(reply.expect(200).text(), *user);
                } else {
                    assert_eq!(reply.status, 401, "{user}'s cookie of {site} at {host}");
                }
            }
        }
    }
}

#[test]
fn a18_an_endless_answer_of_an_identity_provider_is_cut() {
    let upstream = names();
    let issuer = Issuer::new();
    let keys = issuer.jwks(&["one"]);
    // More than 256 KiB before the keys, and then without an end.
    let flood = Upstream::scripted(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for _ in 0..10_000 {
            stream.write_all(b"1000\r\n")?;
            stream.write_all(&[b' '; 0x1000])?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(format!("{:x}\r\n{keys}\r\n0\r\n\r\n", keys.len()).as_bytes())?;
        Ok(false)
    });
    let gate = by_token(&upstream, &format!("jwks: \"{}/keys\"", flood.url()));
    assert_eq!(ask(&gate, &issuer.token("one", "Anna")), 503, "not signed in, and not let in");
    let large = format!("{{\"x\":\"{}\",{}", "x".repeat(300_000), &issuer.jwks(&["one"])[1..]);
    let provider = Upstream::answering(move |_| crate::support::ok(&large));
    let gate = by_token(&upstream, &format!("jwks: \"{}/keys\"", provider.url()));
    assert_eq!(ask(&gate, &issuer.token("one", "Anna")), 503);
    assert!(upstream.requests().is_empty());
}

#[test]
fn a18_an_identity_provider_that_never_answers_is_given_up() {
    let upstream = names();
    let issuer = Issuer::new();
    let silent = Upstream::scripted(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")?;
        std::io::Read::read(stream, &mut [0]).map(|_| false)
    });
    let gate = by_token(&upstream, &format!("jwks: \"{}/keys\"", silent.url()));
    let (status, took) = timed(|| ask(&gate, &issuer.token("one", "Anna")));
    assert_eq!(status, 503);
    assert!(took < PATIENCE, "given up after {took:?}");
    assert!(upstream.requests().is_empty());
}

#[test]
fn a19_an_identity_provider_learns_nothing_of_the_request() {
    let upstream = names();
    let issuer = Issuer::new();
    let keys = issuer.jwks(&["one"]);
    let provider = Upstream::answering(move |_| crate::support::ok(&keys));
    let gate = by_token(&upstream, &format!("jwks: \"{}/keys?x=1\"", provider.url()));
    let reply = gate
        .raw()
        .send(format!(
            "GET /page?secret=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nCookie: a=1; stepgate-id=x\r\n\
             X-Api-Key: k\r\nUser-Agent: u\r\nReferer: r\r\nConnection: close\r\n\r\n",
            issuer.token("one", "Anna")
        ))
        .reply();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let asked = provider.last();
    assert_eq!(asked.line(), "GET /keys?x=1 HTTP/1.1");
    let mut told: Vec<String> = asked.headers().into_iter().map(|(name, _)| name.to_lowercase()).collect();
    told.sort();
    assert_eq!(told, ["accept", "host", "user-agent"]);
    let agent = asked.header("user-agent").unwrap_or_default();
    assert!(agent.starts_with("stepgate/"), "ours, not the client's: {agent}");
    assert!(asked.body.is_empty());
}

#[test]
fn h04_an_identity_provider_cannot_send_us_elsewhere() {
    let upstream = names();
    let issuer = Issuer::new();
    let keys = issuer.jwks(&["one"]);
    let elsewhere = Upstream::answering(move |_| crate::support::ok(&keys));
    let to = elsewhere.url();
    let provider = Upstream::answering(move |_| {
        format!("HTTP/1.1 302 Found\r\nLocation: {to}/keys\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let gate = by_token(&upstream, &format!("jwks: \"{}/keys\"", provider.url()));
    assert_eq!(ask(&gate, &issuer.token("one", "Anna")), 503);
    assert_eq!(provider.requests().len(), 1);
    assert!(elsewhere.requests().is_empty() && upstream.requests().is_empty());
}

#[test]
fn f11_a_key_id_is_a_name_to_look_up_and_nothing_else() {
    let upstream = names();
    let issuer = Issuer::new();
    let keys = issuer.jwks(&["one"]);
    let provider = Upstream::answering(move |_| crate::support::ok(&keys));
    let gate = by_token(&upstream, &format!("jwks: \"{}/keys\"", provider.url()));
    let signed = |kid: &str| issuer.sign("one", &json!({ "alg": "RS256", "kid": kid }), &claims("Anna"));
    assert_eq!(ask(&gate, &signed("one")), 200);
    let asked = provider.requests().len();
    for kid in [
        "",
        "One",
        "one ",
        "one\u{0}",
        "../one",
        "/dev/null",
        "' OR 1=1 --",
        "http://127.0.0.1:1/keys",
        &"one".repeat(100),
        &"x".repeat(5000),
    ] {
        assert_eq!(ask(&gate, &signed(kid)), 401, "{kid:?}");
    }
    assert!(provider.requests().len() <= asked + 1, "strange key ids make no traffic");
}

/// Our own claims: a key id that somebody else chose never finds a key.
#[test]
fn f11_a_claim_with_another_key_id_is_none() {
    let upstream = names();
    let gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ))
    .user("anna", &[])
    .start();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut anna, &mut authenticator);
    let id = anna.cookie("localhost", "stepgate-id").unwrap().to_owned();
    let claim = anna.cookie("localhost", "stepgate").unwrap().to_owned();
    let ask = |claim: &str| {
        Raw::connect(gate.address())
            .send(format!(
                "GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: stepgate-id={id}; stepgate={claim}\r\nConnection: close\r\n\r\n"
            ))
            .reply()
            .status
    };
    assert_eq!(ask(&claim), 200);
    let (head, rest) = claim.split_once('.').unwrap();
    let head: serde_json::Value = serde_json::from_slice(&decode(head)).unwrap();
    assert!(head["kid"].is_string(), "{head}");
    for kid in [
        json!("../keys.json"),
        json!("x".repeat(1000)),
        json!(""),
        json!(1),
        json!(null),
    ] {
        let mut changed = head.clone();
        changed["kid"] = kid.clone();
        let touched = format!("{}.{rest}", encode(changed.to_string().as_bytes()));
        assert_eq!(ask(&touched), 401, "{kid}");
    }
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
