//! What holds a text back, and what everybody sees of it: the person reads the truth and from when on, the
//! operator finds it in metrics and log, and nothing is sent (security.md E22; ux.md P-5).

use serde_json::json;

use crate::support::{Browser, Form, Gate, Reply, Setup, Upstream, Vendors, ok, text_of, wait_until};

fn page(reply: &Reply) -> String {
    text_of(&reply.text())
}

/// A gateway that takes everything.
fn gateway() -> Upstream {
    Upstream::answering(|_| ok("{}"))
}

fn texts(gateway: &Upstream) -> String {
    format!(
        "\n  texts: {{ type: http, url: \"{}/send\", json: '{{ \"to\": \"{{{{ to }}}}\", \"code\": \"{{{{ code }}}}\" }}' }}",
        gateway.url()
    )
}

fn setup(senders: &str, messages: &str) -> Setup {
    Setup::new("\n  - { name: app, host: localhost, upstream: \"http://127.0.0.1:9\", require: standard }\n")
        .section("senders", senders)
        .section("factors", "{ sms: { enabled: true, countries: [GB, DE] } }")
        .section("limits", &format!("{{ per_network: 100000 per 1m, messages: {{ {messages} }} }}"))
}

/// Asks for a text to this number, as a first way to confirm.
fn asks(gate: &Gate, browser: &mut Browser, number: &str, country: &str) -> Reply {
    let asked = browser.go(&gate.portal("enrol/new/sms"));
    let form = Form::with(&asked.text(), |field| field.name == "number");
    let form = form.unwrap_or_else(|| panic!("{}", page(&asked)));
    let reply = browser.submit(&form.fill("country", country).fill("number", number));
    browser.settle(reply)
}

/// The code that was sent last.
fn newest(gateway: &Upstream) -> String {
    let body: serde_json::Value = serde_json::from_slice(&gateway.last().body).expect("JSON");
    body["code"].as_str().expect("a code").to_owned()
}

#[test]
fn e22_each_cap_on_many_is_reached_told_and_seen() {
    let same = "07400 123457";
    let table = [
        ("per_prefix: 1 per 1h", "messages_per_prefix", same, "GB"),
        ("per_country: 1 per 1h", "messages_per_country", "07500 123456", "GB"),
        ("per_network: 1 per 1h", "messages_per_network", "0151 23456789", "DE"),
        ("overall: 1 per 1h", "messages_overall", "0151 23456789", "DE"),
        ("unanswered: 1 per 1h", "messages_unanswered", same, "GB"),
    ];
    for (messages, cap, number, country) in table {
        let gateway = gateway();
        let gate = setup(&texts(&gateway), messages).user("anna", &[]).user("ben", &[]).start();
        let first = asks(&gate, &mut gate.signed_in("anna"), "07400 123456", "GB");
        assert!(page(&first).contains("We sent a text"), "{cap}: {}", page(&first));
        let mut ben = gate.signed_in("ben");
        let held = asks(&gate, &mut ben, number, country);
        let says = page(&held);
        for words in [
            "Too many texts are being asked for right now, so yours has to wait. It's nothing you did.",
            "You can ask again from",
            "Choose another way",
        ] {
            assert!(says.contains(words), "{cap}: {words}: {says}");
        }
        assert!(!says.contains("We sent a text"), "{cap}: {says}");
        let about = &held.text();
        let until = about
            .split("datetime=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("a time");
        let until: jiff::Timestamp = until.parse().expect("a time");
        let wait = until.as_second() - i64::try_from(crate::support::unix_now()).expect("now");
        assert!((3000..=3600).contains(&wait), "{cap}: an hour after the first, not later: {wait}");
        assert_eq!(gateway.requests().len(), 1, "{cap}: nothing more was sent");
        let metrics = gate.operations("/metrics").expect(200).text();
        assert!(
            metrics.contains(&format!("stepgate_limited_total{{limit=\"{cap}\"}} 1")),
            "{cap}: {metrics}"
        );
        let log = gate.log();
        let line = log
            .lines()
            .find(|line| line.contains("held back"))
            .unwrap_or_else(|| panic!("{cap}: {log}"));
        assert!(line.contains("WARN") && line.contains(cap) && line.contains("local:ben"), "{cap}: {line}");
        for digits in ["7400123456", "7400123457", "7500123456", "15123456789"] {
            assert!(!log.contains(digits), "{cap}: no number in full: {log}");
        }
    }
}

#[test]
fn e22_a_person_and_a_number_have_enough_and_read_which_of_them() {
    let gateway = gateway();
    let people = ["anna", "ben", "carl", "dora"];
    let setup = people
        .into_iter()
        .fold(setup(&texts(&gateway), ""), |setup, who| setup.user(who, &[]));
    let gate = setup.start();
    let later = || gate.sql("UPDATE sends SET at = at - 61");
    for who in &people[..3] {
        let reply = asks(&gate, &mut gate.signed_in(who), "07400 123456", "GB");
        assert!(page(&reply).contains("We sent a text"), "{who}: {}", page(&reply));
        later();
    }
    let mut dora = gate.signed_in("dora");
    let held = page(&asks(&gate, &mut dora, "07400 123456", "GB"));
    assert!(held.contains("That number has had as many texts as it can have for now."), "{held}");
    assert!(held.contains("You can ask again from"), "{held}");
    for number in ["07500 123456", "07500 223456", "07500 323456"] {
        let reply = asks(&gate, &mut dora, number, "GB");
        assert!(page(&reply).contains("We sent a text"), "{number}: {}", page(&reply));
    }
    let held = page(&asks(&gate, &mut dora, "07500 423456", "GB"));
    assert!(held.contains("You've had as many texts as one person can have for now."), "{held}");
    let metrics = gate.operations("/metrics").expect(200).text();
    for cap in ["messages_per_person", "messages_per_destination"] {
        assert!(
            metrics.contains(&format!("stepgate_limited_total{{limit=\"{cap}\"}} 1")),
            "{cap}: {metrics}"
        );
    }
}

#[test]
fn e22_two_processes_share_the_caps() {
    let gateway = gateway();
    let first = setup(&texts(&gateway), "overall: 1 per 1h")
        .user("anna", &[])
        .user("ben", &[])
        .start();
    let state = first.setup.path("state");
    let second = setup(&texts(&gateway), "overall: 1 per 1h")
        .section("storage", &format!("{{ state_directory: \"{}\" }}", state.display()))
        .start();
    let sent = asks(&first, &mut first.signed_in("anna"), "07400 123456", "GB");
    assert!(page(&sent).contains("We sent a text"), "{}", page(&sent));
    let held = page(&asks(&second, &mut second.signed_in("ben"), "07500 123456", "GB"));
    assert!(held.contains("Too many texts are being asked for right now"), "{held}");
    let held = page(&asks(&second, &mut second.signed_in("anna"), "07400 123456", "GB"));
    assert!(
        held.contains("You can ask for another from"),
        "a minute, whichever process sent it: {held}"
    );
    assert_eq!(gateway.requests().len(), 1);
}

#[test]
fn when_every_sender_is_down_it_is_said_and_costs_nothing() {
    let (one, two) = (Vendors::fakes(), Vendors::fakes());
    let keys = |fakes: &Vendors| {
        format!(
            "type: plivo, auth_id: MA00000000000000000A, auth_token: plivo-token, from: \"1500\", url: \"{}\"",
            fakes.url()
        )
    };
    let senders = format!("\n  one: {{ {} }}\n  two: {{ {} }}", keys(&one), keys(&two));
    let gate = setup(&senders, "").user("anna", &[]).start();
    for fakes in [&one, &two] {
        fakes.always(&json!({ "status": 503, "body": "" }));
    }
    let mut anna = gate.signed_in("anna");
    let down = asks(&gate, &mut anna, "07400 123456", "GB");
    let says = page(&down);
    assert!(
        says.contains("We couldn't reach the text service. Try another way, or try again in a moment"),
        "{says}"
    );
    assert!(says.contains("Choose another way") && !says.contains("We sent a text"), "{says}");
    assert_eq!(
        gate.sql("SELECT COUNT(*) FROM sends").trim(),
        "0",
        "what surely was not sent does not count"
    );
    let metrics = gate.operations("/metrics").expect(200).text();
    for sender in ["one", "two"] {
        let line = format!(
            r#"stepgate_messages_total{{sender="{sender}",channel="sms",outcome="unavailable",reason="unavailable"}} 1"#
        );
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    two.always(&json!({}));
    let again = Form::all(&down.text()).into_iter().find(|form| form.action.contains("/start"));
    let reply = anna.submit(&again.expect("it can be asked for again at once"));
    let sent = page(&anna.settle(reply));
    assert!(sent.contains("We sent a text to the number ending 56"), "{sent}");
    assert!(one.sent().is_empty() && two.sent().len() == 1);
}

#[test]
fn what_may_have_been_sent_is_called_that_and_counts_if_it_comes() {
    let gateway = Upstream::answering(|_| b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec());
    let gate = setup(&texts(&gateway), "").user("anna", &[]).start();
    let mut anna = gate.signed_in("anna");
    let reply = asks(&gate, &mut anna, "07400 123456", "GB");
    let says = page(&reply);
    assert!(
        says.contains("can't say whether a text is on its way to the number ending 56")
            && !says.contains("We sent"),
        "{says}"
    );
    let again = page(&anna.go(&anna.url.clone()));
    assert!(
        again.contains("can't say whether") && again.contains("You can ask for another from"),
        "{again}"
    );
    let body = json!({ "factor": "sms", "number": "07500 123456", "country": "GB" });
    let told = anna.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&body));
    assert_eq!((told.status, &told.json()["code"]), (503, &json!("not_sent")), "{}", told.text());
    assert_eq!(told.json()["certain"], json!(false), "{}", told.text());
    let form = Form::code(&reply.text()).expect("a code can be entered");
    let first: serde_json::Value = serde_json::from_slice(&gateway.requests()[0].body).expect("JSON");
    let done = anna.submit(&form.fill("code", first["code"].as_str().expect("a code")));
    let done = page(&anna.settle(done));
    assert!(done.contains("recovery codes"), "it came, and counts: {done}");
}

#[test]
fn nothing_but_a_post_sends() {
    let gateway = gateway();
    let gate = setup(&texts(&gateway), "").user("anna", &[]).start();
    let mut anna = gate.signed_in("anna");
    let waiting = asks(&gate, &mut anna, "07400 123456", "GB");
    let id = anna.url.rsplit('/').next().expect("an id").to_owned();
    let form = Form::code(&waiting.text()).expect("a form");
    let reply = anna.submit(&form.fill("code", &newest(&gateway)));
    anna.settle(reply);
    gate.sql("UPDATE sends SET at = at - 61; UPDATE started SET at = at - 61");
    let mut anna = gate.signed_in("anna");
    let asked = anna.go(&gate.url("localhost", "/"));
    let start = Form::all(&asked.text()).into_iter().find(|form| form.action.contains("/start"));
    let start = start.unwrap_or_else(|| panic!("{}", page(&asked)));
    let query: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(start.pairs(None))
        .finish();
    let cookie = anna.cookie_header("localhost").expect("signed in");
    let action = start.action.clone();
    let joint = if action.contains('?') { '&' } else { '?' };
    for path in [
        action.clone(),
        format!("{action}{joint}{query}"),
        "/.stepgate/challenge".to_owned(),
        "/.stepgate/enrol/new/sms?number=07500123456&country=GB".to_owned(),
        "/.stepgate/enrol?factor=sms&number=07500123456&country=GB".to_owned(),
        format!("/.stepgate/enrol/{id}/start"),
        "/.stepgate/api/v1/enrolments?factor=sms&number=07500123456".to_owned(),
    ] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            for more in [
                "",
                "Sec-Purpose: prefetch;prerender\r\n",
                "Purpose: prefetch\r\n",
                "X-Moz: prefetch\r\n",
            ] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n{more}Connection: close\r\n\r\n"
                );
                let reply = gate.raw().send(request).reply_to(method).expect("an answer");
                assert!(reply.status < 500, "{method} {path}: {}", reply.status);
            }
        }
    }
    assert_eq!(gateway.requests().len(), 1, "nothing was sent by looking");
    let reply = anna.submit(&start);
    anna.settle(reply);
    wait_until("the text that was asked for", || (gateway.requests().len() == 2).then_some(()));
}
