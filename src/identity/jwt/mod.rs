//! Identity from a signed token in a header or a cookie.
//!
//! The algorithm is the configured one, never the token's; a token that names its own key source
//! is not read at all (security.md F04). A verified token is remembered until it expires, in a
//! bounded cache: a signature check on every request would cost more than the request.

mod claims;
mod jwks;

use std::sync::Arc;

use http::HeaderName;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;
use secrecy::ExposeSecret as _;

use self::jwks::Jwks;
use super::{Credentials, Established, Establishing, IdentityError, IdentitySource, Recall, SourceError};
use crate::ambient::UnixTime;
use crate::config::settings::{self, JwtAlgorithm, JwtKey, JwtPlace};

/// Longer tokens are refused before anything is decoded (D10).
const LONGEST_TOKEN: usize = 8 * 1024;
/// Longer key ids are refused (F11).
const LONGEST_KID: usize = 256;
/// Tokens remembered at most.
const REMEMBERED: usize = 20_000;

/// Tokens of one issuer.
pub struct Jwt {
    source: Arc<str>,
    settings: settings::Jwt,
    place: Place,
    algorithm: Algorithm,
    keys: Keys,
    cache: Cache<Box<str>, Established>,
}

enum Place {
    Header(HeaderName),
    Cookie(Box<str>),
}

enum Keys {
    Fixed(DecodingKey),
    Fetched(Jwks),
}

impl Jwt {
    /// # Errors
    /// When the key is not of the configured algorithm's kind.
    pub fn new(source: &str, settings: &settings::Jwt) -> Result<Self, SourceError> {
        let bad = |why: &str| SourceError { name: source.to_owned(), why: why.to_owned() };
        let algorithm = match settings.algorithm {
            JwtAlgorithm::Hs256 => Algorithm::HS256,
            JwtAlgorithm::Rs256 => Algorithm::RS256,
            JwtAlgorithm::Es256 => Algorithm::ES256,
            JwtAlgorithm::EdDsa => Algorithm::EdDSA,
        };
        let keys = match (&settings.key, algorithm) {
            (JwtKey::Secret(secret), Algorithm::HS256) if secret.expose_secret().len() >= 32 => {
                Keys::Fixed(DecodingKey::from_secret(secret.expose_secret().as_bytes()))
            }
            (JwtKey::Secret(_), Algorithm::HS256) => {
                return Err(bad("an HS256 secret needs at least 32 bytes"));
            }
            (JwtKey::Public(pem), Algorithm::RS256) => Keys::Fixed(
                DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| bad("not an RSA public key in PEM"))?,
            ),
            (JwtKey::Public(pem), Algorithm::ES256) => Keys::Fixed(
                DecodingKey::from_ec_pem(pem.as_bytes()).map_err(|_| bad("not a P-256 public key in PEM"))?,
            ),
            (JwtKey::Public(pem), Algorithm::EdDSA) => Keys::Fixed(
                DecodingKey::from_ed_pem(pem.as_bytes())
                    .map_err(|_| bad("not an Ed25519 public key in PEM"))?,
            ),
            (JwtKey::Jwks(url), Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) => {
                Keys::Fetched(Jwks::new(url).map_err(|why| bad(&why))?)
            }
            _ => return Err(bad("this kind of key does not fit the algorithm")),
        };
        let place = match &settings.place {
            JwtPlace::Header(name) => {
                Place::Header(HeaderName::try_from(name).map_err(|_| bad("not a header name"))?)
            }
            JwtPlace::Cookie(name) => Place::Cookie(name.as_str().into()),
        };
        Ok(Self {
            source: source.into(),
            settings: settings.clone(),
            place,
            algorithm,
            keys,
            cache: Cache::new(REMEMBERED),
        })
    }

    /// The token a request carries; two of them are refused.
    fn token<'a>(&self, credentials: &Credentials<'a>) -> Result<Option<&'a str>, IdentityError> {
        let mut found: Option<&'a str> = None;
        let mut take = |token: &'a str| match found.replace(token) {
            Some(_) => Err(IdentityError::Refused("two identity tokens came")),
            None => Ok(()),
        };
        match &self.place {
            Place::Header(name) => {
                for value in credentials.headers.get_all(name) {
                    let Ok(text) = value.to_str() else { continue };
                    let bearer =
                        text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
                    match bearer {
                        Some((_, token)) => take(token.trim())?,
                        None if *name != AUTHORIZATION => take(text.trim())?,
                        None => {}
                    }
                }
            }
            Place::Cookie(name) => {
                let fields = credentials.headers.get_all(http::header::COOKIE).iter();
                let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
                for pair in pairs.filter_map(|pair| std::str::from_utf8(pair).ok()) {
                    if let Some((key, value)) = pair.trim().split_once('=')
                        && *key == **name
                    {
                        take(value)?;
                    }
                }
            }
        }
        Ok(found.filter(|token| token.len() <= LONGEST_TOKEN && token.split('.').count() == 3))
    }

    fn remembered(&self, token: &str, now: UnixTime) -> Option<Established> {
        self.cache.get(token).filter(|established| established.expires > now)
    }

    async fn verify(&self, token: &str, now: UnixTime) -> Result<Option<Established>, IdentityError> {
        let Some(header) = claims::header(token) else {
            return Ok(None);
        };
        let key = match &self.keys {
            Keys::Fixed(key) => key.clone(),
            Keys::Fetched(jwks) => {
                let kid = header.kid.as_deref();
                if kid.is_some_and(|kid| kid.len() > LONGEST_KID) {
                    return Ok(None);
                }
                match jwks.key(kid, self.algorithm).await.map_err(IdentityError::Unavailable)? {
                    Some(key) => key,
                    None => return Ok(None),
                }
            }
        };
        let mut validation = Validation::new(self.algorithm);
        // Dates, issuer and audience are judged in `claims`, with the types they must have (F05).
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let Ok(data) =
            jsonwebtoken::decode::<serde_json::Map<String, serde_json::Value>>(token, &key, &validation)
        else {
            return Ok(None);
        };
        let Some(established) = claims::established(&self.source, &self.settings, &data.claims, now)? else {
            return Ok(None);
        };
        self.cache.insert(token.into(), established.clone());
        Ok(Some(established))
    }
}

impl IdentitySource for Jwt {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        let Some(token) = self.token(credentials)? else {
            return Ok(Recall::Nothing);
        };
        Ok(self.remembered(token, now).map_or(Recall::Ask, Recall::Known))
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(async move {
            let Some(token) = self.token(&credentials)? else {
                return Ok(None);
            };
            match self.remembered(token, now) {
                Some(established) => Ok(Some(established)),
                None => self.verify(token, now).await,
            }
        })
    }
}

#[cfg(test)]
mod tests;
