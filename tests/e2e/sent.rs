//! Codes by text, call and e-mail, from the enrolment to the app, against a gateway that records what it
//! is told to send (security.md E20, E22).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Browser, Gate, Reply, Setup, Upstream, ok, wait_until};

const NUMBER: &str = "07400 123456";

/// An app, and a gateway for texts that can be told to refuse.
struct Scene {
    _app: Upstream,
    texts: Upstream,
    refusing: Arc<AtomicBool>,
    gate: Gate,
}

fn gateway() -> (Upstream, Arc<AtomicBool>) {
    let refusing = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&refusing);
    let upstream = Upstream::answering(move |_| {
        if told.load(Ordering::Relaxed) {
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else {
            ok("{\"id\":\"m1\"}")
        }
    });
    (upstream, refusing)
}

fn scene(limits: &str) -> Scene {
    let app = Upstream::start();
    let (texts, refusing) = gateway();
    let routes =
        format!("\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n", app.url());
    let gate = Setup::new(&routes)
        .section(
            "senders",
            &format!(
                "\n  texts:\n    type: http\n    url: \"{}/send\"\n    json: '{{ \"to\": \"{{{{ to }}}}\", \"code\": \"{{{{ code }}}}\" }}'\n",
                texts.url()
            ),
        )
        .section("factors", "{ sms: { enabled: true, countries: [GB], sender: texts } }")
        .section("limits", &format!("{{ per_network: 100000 per 1m{limits} }}"))
        .user("anna", &[])
        .user("ben", &[])
        .start();
    Scene { _app: app, texts, refusing, gate }
}

impl Scene {
    /// Every text so far: where to, and the code.
    fn sent(&self) -> Vec<(String, String)> {
        let read = |body: &[u8]| {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            (
                value["to"].as_str().unwrap_or_default().to_owned(),
                value["code"].as_str().unwrap_or_default().to_owned(),
            )
        };
        self.texts.requests().iter().map(|request| read(&request.body)).collect()
    }

    /// The code that was sent last, when there are this many.
    fn code(&self, nth: usize) -> String {
        wait_until("a text", || self.sent().get(nth - 1).map(|(_, code)| code.clone()))
    }

    fn begin(&self, browser: &mut Browser, number: &str, country: &str) -> Reply {
        let body = json!({ "factor": "sms", "number": number, "country": country });
        browser.fetch("POST", &self.gate.portal("api/v1/enrolments"), Some(&body))
    }

    /// Enrols the number by the `nth` text.
    #[track_caller]
    fn enrol(&self, browser: &mut Browser, nth: usize) -> String {
        let begun = self.begin(browser, NUMBER, "GB");
        assert_eq!(begun.status, 201, "{}", begun.text());
        let begun = begun.json();
        let id = begun["id"].as_str().unwrap();
        let body = json!({ "code": self.code(nth) });
        let url = self.gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
        let done = browser.fetch("POST", &url, Some(&body));
        assert!(done.status < 300, "{}", done.text());
        let list = browser.fetch("GET", &self.gate.portal("api/v1/enrolments"), None).json();
        list["enrolments"][0]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{list}"))
            .to_owned()
    }

    fn start(&self, browser: &mut Browser, challenge: &Value, enrolment: &str) -> Reply {
        let id = challenge["id"].as_str().unwrap();
        let url = self.gate.portal(&format!("api/v1/challenges/{id}/start"));
        browser.fetch("POST", &url, Some(&json!({ "enrolment": enrolment })))
    }

    /// As if so many seconds had passed for what was sent.
    fn later(&self, seconds: u32) {
        self.gate
            .sql(&format!("UPDATE sends SET at = at - {seconds}; UPDATE started SET at = at - {seconds}"));
    }

    fn served(&self, browser: &mut Browser) -> bool {
        browser.fetch("GET", &self.gate.url("localhost", "/x"), None).status == 200
    }
}

#[test]
fn a_text_from_the_number_to_the_app() {
    let scene = scene("");
    let mut anna = scene.gate.signed_in("anna");
    let enrolment = scene.enrol(&mut anna, 1);
    assert_eq!(scene.sent()[0].0, "+447400123456");
    let mut browser = scene.gate.signed_in("anna");
    assert!(!scene.served(&mut browser));
    let challenge = scene.gate.challenge(&mut browser);
    assert_eq!(scene.sent().len(), 1, "nothing is sent because a page is shown");
    scene.later(61);
    let started = scene.start(&mut browser, &challenge, &enrolment);
    assert_eq!(started.status, 200, "{}", started.text());
    let shown = started.json()["started"].clone();
    assert_eq!((&shown["type"], &shown["to"]), (&json!("sent"), &json!("ending 56")));
    let code = scene.code(2);
    assert!(code.len() == 8 && !started.text().contains(&code), "E20: {}", started.text());
    let wrong = format!("{:08}", (code.parse::<u32>().unwrap() + 1) % 100_000_000);
    let reply = scene.gate.answer(&mut browser, &challenge, "sms", &wrong);
    assert_eq!(reply.status / 100, 4, "{}", reply.text());
    assert!(!scene.served(&mut browser));
    let typed = format!("{} {}", &code[..4], &code[4..]);
    let reply = scene.gate.answer(&mut browser, &challenge, "sms", &typed);
    assert!(reply.status < 300, "{}", reply.text());
    assert!(scene.served(&mut browser));
    let log = scene.gate.log();
    assert!(!log.contains(&code) && !log.contains("7400123456"), "neither code nor number is logged");
    let metrics = scene.gate.operations("/metrics").text();
    let line = r#"stepgate_messages_total{sender="texts",channel="sms",outcome="accepted",reason="none"} 2"#;
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn the_last_two_count_and_each_for_its_own_challenge() {
    let scene = scene("");
    let mut anna = scene.gate.signed_in("anna");
    let enrolment = scene.enrol(&mut anna, 1);
    let enrolling = scene.code(1);
    let mut browser = scene.gate.signed_in("anna");
    let challenge = scene.gate.challenge(&mut browser);
    for nth in 2..=4 {
        scene.later(700);
        // Only what is counted is moved: challenge and codes stay as young as they are.
        let started = scene.start(&mut browser, &challenge, &enrolment);
        assert_eq!(started.status, 200, "{nth}: {}", started.text());
        scene.code(nth);
    }
    for (nth, right) in [(1, false), (2, false), (3, true)] {
        let code = if nth == 1 {
            enrolling.clone()
        } else {
            scene.code(nth)
        };
        let reply = scene.gate.answer(&mut browser, &challenge, "sms", &code);
        assert_eq!(reply.status < 300, right, "code {nth}: {}", reply.text());
    }
    let mut other = scene.gate.signed_in("anna");
    let challenge = scene.gate.challenge(&mut other);
    let reply = scene.gate.answer(&mut other, &challenge, "sms", &scene.code(4));
    assert!(reply.status >= 400, "a code of another challenge");
}

#[test]
fn sixty_seconds_then_three_in_ten_minutes() {
    let scene = scene("");
    let mut anna = scene.gate.signed_in("anna");
    let enrolment = scene.enrol(&mut anna, 1);
    let mut browser = scene.gate.signed_in("anna");
    let challenge = scene.gate.challenge(&mut browser);
    let early = scene.start(&mut browser, &challenge, &enrolment);
    assert_eq!(early.status, 429, "{}", early.text());
    assert!(early.text().contains("sent_just_now"), "{}", early.text());
    for nth in 2..=3 {
        scene.later(61);
        assert_eq!(scene.start(&mut browser, &challenge, &enrolment).status, 200);
        scene.code(nth);
    }
    scene.later(61);
    let capped = scene.start(&mut browser, &challenge, &enrolment);
    assert_eq!(capped.status, 429, "{}", capped.text());
    assert!(capped.text().contains("message_limit"), "{}", capped.text());
    assert!(capped.json()["until"].as_u64().unwrap() > crate::support::unix_now(), "{}", capped.text());
    assert_eq!(scene.sent().len(), 3, "nothing more was sent");
    let metrics = scene.gate.operations("/metrics").text();
    for limit in ["message_resend", "messages_per_person"] {
        assert!(
            metrics.contains(&format!("stepgate_limited_total{{limit=\"{limit}\"}} 1")),
            "{limit}: {metrics}"
        );
    }
    // Another session, another challenge, and after a restart: the count is the person's.
    let mut gate = scene.gate;
    gate.kill();
    gate.start_again();
    let mut again = gate.signed_in("anna");
    let challenge = gate.challenge(&mut again);
    let id = challenge["id"].as_str().unwrap();
    let url = gate.portal(&format!("api/v1/challenges/{id}/start"));
    let reply = again.fetch("POST", &url, Some(&json!({ "enrolment": enrolment })));
    assert_eq!(reply.status, 429, "{}", reply.text());
}

#[test]
fn e22_twenty_at_once_are_one_text() {
    let scene = scene("");
    let mut anna = scene.gate.signed_in("anna");
    let enrolment = scene.enrol(&mut anna, 1);
    scene.later(61);
    let sessions: Vec<Browser> = (0..20).map(|_| scene.gate.signed_in("anna")).collect();
    let sent = std::thread::scope(|scope| {
        let posts: Vec<_> = sessions
            .into_iter()
            .map(|mut browser| {
                let (scene, enrolment) = (&scene, &enrolment);
                scope.spawn(move || {
                    let challenge = scene.gate.challenge(&mut browser);
                    scene.start(&mut browser, &challenge, enrolment).status == 200
                })
            })
            .collect();
        posts
            .into_iter()
            .filter_map(|post| post.join().ok())
            .filter(|sent| *sent)
            .count()
    });
    assert_eq!((sent, scene.sent().len()), (1, 2));
}

#[test]
fn everybody_together_is_bounded() {
    let scene = scene(", messages: { overall: 1 per 1h }");
    let mut anna = scene.gate.signed_in("anna");
    scene.enrol(&mut anna, 1);
    let mut ben = scene.gate.signed_in("ben");
    let reply = scene.begin(&mut ben, "07400 654321", "GB");
    assert_eq!(reply.status, 429, "{}", reply.text());
    assert_eq!(scene.sent().len(), 1);
    let metrics = scene.gate.operations("/metrics").text();
    assert!(metrics.contains(r#"stepgate_limited_total{limit="messages_overall"} 1"#), "{metrics}");
}

#[test]
fn numbers_that_are_not_taken_are_told_why_and_cost_nothing() {
    let scene = scene("");
    let mut anna = scene.gate.signed_in("anna");
    for (number, country, why) in [
        ("", "GB", "missing"),
        ("07400 CALLME", "GB", "not_a_number"),
        ("+33 6 12 34 56 78", "", "country_not_allowed"),
        ("0909 8790123", "GB", "premium"),
        ("020 7946 0958", "GB", "not_mobile"),
    ] {
        let reply = scene.begin(&mut anna, number, country);
        assert!(matches!(reply.status, 400 | 422), "{number}: {} {}", reply.status, reply.text());
        assert!(reply.text().contains(why), "{number}: {}", reply.text());
    }
    assert!(scene.sent().is_empty());
}

#[test]
fn a_service_that_is_down_is_said_so_and_costs_no_try() {
    let scene = scene("");
    let mut anna = scene.gate.signed_in("anna");
    let enrolment = scene.enrol(&mut anna, 1);
    scene.later(700);
    let mut browser = scene.gate.signed_in("anna");
    let challenge = scene.gate.challenge(&mut browser);
    scene.refusing.store(true, Ordering::Relaxed);
    for _ in 0..4 {
        let down = scene.start(&mut browser, &challenge, &enrolment);
        assert!(down.status >= 400, "never sent before the service accepted: {}", down.text());
        assert!(down.text().contains("unavailable"), "{}", down.text());
    }
    scene.refusing.store(false, Ordering::Relaxed);
    let started = scene.start(&mut browser, &challenge, &enrolment);
    assert_eq!(started.status, 200, "what was not sent was not counted: {}", started.text());
    let code = scene.sent().last().unwrap().1.clone();
    assert!(scene.gate.answer(&mut browser, &challenge, "sms", &code).status < 300);
}

#[test]
fn a_code_is_its_owner_s_alone() {
    let scene = scene("");
    let mut anna = scene.gate.signed_in("anna");
    scene.enrol(&mut anna, 1);
    let mut ben = scene.gate.signed_in("ben");
    let begun = scene.begin(&mut ben, "07400 654321", "GB");
    assert_eq!(begun.status, 201, "{}", begun.text());
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let url = scene.gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
    let stolen = anna.fetch("POST", &url, Some(&json!({ "code": scene.code(2) })));
    assert_eq!(stolen.status, 404, "another person's enrolment: {}", stolen.text());
    let wrong = ben.fetch("POST", &url, Some(&json!({ "code": scene.code(1) })));
    assert!(wrong.status >= 400, "another person's code");
    let right = ben.fetch("POST", &url, Some(&json!({ "code": scene.code(2) })));
    assert!(right.status < 300, "{}", right.text());
}

#[test]
fn a_call_reads_the_code_out_twice_in_the_language_that_is_set() {
    let app = Upstream::start();
    let (calls, _) = gateway();
    let routes =
        format!("\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n", app.url());
    let senders = format!(
        "\n  calls:\n    type: http\n    carries: voice\n    url: \"{}/call\"\n    json: '{{ \"to\": \"{{{{ to }}}}\", \"say\": \"{{{{ text }}}}\" }}'\n",
        calls.url()
    );
    let gate = Setup::new(&routes)
        .section("senders", &senders)
        .section("factors", "{ voice: { enabled: true, countries: [GB], language: de } }")
        .user("anna", &[])
        .start();
    let mut anna = gate.signed_in("anna");
    let body = json!({ "factor": "voice", "number": "020 7946 0958" });
    let begun = anna.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&body));
    assert_eq!(begun.status, 201, "{}", begun.text());
    let call = wait_until("a call", || calls.requests().first().cloned());
    let told: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(told["to"], "+442079460958");
    let said = told["say"].as_str().unwrap();
    let digits = said.split("lautet: ").nth(1).and_then(|rest| rest.split('.').next()).unwrap();
    assert_eq!(said.matches(digits).count(), 2, "{said}");
    let code: String = digits.split(", ").collect();
    assert!(code.len() == 8 && code.bytes().all(|b| b.is_ascii_digit()), "{said}");
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let url = gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
    let done = anna.fetch("POST", &url, Some(&json!({ "code": code })));
    assert!(done.status < 300, "{}", done.text());
}

/// What a vendor says may hold the number, the code and more: it is for the log, and there without them.
#[test]
fn a_vendors_own_words_are_in_the_log_alone_and_without_number_and_code() {
    let gateway = Upstream::answering(|request| {
        let told: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let (to, code) = (told["to"].as_str().unwrap_or_default(), told["code"].as_str().unwrap_or_default());
        let says = format!("CANARY-7Q: {to} is barred, {code} was not sent");
        format!("HTTP/1.1 400 No\r\nContent-Length: {}\r\n\r\n{says}", says.len()).into_bytes()
    });
    let senders = format!(
        "\n  texts:\n    type: http\n    url: \"{}/send\"\n    json: '{{ \"to\": \"{{{{ to }}}}\", \"code\": \"{{{{ code }}}}\" }}'\n",
        gateway.url()
    );
    let gate = Setup::new(
        "\n  - { name: app, host: localhost, upstream: \"http://127.0.0.1:9\", require: standard }\n",
    )
    .section("senders", &senders)
    .section("factors", "{ sms: { enabled: true, countries: [GB], sender: texts } }")
    .user("anna", &[])
    .start();
    let mut anna = gate.signed_in("anna");
    let body = json!({ "factor": "sms", "number": NUMBER, "country": "GB" });
    let told = anna.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&body)).text();
    let code = serde_json::from_slice::<Value>(&gateway.last().body).unwrap()["code"]
        .as_str()
        .unwrap()
        .to_owned();
    let list = anna.fetch("GET", &gate.portal("api/v1/enrolments"), None).text();
    let page = anna.go(&gate.portal("my-mfa")).text();
    let metrics = gate.operations("/metrics").text();
    assert!(metrics.contains(r#"sender="texts",channel="sms",outcome="refused""#), "{metrics}");
    for shown in [&told, &list, &page, &metrics, &format!("{:?}", gate.audit(""))] {
        assert!(!shown.contains("CANARY-7Q") && !shown.contains(&code), "{shown}");
    }
    let log = gate.log();
    let line = log
        .lines()
        .find(|line| line.contains("CANARY-7Q"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(!line.contains("7400123456") && !log.contains(&code), "{line}");
}
