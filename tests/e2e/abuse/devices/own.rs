//! Codes that Stepgate judges by what it keeps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Device;
use super::{begin, confirm, nothing_is_sent};
use crate::support::{Authenticator, Browser, Gate, Setup, run};

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

    fn another(&self, _: &str) -> Option<Value> {
        Some(json!({ "factor": "totp" }))
    }

    fn code(&mut self, _: &Gate, user: &str) -> String {
        self.0.get_mut(user).expect("enrolled").code()
    }

    fn wrong(&self, n: usize) -> String {
        self.0["anna"].wrong(u32::try_from(n).expect("small"))
    }

    fn private(&self) -> Vec<String> {
        self.0.values().map(|app| app.secret().to_owned()).collect()
    }

    fn says(case: &str) -> Option<&'static str> {
        nothing_is_sent(case)
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

    fn another(&self, _: &str) -> Option<Value> {
        Some(json!({ "factor": "recovery_code" }))
    }

    fn code(&mut self, _: &Gate, user: &str) -> String {
        self.0.get_mut(user).and_then(Vec::pop).expect("a code is left")
    }

    fn wrong(&self, n: usize) -> String {
        format!("{n:016}")
    }

    fn private(&self) -> Vec<String> {
        self.0.values().flatten().cloned().collect()
    }

    fn says(case: &str) -> Option<&'static str> {
        nothing_is_sent(case)
    }
}

/// Codes that an administrator issues, one at a time.
#[derive(Default)]
pub struct Issued(BTreeMap<String, String>);

impl Device for Issued {
    fn factor(&self) -> &'static str {
        "temporary_code"
    }

    /// One that is not used yet, in the place of the one before.
    fn prepare(&mut self, gate: &Gate, user: &str) {
        let unused = format!(
            "SELECT count(*) FROM enrolments WHERE factor = 'temporary_code' AND subject_key LIKE '%:{user}' \
             AND state % 2 = 0"
        );
        if self.0.contains_key(user) && gate.sql(&unused).trim() == "1" {
            return;
        }
        let said = gate.setup.command(&["users", "temporary-code", user], "").expect(0).stdout;
        let is_code = |word: &&str| word.len() == 14 && word.matches('-').count() == 2;
        let code = said.split_whitespace().find(is_code);
        let code = code.unwrap_or_else(|| panic!("no code in {said}"));
        self.0.insert(user.to_owned(), code.to_owned());
    }

    fn enrol(&mut self, _: &Gate, _: &mut Browser, _: &str) {}

    fn another(&self, _: &str) -> Option<Value> {
        None
    }

    fn code(&mut self, _: &Gate, user: &str) -> String {
        self.0[user].clone()
    }

    fn wrong(&self, n: usize) -> String {
        format!("{n:012}")
    }

    fn says(case: &str) -> Option<&'static str> {
        nothing_is_sent(case)
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

    fn another(&self, _: &str) -> Option<Value> {
        None
    }

    fn code(&mut self, _: &Gate, user: &str) -> String {
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

    fn private(&self) -> Vec<String> {
        self.0.keys().map(|user| Self::secret(user)).collect()
    }

    fn says(case: &str) -> Option<&'static str> {
        nothing_is_sent(case)
    }
}
