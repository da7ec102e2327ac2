//! What an answer means: `active` must be true, and everything else as for any other token.

use std::sync::Arc;

use serde_json::Value;

use crate::ambient::UnixTime;
use crate::config::settings::Introspection;
use crate::identity::claims::{self, Claims, text};
use crate::identity::dpop::Bound;
use crate::identity::{Established, IdentityError};

/// Seconds for which it is remembered that a token is nobody's.
const NOBODY: i64 = 10;
/// And that nobody answered: who waits in line does not ask again, one after the other.
const SILENCE: i64 = 2;

/// An answer, and how long it is believed.
pub(super) struct Answer {
    pub verdict: Verdict,
    pub until: UnixTime,
}

pub(super) enum Verdict {
    Active(Known),
    Nobody,
    Failed(Failure),
}

impl Verdict {
    /// For metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Active(_) => "known",
            Self::Nobody => "nobody",
            Self::Failed(Failure::Refused(_)) => "refused",
            Self::Failed(Failure::Unavailable(_)) => "unavailable",
        }
    }
}

pub(super) struct Known {
    pub established: Established,
    pub bound: Option<Bound>,
}

/// Why there is no person and the request cannot go on.
pub(super) enum Failure {
    /// The server's answer names somebody in a way that is not acceptable.
    Refused(&'static str),
    Unavailable(String),
}

impl Failure {
    pub(super) fn error(&self) -> IdentityError {
        match self {
            Self::Refused(why) => IdentityError::Refused(why),
            Self::Unavailable(why) => IdentityError::Unavailable(why.clone()),
        }
    }
}

/// What the server's words come to. `said`: the body of its answer, or why there is none.
pub(super) fn judge(
    source: &Arc<str>,
    settings: &Introspection,
    said: Result<impl AsRef<[u8]>, String>,
    now: UnixTime,
) -> Answer {
    let silent = |why: String| {
        tracing::warn!(source = &**source, %why, "a token could not be looked up");
        Answer { verdict: Verdict::Failed(Failure::Unavailable(why)), until: now.plus(SILENCE) }
    };
    let said = match said {
        Ok(said) => said,
        Err(why) => return silent(why),
    };
    let Ok(Value::Object(claims)) = serde_json::from_slice(said.as_ref()) else {
        return silent("the answer is no JSON object".to_owned());
    };
    match active(source, settings, &claims, now) {
        Ok(Some(known)) => {
            let remembered = i64::try_from(settings.remember.as_secs()).unwrap_or(0);
            let until = now.plus(remembered).min(known.established.expires);
            Answer { verdict: Verdict::Active(known), until }
        }
        Ok(None) => Answer { verdict: Verdict::Nobody, until: now.plus(NOBODY) },
        Err(IdentityError::Refused(why)) => {
            Answer { verdict: Verdict::Failed(Failure::Refused(why)), until: now.plus(NOBODY) }
        }
        Err(error) => silent(error.to_string()),
    }
}

fn active(
    source: &Arc<str>,
    settings: &Introspection,
    claims: &Claims,
    now: UnixTime,
) -> Result<Option<Known>, IdentityError> {
    // Not "true", not 1: RFC 7662 section 2.2 has a boolean.
    if claims.get("active") != Some(&Value::Bool(true)) || !claims::has_begun(claims, now) {
        return Ok(None);
    }
    let issued = settings
        .issuer
        .as_deref()
        .is_none_or(|issuer| text(claims, "iss") == Some(issuer));
    let ours = settings.audiences.is_empty() || claims::is_for(claims, &settings.audiences);
    let expires = if claims.contains_key("exp") {
        claims::number(claims, "exp").map(UnixTime).filter(|expires| *expires > now)
    } else {
        Some(UnixTime::NEVER)
    };
    let (Some(expires), true, true) = (expires, issued, ours) else {
        return Ok(None);
    };
    let Ok(bound) = Bound::of(claims) else {
        return Ok(None);
    };
    let identity = claims::person(source, &settings.names, claims)?;
    Ok(identity.map(|identity| Known {
        established: Established {
            identity: Arc::new(identity),
            session: None,
            live: None,
            expires,
            until: expires,
        },
        bound,
    }))
}
