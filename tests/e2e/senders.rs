//! A person gets a text through every sender there is and passes with its code: by the pages, without script,
//! from the number to the app. The peers are the fakes that the vendors' own clients have accepted, npm's SMS
//! centre, Twilio's own description in Prism, moto for SNS, and a gateway that answers in lines of text.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::smpp::Centre;
use crate::support::{
    Browser, Form, Gate, Recorded, Reply, Setup, Upstream, Vendors, ok, text_of, wait_until,
};
use crate::text_messages::vendors;

/// One sender: its type and keys, and what left through it, oldest first, field by field.
struct Way<'a> {
    kind: &'a str,
    keys: String,
    sent: &'a dyn Fn() -> Vec<Value>,
}

/// The code of a message, wherever this vendor has it.
fn code(fields: &Value) -> Option<String> {
    let own = ["CustomCode", "code"].into_iter().find_map(|key| fields[key].as_str());
    let texts = fields.as_object()?.values().filter_map(Value::as_str);
    let said = texts
        .filter(|text| text.contains("Don't share it"))
        .find_map(|text| text.get(..8));
    own.or(said).map(str::to_owned)
}

fn page(reply: &Reply) -> String {
    text_of(&reply.text())
}

fn form(reply: &Reply, field: &str) -> Form {
    Form::with(&reply.text(), |one| one.name == field)
        .unwrap_or_else(|| panic!("no `{field}`: {}", page(reply)))
}

/// The form whose button begins something.
fn start(reply: &Reply) -> Form {
    let all = Form::all(&reply.text());
    let found = all.into_iter().find(|form| form.action.contains("/start"));
    found.unwrap_or_else(|| panic!("nothing to begin: {}", page(reply)))
}

fn gate(kind: &str, keys: &str, app: &Upstream) -> Gate {
    let routes =
        format!("\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n", app.url());
    Setup::new(&routes)
        .section("senders", &format!("\n  texts: {{ type: {kind}, {keys} }}"))
        .section(
            "factors",
            "{ sms: { enabled: true, countries: [GB, DE] }, recovery_codes: { enabled: false } }",
        )
        .section("branding", "{ name: Example Ltd }")
        .user("anna", &[])
        .start()
}

fn posted(browser: &mut Browser, form: &Form) -> Reply {
    let reply = browser.submit(form);
    browser.settle(reply)
}

/// Enrols the number, comes back in another session, gets a text there and reads the app.
#[track_caller]
fn passes(way: &Way<'_>) {
    let app = Upstream::answering(|_| ok("the ledger"));
    let gate = gate(way.kind, &way.keys, &app);
    let kind = way.kind;
    let text = |nth: usize| {
        let sent = wait_until("a text", || (way.sent)().get(nth).cloned());
        assert!(sent.to_string().contains("447400123456"), "{kind}: {sent}");
        code(&sent).unwrap_or_else(|| panic!("{kind}: no code in {sent}"))
    };
    let mut at_home = gate.signed_in("anna");
    let asked = at_home.go(&gate.portal("enrol/new/sms"));
    let number = form(&asked, "number").fill("country", "GB").fill("number", "07400 123456");
    let waiting = posted(&mut at_home, &number);
    assert!(
        page(&waiting).contains("We sent a text to the number ending 56"),
        "{kind}: {}",
        page(&waiting)
    );
    let first = text(0);
    let done = posted(&mut at_home, &form(&waiting, "code").fill("code", &first));
    assert!(page(&done).contains("Text message, ending 56"), "{kind}: {}", page(&done));
    gate.sql("UPDATE sends SET at = at - 61");

    let mut browser = gate.signed_in("anna");
    let asked = browser.go(&gate.url("localhost", "/ledger"));
    assert!(
        page(&asked).contains("We'll text a code to the number ending 56"),
        "{kind}: {}",
        page(&asked)
    );
    assert_eq!((way.sent)().len(), 1, "{kind}: a page that is shown sends nothing");
    let waiting = posted(&mut browser, &start(&asked));
    assert!(
        page(&waiting).contains("We sent a text to the number ending 56"),
        "{kind}: {}",
        page(&waiting)
    );
    let second = text(1);
    assert!(first != second && !waiting.text().contains(&second), "{kind}: E20");
    let wrong = posted(&mut browser, &form(&waiting, "code").fill("code", &first));
    assert!(page(&wrong).contains("That code isn't right"), "{kind}: {}", page(&wrong));
    let done = posted(
        &mut browser,
        &form(&wrong, "code").fill("code", &format!("{} {}", &second[..4], &second[4..])),
    );
    assert_eq!(done.text(), "the ledger", "{kind}: {}", page(&done));
    assert_eq!((way.sent)().len(), 2, "{kind}: as many texts as were asked for");
    let log = gate.log();
    assert!(
        !log.contains(&second) && !log.contains("7400123456"),
        "{kind}: neither code nor number is logged"
    );
}

#[test]
fn every_vendor_brings_a_person_through() {
    let fakes = Vendors::fakes();
    for (kind, keys) in vendors(&fakes.url()) {
        let before = fakes.sent().len();
        let sent = || fakes.sent().split_off(before).iter().map(|one| one["fields"].clone()).collect();
        passes(&Way { kind, keys, sent: &sent });
    }
}

#[test]
fn an_sms_centre_brings_a_person_through_in_every_alphabet() {
    for (alphabet, coding) in [("gsm", 0), ("latin1", 3), ("ucs2", 8)] {
        let centre = Centre::start();
        let keys = format!("{}, alphabet: {alphabet}", centre.keys("hushhush"));
        passes(&Way { kind: "smpp", keys, sent: &|| centre.told("to") });
        let told = centre.told("to");
        for text in &told {
            assert_eq!((&text["data_coding"], &text["in_one"]), (&json!(coding), &json!(true)), "{text}");
            let said = text["text"].as_str().expect("text");
            assert!(
                said.contains("\n\n@localhost #")
                    && said.chars().count() <= if coding == 8 { 70 } else { 140 },
                "{said}"
            );
        }
    }
}

/// What stands between us and a peer that does not tell what it was sent.
fn recording(peer: &Vendors) -> Upstream {
    let address = ([127, 0, 0, 1], peer.port());
    Upstream::answering(move |request| {
        let mut stream = TcpStream::connect(std::net::SocketAddr::from(address)).expect("the peer listens");
        let head = String::from_utf8_lossy(&request.head).replacen("\r\n", "\r\nConnection: close\r\n", 1);
        stream.write_all(&[head.as_bytes(), &request.body].concat()).expect("it reads");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    })
}

fn fields(request: &Recorded) -> Value {
    form_urlencoded::parse(&request.body)
        .into_owned()
        .map(|(key, value)| (key, json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
#[ignore = "slow: Prism and moto take half a minute to start on a busy machine"]
fn twilios_own_description_and_moto_bring_a_person_through() {
    let (messages, verify, sns) =
        (Vendors::prism("api_v2010.yaml"), Vendors::prism("verify_v2.yaml"), Vendors::moto());
    for (kind, peer) in [
        ("twilio", &messages),
        ("twilio-verify", &verify),
        ("aws-sns", &sns),
    ] {
        let between = recording(peer);
        let all = vendors(&between.url());
        let keys = all.into_iter().find(|(name, _)| *name == kind).map(|(_, keys)| keys);
        let aws = format!(
            "region: eu-west-1, access_key_id: AKIDEXAMPLE, secret_access_key: x, url: \"{}\"",
            between.url()
        );
        let is_message = |one: &Value| !(one["To"].is_null() && one["PhoneNumber"].is_null());
        let sent = || between.requests().iter().map(fields).filter(is_message).collect();
        passes(&Way { kind, keys: keys.unwrap_or(aws), sent: &sent });
    }
}

/// A gateway of nobody's, as there are many: a form, a key among its fields, and a line of text that begins
/// with a number, always with status 200. It is described as docs/how-to/text-messages.md says.
fn line_gateway() -> Upstream {
    Upstream::answering(|request| {
        let fields = fields(request);
        let to = fields["an"].as_str().unwrap_or_default();
        let line = match fields["schluessel"].as_str() {
            Some("geheim") if to == "00447400120001" => "201 Rufnummer gibt es nicht".to_owned(),
            Some("geheim") if to.starts_with("0044") => format!("100 m-{}", to.len()),
            Some("geheim") => "202 Rufnummer unlesbar".to_owned(),
            _ => "305 Schlüssel falsch".to_owned(),
        };
        ok(line)
    })
}

fn line_keys(url: &str, key: &str) -> String {
    format!(
        "url: \"{url}/senden\", form: {{ schluessel: {key}, an: \"00{{{{ digits }}}}\", absender: Example, nachricht: \"{{{{ text }}}}\" }}, \
         accepted: {{ at: '^([0-9]+)', values: \"100\" }}, reference: '^100 (\\S+)', \
         errors: {{ at: '^([0-9]+)', reasons: {{ \"201\": invalid_destination, \"305\": misconfigured }} }}"
    )
}

#[test]
fn a_gateway_that_answers_in_lines_of_text_brings_a_person_through_and_is_understood() {
    let gateway = line_gateway();
    let sent = || gateway.requests().iter().map(fields).collect::<Vec<_>>();
    passes(&Way { kind: "http", keys: line_keys(&gateway.url(), "geheim"), sent: &sent });
    let test = |key: &str, to: &str| {
        let setup = Setup::new("  - { name: app, host: localhost, require: standard }\n")
            .section("senders", &format!("\n  texts: {{ type: http, {} }}", line_keys(&gateway.url(), key)));
        let ended = setup.command(&["factors", "test", "sms", "--json", "--to", to], "");
        let says: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
        (ended.code, says)
    };
    let (code, says) = test("geheim", "+447400123456");
    assert_eq!((code, says["reference"].as_str()), (Some(0), Some("m-14")), "{says}");
    let (code, says) = test("geheim", "+447400120001");
    assert_eq!((code, says["reason"].as_str()), (Some(1), Some("invalid_destination")), "{says}");
    let (code, says) = test("falsch", "+447400123456");
    assert_eq!(
        (code, says["reason"].as_str(), &says["certain"]),
        (Some(69), Some("misconfigured"), &json!(true))
    );
    // A number that the table does not have is a refusal all the same.
    let (code, says) = test("geheim", "+4915112345678");
    assert_eq!((code, says["certain"].as_bool()), (Some(69), Some(true)), "{says}");
    assert!(
        says["says"]
            .as_str()
            .is_some_and(|says| says.contains("202 Rufnummer unlesbar")),
        "{says}"
    );
}
