//! How messages leave: e-mail, texts and calls, through the senders that the configuration names.
//!
//! This room carries; it never decides who is told what, and never whether a code is right. It must
//! never put a code, a whole address or number, or a secret into a log or a metric: those have the
//! sender's name, the channel and one of a few [`Reason`]s. A vendor's own words go to the log alone.
//!
//! A new vendor is one file with a [`Sender`], one with its grammar, and one line in
//! [`Delivery::new`].

pub mod addresses;
pub mod digits;
mod fallover;
mod mail;
pub mod notices;
pub mod numbers;
pub mod receipts;
mod redaction;
mod smpp;
pub mod sms;
mod smtp;
#[cfg(test)]
pub(crate) mod testing;
mod vendor;
pub mod voice;

use std::pin::Pin;
use std::time::Duration;

use secrecy::SecretString;

use crate::ambient::UnixTime;
use crate::calls::Unwell;

pub use crate::config::settings::{Channel, Language};
pub use fallover::{Carrier, Delivery, DeliveryError, Sent};

/// A future of a trait's method.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is sent.
#[derive(Clone)]
pub struct Message {
    pub channel: Channel,
    /// A mail address, or a number in E.164, perhaps with an extension in a call.
    pub to: String,
    pub content: Content,
    pub language: Language,
    /// Ours, for receipts. Says nothing about the person.
    pub id: String,
}

/// What it says; each sender puts it into the form of its channel.
#[derive(Clone)]
pub enum Content {
    Code(Code),
    Notice(Notice),
}

/// A code that counts once.
#[derive(Clone)]
pub struct Code {
    pub code: SecretString,
    /// How long it counts, from now.
    pub lives: Duration,
    /// What it opens, as the person knows it.
    pub app: String,
    /// Who asks (`branding.name`).
    pub brand: String,
    /// The portal's host: where the code belongs, and nowhere else.
    pub domain: String,
    /// Where a vendor asks for it once a key was pressed: the part of that address that nobody can
    /// guess. `None`: it goes with the message.
    pub call: Option<String>,
}

/// Something that happened to the person's account, told on a channel that it did not happen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub event: Event,
    pub at: UnixTime,
    /// Who did it, as far as it is known.
    pub origin: Option<Origin>,
    /// Where the person can say that it was not them.
    pub not_me: Option<Opening>,
    /// Who tells (`branding.name`).
    pub brand: String,
    /// Where the person can look at it: the portal's page of their own factors.
    pub page: String,
    /// Where help is (`branding.support_url`).
    pub support: Option<String>,
}

/// Where an act came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Browser {
        /// "Firefox on Linux".
        agent: String,
        address: String,
    },
    /// The command line.
    Administrator,
}

/// What a notice is about. Names are the ones that people gave or see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    FactorAdded {
        name: String,
    },
    FactorRemoved {
        name: String,
    },
    RecoveryCodeUsed {
        left: u32,
    },
    TemporaryCodeIssued {
        /// How long it may be used.
        minutes: u64,
    },
    TemporaryCodeUsed,
    /// Every factor was removed by an administrator.
    Reset,
    /// Too many wrong answers.
    Locked,
    /// An answer of this passkey came from a copy of it, by its counter.
    PasskeyCopied {
        name: String,
    },
    PasswordChanged,
    /// Somebody asked for a link that lets the person choose a new password. To their mail address alone.
    PasswordLink {
        link: Opening,
        /// How long it counts.
        minutes: u32,
    },
    BrowserTrusted {
        name: String,
    },
    /// From a browser that the person has not used before.
    SignedIn,
    /// Its token was used a second time, so that it is trusted no more.
    BrowserTokenCopied {
        name: String,
    },
}

impl Event {
    /// What has happened, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        mail::sentence(self)
    }
}

/// An address that opens something to whoever has it: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening(String);

impl Opening {
    #[must_use]
    pub fn new(address: String) -> Self {
        Self(address)
    }

    /// For the message itself.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening")
    }
}

/// Why a message was not sent: the only words that people and metrics see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no such number or address.
    InvalidDestination,
    /// It takes no texts.
    NotMobile,
    /// The person has told the vendor that they want no more messages.
    OptedOut,
    /// The vendor's account does not send to that country.
    RegionBlocked,
    /// The vendor takes it for fraud or spam.
    Blocked,
    /// Too much at once.
    Throttled,
    /// Credentials, sender's name or account: only the operator can help.
    Misconfigured,
    /// No answer, or one that makes no sense.
    Unavailable,
}

impl Reason {
    /// Its name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidDestination => "invalid_destination",
            Self::NotMobile => "not_mobile",
            Self::OptedOut => "opted_out",
            Self::RegionBlocked => "region_blocked",
            Self::Blocked => "blocked",
            Self::Throttled => "throttled",
            Self::Misconfigured => "misconfigured",
            Self::Unavailable => "unavailable",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [
            Self::InvalidDestination,
            Self::NotMobile,
            Self::OptedOut,
            Self::RegionBlocked,
            Self::Blocked,
            Self::Throttled,
            Self::Misconfigured,
            Self::Unavailable,
        ];
        all.into_iter().find(|reason| reason.name() == name)
    }

    /// Whether it lies with the destination. Then no other sender is asked: what one vendor blocks as
    /// fraud must not go out through the next.
    #[must_use]
    pub const fn is_of_destination(self) -> bool {
        match self {
            Self::InvalidDestination
            | Self::NotMobile
            | Self::OptedOut
            | Self::RegionBlocked
            | Self::Blocked => true,
            Self::Throttled | Self::Misconfigured | Self::Unavailable => false,
        }
    }
}

/// A message that was not sent, or may not have been.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {says}", .reason.name())]
pub struct NotSent {
    pub reason: Reason,
    /// Whether it surely was not sent; only then may another sender try.
    pub certain: bool,
    /// Whether the time for it was over, rather than that it was refused.
    pub slow: bool,
    /// The vendor's own text, without secrets, numbers and codes. For the log only.
    pub says: String,
}

impl NotSent {
    /// Surely not sent.
    #[must_use]
    pub fn surely(reason: Reason, says: impl Into<String>) -> Self {
        Self { reason, certain: true, slow: false, says: says.into() }
    }

    /// The connection ended in the middle, or the answer made no sense: it may be on its way.
    #[must_use]
    pub fn perhaps(says: impl Into<String>) -> Self {
        Self { reason: Reason::Unavailable, certain: false, slow: false, says: says.into() }
    }

    /// There was no answer in time; `certain` where nothing can have left until then.
    #[must_use]
    pub fn late(certain: bool, says: impl Into<String>) -> Self {
        Self { reason: Reason::Unavailable, certain, slow: true, says: says.into() }
    }
}

/// A message that the sender has taken. That it arrived is another thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The vendor's name for it, by which its receipts will know it.
    pub reference: Option<String>,
}

/// One configured way out.
pub trait Sender: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// Hands one message over. [`Delivery`] sets the deadline, counts and logs; a sender does neither.
    ///
    /// # Errors
    /// [`NotSent`]; `certain` only where nothing can be on its way.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Accepted, NotSent>>;

    /// Tries the service without sending anything: that it answers and, where it can be asked, that it
    /// knows us.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>>;

    /// Whether the service asks during a call what to say: then it has to be kept until it does.
    fn asks_back(&self) -> bool {
        false
    }
}

/// A destination as logs may show it: its end, or the first letter and the domain.
#[must_use]
pub fn masked(to: &str) -> String {
    if let Some((name, domain)) = to.split_once('@') {
        return format!("{}…@{domain}", name.chars().next().unwrap_or_default());
    }
    let (number, _) = numbers::with_extension(to);
    let kept = number.chars().count().saturating_sub(2);
    format!("…{}", number.chars().skip(kept).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_shown_in_part() {
        assert_eq!(masked("alice@example.com"), "a…@example.com");
        assert_eq!(masked("+447700900123"), "…23");
        assert_eq!(masked("+447700900123;ext=99"), "…23");
        assert_eq!(masked("é@example.com"), "é…@example.com");
        assert_eq!(masked(""), "…");
    }
}
