//! Codes that are sent, as configured: by e-mail, by text, in a call; and how many may leave.

pub use super::super::values::quantity::Rate;

/// Codes by e-mail.
#[derive(Debug, Clone)]
pub struct Email {
    /// Digits of a code.
    pub digits: u8,
    /// Whether people may give an address of their own; else it is the identity source's.
    pub own_address: bool,
    /// Whether it counts at levels. Otherwise it is there for recovery alone.
    pub as_factor: bool,
}

/// Codes by text or in a call.
#[derive(Debug, Clone)]
pub struct Telephone {
    /// Digits of a code.
    pub digits: u8,
    /// ISO 3166 codes of the countries whose numbers are accepted, upper case.
    pub countries: Vec<String>,
    /// Whether numbers of internet telephony are accepted.
    pub internet_telephony: bool,
}

/// How many messages with codes may leave. What one person and one destination may get is fixed
/// (`challenge/sends.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// Into one block of ten thousand numbers; windows of a day at most.
    pub per_prefix: Rate,
    /// Through one channel; windows of a day at most.
    pub overall: Rate,
}

impl Default for Email {
    fn default() -> Self {
        Self { digits: 8, own_address: false, as_factor: false }
    }
}

impl Default for Telephone {
    fn default() -> Self {
        Self { digits: 8, countries: Vec::new(), internet_telephony: false }
    }
}

impl Default for MessageLimits {
    fn default() -> Self {
        let per_hour = |count| Rate { count, window: std::time::Duration::from_hours(1) };
        Self { per_prefix: per_hour(30), overall: per_hour(1000) }
    }
}
