//! The keys that an issuer's tokens are checked with, wherever they come from.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::ExposeSecret as _;

use super::jwks::Jwks;
use super::named::NamedKeys;
use crate::calls::Https;
use crate::config::settings::{Jwt, JwtAlgorithm, JwtContract, JwtKey};

/// Longer key ids are refused (security.md F11).
const LONGEST_KID: usize = 256;
/// RFC 7518 section 3.2: a secret is at least as long as the hash.
const SHORTEST_SECRET: usize = 32;

/// Keys of one issuer, all of one algorithm.
pub(super) enum Keys {
    Fixed(DecodingKey),
    /// A set behind one URL.
    Set(Jwks),
    /// One URL for each.
    Named(NamedKeys),
}

impl Keys {
    /// # Errors
    /// When the key is not of the configured algorithm's kind.
    pub(super) fn new(settings: &Jwt) -> Result<Self, String> {
        let algorithm = algorithm(settings.algorithm);
        let hmac = matches!(algorithm, Algorithm::HS256);
        Ok(match &settings.key {
            JwtKey::Secret(secret) if hmac => {
                let secret = secret.expose_secret().as_bytes();
                if secret.len() < SHORTEST_SECRET {
                    return Err("an HS256 secret needs at least 32 bytes".to_owned());
                }
                Self::Fixed(DecodingKey::from_secret(secret))
            }
            JwtKey::Public(pem) if !hmac => Self::Fixed(public(pem, algorithm)?),
            JwtKey::Jwks(url) if !hmac => {
                let https = Https::new(settings.authority.as_deref()).map_err(|error| error.to_string())?;
                match settings.contract {
                    JwtContract::Standard => Self::Set(Jwks::new(url, https)?),
                    JwtContract::AwsAlb { .. } => Self::Named(NamedKeys::new(url, https)?),
                }
            }
            _ => return Err("this kind of key does not fit the algorithm".to_owned()),
        })
    }

    /// The key that a token names, or the only one. `None`: no key of the issuer's.
    ///
    /// # Errors
    /// When the issuer's keys cannot be had.
    pub(super) async fn key(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Option<Arc<DecodingKey>>, String> {
        match self {
            Self::Fixed(key) => Ok(Some(Arc::new(key.clone()))),
            _ if kid.is_some_and(|kid| kid.len() > LONGEST_KID) => Ok(None),
            Self::Set(keys) => keys.key(kid, algorithm).await,
            Self::Named(keys) => match kid {
                Some(kid) => keys.key(kid).await,
                None => Ok(None),
            },
        }
    }
}

/// The library's word for it.
pub(super) const fn algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Rs384 => Algorithm::RS384,
        JwtAlgorithm::Rs512 => Algorithm::RS512,
        JwtAlgorithm::Ps256 => Algorithm::PS256,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::Es384 => Algorithm::ES384,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// A key in PEM for an algorithm.
pub(super) fn public(pem: &str, algorithm: Algorithm) -> Result<DecodingKey, String> {
    let pem = pem.as_bytes();
    let (read, kind) = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => (DecodingKey::from_ec_pem(pem), "an elliptic curve's"),
        Algorithm::EdDSA => (DecodingKey::from_ed_pem(pem), "an Ed25519"),
        _ => (DecodingKey::from_rsa_pem(pem), "an RSA"),
    };
    read.map_err(|_| format!("not {kind} public key in PEM"))
}
