//! What an ID token must agree with before anything in it counts (OpenID Connect Core 3.1.3.7).
//!
//! Every claim that is judged is required and typed: one of the wrong type is as good as missing, and a
//! missing one refuses the token (security.md F05, F06).

use serde_json::Value;

use super::discovery::Metadata;
use super::signed::{self, BadToken, Signed};
use crate::ambient::UnixTime;
use crate::identity::claims::Claims;
pub(super) use crate::identity::claims::SKEW;

/// Longer subjects are none (Core 2).
const LONGEST_SUBJECT: usize = 255;

/// What a token is compared with.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    /// The configured one, which discovery has confirmed.
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// `None`: a token from a refresh, which answers no request of a browser.
    pub(super) nonce: Option<&'a str>,
    /// The person it must be about; `None`: whoever signs in.
    pub(super) subject: Option<&'a str>,
    /// The token that `at_hash` speaks of, if it is there.
    pub(super) access_token: &'a str,
    pub(super) now: UnixTime,
}

/// A token that holds.
pub(super) struct IdToken {
    /// `sub`.
    pub(super) subject: String,
    /// The provider's name for its session (`sid`).
    pub(super) session: Option<String>,
    pub(super) authenticated_at: Option<UnixTime>,
    pub(super) acr: Option<String>,
    pub(super) claims: Claims,
}

/// What `token` says, if it is the answer to this very question.
pub(super) fn read(token: &str, metadata: &Metadata, expected: &Expected<'_>) -> Result<IdToken, BadToken> {
    let signed = signed::read(token, metadata, &["jwt", "application/jwt"])?;
    addressed(&signed, expected.issuer, expected.client_id)?;
    dated(&signed, expected.now)?;
    let subject = signed
        .text("sub")
        .filter(|sub| (1..=LONGEST_SUBJECT).contains(&sub.len()))
        .ok_or(BadToken::Refused("it names nobody"))?;
    if expected.subject.is_some_and(|expected| expected != subject) {
        return Err(BadToken::Refused("it is about another person"));
    }
    if expected.nonce.is_some_and(|nonce| signed.text("nonce") != Some(nonce)) {
        return Err(BadToken::Refused("it is for another sign-in"));
    }
    if let Some(hash) = signed.claims.get("at_hash") {
        let fits = hash.as_str().is_some_and(|hash| signed.is_hash_of(hash, expected.access_token));
        if !fits {
            return Err(BadToken::Refused("it belongs to another access token"));
        }
    }
    let optional = |name: &str| match signed.claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(BadToken::Refused("a claim has the wrong type")),
    };
    Ok(IdToken {
        subject: subject.to_owned(),
        session: optional("sid")?.filter(|sid| !sid.is_empty()),
        authenticated_at: signed.time("auth_time").map(UnixTime),
        acr: optional("acr")?,
        claims: signed.claims,
    })
}

/// Whether the token comes from this issuer and is for this client.
pub(super) fn addressed(signed: &Signed, issuer: &str, client_id: &str) -> Result<(), BadToken> {
    if signed.text("iss") != Some(issuer) {
        return Err(BadToken::Refused("it comes from another issuer"));
    }
    let (ours, others) = match signed.claims.get("aud") {
        Some(Value::String(one)) => (one == client_id, false),
        Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
            (many.iter().any(|one| one.as_str() == Some(client_id)), many.len() > 1)
        }
        _ => (false, false),
    };
    if !ours {
        return Err(BadToken::Refused("it is for another client"));
    }
    // With several audiences only `azp` says for whom the token was made (Core 3.1.3.7, 4 and 5).
    match signed.claims.get("azp") {
        None if others => Err(BadToken::Refused("it is for several clients and does not say which")),
        Some(azp) if azp.as_str() != Some(client_id) => {
            Err(BadToken::Refused("it was made for another client"))
        }
        _ => Ok(()),
    }
}

/// Until when the token holds, if it holds now. `exp` and `iat` are required.
pub(super) fn dated(signed: &Signed, now: UnixTime) -> Result<UnixTime, BadToken> {
    let required = |name: &str| signed.time(name).ok_or(BadToken::Refused("it does not say when it holds"));
    let expires = UnixTime(required("exp")?);
    let issued = UnixTime(required("iat")?);
    let begins = match signed.claims.get("nbf") {
        Some(_) => UnixTime(required("nbf")?),
        None => issued,
    };
    if now.since(expires) >= SKEW {
        return Err(BadToken::Refused("it has expired: compare the clocks"));
    }
    if issued.since(now) > SKEW || begins.since(now) > SKEW {
        return Err(BadToken::Refused("it is from the future: compare the clocks"));
    }
    Ok(expires)
}

impl IdToken {
    /// Nothing but whom it is about: a refresh without an ID token.
    pub(super) fn about(subject: &str) -> Self {
        let claims = Claims::from_iter([("sub".to_owned(), Value::from(subject))]);
        Self {
            subject: subject.to_owned(),
            session: None,
            authenticated_at: None,
            acr: None,
            claims,
        }
    }
}
