//! Codes that a service judges.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Device;
use super::{begin, confirm, nothing_is_sent};
use crate::support::{Browser, Duo, Gate, Setup};
use crate::{radius, yubikey};

/// A YubiKey that types passwords, and the service that judges them.
pub struct Key {
    service: yubikey::Server,
    touched: u8,
}

impl Key {
    pub fn new() -> Self {
        Self { service: yubikey::Server::start(), touched: 0 }
    }

    fn touch(&mut self, user: &str) -> String {
        self.touched += 1;
        let key = if user == "anna" {
            "ccccccccccbd"
        } else {
            "ccccccccccbe"
        };
        yubikey::touch(key, 1, self.touched)
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

    fn another(&self, _: &str) -> Option<Value> {
        Some(json!({ "factor": "yubikey" }))
    }

    fn is_judged_elsewhere(&self) -> bool {
        true
    }

    fn code(&mut self, _: &Gate, user: &str) -> String {
        self.touch(user)
    }

    /// Anna's key, as it never typed.
    fn wrong(&self, n: usize) -> String {
        let modhex = b"cbdefghijklnrtuv";
        let typed: String = (0..32).map(|at| char::from(modhex[(n >> (at % 8)) & 15])).collect();
        format!("ccccccccccbd{typed}")
    }

    fn says(case: &str) -> Option<&'static str> {
        nothing_is_sent(case)
    }
}

/// A token that a RADIUS server knows: FreeRADIUS, which takes each code once.
pub struct Token {
    server: radius::Server,
    made: u16,
}

impl Token {
    pub fn new() -> Self {
        Self { server: radius::Server::start(true), made: 0 }
    }
}

impl Device for Token {
    fn factor(&self) -> &'static str {
        "radius"
    }

    fn configure(&mut self, setup: Setup) -> Setup {
        setup.section("factors", &self.server.factors())
    }

    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str) {
        let begun = begin(gate, browser, &json!({ "factor": "radius" }));
        let code = self.code(gate, user);
        confirm(gate, browser, &begun, &json!({ "code": code }));
    }

    fn another(&self, _: &str) -> Option<Value> {
        Some(json!({ "factor": "radius" }))
    }

    fn is_judged_elsewhere(&self) -> bool {
        true
    }

    fn is_of_a_name(&self) -> bool {
        true
    }

    fn code(&mut self, _: &Gate, user: &str) -> String {
        self.made += 1;
        let whose = if user == "anna" { 81 } else { 82 };
        format!("{whose}{:04}", self.made)
    }

    fn wrong(&self, n: usize) -> String {
        format!("{n:06}")
    }

    fn says(case: &str) -> Option<&'static str> {
        nothing_is_sent(case)
    }
}

/// Passcodes of Duo's, typed into our own page.
pub struct Passcodes {
    duo: Duo,
    made: BTreeMap<String, Vec<String>>,
}

impl Passcodes {
    pub fn new() -> Self {
        Self { duo: Duo::start(), made: BTreeMap::new() }
    }
}

impl Device for Passcodes {
    fn factor(&self) -> &'static str {
        "duo"
    }

    fn configure(&mut self, setup: Setup) -> Setup {
        setup.section("factors", &self.duo.api(""))
    }

    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str) {
        let begun = begin(gate, browser, &json!({ "factor": "duo" }));
        let code = self.code(gate, user);
        confirm(gate, browser, &begun, &json!({ "code": code }));
    }

    fn another(&self, _: &str) -> Option<Value> {
        Some(json!({ "factor": "duo" }))
    }

    fn is_judged_elsewhere(&self) -> bool {
        true
    }

    fn is_of_a_name(&self) -> bool {
        true
    }

    fn code(&mut self, _: &Gate, user: &str) -> String {
        let made = self.made.values().map(Vec::len).sum::<usize>();
        let code = format!("{:06}", 715_003 + 7919 * made);
        self.made.entry(user.to_owned()).or_default().push(code.clone());
        let users: BTreeMap<_, _> = self
            .made
            .iter()
            .map(|(user, codes)| (user, json!({ "passcodes": codes })))
            .collect();
        self.duo.set(json!({ "users": users }));
        code
    }

    fn wrong(&self, n: usize) -> String {
        format!("{n:06}")
    }

    fn says(case: &str) -> Option<&'static str> {
        (case == "resent").then_some("passcodes that Duo texts are sent and judged by Duo")
    }
}
