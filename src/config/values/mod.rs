//! Single values as they are written: durations, sizes, rates, networks, hosts, addresses.
//!
//! Pure functions from text to value. A problem names what to write instead and never repeats the
//! text itself, which may have come from a secret file.

pub(super) mod address;
pub(super) mod answer_place;
pub(super) mod app;
pub(super) mod country;
pub(super) mod directory;
pub(super) mod filter;
pub(super) mod host;
pub(super) mod identity_template;
pub(super) mod pointer;
pub(super) mod quantity;
pub(super) mod template;
pub(super) mod time;

use super::codes::Code;

/// Why a text is not the value it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadValue {
    pub code: Code,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// What to write, for the underline.
    pub label: String,
}

impl BadValue {
    pub fn new(message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { code: Code::Value, message: message.into(), label: label.into() }
    }

    pub fn coded(code: Code, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { code, ..Self::new(message, label) }
    }
}
