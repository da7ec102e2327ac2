//! Keys of signatures: made from the app's secrets in the way of its framework, newest first.
//!
//! A list, because apps change their secrets while sessions go on. Never compares bytes itself.

use aws_lc_rs::{digest, hmac};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::settings::Digest;

/// Keys of which any may have signed.
pub(super) struct Keys(Vec<hmac::Key>);

impl Keys {
    /// One key per secret, made by `derive`.
    pub(super) fn new(secrets: &[SecretString], of: Digest, derive: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let key = |secret: &SecretString| {
            let mut derived = derive(secret.expose_secret().as_bytes());
            let key = hmac::Key::new(algorithm(of), &derived);
            zeroize::Zeroize::zeroize(&mut derived);
            key
        };
        Self(secrets.iter().map(key).collect())
    }

    /// Whether one of them has signed these bytes. In constant time for each key.
    pub(super) fn have_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.0.iter().any(|key| hmac::verify(key, bytes, signature).is_ok())
    }
}

/// HMAC with this digest.
pub(super) fn algorithm(of: Digest) -> hmac::Algorithm {
    match of {
        Digest::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Digest::Sha256 => hmac::HMAC_SHA256,
        Digest::Sha384 => hmac::HMAC_SHA384,
        Digest::Sha512 => hmac::HMAC_SHA512,
    }
}

/// The digest of some parts, one after the other.
pub(super) fn hashed(of: Digest, parts: &[&[u8]]) -> Vec<u8> {
    let algorithm = match of {
        Digest::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Digest::Sha256 => &digest::SHA256,
        Digest::Sha384 => &digest::SHA384,
        Digest::Sha512 => &digest::SHA512,
    };
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}
