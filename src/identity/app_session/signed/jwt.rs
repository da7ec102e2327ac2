//! A JWT that the app has made for itself, signed with a secret of its own.
//!
//! Tokens of an issuer, with keys that are published and an audience, are the source `jwt`. Here `iss`
//! and `aud` are not looked at: whoever has the secret is the app. The algorithm is the configured one.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{Format, Opened};
use crate::ambient::UnixTime;
use crate::config::settings::Digest;

pub(super) struct Token {
    keys: Vec<DecodingKey>,
    validation: Validation,
}

impl Token {
    pub(super) fn new(secrets: &[SecretString], of: Digest) -> Self {
        let mut validation = Validation::new(match of {
            Digest::Sha384 => Algorithm::HS384,
            Digest::Sha512 => Algorithm::HS512,
            Digest::Sha1 | Digest::Sha256 => Algorithm::HS256,
        });
        // Times are judged by our own clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let key = |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self { keys: secrets.iter().map(key).collect(), validation }
    }
}

impl Format for Token {
    fn open(&self, value: &str) -> Option<Opened> {
        let content = self
            .keys
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Value>(value, key, &self.validation).ok())?
            .claims;
        let time = |name: &str| match content.get(name) {
            None => Some(None),
            Some(time) => Some(Some(UnixTime(time.as_i64()?))),
        };
        let not_before = time("nbf")?;
        let signed = time("iat")?.max(not_before);
        // Without any end a stolen token would be good for ever.
        let ends = time("exp")?;
        (ends.is_some() || signed.is_some()).then_some(Opened { content, signed, ends })
    }
}
