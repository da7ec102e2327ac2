//! What is kept of a passkey, sealed by the store: first what its registration began with, then the
//! public key with its counter. It must never leave the server.

use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use webauthn_rs::prelude::{
    AttestedPasskeyRegistration, Credential, DiscoverableAuthentication, PasskeyAuthentication,
    PasskeyRegistration, SecurityKeyAuthentication, SecurityKeyRegistration,
};

/// The secret of one enrolment.
#[derive(Serialize, Deserialize)]
pub(super) enum Kept {
    /// Begun, and not confirmed yet.
    Begun {
        registration: Registration,
        user: Uuid,
    },
    Enrolled(Box<Enrolled>),
}

/// A registration that waits for the browser, by what it asks of the authenticator.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Registration {
    /// User verification is required.
    Verified(PasskeyRegistration),
    /// User verification is preferred; of a known make where roots are given.
    Present(SecurityKeyRegistration),
    /// User verification is required, and an attestation that leads to one of our roots.
    Attested(AttestedPasskeyRegistration),
}

/// A passkey that was registered.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Enrolled {
    pub(super) credential: Credential,
    /// The user handle it was made for.
    pub(super) user: Uuid,
    /// Make of the authenticator; nil where it does not say.
    pub(super) aaguid: Uuid,
    /// How the browser says it is reached: unsigned, good for hints alone.
    pub(super) transports: Vec<String>,
}

/// A challenge that waits for the browser.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Authentication {
    Verified(PasskeyAuthentication),
    Present(SecurityKeyAuthentication),
    /// Nobody is known yet: any passkey of ours that verifies its user.
    Anyone(DiscoverableAuthentication),
}

impl Kept {
    pub(super) fn seal(&self) -> Option<SecretSlice<u8>> {
        serde_json::to_vec(self).ok().map(SecretSlice::from)
    }

    pub(super) fn open(secret: &SecretSlice<u8>) -> Option<Self> {
        serde_json::from_slice(secret.expose_secret()).ok()
    }

    pub(super) fn enrolled(secret: &SecretSlice<u8>) -> Option<Enrolled> {
        match Self::open(secret)? {
            Self::Enrolled(enrolled) => Some(*enrolled),
            Self::Begun { .. } => None,
        }
    }
}
