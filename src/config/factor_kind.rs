//! The kinds of factor there are, by the names that configuration, claims and the API use.
//!
//! A new factor is one folder under `factors/` and one line here.

use serde::{Deserialize, Serialize};

use super::properties::Properties;

/// A way to prove more than the first factor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum FactorKind {
    Totp = 0,
    RecoveryCode = 1,
    Passkey = 2,
    /// A code sent by e-mail.
    Email = 3,
    /// A code sent by text message.
    Sms = 4,
    /// A code read out in a call.
    Voice = 5,
    Duo = 6,
    Radius = 7,
    /// The one-time password that a YubiKey types (not its passkey).
    Yubikey = 8,
    /// A token that counts (RFC 4226).
    Hotp = 9,
    /// Issued by an administrator, good once.
    TemporaryCode = 10,
}

impl FactorKind {
    /// Every kind that exists.
    pub const ALL: [Self; 11] = [
        Self::Totp,
        Self::RecoveryCode,
        Self::Passkey,
        Self::Email,
        Self::Sms,
        Self::Voice,
        Self::Duo,
        Self::Radius,
        Self::Yubikey,
        Self::Hotp,
        Self::TemporaryCode,
    ];

    /// The name in configuration, claims and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Duo => "duo",
            Self::Radius => "radius",
            Self::Yubikey => "yubikey",
            Self::Hotp => "hotp",
            Self::TemporaryCode => "temporary_code",
        }
    }

    /// The key below `factors` that has its settings.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::RecoveryCode => "recovery_codes",
            Self::TemporaryCode => "temporary_codes",
            other => other.name(),
        }
    }

    /// Where it stands among the others when nothing else decides: the strongest and easiest first.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Passkey => 0,
            Self::Totp => 1,
            Self::Duo => 2,
            Self::Yubikey => 3,
            Self::Hotp => 4,
            Self::Radius => 5,
            Self::Sms => 6,
            Self::Voice => 7,
            Self::Email => 8,
            Self::RecoveryCode => 9,
            Self::TemporaryCode => 10,
        }
    }

    /// Handed out for the day everything else is gone: never chosen for a person, always last.
    #[must_use]
    pub const fn is_spare(self) -> bool {
        matches!(self, Self::RecoveryCode | Self::TemporaryCode)
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What every proof by this kind is worth.
    #[must_use]
    pub const fn always(self) -> Properties {
        match self {
            Self::Yubikey | Self::Hotp => Properties::DEVICE_BOUND,
            _ => Properties::EMPTY,
        }
    }

    /// The most that a proof by this kind can be worth.
    #[must_use]
    pub const fn at_most(self) -> Properties {
        match self {
            Self::Passkey => Properties::PHISHING_RESISTANT
                .with(Properties::DEVICE_BOUND)
                .with(Properties::USER_VERIFIED),
            other => other.always(),
        }
    }

    /// RFC 8176 authentication method reference.
    #[must_use]
    pub const fn amr(self) -> &'static str {
        match self {
            Self::Totp
            | Self::RecoveryCode
            | Self::Email
            | Self::Radius
            | Self::Yubikey
            | Self::Hotp
            | Self::TemporaryCode => "otp",
            Self::Passkey => "hwk",
            Self::Sms => "sms",
            Self::Voice => "tel",
            Self::Duo => "mca",
        }
    }
}

/// A set of kinds, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct FactorSet(u32);

impl FactorSet {
    pub const EMPTY: Self = Self(0);

    /// This set and one kind more.
    #[must_use]
    pub const fn with(self, kind: FactorKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    #[must_use]
    pub const fn contains(self, kind: FactorKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The kinds that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds whose proofs can have all of these properties.
    #[must_use]
    pub fn able(self, needed: Properties) -> Self {
        self.iter().filter(|kind| kind.at_most().covers(needed)).collect()
    }

    /// The kinds in it, in their fixed order.
    pub fn iter(self) -> impl Iterator<Item = FactorKind> {
        FactorKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<FactorKind> for FactorSet {
    fn from_iter<I: IntoIterator<Item = FactorKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::EMPTY, Self::with)
    }
}
