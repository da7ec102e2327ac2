//! The factors as configured: which are on, and what each needs.

use super::super::factor_kind::{FactorKind, FactorSet};
use super::{Duo, Email, Hotp, Radius, Telephone, Yubikey};

#[derive(Debug, Clone, Default)]
pub struct Factors {
    /// The kinds that are switched on.
    pub enabled: FactorSet,
    /// The kinds that count only beside one that is not in here (`standalone: false`).
    pub companions: FactorSet,
    pub totp: Totp,
    pub recovery_codes: RecoveryCodes,
    pub email: Email,
    pub sms: Telephone,
    pub voice: Telephone,
    pub passkey: Passkey,
    /// There when it is on.
    pub duo: Option<Duo>,
    pub radius: Radius,
    pub yubikey: Yubikey,
    pub hotp: Hotp,
}

impl Factors {
    /// The kinds that count at levels. A code by e-mail may be there for recovery alone.
    #[must_use]
    pub fn counting(&self) -> FactorSet {
        if self.email.as_factor {
            self.enabled
        } else {
            self.enabled.without(FactorSet::EMPTY.with(FactorKind::Email))
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Totp {
    /// Shown in the authenticator app beside the account name.
    pub issuer: String,
}

#[derive(Debug, Clone)]
pub struct RecoveryCodes {
    pub count: u8,
}

impl Default for RecoveryCodes {
    fn default() -> Self {
        Self { count: 10 }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Passkey {
    /// The domain that passkeys are made for.
    pub relying_party: String,
    /// What browsers show beside it.
    pub name: String,
    /// Origins whose pages may hold the ceremonies, the portal's own first.
    pub origins: Vec<String>,
    /// Those of them that `/.well-known/webauthn` lists; empty: it does not exist.
    pub related_origins: Vec<String>,
    pub user_verification: UserVerification,
    /// AAGUIDs that are accepted; empty: every one.
    pub models: Vec<uuid::Uuid>,
    /// DER certificates that an attestation must lead to; empty: none is asked for.
    pub attestation_roots: Vec<Vec<u8>>,
}

/// What an authenticator must do to make sure of its user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UserVerification {
    #[default]
    Required,
    Preferred,
}
