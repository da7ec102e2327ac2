//! Sessions that a provider began: read like every session of ours, and kept true in the background.
//!
//! A request never waits for the provider. When what it said is too old, one task asks it again; who is gone
//! there, or has become somebody else, is signed out. While it cannot be asked the session stands, within its
//! own limits.

use std::sync::Arc;

use dashmap::DashSet;

use super::refresh::Refreshed;
use super::{Oidc, ProviderError};
use crate::ambient::{Clock, UnixTime};
use crate::identity::own::Own;
use crate::identity::{
    Building, Credentials, Established, Establishing, IdentityError, IdentitySource, Recall,
};
use crate::session::{Ending, LiveSession, Sessions};
use crate::store::{AuditEvent, StoreError};

/// Seconds until a provider that could not be asked is asked again.
const AGAIN: i64 = 30;
/// Sessions that are asked about at the same time; others wait for their next request.
const MOST_AT_ONCE: usize = 64;

/// The sessions of one provider.
pub struct OidcSource {
    own: Own,
    keeper: Arc<Keeper>,
}

struct Keeper {
    provider: Arc<Oidc>,
    sessions: Arc<Sessions>,
    clock: Clock,
    /// Seconds that what the provider said holds.
    every: i64,
    /// Sessions that are being asked about.
    busy: DashSet<Arc<str>>,
}

impl OidcSource {
    #[must_use]
    pub fn new(provider: Arc<Oidc>, building: &Building<'_>) -> Self {
        let every = i64::try_from(provider.settings.refresh.as_secs()).unwrap_or(i64::MAX);
        Self {
            own: Own::new(provider.source(), Arc::clone(building.sessions)),
            keeper: Arc::new(Keeper {
                provider,
                sessions: Arc::clone(building.sessions),
                clock: building.clock.clone(),
                every,
                busy: DashSet::new(),
            }),
        }
    }

    fn look_after(&self, established: &Established, now: UnixTime) {
        let Some(session) = &established.live else { return };
        let due = session.recheck_at();
        if due == UnixTime::NEVER {
            session.set_recheck(now.plus(self.keeper.every));
        } else if due <= now {
            self.keeper.ask_again(session, now);
        }
    }
}

impl IdentitySource for OidcSource {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        let recall = self.own.recall(credentials, now)?;
        if let Recall::Known(established) = &recall {
            self.look_after(established, now);
        }
        Ok(recall)
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(async move {
            let established = self.own.establish(credentials, now).await?;
            if let Some(established) = &established {
                self.look_after(established, now);
            }
            Ok(established)
        })
    }

    fn reads_cookies_alone(&self) -> bool {
        true
    }
}

impl Keeper {
    fn ask_again(self: &Arc<Self>, session: &Arc<LiveSession>, now: UnixTime) {
        if self.busy.len() >= MOST_AT_ONCE || !self.busy.insert(Arc::clone(&session.id)) {
            return;
        }
        session.set_recheck(now.plus(AGAIN.min(self.every)));
        let (keeper, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            let asked = keeper.ask(&session).await;
            if let Err(error) = asked {
                tracing::warn!(source = keeper.provider.source(), %error, "A session could not be refreshed.");
            }
            keeper.busy.remove(&session.id);
        });
    }

    async fn ask(&self, session: &LiveSession) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Some(kept) = self.sessions.kept(&session.id).await? else {
            session.set_recheck(session.expires);
            return Ok(());
        };
        match self.provider.refresh(&kept, now.plus(-self.every), now).await {
            Ok(Refreshed::Still(person)) if *person.subject == *session.identity.subject => {
                self.sessions.update(session, *person).await
            }
            Ok(Refreshed::Still(_)) => self.end(session, "other_person", now).await,
            // Another site of this session has asked already: its answer is in the store.
            Ok(Refreshed::Already) => {
                session.supersede();
                Ok(())
            }
            Ok(Refreshed::Never) => {
                session.set_recheck(session.expires);
                Ok(())
            }
            Err(ProviderError::Unavailable(why)) => {
                tracing::info!(
                    source = self.provider.source(),
                    why,
                    "A session stands until its provider answers."
                );
                Ok(())
            }
            Err(error) => {
                tracing::info!(source = self.provider.source(), %error, "The provider has ended a session.");
                self.end(session, "ended_by_provider", now).await
            }
        }
    }

    async fn end(&self, session: &LiveSession, why: &str, now: UnixTime) -> Result<(), StoreError> {
        let event = AuditEvent::new(now, "session.ended", why).who(session.identity.key.as_str());
        self.sessions.end(Ending::One(&session.id), event, now).await
    }
}
