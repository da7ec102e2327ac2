//! Receipts that come with a JWT by a shared secret.

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::super::sms::signature::hex;
use super::NotTaken;

/// Longer tokens are not looked at.
const LONGEST: usize = 4096;

/// What the vendors put into it.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub iss: Option<String>,
    pub iat: Option<i64>,
    pub nbf: Option<i64>,
    pub exp: Option<i64>,
    pub url_hash: Option<String>,
    pub payload_hash: Option<String>,
}

/// The claims of a token that this secret has signed. Its times are the caller's to judge.
pub(super) fn claims(
    token: &str,
    secret: &SecretString,
    algorithms: &[Algorithm],
) -> Result<Claims, NotTaken> {
    if token.len() > LONGEST {
        return Err(NotTaken::NotGenuine);
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.algorithms = algorithms.to_vec();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map(|decoded| decoded.claims)
        .map_err(|_| NotTaken::NotGenuine)
}

/// Whether this is the SHA-256 of what was received, in hex.
pub(super) fn is_digest(claimed: Option<&String>, of: &[u8]) -> bool {
    claimed.is_some_and(|claimed| claimed.eq_ignore_ascii_case(&hex(digest(&SHA256, of).as_ref())))
}
