//! Codes that are sent, and read where they arrive.

use serde_json::{Value, json};

use super::super::Device;
use super::{begin, confirm};
use crate::support::{Browser, Gate, Inbox, Setup};

/// By e-mail, by text, or in a call.
pub struct Sent {
    factor: &'static str,
    inbox: Inbox,
    port: u16,
    /// Messages that were read.
    seen: usize,
}

impl Sent {
    pub fn email() -> Self {
        let (inbox, port) = Inbox::mail();
        Self { factor: "email", inbox, port, seen: 0 }
    }

    pub fn sms() -> Self {
        let (inbox, port) = Inbox::gateway();
        Self { factor: "sms", inbox, port, seen: 0 }
    }

    pub fn voice() -> Self {
        Self { factor: "voice", ..Self::sms() }
    }

    fn number(user: &str) -> &'static str {
        if user == "anna" {
            "+447400123456"
        } else {
            "+447400123457"
        }
    }

    fn newest(&mut self) -> String {
        let code = self.inbox.code_after(self.seen);
        self.seen = self.inbox.all().len();
        code
    }
}

impl Device for Sent {
    fn factor(&self) -> &'static str {
        self.factor
    }

    fn configure(&mut self, setup: Setup) -> Setup {
        let port = self.port;
        let (more, sender) = match self.factor {
            "email" => (
                "use_for: [factor], standalone: true",
                format!("type: smtp, host: 127.0.0.1, port: {port}, security: none, from: gate@example.test"),
            ),
            "voice" => (
                "countries: [GB]",
                // What is spoken has its digits one by one; the code is what a gateway may speak itself.
                format!(
                    "type: http, carries: voice, url: \"http://127.0.0.1:{port}/\", plain: \"{{{{ to }}}} {{{{ code }}}}\""
                ),
            ),
            _ => (
                "countries: [GB]",
                format!(
                    "type: http, url: \"http://127.0.0.1:{port}/\", plain: \"{{{{ to }}}} {{{{ text }}}}\""
                ),
            ),
        };
        setup
            .section("factors", &format!("{{ {}: {{ enabled: true, sender: inbox, {more} }} }}", self.factor))
            .section("senders", &format!("{{ inbox: {{ {sender} }} }}"))
    }

    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str) {
        let body = self.another(user).expect("people enrol it");
        let begun = begin(gate, browser, &body);
        let code = self.newest();
        confirm(gate, browser, &begun, &json!({ "code": code }));
    }

    fn another(&self, user: &str) -> Option<Value> {
        Some(match self.factor {
            "email" => json!({ "factor": "email", "address": format!("{user}@example.test") }),
            factor => json!({ "factor": factor, "number": Self::number(user), "country": "GB" }),
        })
    }

    fn is_sent(&self) -> bool {
        true
    }

    fn code(&mut self, _: &Gate, _: &str) -> String {
        self.newest()
    }

    fn wrong(&self, n: usize) -> String {
        // Right for nobody but once in a hundred million.
        format!("{:08}", 10_000_000 + n)
    }

    fn private(&self) -> Vec<String> {
        match self.factor {
            "email" => vec!["anna@example.test".to_owned()],
            _ => vec![Self::number("anna").to_owned(), "07400123456".to_owned()],
        }
    }
}
