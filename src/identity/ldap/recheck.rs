//! People who are signed in, looked for again: gone or disabled ends the session, other groups count
//! from then on.
//!
//! It happens beside the requests and never holds one up. A directory that does not answer ends nothing:
//! its people stay within the limits of their sessions, and are looked for again a minute later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::connection::LdapError;
use super::groups::Seeker;
use super::{Directory, Kept, person};
use crate::ambient::{Clock, UnixTime};
use crate::identity::own::Own;
use crate::identity::{Credentials, Established, Establishing, IdentityError, IdentitySource, Recall};
use crate::observe::metrics;
use crate::session::{Ending, LiveSession, NewPerson, Sessions};
use crate::store::AuditEvent;

/// Looks at a time.
const AT_ONCE: usize = 8;
/// Seconds until the next look where one came to nothing.
const AGAIN: i64 = 60;

/// Sessions of people of a directory that is asked again.
pub struct Rechecked {
    own: Own,
    looking: Looking,
    /// Seconds.
    every: i64,
}

/// What a look needs.
#[derive(Clone)]
struct Looking {
    directory: Directory,
    sessions: Arc<Sessions>,
    clock: Clock,
    room: Arc<Semaphore>,
}

/// What a look came to.
enum Found {
    Stands(Box<NewPerson>),
    /// And why.
    Ended(&'static str),
}

impl Rechecked {
    #[must_use]
    pub fn new(
        own: Own,
        directory: Directory,
        sessions: Arc<Sessions>,
        clock: Clock,
        every: Duration,
    ) -> Self {
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        let room = Arc::new(Semaphore::new(AT_ONCE));
        Self { own, looking: Looking { directory, sessions, clock, room }, every }
    }

    /// Begins a look if one is due.
    fn look_after(&self, established: &Established, token: Option<&str>, now: UnixTime) {
        let (Some(session), Some(token)) = (&established.live, token) else {
            return;
        };
        let due = match session.recheck_at() {
            // Not seen by this process before.
            UnixTime::NEVER => session.created.plus(self.every),
            due => due,
        };
        if due > now {
            session.set_recheck(due);
            return;
        }
        // The next one comes by itself, whatever becomes of this one.
        session.set_recheck(now.plus(AGAIN.min(self.every)));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let Ok(place) = Arc::clone(&self.looking.room).try_acquire_owned() else {
            return;
        };
        let (looking, session) = (self.looking.clone(), Arc::clone(session));
        let (token, every) = (token.to_owned(), self.every);
        runtime.spawn(async move {
            let _place = place;
            looking.look(&session, &token, every).await;
        });
    }
}

impl Looking {
    async fn look(&self, session: &Arc<LiveSession>, token: &str, every: i64) {
        let source = &*session.identity.source;
        let result = match self.find(session).await {
            Ok(Found::Stands(person)) => {
                metrics().source_asked(source, "known");
                self.renew(session, token, &person, every).await
            }
            Ok(Found::Ended(why)) => {
                metrics().source_asked(source, "nobody");
                self.end(session, why).await
            }
            Err(error) => {
                metrics().source_asked(source, "unavailable");
                Err(error.to_string())
            }
        };
        if let Err(error) = result {
            tracing::warn!(source, %error, "A person who is signed in could not be looked for again.");
        }
    }

    async fn find(&self, session: &LiveSession) -> Result<Found, LdapError> {
        let kept = self.sessions.kept(&session.id).await;
        let kept = kept.map_err(|error| LdapError::NotReached(error.to_string()))?;
        let kept: Option<Kept> = kept.and_then(|kept| {
            use secrecy::ExposeSecret as _;
            serde_json::from_slice(kept.expose_secret()).ok()
        });
        let Some(kept) = kept else {
            return Ok(Found::Ended("not_kept"));
        };
        let directory = &self.directory;
        let mut seeker = Seeker::Service(&directory.0.pool);
        let Some(entry) = directory.read(&kept, &mut seeker).await? else {
            return Ok(Found::Ended("not_in_directory"));
        };
        if person::is_disabled(&entry) {
            return Ok(Found::Ended("disabled"));
        }
        let person = directory.person(&kept, &entry, &mut seeker).await?;
        // Renamed in the directory: somebody else by our reckoning.
        if person.subject != *session.identity.subject {
            return Ok(Found::Ended("renamed"));
        }
        Ok(Found::Stands(Box::new(person)))
    }

    /// What the directory says by now counts from the next request on.
    async fn renew(
        &self,
        session: &Arc<LiveSession>,
        token: &str,
        person: &NewPerson,
        every: i64,
    ) -> Result<(), String> {
        let now = self.clock.now();
        let amended = self.sessions.amend(session, token, person, now).await;
        let amended = amended.map_err(|error| error.to_string())?;
        if !Arc::ptr_eq(session, &amended) {
            // Whoever remembers the old one comes back for the new one.
            session.set_recheck(UnixTime(0));
        }
        amended.set_recheck(now.plus(every));
        Ok(())
    }

    async fn end(&self, session: &LiveSession, why: &'static str) -> Result<(), String> {
        let now = self.clock.now();
        let event = AuditEvent::new(now, "session.ended", why).who(session.identity.key.as_str());
        let ended = self.sessions.end(Ending::One(&session.id), event, now).await;
        ended.map_err(|error| error.to_string())
    }
}

impl IdentitySource for Rechecked {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        let recall = self.own.recall(credentials, now)?;
        if let Recall::Known(established) = &recall {
            self.look_after(established, credentials.cookies.id, now);
        }
        Ok(recall)
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(async move {
            let established = self.own.establish(credentials, now).await?;
            if let Some(established) = &established {
                self.look_after(established, credentials.cookies.id, now);
            }
            Ok(established)
        })
    }

    fn reads_cookies_alone(&self) -> bool {
        true
    }
}
