//! Sessions of our own: of every source whose people sign in on our pages.
//!
//! What was proved then was checked when the session began; here only the opaque cookie is looked up.
//! A session counts for the source it was begun with and for no other.

use std::sync::Arc;

use super::{Credentials, Doorstep, Established, Establishing, IdentityError, IdentitySource, Recall};
use crate::ambient::UnixTime;
use crate::session::{LiveSession, Sessions};

/// Sessions begun with one source.
pub struct Own {
    name: Box<str>,
    sessions: Arc<Sessions>,
}

impl Own {
    #[must_use]
    pub fn new(name: &str, sessions: Arc<Sessions>) -> Self {
        Self { name: name.into(), sessions }
    }

    fn established(&self, session: Arc<LiveSession>) -> Option<Established> {
        (*session.identity.source == *self.name).then(|| Established::of_ours(session))
    }
}

impl IdentitySource for Own {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        let Some(token) = credentials.cookies.id else {
            return Ok(Recall::Nothing);
        };
        Ok(match self.sessions.remembered(token, credentials.site, now) {
            Some(session) => self.established(session).map_or(Recall::Nothing, Recall::Known),
            None => Recall::Ask,
        })
    }

    fn reads_cookies_alone(&self) -> bool {
        true
    }

    fn doorstep(&self) -> Option<Doorstep<'_>> {
        Some(Doorstep::Ours)
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
