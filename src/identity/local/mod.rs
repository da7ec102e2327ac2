//! Local users: the session that our own sign-in page began.
//!
//! The password was checked when the session began, by the challenge room that counts; here only
//! the opaque cookie is looked up.

use std::sync::Arc;

use super::{Credentials, Established, Establishing, IdentityError, IdentitySource, Recall};
use crate::ambient::UnixTime;
use crate::session::{LiveSession, Sessions};

/// Sessions of the users kept in our own store.
pub struct Local {
    name: Box<str>,
    sessions: Arc<Sessions>,
}

impl Local {
    #[must_use]
    pub fn new(name: &str, sessions: Arc<Sessions>) -> Self {
        Self { name: name.into(), sessions }
    }

    fn established(&self, session: Arc<LiveSession>) -> Option<Established> {
        (*session.identity.source == *self.name).then(|| Established {
            identity: Arc::clone(&session.identity),
            session: Some(Arc::clone(&session.id)),
            expires: session.expires,
            live: Some(session),
        })
    }
}

impl IdentitySource for Local {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        let Some(token) = credentials.cookies.id else {
            return Ok(Recall::Nothing);
        };
        Ok(match self.sessions.remembered(token, credentials.site, now) {
            Some(session) => self.established(session).map_or(Recall::Nothing, Recall::Known),
            None => Recall::Ask,
        })
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(async move {
            let Some(token) = credentials.cookies.id else {
                return Ok(None);
            };
            let session = self
                .sessions
                .resolve(token, credentials.site, now)
                .await
                .map_err(|error| IdentityError::Unavailable(error.to_string()))?;
            Ok(session.and_then(|session| self.established(session)))
        })
    }
}
