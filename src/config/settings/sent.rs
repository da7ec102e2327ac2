//! Codes that are sent, as configured: by e-mail, by text, in a call; and how many may leave.

pub use super::super::values::quantity::Rate;

/// Codes by e-mail.
#[derive(Debug, Clone)]
pub struct Email {
    /// Digits of a code.
    pub digits: u8,
    /// Whether people may give an address of their own; else it is the identity source's.
    pub own_address: bool,
    /// Whether it counts at levels (`use_for: factor`).
    pub as_factor: bool,
    /// Whether it lets somebody who has lost the other ways add a new one (`use_for: recovery`).
    pub as_recovery: bool,
}

/// The language of a message. Only calls are in another than English yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    En,
    De,
    Fr,
    Es,
    It,
    Nl,
}

impl Language {
    pub const ALL: [Self; 6] = [Self::En, Self::De, Self::Fr, Self::Es, Self::It, Self::Nl];

    /// ISO 639-1.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Es => "es",
            Self::It => "it",
            Self::Nl => "nl",
        }
    }

    /// The language of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.name() == name)
    }
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
    /// What is spoken.
    pub language: Language,
}

/// How many messages with codes may leave; windows of a day at most. What one person and one destination
/// may get is fixed (`challenge/sends.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// Into one block of ten thousand numbers.
    pub per_prefix: Rate,
    /// To numbers of one country.
    pub per_country: Rate,
    /// To numbers, asked for from one client network.
    pub per_network: Rate,
    /// Through one channel.
    pub overall: Rate,
    /// So many into one block of numbers, none of them answered, and no more go there.
    pub unanswered: Rate,
}

impl Default for Email {
    fn default() -> Self {
        Self { digits: 8, own_address: false, as_factor: false, as_recovery: true }
    }
}

impl Default for Telephone {
    fn default() -> Self {
        Self {
            digits: 8,
            countries: Vec::new(),
            internet_telephony: false,
            language: Language::En,
        }
    }
}

impl Default for MessageLimits {
    fn default() -> Self {
        let rate = |count, minutes| Rate { count, window: std::time::Duration::from_mins(minutes) };
        Self {
            per_prefix: rate(30, 60),
            per_country: rate(500, 60),
            per_network: rate(100, 10),
            overall: rate(1000, 60),
            unanswered: rate(20, 24 * 60),
        }
    }
}
