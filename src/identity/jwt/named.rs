//! Keys that are published one by one, each in PEM under its own name, as AWS load balancers do.
//!
//! The name comes from a token that nobody has checked yet, so it may hold nothing but letters,
//! digits and `-`, and only a few names are asked for in a while.

use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::{Algorithm, DecodingKey};
use quick_cache::sync::Cache;

use super::jwks::{Seldom, fetch};
use super::keys::public;
use crate::calls::{Https, is_allowed};

/// Key names kept at most, known and unknown alike.
const REMEMBERED: usize = 64;
const LONGEST_NAME: usize = 64;
/// Names asked for at most in a while.
const MOST_QUESTIONS: u32 = 10;

/// The keys below one address.
pub(super) struct NamedKeys {
    address: String,
    https: Https,
    keys: Cache<String, Option<Arc<DecodingKey>>>,
    asked: Mutex<Seldom>,
}

impl NamedKeys {
    /// Takes an `https:` address, or `http:` to loopback.
    pub(super) fn new(address: &str, https: Https) -> Result<Self, String> {
        let address = format!("{}/", address.trim_end_matches('/'));
        let uri = address.parse().map_err(|_| format!("`{address}` is not a URL"))?;
        if !is_allowed(&uri) {
            return Err("keys are fetched over https only (http on loopback)".to_owned());
        }
        let asked = Mutex::new(Seldom::new(MOST_QUESTIONS));
        Ok(Self { address, https, keys: Cache::new(REMEMBERED), asked })
    }

    /// The key of this name. One question at a time for each.
    ///
    /// # Errors
    /// When it cannot be had now.
    pub(super) async fn key(&self, name: &str) -> Result<Option<Arc<DecodingKey>>, String> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(good) {
            return Ok(None);
        }
        self.keys.get_or_insert_async(name, self.ask(name)).await
    }

    async fn ask(&self, name: &str) -> Result<Option<Arc<DecodingKey>>, String> {
        if !self.asked.lock().unwrap_or_else(PoisonError::into_inner).may() {
            return Err("too many unknown keys were named".to_owned());
        }
        let pem = match fetch(&self.https, &format!("{}{name}", self.address)).await {
            Ok(pem) => pem,
            // There is no such key, and there will not be one of this name.
            Err(why) if why.starts_with("answered 403") || why.starts_with("answered 404") => {
                return Ok(None);
            }
            Err(why) => {
                tracing::warn!(address = self.address, %why, "a load balancer's key could not be fetched");
                return Err(why);
            }
        };
        let pem = std::str::from_utf8(&pem).map_err(|_| "the key is not text".to_owned())?;
        public(pem, Algorithm::ES256).map(|key| Some(Arc::new(key)))
    }
}
