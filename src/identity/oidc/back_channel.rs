//! The provider's own word that somebody has signed out there: a logout token by POST (Back-Channel Logout
//! 1.0), or its session's name in a frame (Front-Channel Logout 1.0).
//!
//! Every check of Back-Channel Logout 2.6; an ID token is never taken for a logout token. Ending what it names
//! and using the token up are the caller's.

use serde_json::Value;

use super::id_token::{addressed, dated};
use super::signed::{self, BadToken, Signed};
use super::{Oidc, ProviderError};
use crate::ambient::UnixTime;
use crate::store::TokenHash;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds for which a used token is remembered at most; one that holds for longer is refused.
const LONGEST_LIFE: i64 = 24 * 3600;

/// Who has signed out.
#[derive(Debug, PartialEq, Eq)]
pub struct LoggedOut {
    /// The provider's name of the session.
    pub session: Option<String>,
    /// `sub`: without a session, all of the person's.
    pub subject: Option<String>,
    /// To be used up: a token counts once.
    pub once: TokenHash,
    /// When it cannot be used anyway.
    pub expires: UnixTime,
}

impl Oidc {
    /// Whom a logout token is about.
    ///
    /// # Errors
    /// When it does not hold, or the provider's keys cannot be had.
    pub async fn logged_out(&self, token: &str, now: UnixTime) -> Result<LoggedOut, ProviderError> {
        self.judged(|metadata| {
            let signed = signed::read(token, metadata, &["logout+jwt", "application/logout+jwt", "jwt"])?;
            addressed(&signed, self.issuer(), &self.settings.client_id)?;
            let expires = dated(&signed, now)?;
            self.judge_logout(&signed, expires, now)
        })
        .await
    }

    fn judge_logout(&self, signed: &Signed, expires: UnixTime, now: UnixTime) -> Result<LoggedOut, BadToken> {
        let refused = |why| Err(BadToken::Refused(why));
        if !signed
            .claims
            .get("events")
            .and_then(|events| events.get(EVENT))
            .is_some_and(Value::is_object)
        {
            return refused("it is no logout token");
        }
        if signed.claims.contains_key("nonce") {
            return refused("a logout token has no nonce");
        }
        if expires.since(now) > LONGEST_LIFE {
            return refused("it holds for too long");
        }
        let member = |name: &str| match signed.claims.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(BadToken::Refused("a claim has the wrong type")),
        };
        let (session, subject) = (member("sid")?, member("sub")?);
        if session.is_none() && subject.is_none() {
            return refused("it names neither a person nor a session");
        }
        let Some(jti) = member("jti")? else {
            return refused("it has no name of its own");
        };
        let once = TokenHash::of(&format!("logout {} {jti}", self.issuer()));
        Ok(LoggedOut { session, subject, once, expires: expires.plus(super::id_token::SKEW) })
    }
}
