//! Senders: the services that messages leave through. Values only; what they mean is `delivery`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use super::Smpp;
use super::vendors::Vendor;

/// How a message reaches a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    Email,
    Sms,
    Voice,
}

impl Channel {
    pub const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::Voice];

    /// Its name in the configuration, on command lines and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Voice => "voice",
        }
    }
}

/// Every sender, and which ones a channel uses.
#[derive(Debug, Clone, Default)]
pub struct Senders {
    /// In the order of the file.
    pub list: Vec<Sender>,
    /// Names from `list`, in the order in which they are asked. What the factor names, else everything
    /// that carries the channel.
    pub routes: BTreeMap<Channel, Vec<String>>,
}

#[derive(Debug, Clone)]
pub struct Sender {
    pub name: String,
    /// For one message, or one probe.
    pub timeout: Duration,
    pub kind: SenderKind,
}

#[derive(Debug, Clone)]
pub enum SenderKind {
    Smtp(Smtp),
    Vendor {
        api: Box<Vendor>,
        /// PEM of the authorities that count; `None`: the system's.
        authority: Option<String>,
    },
    Smpp(Smpp),
}

impl SenderKind {
    /// What it carries.
    #[must_use]
    pub fn channels(&self) -> &'static [Channel] {
        match self {
            Self::Smtp(_) => &[Channel::Email],
            Self::Vendor { api, .. } => api.channels(),
            Self::Smpp(_) => &[Channel::Sms],
        }
    }
}

/// A mail server that takes our mail.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    pub credentials: Option<SmtpCredentials>,
    /// PEM of the authorities that count; `None`: the system's.
    pub authority: Option<String>,
    /// `Name <address>`, or the address alone.
    pub from: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// From the first byte.
    Tls,
    /// Required; without it nothing is sent.
    StartTls,
    /// On this machine only.
    Plain,
}

#[derive(Debug, Clone)]
pub struct SmtpCredentials {
    pub username: String,
    pub password: SecretString,
}
