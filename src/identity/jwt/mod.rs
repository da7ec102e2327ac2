//! Identity from a signed token in a header or a cookie.
//!
//! The algorithm is the configured one, never the token's; a token that names its own key source
//! is not read at all (security.md F04). A verified token is remembered in a bounded cache: a
//! signature check on every request would cost more than the request. It is checked anew after ten
//! minutes, so that a key that was withdrawn stops counting.

mod header;
mod judge;
pub(in crate::identity) mod jwks;
mod keys;
mod named;

use std::sync::Arc;

use quick_cache::sync::Cache;

use self::keys::Keys;
use super::dpop::{Bound, Dpop};
use super::presented::{Place, Presented};
use super::{
    Credentials, Established, Establishing, IdentityError, IdentitySource, Recall, SourceError, claims,
};
use crate::ambient::UnixTime;
use crate::calls::{Https, Trouble, Unwell};
use crate::config::settings::{self, PublicUrl};
use crate::observe::metrics;

/// Tokens remembered at most.
const REMEMBERED: usize = 20_000;
/// Seconds after which a remembered token is checked anew.
const CHECKED_FOR: i64 = 600;

/// Tokens of one issuer.
pub struct Jwt {
    source: Arc<str>,
    settings: settings::Jwt,
    place: Place,
    keys: Keys,
    dpop: Dpop,
    cache: Cache<Box<str>, Known>,
}

/// A token that was verified.
#[derive(Clone)]
struct Known {
    established: Established,
    /// What the token is bound to, if anything.
    bound: Option<Bound>,
    checked: UnixTime,
}

impl Jwt {
    /// `public_url` tells under which scheme and port sites are known, which a proof of possession names.
    ///
    /// # Errors
    /// When the key is not of the configured algorithm's kind.
    pub fn new(
        source: &str,
        settings: &settings::Jwt,
        public_url: &PublicUrl,
        now: UnixTime,
    ) -> Result<Self, SourceError> {
        let bad = |why: String| SourceError { name: source.to_owned(), why };
        Ok(Self {
            source: source.into(),
            place: Place::new(&settings.place).map_err(|_| bad("not a header name".to_owned()))?,
            keys: Keys::new(settings).map_err(bad)?,
            dpop: Dpop::new(settings.dpop, public_url, now),
            settings: settings.clone(),
            cache: Cache::new(REMEMBERED),
        })
    }

    fn presented<'a>(&self, credentials: &Credentials<'a>) -> Result<Option<Presented<'a>>, IdentityError> {
        let presented = self.place.token(credentials)?;
        Ok(presented.filter(|presented| presented.token.split('.').count() == 3))
    }

    fn remembered(&self, token: &str, now: UnixTime) -> Option<Known> {
        let good = |known: &Known| known.established.expires > now && now.since(known.checked) < CHECKED_FOR;
        self.cache.get(token).filter(good)
    }

    async fn verify(&self, token: &str, now: UnixTime) -> Result<Option<Known>, IdentityError> {
        let answer = self.judge(token, now).await;
        let result = match &answer {
            Ok(Some(_)) => "known",
            Ok(None) => "nobody",
            Err(IdentityError::Refused(_)) => "refused",
            Err(_) => "unavailable",
        };
        metrics().source_asked(&self.source, result);
        answer
    }

    async fn judge(&self, token: &str, now: UnixTime) -> Result<Option<Known>, IdentityError> {
        let contract = &self.settings.contract;
        let Some(header) = header::read(token, contract) else {
            return Ok(None);
        };
        let algorithm = keys::algorithm(self.settings.algorithm);
        let key = self.keys.key(header.kid.as_deref(), algorithm).await;
        let Some(key) = key.map_err(IdentityError::Unavailable)? else {
            return Ok(None);
        };
        let Some(said) = header::verified(token, &key, algorithm, contract) else {
            return Ok(None);
        };
        let Some(expires) = judge::expires(&self.settings, &header.fields, &said, now) else {
            return Ok(None);
        };
        let Ok(bound) = Bound::of(&said) else {
            return Ok(None);
        };
        let Some(identity) = claims::person(&self.source, &self.settings.names, &said)? else {
            return Ok(None);
        };
        let established =
            Established { identity: Arc::new(identity), session: None, live: None, expires, until: expires };
        let known = Known { established, bound, checked: now };
        self.cache.insert(token.into(), known.clone());
        Ok(Some(known))
    }
}

/// Whether the keys behind this URL can be had, for `stepgate check --connect`. Where each is published
/// under a name of its own, only whether anybody is there.
///
/// # Errors
/// What is wrong with it.
pub async fn probe(settings: &settings::Jwt, url: &str) -> Result<(), Unwell> {
    let https = Https::new(settings.authority.as_deref());
    let https = https.map_err(|error| Unwell::new(Trouble::Odd, error.to_string()))?;
    match settings.contract {
        settings::JwtContract::Standard => jwks::probe(url, &https).await,
        settings::JwtContract::AwsAlb { .. } => https.probe(url, jwks::PATIENCE).await,
    }
}

impl IdentitySource for Jwt {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        let Some(presented) = self.presented(credentials)? else {
            return Ok(Recall::Nothing);
        };
        // A proof counts once, so it is looked at only where the answer is used.
        let known = self
            .remembered(presented.token, now)
            .filter(|known| self.dpop.asks_nothing(known.bound.as_ref()));
        Ok(known.map_or(Recall::Ask, |known| Recall::Known(known.established)))
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(async move {
            let Some(presented) = self.presented(&credentials)? else {
                return Ok(None);
            };
            let known = match self.remembered(presented.token, now) {
                Some(known) => Some(known),
                None => self.verify(presented.token, now).await?,
            };
            let Some(known) = known else { return Ok(None) };
            let holds = self.dpop.holds(known.bound.as_ref(), presented, &credentials, now)?;
            Ok(holds.then_some(known.established))
        })
    }
}

#[cfg(test)]
mod tests;
