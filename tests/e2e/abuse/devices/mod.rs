//! The factors of the table, as people hold them: where a right code comes from.

mod asked;
mod own;
mod sent;

use serde_json::Value;

use crate::support::{Browser, Gate};

pub use asked::{Key, Passcodes, Token};
pub use own::{App, Codes, Fob, Issued};
pub use sent::Sent;

/// Why nothing is sent again.
fn nothing_is_sent(case: &str) -> Option<&'static str> {
    (case == "resent").then_some("nothing is sent: a code is of the device, or of a list")
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
fn confirm(gate: &Gate, browser: &mut Browser, begun: &Value, body: &Value) {
    let id = begun["id"].as_str().expect("an id");
    let reply = browser.fetch("POST", &gate.portal(&format!("api/v1/enrolments/{id}/confirm")), Some(body));
    assert_eq!(reply.status, 200, "{}", reply.text());
}
