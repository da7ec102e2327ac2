//! Django's session in a cookie (`django.contrib.sessions.backends.signed_cookies`).
//!
//! `data:time:signature`, by `django.core.signing.TimestampSigner`: data is JSON in URL-safe base64,
//! behind a dot if zlib has packed it; time is seconds in base 62. Django's own serializer for JSON
//! is the only one that is read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use secrecy::SecretString;

use super::keys::{Keys, hashed};
use super::{Format, Opened, json, unpacked};
use crate::ambient::UnixTime;
use crate::config::settings::Digest;

/// Signed by Django's `SECRET_KEY`, or one of `SECRET_KEY_FALLBACKS`.
pub(super) struct Django(Keys);

impl Django {
    /// `salt` is what the backend calls itself, if nobody has changed that.
    pub(super) fn new(secrets: &[SecretString], salt: &str) -> Self {
        let derive = |secret: &[u8]| hashed(Digest::Sha256, &[salt.as_bytes(), b"signer", secret]);
        Self(Keys::new(secrets, Digest::Sha256, derive))
    }
}

impl Format for Django {
    fn open(&self, value: &str) -> Option<Opened> {
        let (signed, signature) = value.rsplit_once(':')?;
        if !self.0.have_signed(signed.as_bytes(), &BASE64.decode(signature).ok()?) {
            return None;
        }
        let (data, time) = signed.rsplit_once(':')?;
        Some(Opened { content: content(data)?, signed: Some(seconds(time)?), ends: None })
    }
}

/// What Django and itsdangerous have in common: packed if it begins with a dot.
pub(super) fn content(data: &str) -> Option<serde_json::Value> {
    match data.strip_prefix('.') {
        Some(packed) => json(&unpacked(&BASE64.decode(packed).ok()?)?),
        None => json(&BASE64.decode(data).ok()?),
    }
}

/// Base 62, digits first, then upper case.
fn seconds(text: &str) -> Option<UnixTime> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'Z' => Some(byte - b'A' + 10),
        b'a'..=b'z' => Some(byte - b'a' + 36),
        _ => None,
    };
    let number = |sum: i64, byte| sum.checked_mul(62)?.checked_add(i64::from(digit(byte)?));
    (!text.is_empty())
        .then(|| text.bytes().try_fold(0, number))
        .flatten()
        .map(UnixTime)
}
