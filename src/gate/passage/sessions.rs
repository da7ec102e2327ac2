//! A person's sessions at the portal: which there are, ending one or all others, and the new token that
//! each step gives the one that is there.

use http::HeaderValue;
use serde::Serialize;

use super::{Passage, PassageError, Visitor};
use crate::ambient::UnixTime;
use crate::challenge::new_browser::SignedIn;
use crate::config::settings::SourceSet;
use crate::gate::farewell::Elsewhere;
use crate::policy::Binding;
use crate::session::{Ending, LiveSession, Ours};
use crate::store::{AuditEvent, ListedSession};

/// One session, for its person to see.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    /// No credential.
    pub id: String,
    /// The identity source that it was begun with.
    pub source: String,
    /// "Firefox on Linux".
    pub agent: String,
    /// The address it was begun from.
    pub address: Option<String>,
    pub since: UnixTime,
    /// To the minute, in other processes.
    pub last_seen: UnixTime,
    /// It ends then in any case.
    pub until: UnixTime,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl Passage {
    /// The sessions of whoever is there, their own first.
    ///
    /// # Errors
    /// When nobody is there, or the store cannot be asked.
    pub async fn sessions(&self, visitor: &Visitor) -> Result<Vec<SessionView>, PassageError> {
        let established = visitor.established.as_ref().ok_or(NOBODY)?;
        let sessions = &self.gate.shared.sessions;
        let all = sessions.of(&established.identity.key, self.gate.now()).await?;
        let mut views: Vec<SessionView> = all
            .into_iter()
            .map(|one| SessionView {
                current: is_current(visitor, &one),
                id: one.sid,
                source: one.source,
                agent: one.agent,
                address: one.address,
                since: one.created,
                last_seen: one.last_seen,
                until: one.expires,
            })
            .collect();
        views.sort_by_key(|view| !view.current);
        Ok(views)
    }

    /// Ends one of one's own sessions. It asks no proof: it only asks more of whoever has it. `false`: there
    /// is none with this id.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end_one(&self, visitor: &Visitor, id: &str) -> Result<bool, PassageError> {
        let (gate, now) = (&*self.gate, self.gate.now());
        let established = visitor.established.as_ref().ok_or(NOBODY)?;
        let all = gate.shared.sessions.of(&established.identity.key, now).await?;
        if !all.iter().any(|one| one.sid == id) {
            return Ok(false);
        }
        let event = self.ended(visitor, "ended_by_person");
        gate.shared.sessions.end(Ending::One(id), event, now).await?;
        Ok(true)
    }

    /// Ends all of one's own sessions but this one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end_others(&self, visitor: &Visitor) -> Result<(), PassageError> {
        let (gate, now) = (&*self.gate, self.gate.now());
        let established = visitor.established.as_ref().ok_or(NOBODY)?;
        let all = gate.shared.sessions.of(&established.identity.key, now).await?;
        let kept: Vec<String> = all
            .into_iter()
            .filter(|one| is_current(visitor, one))
            .map(|one| one.sid)
            .collect();
        let others = Ending::Others { subject: &established.identity.key, kept: &kept };
        gate.shared
            .sessions
            .end(others, self.ended(visitor, "others_ended"), now)
            .await?;
        Ok(())
    }

    /// What goes on elsewhere when this visitor's session ends; to be asked before it does.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn elsewhere(&self, visitor: &Visitor) -> Result<Option<Elsewhere>, PassageError> {
        if let Some(url) = self.provider_sign_out(visitor).await? {
            return Ok(Some(Elsewhere { url: Some(url) }));
        }
        let source = visitor.established.as_ref().map(|there| &there.identity.source);
        Ok(source.and_then(|source| self.gate.elsewhere(source)))
    }

    /// A new token for the session that is there, in the place of the one it came with: at every step that
    /// changes what the session is worth. `None` where the cookie is not what says who it is.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn renew(&self, visitor: &Visitor) -> Result<Option<HeaderValue>, PassageError> {
        let (gate, now) = (&*self.gate, self.gate.now());
        let (Some(token), Some(established)) = (&visitor.id_cookie, &visitor.established) else {
            return Ok(None);
        };
        let sessions = &gate.shared.sessions;
        let own = sessions.remembered(token, self.portal_host(), now);
        let Some(own) = own.filter(|own| established.session.as_ref() == Some(&own.id)) else {
            return Ok(None);
        };
        let next = sessions.renew(&own.id, Some(token), self.portal_host(), now).await?;
        Ok(next.map(|next| gate.shared.mode.set(Ours::Id, &next, None)))
    }

    /// Ends the session that a new one has replaced in this browser. One that an app or a proxy keeps goes
    /// on, and so do the proofs that hang on it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) async fn end_replaced(&self, visitor: &Visitor) -> Result<(), PassageError> {
        let (gate, now) = (&*self.gate, self.gate.now());
        let Some(token) = &visitor.id_cookie else {
            return Ok(());
        };
        let old = gate.shared.sessions.resolve(token, self.portal_host(), now).await?;
        let begun_here = |source: &str| {
            let mut all = gate.accepted(SourceSet::ALL);
            all.any(|one| one.name == source && one.kind.signs_in())
        };
        if let Some(old) = old.filter(|old| begun_here(&old.identity.source)) {
            let event = AuditEvent::new(now, "session.ended", "replaced")
                .who(old.identity.key.as_str())
                .from(visitor.address);
            gate.shared.sessions.end(Ending::One(&old.id), event, now).await?;
        }
        Ok(())
    }

    /// Sees to it that people hear of sign-ins from browsers they have not used. What goes wrong with that
    /// keeps nobody out.
    pub(super) async fn tell_of(
        &self,
        visitor: &Visitor,
        session: &LiveSession,
        first_seen: Option<UnixTime>,
    ) {
        let told = self.gate.challenges.signed_in(SignedIn {
            identity: &session.identity,
            browser: visitor.browser_cookie.as_deref(),
            agent: &visitor.agent,
            address: visitor.address,
            first_seen,
        });
        if let Err(error) = told.await {
            tracing::warn!(%error, "nobody could be told of a sign-in");
        }
    }

    fn ended(&self, visitor: &Visitor, why: &str) -> AuditEvent {
        let event = AuditEvent::new(self.gate.now(), "session.ended", why).from(visitor.address);
        match &visitor.established {
            Some(established) => event.who(established.identity.key.as_str()),
            None => event,
        }
    }
}

const NOBODY: PassageError = PassageError::Refused("nobody is signed in");

/// Whether this is the session that asks: by its id, or, where an app keeps it and the portal knows it as a
/// guest, by what ties both together.
fn is_current(visitor: &Visitor, one: &ListedSession) -> bool {
    visitor.established.as_ref().is_some_and(|there| {
        there.session.as_deref() == Some(&*one.sid)
            || there.identity.binding == Binding::new(&one.source, &one.subject, &one.sid)
    })
}
