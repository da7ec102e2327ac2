//! Tokens that only their holder may use: DPoP (RFC 9449), and certificates (RFC 8705).
//!
//! A token says in `cnf` what it is bound to. Without that thing it is nobody's: no setting lets a
//! bound token through as if it were not. A `cnf` that we do not understand refuses the token.

mod proof;
mod seen;

use serde_json::Value;

use self::seen::{Seen, Sight};
use super::claims::Claims;
use super::presented::Presented;
use super::{Credentials, IdentityError};
use crate::ambient::UnixTime;
use crate::config::settings::PublicUrl;

/// What a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// RFC 7638 thumbprint of the key that proofs are signed with (`jkt`).
    Key(String),
    /// SHA-256 of the client certificate (`x5t#S256`), as unpadded base64url.
    Certificate(String),
}

/// A token is bound to something that we cannot check.
#[derive(Debug, thiserror::Error)]
#[error("the token is bound to something unknown")]
pub struct UnknownBond;

impl Bound {
    /// What the claims say; `None`: whoever has the token may use it.
    ///
    /// # Errors
    /// When `cnf` says anything else than one of the two.
    pub fn of(claims: &Claims) -> Result<Option<Self>, UnknownBond> {
        let Some(cnf) = claims.get("cnf") else {
            return Ok(None);
        };
        let members = cnf.as_object().filter(|members| members.len() == 1).ok_or(UnknownBond)?;
        match members.iter().next() {
            Some((name, Value::String(value))) if name == "jkt" => Ok(Some(Self::Key(value.clone()))),
            Some((name, Value::String(value))) if name == "x5t#S256" => {
                Ok(Some(Self::Certificate(value.clone())))
            }
            _ => Err(UnknownBond),
        }
    }
}

/// Checks what tokens are bound to.
pub struct Dpop {
    /// Whether tokens that are bound to nothing are refused.
    required: bool,
    public_url: PublicUrl,
    seen: &'static Seen,
}

impl Dpop {
    #[must_use]
    pub fn new(required: bool, public_url: &PublicUrl, now: UnixTime) -> Self {
        Self { required, public_url: public_url.clone(), seen: seen::of_this_process(now) }
    }

    /// Whether a token counts as it is, without looking at the rest of the request.
    #[must_use]
    pub const fn asks_nothing(&self, bound: Option<&Bound>) -> bool {
        bound.is_none() && !self.required
    }

    /// Whether the request has what its token is bound to. A proof is used up by this.
    ///
    /// # Errors
    /// When the proofs are more than one, or so many that it cannot be told whether one was used.
    pub fn holds(
        &self,
        bound: Option<&Bound>,
        presented: Presented<'_>,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Result<bool, IdentityError> {
        match bound {
            None => Ok(!self.required),
            // RFC 9449 section 7.1: not even with a proof.
            Some(Bound::Key(_)) if presented.as_bearer => Ok(false),
            Some(Bound::Key(thumbprint)) => self.proved(thumbprint, presented.token, credentials, now),
            Some(Bound::Certificate(digest)) => {
                Ok(!self.required
                    && credentials.certificate.is_some_and(|shown| shown.thumbprint() == *digest))
            }
        }
    }

    fn proved(
        &self,
        thumbprint: &str,
        token: &str,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Result<bool, IdentityError> {
        let mut proofs = credentials.headers.get_all("dpop").iter();
        let (first, second) = (proofs.next(), proofs.next());
        if second.is_some() {
            return Err(IdentityError::Refused("two proofs of possession came"));
        }
        let Some(proof) = first.and_then(|proof| proof.to_str().ok()) else {
            return Ok(false);
        };
        let wanted = proof::Wanted {
            method: credentials.method.as_str(),
            url: &format!("{}{}", self.public_url.origin_of(credentials.site), credentials.target.path()),
            token,
            thumbprint,
        };
        let Some(good) = proof::check(proof, &wanted, now) else {
            tracing::debug!("a proof of possession does not hold");
            return Ok(false);
        };
        match self.seen.first(&good, thumbprint, now) {
            Sight::First => Ok(true),
            Sight::Again => Ok(false),
            Sight::Full => {
                Err(IdentityError::Unavailable("too many proofs of possession at once".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
