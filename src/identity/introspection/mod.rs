//! Identity from a token that says nothing itself: the server that issued it is asked (RFC 7662).
//!
//! Nothing but the token goes there (security.md A19). An answer is remembered for a minute at most
//! and never longer than the token holds, under a digest of the whole token; while a question runs,
//! everybody with the same token waits for its answer. Whoever sends made-up tokens makes us ask, so
//! the questions that run at once are few, half of them kept for tokens that were somebody's before, and what
//! is nobody's is remembered as well.

mod answer;
mod ask;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;

use self::answer::{Answer, Verdict};
use self::ask::Server;
use super::dpop::Dpop;
use super::presented::{Place, Presented};
use super::{Credentials, Established, Establishing, IdentityError, IdentitySource, Recall, SourceError};
use crate::ambient::UnixTime;
use crate::calls::{Trouble, Unwell};
use crate::config::settings::{self, PublicUrl};
use crate::observe::metrics;

/// Answers remembered at most.
const REMEMBERED: usize = 20_000;

/// Tokens of one server.
pub struct Introspection {
    source: Arc<str>,
    settings: settings::Introspection,
    place: Place,
    dpop: Dpop,
    server: Server,
    answers: Cache<[u8; 32], Arc<Answer>>,
}

impl Introspection {
    /// # Errors
    /// When the server cannot be spoken to as configured.
    pub fn new(
        source: &str,
        settings: &settings::Introspection,
        public_url: &PublicUrl,
        now: UnixTime,
    ) -> Result<Self, SourceError> {
        let bad = |why: String| SourceError { name: source.to_owned(), why };
        Ok(Self {
            source: source.into(),
            place: Place::new(&settings.place).map_err(|_| bad("not a header name".to_owned()))?,
            dpop: Dpop::new(settings.dpop, public_url, now),
            server: Server::new(settings).map_err(bad)?,
            settings: settings.clone(),
            answers: Cache::new(REMEMBERED),
        })
    }

    fn presented<'a>(&self, credentials: &Credentials<'a>) -> Result<Option<Presented<'a>>, IdentityError> {
        let plausible = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
        let presented = self.place.token(credentials)?;
        Ok(presented.filter(|presented| plausible(presented.token)))
    }

    fn remembered(&self, token: &str, now: UnixTime) -> Option<Arc<Answer>> {
        self.answers.get(&id(token)).filter(|answer| answer.until > now)
    }

    async fn answer(&self, token: &str, now: UnixTime) -> Arc<Answer> {
        let id = id(token);
        let known = self
            .answers
            .get(&id)
            .is_some_and(|answer| matches!(answer.verdict, Verdict::Active(_)));
        self.answers.remove_if(&id, |answer| answer.until <= now);
        let asking = async {
            let said = self.server.ask(token, known).await;
            let answer = answer::judge(&self.source, &self.settings, said, now);
            metrics().source_asked(&self.source, answer.verdict.name());
            Ok::<_, std::convert::Infallible>(Arc::new(answer))
        };
        match self.answers.get_or_insert_async(&id, asking).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// A token is not kept: whoever reads our memory shall not find it.
fn id(token: &str) -> [u8; 32] {
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    id
}

/// Whether the server that these settings name can be asked, for `stepgate check --connect`.
///
/// # Errors
/// What is wrong with it.
pub async fn probe(settings: &settings::Introspection) -> Result<(), Unwell> {
    let server = Server::new(settings).map_err(|why| Unwell::new(Trouble::Odd, why))?;
    server.probe().await
}

impl IdentitySource for Introspection {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        let Some(presented) = self.presented(credentials)? else {
            return Ok(Recall::Nothing);
        };
        let Some(answer) = self.remembered(presented.token, now) else {
            return Ok(Recall::Ask);
        };
        match &answer.verdict {
            Verdict::Active(known) if !self.dpop.asks_nothing(known.bound.as_ref()) => Ok(Recall::Ask),
            Verdict::Active(known) => Ok(Recall::Known(known.established.clone())),
            Verdict::Nobody => Ok(Recall::Nothing),
            Verdict::Failed(failure) => Err(failure.error()),
        }
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(async move {
            let Some(presented) = self.presented(&credentials)? else {
                return Ok(None);
            };
            let answer = match self.remembered(presented.token, now) {
                Some(answer) => answer,
                None => self.answer(presented.token, now).await,
            };
            match &answer.verdict {
                Verdict::Active(known) => {
                    let holds = self.dpop.holds(known.bound.as_ref(), presented, &credentials, now)?;
                    Ok::<Option<Established>, _>(holds.then(|| known.established.clone()))
                }
                Verdict::Nobody => Ok(None),
                Verdict::Failed(failure) => Err(failure.error()),
            }
        })
    }
}

#[cfg(test)]
mod tests;
