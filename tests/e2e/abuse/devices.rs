//! The factors of the table, as people hold them: where a right code comes from.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Device, way};
use crate::support::{Authenticator, Browser, Gate, Inbox, Setup, run};
use crate::yubikey::{Server, touch};

/// An authenticator app.
#[derive(Default)]
pub struct App(BTreeMap<String, Authenticator>);

impl Device for App {
    fn factor(&self) -> &'static str {
        "totp"
    }

    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str) {
        self.0.insert(user.to_owned(), gate.enrol_as(browser, "Second app"));
    }

    fn code(&mut self, _: &Gate, _: &mut Browser, user: &str, _: &Value) -> String {
        self.0.get_mut(user).expect("enrolled").code()
    }

    fn wrong(&self, n: usize) -> String {
        self.0["anna"].wrong(u32::try_from(n).expect("small"))
    }
}

/// A list of recovery codes.
#[derive(Default)]
pub struct Codes(BTreeMap<String, Vec<String>>);

impl Device for Codes {
    fn factor(&self) -> &'static str {
        "recovery_code"
    }

    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str) {
        let begun = begin(gate, browser, &json!({ "factor": "recovery_code" }));
        let codes = begun["setup"]["codes"].as_array().expect("codes");
        let codes = codes.iter().filter_map(|code| code.as_str().map(str::to_owned)).collect();
        self.0.insert(user.to_owned(), codes);
        confirm(gate, browser, &begun, &json!({ "saved": true }));
    }

    fn code(&mut self, _: &Gate, _: &mut Browser, user: &str, _: &Value) -> String {
        self.0.get_mut(user).and_then(Vec::pop).expect("a code is left")
    }

    fn wrong(&self, n: usize) -> String {
        format!("{n:016}")
    }
}

/// A token that counts, imported; `oathtool` is the token.
#[derive(Default)]
pub struct Fob(BTreeMap<String, u32>);

impl Fob {
    fn secret(user: &str) -> String {
        user.bytes().cycle().take(20).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Device for Fob {
    fn factor(&self) -> &'static str {
        "hotp"
    }

    fn configure(&mut self, setup: Setup) -> Setup {
        setup.section("factors", "{ hotp: { enabled: true } }")
    }

    fn enrol(&mut self, gate: &Gate, _: &mut Browser, user: &str) {
        let table = format!("subject,secret_hex,kind,counter\n{user},{},hotp,0\n", Self::secret(user));
        let arguments = ["enrolments", "import", "--format", "csv", "-", "--yes"];
        gate.setup.command(&arguments, &table).expect(0);
        self.0.insert(user.to_owned(), 0);
    }

    fn code(&mut self, _: &Gate, _: &mut Browser, user: &str, _: &Value) -> String {
        let counter = self.0.get_mut(user).expect("enrolled");
        let arguments = ["--hotp", "-c", &counter.to_string(), &Self::secret(user)];
        *counter += 1;
        let said = run(std::process::Command::new("oathtool").args(arguments)).expect(0);
        said.stdout.trim().to_owned()
    }

    fn wrong(&self, n: usize) -> String {
        // None of the first forty codes of these tokens.
        format!("{n:06}")
    }
}

/// A YubiKey that types passwords, and the service that judges them.
pub struct Key {
    service: Server,
    touched: u8,
}

impl Key {
    pub fn new() -> Self {
        Self { service: Server::start(), touched: 0 }
    }

    fn touch(&mut self, user: &str) -> String {
        self.touched += 1;
        let key = if user == "anna" {
            "ccccccccccbd"
        } else {
            "ccccccccccbe"
        };
        touch(key, 1, self.touched)
    }
}

impl Device for Key {
    fn factor(&self) -> &'static str {
        "yubikey"
    }

    fn configure(&mut self, setup: Setup) -> Setup {
        setup.section("factors", &self.service.factors(&["verify"]))
    }

    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str) {
        let begun = begin(gate, browser, &json!({ "factor": "yubikey" }));
        let typed = self.touch(user);
        confirm(gate, browser, &begun, &json!({ "code": typed }));
    }

    fn code(&mut self, _: &Gate, _: &mut Browser, user: &str, _: &Value) -> String {
        self.touch(user)
    }

    fn wrong(&self, n: usize) -> String {
        // A key of nobody.
        touch("ccccccccccbf", 1, u8::try_from(n + 1).expect("few"))
    }
}

/// A code that is sent, and read where it arrives.
pub struct Sent {
    factor: &'static str,
    inbox: Inbox,
    port: u16,
}

impl Sent {
    pub fn email() -> Self {
        let (inbox, port) = Inbox::mail();
        Self { factor: "email", inbox, port }
    }

    pub fn sms() -> Self {
        let (inbox, port) = Inbox::gateway();
        Self { factor: "sms", inbox, port }
    }

    fn details(&self, user: &str) -> Value {
        match self.factor {
            "email" => json!({ "factor": "email", "address": format!("{user}@example.test") }),
            factor => {
                let number = if user == "anna" {
                    "+447400123456"
                } else {
                    "+447400123457"
                };
                json!({ "factor": factor, "number": number, "country": "GB" })
            }
        }
    }
}

impl Device for Sent {
    fn factor(&self) -> &'static str {
        self.factor
    }

    fn configure(&mut self, setup: Setup) -> Setup {
        let port = self.port;
        match self.factor {
            "email" => setup
                .section("factors", "{ email: { enabled: true, use_for: [factor], standalone: true, sender: inbox } }")
                .section(
                    "senders",
                    &format!(
                        "{{ inbox: {{ type: smtp, host: 127.0.0.1, port: {port}, security: none, from: gate@example.test }} }}"
                    ),
                ),
            factor => setup
                .section("factors", &format!("{{ {factor}: {{ enabled: true, sender: inbox, countries: [GB] }} }}"))
                .section(
                    "senders",
                    &format!("{{ inbox: {{ type: http, url: \"http://127.0.0.1:{port}/\", plain: \"{{{{ to }}}} {{{{ text }}}}\" }} }}"),
                ),
        }
    }

    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str) {
        let before = self.inbox.all().len();
        let begun = begin(gate, browser, &self.details(user));
        let code = self.inbox.code_after(before);
        confirm(gate, browser, &begun, &json!({ "code": code }));
    }

    fn code(&mut self, gate: &Gate, browser: &mut Browser, _: &str, challenge: &Value) -> String {
        forget_sends(gate);
        let before = self.inbox.all().len();
        start(gate, browser, challenge, self.factor);
        self.inbox.code_after(before)
    }

    fn wrong(&self, n: usize) -> String {
        // Right for nobody but once in a hundred million.
        format!("{:08}", 10_000_000 + n)
    }
}

/// The caps on messages are for another test.
fn forget_sends(gate: &Gate) {
    gate.sql("DELETE FROM sends");
}

/// Begins what a way needs, through the API.
#[track_caller]
pub fn start(gate: &Gate, browser: &mut Browser, challenge: &Value, factor: &str) {
    let id = challenge["id"].as_str().expect("an id");
    let body = json!({ "enrolment": way(challenge, factor)["enrolment"] });
    browser
        .fetch("POST", &gate.portal(&format!("api/v1/challenges/{id}/start")), Some(&body))
        .expect(200);
}

/// Begins an enrolment through the API.
#[track_caller]
pub fn begin(gate: &Gate, browser: &mut Browser, body: &Value) -> Value {
    let reply = browser.fetch("POST", &gate.portal("api/v1/enrolments"), Some(body));
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

/// Confirms one that was begun.
#[track_caller]
pub fn confirm(gate: &Gate, browser: &mut Browser, begun: &Value, body: &Value) {
    let id = begun["id"].as_str().expect("an id");
    let reply = browser.fetch("POST", &gate.portal(&format!("api/v1/enrolments/{id}/confirm")), Some(body));
    assert_eq!(reply.status, 200, "{}", reply.text());
}
