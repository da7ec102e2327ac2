//! Wrong answers are counted per person before the result is told, whatever way they come; strangers lock
//! nobody out of a browser that has succeeded before (security.md E04 to E09).

use std::io::{BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Browser, Form, Gate, PATIENCE, Reply, Setup, Upstream, read_reply, text_of};

const ALLOWED: usize = 5;

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let gate = Gate::with(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ));
    (upstream, gate)
}

/// Opens all connections, writes all requests, then reads all answers: as parallel as sockets can be.
fn at_once(gate: &Gate, requests: &[String]) -> Vec<Reply> {
    let mut streams = Vec::new();
    for request in requests {
        let mut stream = TcpStream::connect(gate.address()).expect("the gate accepts");
        stream.set_read_timeout(Some(PATIENCE * 3)).unwrap();
        // All but the last byte, so that none is complete before all are there.
        stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
        streams.push(stream);
    }
    for (stream, request) in streams.iter_mut().zip(requests) {
        let _ = stream.write_all(&request.as_bytes()[request.len() - 1..]);
    }
    streams
        .into_iter()
        .map(|s| read_reply(&mut BufReader::new(s), "POST").expect("an answer"))
        .collect()
}

fn answer_request(browser: &Browser, challenge: &Value, code: &str) -> String {
    let id = challenge["id"].as_str().unwrap();
    let body = json!({ "factor": "totp", "code": code }).to_string();
    format!(
        "POST /.stepgate/api/v1/challenges/{id}/answer HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        browser.cookie_header("localhost").unwrap_or_default(),
        body.len()
    )
}

fn served(gate: &Gate, browser: &mut Browser) -> bool {
    browser.fetch("GET", &gate.url("localhost", "/x"), None).status == 200
}

#[test]
fn e02_a_thousand_posts_of_one_right_code_make_one_proof_and_lock_nobody() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut anna = gate.signed_in("anna");
    let challenge = gate.challenge(&mut anna);
    let request = answer_request(&anna, &challenge, &authenticator.code());
    let before = gate.audit("challenge").len();
    let replies = at_once(&gate, &vec![request; 1000]);
    let passed = replies.iter().filter(|r| r.status < 300).count();
    assert!(passed >= 1, "{}", replies[0].text());
    for reply in &replies {
        assert_ne!(reply.status, 429, "{}", reply.text());
        assert!(matches!(reply.status, 200..=299 | 503), "{} {}", reply.status, reply.text());
    }
    let passes = gate
        .audit("challenge")
        .iter()
        .skip(before)
        .filter(|r| r["result"] == "passed")
        .count();
    assert_eq!(passes, 1, "{:#?}", gate.audit("challenge"));
    let mut second = gate.signed_in("anna");
    gate.step_up(&mut second, &mut authenticator);
    assert!(served(&gate, &mut second), "nobody is locked");
}

#[test]
fn e02_one_code_for_fifty_challenges_counts_for_one() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let code = authenticator.code();
    let requests: Vec<String> = (0..20)
        .map(|_| {
            let mut browser = gate.signed_in("anna");
            let challenge = gate.challenge(&mut browser);
            answer_request(&browser, &challenge, &code)
        })
        .collect();
    let passed = at_once(&gate, &requests).iter().filter(|r| r.status < 300).count();
    assert_eq!(passed, 1);
}

#[test]
fn e07_two_hundred_wrong_codes_at_once_lead_to_no_more_comparisons_than_the_limit() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut anna = gate.signed_in("anna");
    let challenge = gate.challenge(&mut anna);
    let mut requests: Vec<String> = (0..200)
        .map(|i| answer_request(&anna, &challenge, &authenticator.wrong(i)))
        .collect();
    // The right one waits in the middle of the crowd: with luck it is among the first, else it must not count.
    requests.truncate(200);
    let replies = at_once(&gate, &requests);
    let judged = replies.iter().filter(|r| r.status != 429 && r.status != 503).count();
    assert!(judged <= ALLOWED, "{judged} were compared");
    assert!(judged >= 1);
    let told = replies.iter().find(|r| r.status == 429).expect("the rest are told to wait");
    let wait: u64 = told.header("retry-after").and_then(|v| v.parse().ok()).expect("Retry-After");
    assert!((1..=3600).contains(&wait), "{wait}");
    let reply = gate.answer(&mut anna, &challenge, "totp", &authenticator.code());
    assert_eq!(reply.status, 429, "a right code while locked opens nothing: {}", reply.text());
    assert!(!served(&gate, &mut anna));
}

#[test]
fn e04_e05_e09_the_lock_holds_over_sessions_factors_pages_and_restarts() {
    let (_upstream, mut gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut refused = 0;
    for n in 0..8 {
        let mut browser = gate.signed_in("anna");
        browser.from = Some([127, 0, 1, u8::try_from(n).unwrap()].into());
        let opened = browser.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
        if opened.status == 429 {
            refused += 1;
            continue;
        }
        let reply = gate.answer(&mut browser, &opened.json(), "totp", &authenticator.wrong(n));
        refused += usize::from(reply.status == 429);
    }
    assert!(refused >= 2, "new sessions and addresses do not start over");
    gate.kill();
    gate.start_again();
    let mut browser = gate.signed_in("anna");
    let opened = browser.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
    if opened.status != 429 {
        for factor in ["totp", "recovery_code"] {
            let reply = gate.answer(&mut browser, &opened.json(), factor, &authenticator.code());
            assert!(matches!(reply.status, 429 | 400 | 404 | 422), "{factor}: {}", reply.status);
        }
    }
    let cookie = browser.cookie_header("localhost").unwrap();
    let reply = gate
        .raw()
        .send(format!(
            "GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nStepgate-Code: totp:{}\r\nConnection: close\r\n\r\n",
            authenticator.code()
        ))
        .reply();
    assert_ne!(reply.status, 200, "E09: the way in a header is locked too");
    let page = browser.go(&gate.url("localhost", "/x"));
    let page = match Form::code(&page.text()) {
        Some(form) => {
            let reply = browser.submit(&form.fill("code", &authenticator.code()));
            browser.settle(reply)
        }
        None => page,
    };
    assert_ne!(page.text(), "upstream");
    assert_eq!(page.status, 429, "{}", text_of(&page.text()));
    assert!(page.header("retry-after").is_some());
    gate.setup.command(&["users", "unlock", "anna"], "").expect(0);
    let mut browser = gate.signed_in("anna");
    gate.step_up(&mut browser, &mut authenticator);
    assert!(served(&gate, &mut browser), "an administrator can help");
}

#[test]
fn e08_a_stranger_cannot_lock_a_browser_that_has_succeeded_before() {
    let (_upstream, gate) = scene();
    let (mut known, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut known, &mut authenticator);
    assert!(
        known.cookie("localhost", "stepgate-browser").is_some(),
        "a browser that succeeded is known: {:?}",
        known.cookies
    );
    let mut stranger = gate.signed_in("anna");
    let mut locked = false;
    for n in 0..12 {
        let opened = stranger.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
        locked = opened.status == 429
            || gate
                .answer(&mut stranger, &opened.json(), "totp", &authenticator.wrong(n))
                .status
                == 429;
        if locked {
            break;
        }
    }
    assert!(locked, "the stranger is locked");
    let body = json!({ "username": "anna", "password": Setup::password("anna") });
    known.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    let reply = known.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body));
    assert!(reply.status < 300, "{} {}", reply.status, reply.text());
    assert!(!served(&gate, &mut known), "signed out of what was proved before");
    gate.step_up(&mut known, &mut authenticator);
    assert!(served(&gate, &mut known), "the known browser goes on");
}

#[test]
fn wrong_passwords_have_their_own_count_and_do_not_lock_factors() {
    let (_upstream, gate) = scene();
    let (mut known, mut authenticator) = gate.enrolled("anna");
    let mut stranger = gate.browser();
    let mut waits = 0;
    for n in 0..8 {
        let body = json!({ "username": "anna", "password": format!("guess {n}") });
        let reply = stranger.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body));
        assert!(matches!(reply.status, 401 | 403 | 429), "{}", reply.status);
        waits += usize::from(reply.status == 429);
    }
    assert!(waits >= 2, "guessing is slowed");
    gate.step_up(&mut known, &mut authenticator);
    assert!(served(&gate, &mut known), "the factor of a session that is there goes on");
}

#[test]
fn a_name_that_nobody_has_looks_like_a_wrong_password() {
    let (_upstream, gate) = scene();
    let ask = |name: &str| {
        let body = json!({ "username": name, "password": "guess" });
        let reply = gate.browser().fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body));
        let mut problem = reply.json();
        problem.as_object_mut().map(|p| p.remove("request_id"));
        (reply.status, problem)
    };
    assert_eq!(ask("anna"), ask("nobody-of-this-name"));
}

#[test]
fn a_network_that_asks_too_much_is_told_to_wait() {
    let upstream = Upstream::start();
    let gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard, rules: [{{ path: /public, require: public }}] }}\n",
        upstream.url()
    ))
    .section("limits", "{ per_network: 10 per 1m }")
    .user("anna", &[])
    .start();
    let mut busy = gate.browser();
    busy.from = Some([127, 5, 5, 5].into());
    // Another name each time: this is not about one person's wrong passwords.
    let guess = |browser: &mut Browser, n: usize| {
        let body = json!({ "username": format!("nobody{n}"), "password": "guess" });
        browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body))
    };
    let statuses: Vec<u16> = (0..30).map(|n| guess(&mut busy, n).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    let told = guess(&mut busy, 100).expect(429);
    assert!(told.header("retry-after").is_some());
    let mut other = gate.browser();
    other.from = Some([127, 5, 5, 6].into());
    assert_ne!(guess(&mut other, 200).status, 429, "another address");
    assert_eq!(
        busy.fetch("GET", &gate.url("localhost", "/public"), None).status,
        200,
        "the app is not slowed"
    );
}
