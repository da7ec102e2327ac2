//! The factors as configured: which are on, and what each needs.

use super::super::factor_kind::{FactorKind, FactorSet};
use super::{Email, Telephone};

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
