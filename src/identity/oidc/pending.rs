//! A sign-in that is under way at a provider: kept by the browser, sealed, one small cookie for each, so that
//! ten tabs do not get into each other's way and strangers fill nothing here.
//!
//! It opens only for the very `state` and source it was made for (security.md G05), and counts once: whoever
//! opens it uses up its [`Pending::once`] before anything else is asked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::ambient::{self, UnixTime};
use crate::store::TokenHash;
use crate::store::seal::{KeyRing, Place, SealError};

/// Seconds that a person has at the provider.
pub const LIFE: i64 = 15 * 60;
/// Characters of the cookie's own name: enough to tell tabs apart.
const ID: usize = 8;
/// Characters of a `state`: the name, and 128 bits.
const STATE: usize = ID + 22;

/// What has to be remembered of it. Has no `Debug`.
#[derive(Serialize, Deserialize)]
pub struct Pending {
    pub(super) state: String,
    pub(super) nonce: String,
    verifier: String,
    /// Where the person goes afterwards: a query of ours.
    pub onward: String,
    pub expires: UnixTime,
}

impl Pending {
    pub(super) fn new(onward: &str, verifier: String, now: UnixTime) -> Self {
        let mut state = ambient::random_token();
        state.truncate(ID);
        state.push_str(&ambient::random_token());
        Self {
            state,
            nonce: ambient::random_token(),
            verifier,
            onward: onward.to_owned(),
            expires: now.plus(LIFE),
        }
    }

    /// The part of the cookie's name that is this one's own.
    #[must_use]
    pub fn id(&self) -> &str {
        id_of(&self.state).unwrap_or_default()
    }

    pub(super) fn verifier(&self) -> SecretString {
        SecretString::from(self.verifier.as_str())
    }

    /// What is used up when it is used.
    #[must_use]
    pub fn once(&self) -> TokenHash {
        TokenHash::of(&self.state)
    }

    /// The cookie's value.
    ///
    /// # Errors
    /// When the library refuses, which a value of this size cannot cause.
    pub fn seal(&self, ring: &KeyRing, source: &str) -> Result<String, SealError> {
        let plain = serde_json::to_vec(self).map_err(|_| SealError::Refused)?;
        Ok(BASE64.encode(ring.seal(place(source, self.id()), &plain)?))
    }

    /// What a cookie of this id holds, if it is one of ours, for this source, and has not run out.
    #[must_use]
    pub fn open(ring: &KeyRing, source: &str, id: &str, value: &str, now: UnixTime) -> Option<Self> {
        let sealed = BASE64.decode(value).ok()?;
        let plain = ring.open(place(source, id), &sealed).ok()?;
        let pending: Self = serde_json::from_slice(plain.expose_secret()).ok()?;
        (pending.expires > now).then_some(pending)
    }

    /// Whether this is the one that the `state` of a way back belongs to.
    #[must_use]
    pub fn is_of(&self, state: &str) -> bool {
        self.state.as_bytes().ct_eq(state.as_bytes()).into()
    }
}

/// The cookie's own part of a `state`; `None`: it is none of ours.
#[must_use]
pub fn id_of(state: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let ours = state.len() == STATE && state.bytes().all(fits);
    state.get(..ID).filter(|_| ours)
}

fn place<'a>(source: &'a str, id: &'a str) -> Place<'a> {
    Place { table: "oidc", column: source, row: id.as_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g05_it_opens_for_its_own_state_source_and_time_alone() {
        let ring = KeyRing::new(&[SecretString::from(
            "a key that is long enough to be taken as it is",
        )])
        .unwrap();
        let now = UnixTime(1000);
        let pending = Pending::new("?j=1", "verifier".to_owned(), now);
        let sealed = pending.seal(&ring, "sso").unwrap();
        assert!(!sealed.contains("verifier") && sealed.len() < 500, "{}", sealed.len());
        let open = |source: &str, id: &str, at: i64| Pending::open(&ring, source, id, &sealed, UnixTime(at));
        let opened = open("sso", pending.id(), 1001).unwrap();
        assert!(opened.is_of(&pending.state) && opened.onward == "?j=1");
        let other = Pending::new("", String::new(), now);
        assert!(!opened.is_of(&other.state));
        assert!(open("other", pending.id(), 1001).is_none(), "another provider");
        assert!(open("sso", other.id(), 1001).is_none(), "another state");
        assert!(open("sso", pending.id(), 1000 + LIFE).is_none(), "too late");
        assert_eq!(id_of(&pending.state), Some(pending.id()));
        for bad in ["", "abc", &"x".repeat(STATE + 1), &"é".repeat(STATE / 2)] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
    }
}
