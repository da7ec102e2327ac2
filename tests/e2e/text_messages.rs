//! Text messages through every vendor: against fakes that the vendors' own clients have accepted, against
//! Twilio's own description in Prism and against moto; fall-over; receipts signed by the vendors' clients.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Setup, Vendors, peer, post, run, stepgate, vendors_python, wait_until, write_private};

const ACCOUNT: &str = "AC00000000000000000000000000000000";

/// Every vendor with credentials that the fakes know, by type: the keys of its sender.
pub fn vendors(url: &str) -> Vec<(&'static str, String)> {
    let aws = "region: eu-west-1, access_key_id: AKIDEXAMPLE, secret_access_key: x";
    let twilio = format!("account_sid: {ACCOUNT}, auth_token: twilio-token");
    let keys = [
        ("twilio", format!("{twilio}, from: \"+15005550001\"")),
        ("twilio-verify", format!("{twilio}, service_sid: VA00000000000000000000000000000000")),
        ("vonage", "api_key: abcd1234, api_secret: vonage-secret, from: Example".to_owned()),
        ("vonage-verify", "api_key: abcd1234, api_secret: vonage-secret".to_owned()),
        ("aws-sms", aws.to_owned()),
        (
            "plivo",
            "auth_id: MA00000000000000000A, auth_token: plivo-token, from: \"15005550001\"".to_owned(),
        ),
        ("messagebird", "access_key: messagebird-key, from: Example".to_owned()),
    ];
    let mut all: Vec<(&str, String)> = keys
        .into_iter()
        .map(|(kind, keys)| (kind, format!("{keys}, url: \"{url}\"")))
        .collect();
    let gateway = format!(
        "url: \"{url}/gateway\", headers: {{ X-Api-Key: gateway-key }}, \
         json: '{{ \"to\": \"{{{{ to }}}}\", \"text\": \"{{{{ text }}}}\" }}', \
         accepted: {{ at: /result/status, values: queued }}, reference: /result/id, \
         errors: {{ at: /error/code, reasons: {{ \"1001\": invalid_destination }} }}"
    );
    all.push(("http", gateway));
    all
}

fn setup(senders: &[(&str, &str, &str)]) -> Setup {
    let mut text = String::new();
    for (name, kind, keys) in senders {
        text.push_str(&format!("\n  {name}: {{ type: {kind}, {keys} }}"));
    }
    Setup::new("  - { name: app, host: localhost, require: standard }\n").section("senders", &text)
}

/// Sends one message by `factors test`: exit code and what it says.
fn send(setup: &Setup, to: &str) -> (Option<i32>, Value) {
    let file = setup.write();
    let ended = run(stepgate(&["factors", "test", "sms", "--json", "--to", to, "-c"]).arg(file));
    let says = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    (ended.code, says)
}

#[test]
fn the_fakes_are_what_the_vendors_own_clients_expect() {
    let ended = run(Command::new(vendors_python()).arg(peer("texts.py")).arg("--prove")).expect(0);
    for vendor in ["twilio", "vonage", "plivo", "messagebird", "aws"] {
        assert!(ended.stdout.contains(&format!("{vendor} ok")), "{ended:?}");
    }
}

#[test]
fn every_vendor_takes_our_message_and_its_refusals_have_reasons() {
    let fakes = Vendors::fakes();
    for (kind, keys) in vendors(&fakes.url()) {
        let setup = setup(&[("texts", kind, &keys)]);
        let before = fakes.sent().len();
        let (code, says) = send(&setup, "+447700900123");
        assert_eq!((code, says["sent"].as_bool()), (Some(0), Some(true)), "{kind}: {says}");
        assert!(says["reference"].as_str().is_some_and(|id| id.len() > 8), "{kind}: {says}");
        let sent = fakes.sent().split_off(before);
        assert_eq!(sent.len(), 1, "{kind}: exactly one message");
        let text = sent[0]["fields"].to_string();
        assert!(text.contains("447700900123"), "{kind}: {text}");
        assert!(
            kind.ends_with("verify") || text.contains(r"\n\n@localhost #"),
            "{kind}: bound to its domain: {text}"
        );

        let (code, says) = send(&setup, "+15005550001");
        assert_eq!((code, says["reason"].as_str()), (Some(1), Some("invalid_destination")), "{kind}: {says}");
        assert!(!says["says"].to_string().contains("15005550001"), "{kind}: no number in the log: {says}");

        let wrong = keys
            .replace("-token", "-wrong")
            .replace("-secret,", "-wrong,")
            .replace("-key", "-wrong");
        let wrong = wrong
            .replace("AKIDEXAMPLE", "AKIDWRONG")
            .replace("vonage-secret", "vonage-wrong");
        let (code, says) = send(&self::setup(&[("texts", kind, &wrong)]), "+447700900123");
        assert_eq!((code, says["reason"].as_str()), (Some(69), Some("misconfigured")), "{kind}: {says}");
        assert_eq!(says["certain"].as_bool(), Some(true), "{kind}: {says}");
    }
}

#[test]
fn credentials_are_tried_without_a_message() {
    let fakes = Vendors::fakes();
    for (kind, keys) in vendors(&fakes.url()) {
        let check = |keys: &str| setup(&[("texts", kind, keys)]).command(&["check", "--connect"], "");
        let well = check(&keys);
        assert_eq!(well.code, Some(0), "{kind}: {well:?}");
        // A described gateway has no question that would not be a message.
        if kind != "http" {
            let wrong = keys
                .replace("-token", "-wrong")
                .replace("-key", "-wrong")
                .replace("AKIDEXAMPLE", "AKIDWRONG");
            let ill = check(&wrong.replace("vonage-secret", "vonage-wrong"));
            assert_eq!(ill.code, Some(69), "{kind}: {ill:?}");
        }
    }
    assert!(fakes.sent().is_empty(), "nothing was sent");
}

#[test]
fn a_secret_comes_from_a_file_and_a_signed_vonage_request_is_believed() {
    let fakes = Vendors::fakes();
    let keys = format!(
        "api_key: abcd1234, signature_secret: {{ file: \"$DIR/secret\" }}, from: Example, url: \"{}\"",
        fakes.url()
    );
    let setup = setup(&[("texts", "vonage", &keys)]);
    write_private(&setup.path("secret"), "vonage-signature\n");
    let (code, says) = send(&setup, "+447700900123");
    assert_eq!(code, Some(0), "{says}");
    write_private(&setup.path("secret"), "another\n");
    assert_eq!(send(&setup, "+447700900123").1["reason"], "misconfigured");
}

#[test]
fn the_next_sender_is_asked_only_where_nothing_can_have_been_sent() {
    let (first, second) = (Vendors::fakes(), Vendors::fakes());
    let all = |fakes: &Vendors, kind: &str| {
        vendors(&fakes.url())
            .into_iter()
            .find(|(name, _)| *name == kind)
            .map(|(_, keys)| keys)
            .expect("known")
    };
    let setup = setup(&[
        ("first", "twilio", &all(&first, "twilio")),
        ("second", "plivo", &all(&second, "plivo")),
    ]);
    let table = [
        (json!({ "status": 503, "body": "" }), Some("second")),
        (json!({ "status": 429, "body": { "code": 20429 } }), Some("second")),
        (json!({ "status": 401, "body": { "code": 20003 } }), Some("second")),
        (json!({ "status": 500, "body": "" }), None),
        (json!({ "status": 400, "body": { "code": 21610 } }), None),
        (json!({ "status": 403, "body": { "code": 60238 } }), None),
        (json!({}), Some("first")),
    ];
    for (answer, by) in table {
        first.always(&answer);
        let before = second.sent().len();
        let (_, says) = send(&setup, "+447700900123");
        assert_eq!(says["sender"].as_str(), by, "{answer}: {says}");
        assert_eq!(second.sent().len() - before, usize::from(by == Some("second")), "{answer}");
    }
    drop(first);
    assert_eq!(send(&setup, "+447700900123").1["sender"], "second", "a vendor that is not there");
}

#[test]
fn a_code_reaches_the_person_by_the_next_sender_and_both_are_counted() {
    let (first, second) = (Vendors::fakes(), Vendors::fakes());
    let keys = |fakes: &Vendors, kind: &str| {
        let all = vendors(&fakes.url());
        all.into_iter()
            .find(|(name, _)| *name == kind)
            .map(|(_, keys)| keys)
            .expect("known")
    };
    let senders = [
        ("first", "twilio", &*keys(&first, "twilio")),
        ("second", "plivo", &*keys(&second, "plivo")),
    ];
    let gate = setup(&senders)
        .section("factors", "{ sms: { enabled: true, sender: [first, second], countries: [GB] } }")
        .user("anna", &[])
        .start();
    first.always(&json!({ "status": 503, "body": "" }));
    let (mut anna, _app) = gate.enrolled("anna");
    let body = json!({ "factor": "sms", "number": "07400 123456", "country": "GB" });
    let begun = anna
        .fetch("POST", &gate.portal("api/v1/enrolments"), Some(&body))
        .expect(201)
        .json();
    let sent = wait_until("the message", || second.sent().pop());
    assert_eq!(sent["fields"]["dst"], "447400123456");
    let text = sent["fields"]["text"].as_str().expect("text");
    let code = text.split(' ').next().expect("a code");
    assert!(text.ends_with(&format!("\n\n@localhost #{code}")) && text.len() <= 160, "{text}");
    let id = begun["id"].as_str().expect("an id");
    let confirm = gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
    anna.fetch("POST", &confirm, Some(&json!({ "code": code }))).expect(200);
    assert!(first.sent().is_empty() && second.sent().len() == 1, "one message");
    let metrics = gate.operations("/metrics").expect(200).text();
    for line in [
        r#"stepgate_messages_total{sender="first",channel="sms",outcome="unavailable",reason="unavailable"} 1"#,
        r#"stepgate_messages_total{sender="second",channel="sms",outcome="accepted",reason="none"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("447400123456") && !gate.log().contains(code), "neither number nor code");
    assert!(!gate.log().contains("447400123456"), "no number in full in the log");
}

#[test]
#[ignore = "slow: Prism takes half a minute to start on a busy machine"]
fn twilios_own_description_takes_our_requests_and_refuses_others() {
    let (messages, verify) = (Vendors::prism("api_v2010.yaml"), Vendors::prism("verify_v2.yaml"));
    let keys = |url: &str, kind: &str| {
        vendors(url)
            .into_iter()
            .find(|(name, _)| *name == kind)
            .map(|(_, keys)| keys)
            .expect("known")
    };
    for (kind, peer) in [("twilio", &messages), ("twilio-verify", &verify)] {
        let setup = setup(&[("texts", kind, &keys(&peer.url(), kind))]);
        let (code, says) = send(&setup, "+447700900123");
        assert_eq!(code, Some(0), "{kind}: {says}");
        let check = run(stepgate(&["check", "--connect", "-c"]).arg(setup.write()));
        assert_eq!(check.code, Some(0), "{kind}: {check:?}");
    }
    // Prism is no yes-man: what the description does not allow is refused.
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    let form = ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    let login = ("Authorization".to_owned(), "Basic QUM6dA==".to_owned());
    let ask = |body: &str, headers: &[(String, String)]| {
        post(([127, 0, 0, 1], messages.port()).into(), "localhost", &path, body, headers).status
    };
    let good = "To=%2B447700900123&From=%2B15005550001&Body=x";
    assert_eq!(ask(good, &[form.clone(), login.clone()]), 201);
    assert_eq!(ask("From=%2B15005550001&Body=x", &[form.clone(), login.clone()]), 422);
    assert_eq!(ask(&format!("{good}&AddressRetention=never"), &[form.clone(), login]), 422);
    assert_eq!(ask(good, &[form]), 401);
}

#[test]
#[ignore = "slow: moto takes many seconds to start on a busy machine"]
fn sns_publishes_to_moto() {
    let moto = Vendors::moto();
    let keys = format!(
        "region: eu-west-1, access_key_id: AKIDEXAMPLE, secret_access_key: x, sender_id: Example, url: \"{}\"",
        moto.url()
    );
    let setup = setup(&[("texts", "aws-sns", &keys)]);
    let (code, says) = send(&setup, "+447700900123");
    assert_eq!(code, Some(0), "{says}");
    assert!(says["reference"].as_str().is_some_and(|id| id.len() == 36), "{says}");
    let check = run(stepgate(&["check", "--connect", "-c"]).arg(setup.write()));
    assert_eq!(check.code, Some(0), "{check:?}");
}

/// Senders that take receipts, with their secrets.
const SIGNING: [(&str, &str, &str); 5] = [
    (
        "twilio",
        "twilio",
        "account_sid: AC00000000000000000000000000000000, auth_token: sekrit, webhook_secret: shared, from: \"+1500\"",
    ),
    ("plivo", "plivo", "auth_id: MA1, auth_token: sekrit, from: \"1500\""),
    (
        "vonage",
        "vonage",
        "api_key: abcd1234, api_secret: x, signature_secret: a-secret-of-thirty-two-bytes-okay, from: E",
    ),
    (
        "bird",
        "messagebird",
        "access_key: k, signing_key: a-secret-of-thirty-two-bytes-okay, from: E",
    ),
    (
        "own",
        "http",
        "url: \"https://sms.example.com/{{ digits }}?t={{ text }}\", method: GET, receipts: { secret: sekrit, reference: /id, status: /s, delivered: ok, failed: lost }",
    ),
];

/// A receipt as the vendor's own client signs it.
fn signed(client: &str, url: &str, secret: &str, fields: &Value) -> (String, Vec<(String, String)>) {
    let ended = run(Command::new(vendors_python()).arg(peer("receipts.py")).args([
        client,
        url,
        secret,
        &fields.to_string(),
    ]))
    .expect(0);
    let made: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let headers = made["headers"].as_object().expect("headers").iter();
    let headers = headers
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        .collect();
    (made["body"].as_str().expect("text").to_owned(), headers)
}

#[test]
fn receipts_count_only_with_the_signature_that_the_vendors_own_client_makes() {
    let gate = setup(&SIGNING).start();
    let long = "a-secret-of-thirty-two-bytes-okay";
    let table = [
        (
            "twilio",
            "twilio",
            "sekrit",
            json!({ "MessageSid": "SM1", "MessageStatus": "delivered", "To": "+1500" }),
        ),
        (
            "twilio",
            "twilio-sha256",
            "shared",
            json!({ "MessageSid": "SM2", "MessageStatus": "undelivered", "ErrorCode": "30007" }),
        ),
        (
            "plivo",
            "plivo",
            "sekrit",
            json!({ "MessageUUID": "u1", "Status": "delivered", "To": "1500" }),
        ),
        (
            "vonage",
            "vonage",
            long,
            json!({ "messageId": "0A", "status": "failed", "err-code": "9" }),
        ),
        ("vonage", "vonage-sig", long, json!({ "messageId": "0B", "status": "delivered" })),
        ("bird", "messagebird", long, json!({ "id": "b1", "status": "delivered" })),
    ];
    for (sender, client, secret, fields) in &table {
        let path = format!("/.stepgate/receipts/{sender}");
        let url = gate.url("localhost", &path);
        let host = format!("localhost:{}", gate.address().port());
        let (body, headers) = signed(client, &url, secret, fields);
        let ask =
            |body: &str, headers: &[(String, String)]| post(gate.address(), &host, &path, body, headers);
        let stripped: Vec<_> = headers.iter().filter(|(name, _)| name == "Content-Type").cloned().collect();
        let digit = body.find(|c: char| c.is_ascii_digit()).expect("a digit");
        let other = if body[digit..].starts_with('9') { "8" } else { "9" };
        let altered = format!("{}{other}{}", &body[..digit], &body[digit + 1..]);
        if *client != "vonage-sig" {
            ask(&body, &stripped).expect(403);
        }
        ask(&altered, &headers).expect(403);
        let (foreign, wrong) = signed(client, &url, "some-other-secret-of-thirty-two-bytes", fields);
        ask(&foreign, &wrong).expect(403);
        ask(&body, &headers).expect(204);
        // Vendors repeat themselves.
        ask(&body, &headers).expect(204);
    }
    let known: Vec<(String, String, String)> = gate
        .audit("message.")
        .iter()
        .map(|record| {
            let detail = |name: &str| record["detail"][name].as_str().unwrap_or_default().to_owned();
            (
                detail("sender"),
                detail("reference"),
                record["result"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let expected = [
        ("twilio", "SM1", "ok"),
        ("twilio", "SM2", "blocked"),
        ("plivo", "u1", "ok"),
        ("vonage", "0A", "invalid_destination"),
        ("vonage", "0B", "ok"),
        ("bird", "b1", "ok"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned()))
        .collect();
    assert_eq!(known, expected, "each outcome once, none that was not signed");
    let metrics = gate.operations("/metrics").expect(200).text();
    for line in [
        r#"stepgate_receipts_total{sender="twilio",outcome="delivered",reason="none"} 1"#,
        r#"stepgate_receipts_total{sender="twilio",outcome="failed",reason="blocked"} 1"#,
        r#"stepgate_receipts_total{sender="twilio",outcome="repeated",reason="none"} 2"#,
        r#"stepgate_receipts_total{sender="bird",outcome="refused",reason="none"} 3"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn a_gateways_own_receipts_and_names_that_nobody_has() {
    let gate = setup(&SIGNING).start();
    let host = format!("localhost:{}", gate.address().port());
    let ask = |path: &str, body: &str, headers: &[(String, String)]| {
        post(gate.address(), &host, path, body, headers)
    };
    let body = r#"{"id":"g1","s":"lost"}"#;
    let made = run(Command::new("openssl").args(["dgst", "-sha256", "-hmac", "sekrit", "-r"]).arg({
        let file = gate.setup.path("body");
        std::fs::write(&file, body).expect("writable");
        file
    }))
    .expect(0);
    let signature = made.stdout.split_whitespace().next().expect("hex").to_owned();
    let header = |value: &str| vec![("X-Signature".to_owned(), value.to_owned())];
    ask("/.stepgate/receipts/own", body, &header(&signature)).expect(204);
    ask("/.stepgate/receipts/own", body, &header("sha256=00")).expect(403);
    ask("/.stepgate/receipts/nobody", body, &header(&signature)).expect(404);
    ask("/.stepgate/receipts/own", &"x".repeat(100_000), &header(&signature)).expect(413);
    let failed = wait_until("the record", || gate.audit("message.failed").into_iter().next());
    assert_eq!(
        (failed["detail"]["reference"].as_str(), failed["result"].as_str()),
        (Some("g1"), Some("unavailable"))
    );
}

#[test]
fn every_snippet_of_the_docs_is_a_configuration() {
    let text = std::fs::read_to_string(peer("../../docs/how-to/text-messages.md")).expect("the page");
    let snippets: Vec<&str> = text
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("closed"))
        .collect();
    assert!(snippets.len() >= 10, "one per vendor: {}", snippets.len());
    for snippet in snippets {
        let mut setup = Setup::new("  - { name: app, host: localhost, require: standard }\n");
        let mut section: Option<(String, String)> = None;
        for line in snippet.lines().chain(["end:"]) {
            if let (Some(name), false) = (line.strip_suffix(':'), line.starts_with(' ')) {
                if let Some((name, text)) = section.replace((name.to_owned(), String::new())) {
                    setup = setup.section(&name, &text);
                }
            } else if let Some((_, text)) = &mut section {
                text.push_str(&format!("\n{line}"));
            }
        }
        let file = setup.write();
        let text = std::fs::read_to_string(&file).expect("written");
        let secret = setup.path("secret");
        write_private(&secret, "a-secret-of-at-least-thirty-two-bytes\n");
        let text = text.replace("ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ACCOUNT);
        std::fs::write(&file, text.replace("/run/secrets/twilio-token", &secret.to_string_lossy()))
            .expect("writable");
        let mut check = stepgate(&["check", "-c"]);
        for name in [
            "TWILIO_KEY",
            "TWILIO_TOKEN",
            "VONAGE_SECRET",
            "VONAGE_SIGNATURE",
            "AWS_SECRET",
            "PLIVO_TOKEN",
            "MESSAGEBIRD_KEY",
            "MESSAGEBIRD_SIGNING",
            "GATEWAY_KEY",
            "GATEWAY_RECEIPTS",
        ] {
            check.env(name, "a-secret-of-at-least-thirty-two-bytes");
        }
        let ended = run(check.arg(&file));
        assert_eq!(ended.code, Some(0), "{snippet}\n{ended:?}");
    }
}
