//! An issuer's set of keys (RFC 7517), fetched by URL and remembered.
//!
//! The URL comes from configuration only. One fetch at a time, at most once in 30 s for an unknown
//! key (security.md R22), cut at 256 KiB and 3 s (A18), no redirects (H04). Who needs a key that is
//! known does not wait for a fetch.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::calls::{Https, Trouble, Unwell, is_allowed};

/// For one answer of the issuer's (A18).
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How seldom is seldom.
pub(super) const WHILE: Duration = Duration::from_secs(30);
/// Known keys are looked up anew after this long, so that a withdrawn key stops counting.
const FRESH: Duration = Duration::from_secs(600);
/// And count for this long while the issuer is away.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// The keys behind one URL.
pub(super) struct Jwks {
    url: String,
    https: Https,
    known: ArcSwap<Known>,
    /// Whoever holds it may fetch, if it says so.
    fetches: Mutex<Fetches>,
}

/// Keys that are old are fetched, and those that may just have been rotated: each once in a while.
struct Fetches {
    old: Seldom,
    unknown: Seldom,
}

#[derive(Default)]
struct Known {
    keys: Vec<Jwk>,
    fetched: Option<Instant>,
}

impl Jwks {
    /// Takes an `https:` URL, or `http:` to loopback.
    pub(super) fn new(url: &str, https: Https) -> Result<Self, String> {
        let uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
        if !is_allowed(&uri) {
            return Err("keys are fetched over https only (http on loopback)".to_owned());
        }
        let (known, fetches) =
            (ArcSwap::default(), Mutex::new(Fetches { old: Seldom::new(1), unknown: Seldom::new(1) }));
        Ok(Self { url: url.to_owned(), https, known, fetches })
    }

    /// The key that a token names (or the only one), if it is of the algorithm's kind.
    pub(super) async fn key(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Option<Arc<DecodingKey>>, String> {
        if let Some(key) = self.known.load().fresh(kid, algorithm) {
            return Ok(Some(key));
        }
        let mut fetches = self.fetches.lock().await;
        // Whoever held it before may have fetched.
        if let Some(key) = self.known.load().fresh(kid, algorithm) {
            return Ok(Some(key));
        }
        let turn = if self.known.load().is_fresh() {
            &mut fetches.unknown
        } else {
            &mut fetches.old
        };
        if turn.may() {
            let asked = Instant::now();
            match fetch(&self.https, &self.url).await.and_then(|body| keys(&body)) {
                Ok(keys) => self.known.store(Arc::new(Known { keys, fetched: Some(asked) })),
                Err(why) => {
                    tracing::warn!(url = self.url, %why, "the identity provider's keys could not be fetched");
                }
            }
        }
        drop(fetches);
        let known = self.known.load();
        if known.fetched.is_some_and(|at| at.elapsed() < STALE) {
            return Ok(known.find(kid, algorithm));
        }
        Err(format!("no keys from {}", self.url))
    }
}

/// Whether keys can be had at this URL, for `stepgate check --connect`.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn probe(url: &str, https: &Https) -> Result<(), Unwell> {
    let odd = |why: String| Unwell::new(Trouble::Odd, why);
    let request = Request::get(url).header(header::ACCEPT, "application/json").body(Bytes::new());
    let answer = https.call(request.map_err(|error| odd(error.to_string()))?, PATIENCE).await?;
    if answer.status() != StatusCode::OK {
        return Err(Unwell::answered(answer.status()));
    }
    match keys(answer.body()) {
        Ok(keys) if keys.is_empty() => Err(odd("it publishes no key that can be read".to_owned())),
        Ok(_) => Ok(()),
        Err(why) => Err(odd(format!("what it publishes is no JWK Set: {why}"))),
    }
}

/// One document of the issuer's.
pub(super) async fn fetch(https: &Https, url: &str) -> Result<Bytes, String> {
    let request = Request::get(url).header(header::ACCEPT, "application/json, application/x-pem-file, */*");
    let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
    let answer = https.call(request, PATIENCE).await.map_err(|error| error.to_string())?;
    if answer.status() == StatusCode::OK {
        Ok(answer.into_body())
    } else {
        Err(format!("answered {}", answer.status()))
    }
}

/// The keys of a set that can be read: one of a kind from the future must not hide the others.
fn keys(body: &[u8]) -> Result<Vec<Jwk>, String> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
    Ok(JwkSet { keys: keys.collect() }.keys)
}

/// So many times in [`WHILE`].
pub(super) struct Seldom {
    most: u32,
    since: Option<Instant>,
    times: u32,
}

impl Seldom {
    pub(super) const fn new(most: u32) -> Self {
        Self { most, since: None, times: 0 }
    }

    /// Whether it may be done once more now, which counts as done.
    pub(super) fn may(&mut self) -> bool {
        if self.since.is_none_or(|since| since.elapsed() >= WHILE) {
            (self.since, self.times) = (Some(Instant::now()), 0);
        }
        self.times = self.times.saturating_add(1);
        self.times <= self.most
    }
}

impl Known {
    fn fresh(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        self.find(kid, algorithm).filter(|_| self.is_fresh())
    }

    fn is_fresh(&self) -> bool {
        self.fetched.is_some_and(|at| at.elapsed() < FRESH)
    }

    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let mut fitting = self.keys.iter().filter(|key| fits(key, algorithm));
        let key = match kid {
            Some(kid) => fitting.find(|key| key.common.key_id.as_deref() == Some(kid))?,
            // Without a kid the key must be unmistakable.
            None => fitting.next().filter(|_| fitting.next().is_none())?,
        };
        DecodingKey::from_jwk(key).ok().map(Arc::new)
    }
}

/// Whether a key is of the kind that an algorithm needs, whatever the token says.
pub(in crate::identity) fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    match (&key.algorithm, algorithm) {
        (
            AlgorithmParameters::RSA(_),
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256,
        ) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => curve.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES384) => curve.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(pair), Algorithm::EdDSA) => pair.curve == EllipticCurve::Ed25519,
        _ => false,
    }
}
