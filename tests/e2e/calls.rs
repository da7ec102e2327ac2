//! Codes read out in calls, by every vendor, from the number to the app: somebody picks up, presses a key,
//! hears the code and types it. The vendors are fakes which their own clients have proved.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    Browser, Call, Form, Gate, Raw, Reply, Setup, Telephones, Upstream, Vendors, peer, pipe_into, run,
    text_of, vendors_python, wait_until,
};

const NUMBER: &str = "020 7946 0958";
const TWILIO: &str = "account_sid: AC00000000000000000000000000000000";

#[test]
fn the_fakes_are_what_the_vendors_own_clients_expect() {
    let phones = Telephones::start();
    let ended = run(Command::new(vendors_python()).arg(peer("calls_proof.py")).arg(phones.key())).expect(0);
    for vendor in ["twilio", "plivo", "vonage"] {
        assert!(ended.stdout.contains(&format!("{vendor} ok")), "{ended:?}");
    }
}

/// An app, the vendors' fakes, and a gate that calls by one of them.
struct Scene {
    phones: Telephones,
    gate: Gate,
    _app: Upstream,
}

fn vendor(phones: &Telephones, kind: &str) -> String {
    let keys = match kind {
        "twilio" => format!("type: twilio, {TWILIO}, auth_token: twilio-token, from: \"+15005550001\""),
        "twilio without a secret" => format!(
            "type: twilio, {TWILIO}, api_key_sid: SK00000000000000000000000000000000, \
             api_key_secret: twilio-token, from: \"+15005550001\""
        ),
        "plivo" => {
            "type: plivo, auth_id: MA00000000000000000A, auth_token: plivo-token, from: \"15005550001\""
                .to_owned()
        }
        _ => format!(
            "type: vonage-voice, application_id: 78d335fa-323d-0114-9c3d-d6f0d48968cf, private_key: {{ file: \"{}\" }}, \
             from: \"+15005550001\"{}",
            phones.key().display(),
            if kind == "vonage" {
                ", signature_secret: vonage-signature-secret-of-32-bytes"
            } else {
                ""
            }
        ),
    };
    format!("{keys}, url: \"{}\"", phones.url())
}

impl Scene {
    fn with(kind: &str) -> Self {
        Self::speaking(kind, "en")
    }

    fn speaking(kind: &str, language: &str) -> Self {
        let (phones, app) = (Telephones::start(), Upstream::start());
        let routes = format!(
            "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
            app.url()
        );
        let gate = Setup::new(&routes)
            .section("senders", &format!("\n  calls: {{ {} }}", vendor(&phones, kind)))
            .section(
                "factors",
                &format!("{{ voice: {{ enabled: true, countries: [GB], language: {language} }} }}"),
            )
            .user("anna", &[])
            .user("ben", &[])
            .start();
        Self { phones, gate, _app: app }
    }

    fn signed_in(&self, user: &str, language: &str) -> Browser {
        let mut browser = self.gate.signed_in(user);
        browser.extra.push(("Accept-Language".to_owned(), language.to_owned()));
        browser
    }

    fn begin(&self, browser: &mut Browser, number: &str) -> Reply {
        let body = json!({ "factor": "voice", "number": number });
        browser.fetch("POST", &self.gate.portal("api/v1/enrolments"), Some(&body))
    }

    fn confirm(&self, browser: &mut Browser, begun: &Value, code: &str) -> Reply {
        let id = begun["id"].as_str().expect("an id");
        let url = self.gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
        browser.fetch("POST", &url, Some(&json!({ "code": code })))
    }

    /// Nothing of these calls is in the log, the metrics or the audit log.
    #[track_caller]
    fn keeps_quiet(&self, secrets: &[&str]) {
        let all = [
            self.gate.log(),
            self.gate.operations("/metrics").text(),
            self.gate.sql("SELECT json FROM audit"),
        ];
        for secret in secrets {
            assert!(all.iter().all(|text| !text.contains(secret)), "{secret}");
        }
    }

    /// A question of the vendor's once more, as it was or with other headers.
    fn replay(&self, asked: &Value, change: impl Fn(&mut Vec<(String, String)>)) -> Reply {
        let headers = asked["headers"].as_object().expect("headers").iter();
        let mut headers: Vec<_> = headers
            .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
            .collect();
        change(&mut headers);
        let path = asked["url"].as_str().expect("a URL").splitn(4, '/').nth(3).expect("a path");
        let (body, host) =
            (asked["body"].as_str().expect("a body"), format!("localhost:{}", self.gate.setup.port()));
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Raw::connect(self.gate.address())
            .send(format!(
                "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
                body.len()
            ))
            .reply()
    }
}

/// The questions about what to say; the rest are reports.
fn questions(call: &Call) -> Vec<Value> {
    let about = |one: &&Value| one["url"].as_str().is_some_and(|url| url.contains("/.stepgate/calls/calls/"));
    call.asked.iter().filter(about).cloned().collect()
}

#[test]
fn every_vendor_reads_a_code_out_in_the_person_s_language_and_it_counts() {
    for (kind, asks) in [
        ("twilio", true),
        ("twilio without a secret", false),
        ("plivo", true),
        ("vonage", true),
        ("vonage without a secret", false),
    ] {
        let scene = Scene::with(kind);
        let mut anna = scene.signed_in("anna", "pl, de-AT;q=0.9, en;q=0.5");
        let begun = scene.begin(&mut anna, NUMBER).expect(201).json();
        let called = scene.phones.calls();
        assert_eq!(called.len(), 1, "{kind}");
        assert_eq!(
            called[0]["to"].as_str().expect("a number").trim_start_matches('+'),
            "442079460958",
            "{kind}"
        );
        let call = scene.phones.pick_up(Some("5"), 1);
        assert!(call.heard.iter().all(|(language, _)| language == "de-DE"), "{kind}: {:?}", call.heard);
        assert!(call.heard[0].1.starts_with("Guten Tag. Hier ist"), "{kind}: {:?}", call.heard);
        assert_eq!(questions(&call).len(), if kind == "plivo" { 2 } else { usize::from(asks) }, "{kind}");
        let code = call.code().unwrap_or_else(|| panic!("{kind}: no code in {:?}", call.heard));
        // Before the key was pressed nothing of it has left this machine.
        assert_eq!(called[0]["fields"].to_string().contains(&call_digits(&code)), !asks, "{kind}");
        scene.confirm(&mut anna, &begun, &code).expect(200);
        // Later, in another session and another language, to the app.
        scene.gate.sql("UPDATE sends SET at = at - 700");
        let mut later = scene.signed_in("anna", "it");
        let challenge = scene.gate.challenge(&mut later);
        let id = challenge["id"].as_str().expect("an id");
        let start = scene.gate.portal(&format!("api/v1/challenges/{id}/start"));
        let body = json!({ "enrolment": challenge["ways"][0]["enrolment"] });
        later.fetch("POST", &start, Some(&body)).expect(200);
        let call = scene.phones.pick_up(Some("#"), if asks { 2 } else { 1 });
        assert!(call.heard.iter().all(|(language, _)| language == "it-IT"), "{kind}: {:?}", call.heard);
        let second = call.code().unwrap_or_else(|| panic!("{kind}: no code in {:?}", call.heard));
        assert_ne!(second, code);
        scene.gate.answer(&mut later, &challenge, "voice", &second).expect(200);
        later.fetch("GET", &scene.gate.url("localhost", "/x"), None).expect(200);
        scene.keeps_quiet(&[&code, &second, "442079460958"]);
        if asks {
            let metrics = scene.gate.operations("/metrics").text();
            let line = r#"stepgate_call_steps_total{sender="calls",step="pressed"} 2"#;
            assert!(metrics.contains(line), "{kind}: {metrics}");
            let delivered = r#"stepgate_receipts_total{sender="calls",outcome="delivered",reason="none"} 2"#;
            assert!(metrics.contains(delivered), "{kind}: {metrics}");
            // What it said could have been made by the vendor's own client.
            let name = kind.split(' ').next().expect("a name");
            let said: Vec<Value> = questions(&call)
                .iter()
                .map(|one| json!({ "vendor": name, "said": one["said"] }))
                .collect();
            let mut judge = Command::new(vendors_python());
            judge.arg(peer("calls_proof.py")).arg("--read");
            pipe_into(&mut judge, &json!(said).to_string()).expect(0);
        }
    }
}

/// As it is spoken.
fn call_digits(code: &str) -> String {
    code.chars().map(String::from).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_mailbox_gets_no_code_and_the_person_may_ask_again() {
    for kind in ["twilio", "plivo", "vonage"] {
        let scene = Scene::speaking(kind, "nl");
        // No language that is spoken here: the setting counts.
        let mut anna = scene.signed_in("anna", "pl");
        let begun = scene.begin(&mut anna, NUMBER).expect(201).json();
        let call = scene.phones.pick_up(None, 1);
        assert_eq!(call.code(), None, "{kind}: {:?}", call.heard);
        assert!(call.heard.iter().all(|(language, _)| language == "nl-NL"), "{kind}: {:?}", call.heard);
        let asked = call
            .heard
            .iter()
            .filter(|(_, text)| text.starts_with("Druk op een toets"))
            .count();
        assert_eq!(asked, 2, "{kind}: {:?}", call.heard);
        assert!(call.heard.iter().any(|(_, text)| text == "Er is geen toets ingedrukt."), "{kind}");
        // After a minute another call, by the button of the page.
        scene.gate.sql("UPDATE sends SET at = at - 61; UPDATE started SET at = at - 61");
        let id = begun["id"].as_str().expect("an id");
        let page = anna.go(&scene.gate.portal(&format!("enrol/{id}"))).expect(200);
        assert!(text_of(&page.text()).contains("number ending 58"), "{}", page.text());
        let again = Form::all(&page.text()).into_iter().find(|form| form.action.contains("/start"));
        let reply = anna.submit(&again.expect("a form that calls again"));
        anna.settle(reply).expect(200);
        let code = scene.phones.pick_up(Some("0"), 1).code().expect("a code");
        scene.confirm(&mut anna, &begun, &code).expect(200);
    }
}

#[test]
fn what_a_call_says_is_told_to_the_vendor_alone_once_and_not_for_long() {
    for (kind, header) in [
        ("twilio", "X-Twilio-Signature"),
        ("plivo", "X-Plivo-Signature-V3"),
        ("vonage", "Authorization"),
    ] {
        let scene = Scene::with(kind);
        let mut anna = scene.signed_in("anna", "en");
        scene.begin(&mut anna, NUMBER).expect(201);
        let call = scene.phones.pick_up(Some("5"), 1);
        let code = call.code().expect("a code");
        let pressed = questions(&call).pop().expect("a question");
        // As it was, a second time: the vendor may believe itself, and nothing is said.
        let again = scene.replay(&pressed, |_| {}).expect(200);
        assert!(!again.text().contains(&call_digits(&code)), "{kind}: once: {}", again.text());
        // A new call, of which somebody has learnt the address.
        scene.gate.sql("UPDATE sends SET at = at - 61");
        let mut ben = scene.signed_in("ben", "en");
        scene.begin(&mut ben, "020 7946 0959").expect(201);
        let fields = scene.phones.calls().pop().expect("a call")["fields"].to_string();
        let token = fields.split("/.stepgate/calls/calls/").nth(1).expect("an address");
        let token: String = token
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        assert!(token.len() >= 22, "{kind}: 128 bits: {token}");
        let mut there = pressed.clone();
        let old = pressed["url"].as_str().expect("a URL").to_owned();
        let (before, after) = old.rsplit_once('/').expect("a path");
        let query = after.find('?').map_or("", |at| &after[at..]);
        there["url"] = json!(format!("{before}/{token}{query}"));
        let drop_it = |headers: &mut Vec<(String, String)>| headers.retain(|(name, _)| name != header);
        let forge = |headers: &mut Vec<(String, String)>| {
            headers.iter_mut().filter(|(name, _)| name == header).for_each(|(_, value)| {
                let last = if value.ends_with('A') { 'B' } else { 'A' };
                value.pop();
                value.insert(value.len() / 2, last);
            });
        };
        scene.replay(&there, drop_it).expect(403);
        scene.replay(&there, forge).expect(403);
        if kind != "vonage" {
            // Another call's signature is for another address.
            scene.replay(&there, |_| {}).expect(403);
        }
        // Whoever merely opens it, or asks a sender that does not ask.
        let url = scene.gate.portal(&format!("calls/calls/{token}"));
        ben.visit(&url).expect(403);
        ben.visit(&scene.gate.portal(&format!("calls/nobody/{token}"))).expect(404);
        scene.keeps_quiet(&[&token, &code]);
        let sealed = scene.gate.sql("SELECT count(*) FROM calls");
        assert_eq!(sealed.trim(), "1", "{kind}: the one that waits, and none of those that were heard");
        // When its time has come, nobody is told any more.
        scene.gate.sql("UPDATE calls SET expires = 1");
        let late = scene.phones.pick_up(Some("5"), 1);
        assert_eq!(late.code(), None, "{kind}: {:?}", late.heard);
    }
}

#[test]
fn a_code_that_was_not_heard_is_nobody_s_and_a_refused_call_leaves_nothing() {
    let scene = Scene::with("plivo");
    let mut anna = scene.signed_in("anna", "en");
    let refused = scene.begin(&mut anna, "+1 500 555 0001");
    assert!(refused.status >= 400, "another country: {}", refused.text());
    // The service is away: said so, and what would have been said is forgotten.
    let mut file = scene.gate.setup.path("stepgate.yaml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let dead = text.replace(&scene.phones.url(), "http://127.0.0.1:9");
    std::fs::write(&file, dead).expect("writable");
    scene.gate.signal("HUP");
    wait_until("the reload", || {
        let log = scene.gate.log();
        log.contains("reloaded").then_some(())
    });
    let begun = scene.begin(&mut anna, NUMBER);
    assert!(begun.text().contains("unavailable"), "{}", begun.text());
    assert_eq!(scene.gate.sql("SELECT count(*) FROM calls").trim(), "0");
    file.clear();
}

#[test]
fn a_line_behind_a_switchboard_is_dialled_where_a_key_is_asked_for() {
    for (kind, keys) in [("twilio", "ww123"), ("plivo", "ww123"), ("vonage", "pp123")] {
        let scene = Scene::with(kind);
        let mut anna = scene.signed_in("anna", "en");
        let page = anna.go(&scene.gate.portal("enrol/new/voice")).expect(200);
        assert!(page.text().contains("ext. 12"), "{}", page.text());
        let begun = scene.begin(&mut anna, "020 7946 0958 ext. 123").expect(201).json();
        assert_eq!(begun["setup"]["to"], "ending 58, extension 123", "{kind}: {begun}");
        let called = scene.phones.calls().pop().expect("a call");
        assert_eq!(called["keys"], keys, "{kind}");
        assert!(called["to"].as_str().expect("a number").ends_with("442079460958"), "{kind}");
        let code = scene.phones.pick_up(Some("1"), 2).code().expect("a code");
        scene.confirm(&mut anna, &begun, &code).expect(200);
        // The same line, whatever is dialled behind it, is one destination to those who count.
        let mut ben = scene.signed_in("ben", "en");
        let again = scene.begin(&mut ben, "020 7946 0958 ext. 456");
        assert!(again.status >= 400 || again.text().contains("again_at"), "{}", again.text());
        assert_eq!(scene.phones.calls().len(), 1, "{kind}: within the minute nobody is called there again");
    }
    let inline = Scene::with("twilio without a secret");
    let mut anna = inline.signed_in("anna", "en");
    let refused = inline.begin(&mut anna, "020 7946 0958 ext. 123");
    assert!(
        refused.text().contains("not_a_number"),
        "nobody knows when somebody is there: {}",
        refused.text()
    );
}

#[test]
fn vendors_with_words_of_their_own_and_a_described_gateway_call_too() {
    let fakes = Vendors::fakes();
    let url = fakes.url();
    for sender in [
        format!(
            "type: twilio-verify, {TWILIO}, auth_token: twilio-token, service_sid: VA00000000000000000000000000000000, url: \"{url}\""
        ),
        format!("type: vonage-verify, api_key: abcd1234, api_secret: vonage-secret, url: \"{url}\""),
        format!(
            "type: http, carries: voice, url: \"{url}/gateway\", headers: {{ X-Api-Key: gateway-key }}, \
             json: '{{ \"to\": \"{{{{ to }}}}\", \"say\": \"{{{{ text }}}}\" }}', accepted: {{ at: /result/status, values: queued }}"
        ),
    ] {
        let routes = "  - { name: app, host: localhost, require: standard }\n";
        let gate = Setup::new(routes)
            .section("senders", &format!("\n  calls: {{ {sender} }}"))
            .section("factors", "{ voice: { enabled: true, countries: [GB] } }")
            .user("anna", &[])
            .start();
        let mut anna = gate.signed_in("anna");
        anna.extra.push(("Accept-Language".to_owned(), "fr-CH, en;q=0.3".to_owned()));
        let body = json!({ "factor": "voice", "number": NUMBER });
        let begun = anna
            .fetch("POST", &gate.portal("api/v1/enrolments"), Some(&body))
            .expect(201)
            .json();
        let sent = fakes.sent().pop().expect("a call");
        let fields = &sent["fields"];
        let code = match (&fields["CustomCode"], &fields["code"], &fields["say"]) {
            (Value::String(code), ..) => {
                assert_eq!((&fields["Channel"], &fields["Locale"]), (&json!("call"), &json!("fr")));
                code.clone()
            }
            (_, Value::String(code), _) => {
                assert_eq!(
                    (&fields["workflow"][0]["channel"], &fields["locale"]),
                    (&json!("voice"), &json!("fr-fr"))
                );
                code.clone()
            }
            (.., Value::String(said)) => {
                assert!(said.starts_with("Bonjour. Ici"), "{said}");
                let digits = said
                    .split("code est : ")
                    .nth(1)
                    .and_then(|rest| rest.split('.').next())
                    .expect("digits");
                assert_eq!(said.matches(digits).count(), 2, "{said}");
                digits.split(", ").collect()
            }
            _ => panic!("{sent}"),
        };
        let id = begun["id"].as_str().expect("an id");
        let confirm = gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
        anna.fetch("POST", &confirm, Some(&json!({ "code": code }))).expect(200);
    }
}

#[test]
fn a_test_call_from_the_command_line_is_answered_by_the_running_server() {
    let scene = Scene::with("plivo");
    let setup = &scene.gate.setup;
    let ended = setup
        .command(&["factors", "test", "voice", "--to", "+44 20 7946 0958"], "")
        .expect(0);
    assert!(ended.stdout.contains("taken by `calls`"), "{ended:?}");
    let call = scene.phones.pick_up(Some("9"), 1);
    assert!(call.code().is_some(), "{:?}", call.heard);
    let check = setup.command(&["check", "--connect"], "").expect(0);
    assert_eq!(scene.phones.calls().len(), 1, "a check calls nobody: {check:?}");
}
