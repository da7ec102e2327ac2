//! Signing in at a provider: the way there, the way back, and the provider's word that somebody has left.
//!
//! What was begun is kept by the browser, sealed, and used up by one conditional write before anything of the
//! answer is looked at (security.md G05). It decides nothing about what an answer is worth: that is the
//! provider's room.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::{Passage, PassageError, Visitor};
use crate::ambient::UnixTime;
use crate::identity::oidc::{self, LoggedOut, Oidc, Pending, ProviderError, WayBack};
use crate::policy::SubjectKey;
use crate::session::{Ending, MOST_PENDING};
use crate::store::{AuditEvent, Departure, StoreError, TokenHash};

/// To the provider.
pub enum Away {
    To {
        url: String,
        cookies: Vec<HeaderValue>,
    },
    /// It does not answer.
    Unavailable,
}

/// Back from the provider. `onward` is what [`Passage::leave_for`] was told.
pub enum Back {
    /// Somebody has signed in.
    Welcome { cookies: Vec<HeaderValue>, onward: String },
    /// Nothing of it counts: not begun in this browser, too late, or used already.
    Stale,
    /// Nobody has signed in. `cookies` are to be set all the same.
    Nobody { cookies: Vec<HeaderValue>, onward: String, why: ProviderError },
}

/// What became of a provider's word that somebody has signed out there.
#[derive(Debug, PartialEq, Eq)]
pub enum SignedOutThere {
    Done,
    /// It does not count; the reason is in the log.
    Refused,
    /// There is no such provider.
    Unknown,
}

impl Passage {
    /// What people know a provider by; `None`: there is none of that name.
    #[must_use]
    pub fn provider_label(&self, source: &str) -> Option<&str> {
        self.provider(source).map(|provider| provider.label())
    }

    fn provider(&self, source: &str) -> Option<&Arc<Oidc>> {
        self.gate.sources.provider(source)
    }

    /// Where providers send people back to.
    fn redirect_uri(&self, source: &str) -> String {
        self.portal_url(&format!("sign-in/{source}/callback"))
    }

    /// The full address of a page of the portal.
    #[must_use]
    pub fn portal_url(&self, page: &str) -> String {
        let origin = self.gate.policy.settings().server.public_url.origin();
        format!("{origin}{}", self.portal_path(page))
    }

    /// Begins a sign-in at a provider. `None`: there is none of that name.
    ///
    /// # Errors
    /// When nothing can be sealed.
    pub async fn leave_for(
        &self,
        source: &str,
        headers: &HeaderMap,
        onward: &str,
    ) -> Result<Option<Away>, PassageError> {
        let Some(provider) = self.provider(source) else {
            return Ok(None);
        };
        let (gate, now) = (&*self.gate, self.gate.now());
        let leaving = match provider.leave(&self.redirect_uri(source), onward, now).await {
            Ok(leaving) => leaving,
            Err(error) => {
                tracing::warn!(source, %error, "Nobody can sign in at a provider.");
                return Ok(Some(Away::Unavailable));
            }
        };
        let mode = gate.shared.mode;
        let sealed = leaving
            .pending
            .seal(&gate.shared.store.ring(), source)
            .map_err(StoreError::from)?;
        let mut cookies = self.surplus(headers, now);
        cookies.push(mode.set_pending(leaving.pending.id(), &sealed, oidc::LIFE));
        Ok(Some(Away::To { url: leaving.url, cookies }))
    }

    /// Takes away the oldest sign-ins under way of a browser that has too many of them.
    fn surplus(&self, headers: &HeaderMap, now: UnixTime) -> Vec<HeaderValue> {
        let shared = &self.gate.shared;
        let pending = shared.mode.pending(headers);
        if pending.len() < MOST_PENDING {
            return Vec::new();
        }
        let ring = shared.store.ring();
        let sources = || self.gate.policy.settings().identity.iter();
        let ends = |id: &str, value: &str| {
            let mut opened =
                sources().filter_map(|source| Pending::open(&ring, &source.name, id, value, now));
            opened.next().map_or(UnixTime(0), |pending| pending.expires)
        };
        let mut aged: Vec<(UnixTime, &str)> =
            pending.iter().map(|(id, value)| (ends(id, value), *id)).collect();
        aged.sort_unstable();
        let surplus = aged.len().saturating_sub(MOST_PENDING - 1);
        aged.iter().take(surplus).map(|(_, id)| shared.mode.clear_pending(id)).collect()
    }

    /// Judges what a provider sent the browser back with. `None`: there is no provider of that name.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn come_back(
        &self,
        visitor: &Visitor,
        source: &str,
        headers: &HeaderMap,
        back: WayBack,
    ) -> Result<Option<Back>, PassageError> {
        let Some(provider) = self.provider(source) else {
            return Ok(None);
        };
        let (gate, now) = (&*self.gate, self.gate.now());
        let Some(pending) = self.opened(source, headers, &back.state, now) else {
            return Ok(Some(Back::Stale));
        };
        if !self.use_up(pending.once(), pending.expires).await? {
            return Ok(Some(Back::Stale));
        }
        let mut cookies = vec![gate.shared.mode.clear_pending(pending.id())];
        let onward = pending.onward.clone();
        match provider.arrive(&pending, back, &self.redirect_uri(source), now).await {
            Ok(arrived) => {
                let begun = self.begin_session(visitor, arrived.person).await?;
                cookies.extend(begun.cookies);
                Ok(Some(Back::Welcome { cookies, onward }))
            }
            Err(why) => {
                tracing::warn!(source, error = %why, "Nobody has signed in at a provider.");
                let result = match &why {
                    ProviderError::Unavailable(_) => "unavailable",
                    ProviderError::Refused(_) => "refused",
                    ProviderError::Declined => "declined",
                };
                let event = AuditEvent::new(now, "sign_in.provider", result)
                    .from(visitor.address)
                    .with("source", source);
                gate.shared.store.append_audit(event).await?;
                Ok(Some(Back::Nobody { cookies, onward, why }))
            }
        }
    }

    fn opened(&self, source: &str, headers: &HeaderMap, state: &str, now: UnixTime) -> Option<Pending> {
        let shared = &self.gate.shared;
        let id = oidc::id_of(state)?;
        let kept = shared.mode.pending(headers);
        let (_, value) = kept.iter().find(|(own, _)| *own == id)?;
        Pending::open(&shared.store.ring(), source, id, value, now).filter(|pending| pending.is_of(state))
    }

    /// `false`: it was used up before.
    async fn use_up(&self, once: TokenHash, expires: UnixTime) -> Result<bool, StoreError> {
        let used = move |mut tx: crate::store::Tx| async move {
            let first = tx.use_ceremony(&once, expires).await?;
            tx.commit(first).await
        };
        self.gate.shared.store.write(used).await
    }

    /// A provider's logout token (Back-Channel Logout 1.0): what it names has ended when this returns.
    ///
    /// # Errors
    /// When the provider's keys cannot be had or the store cannot be written: it may be sent again.
    pub async fn signed_out_there(&self, source: &str, token: &str) -> Result<SignedOutThere, PassageError> {
        let Some(provider) = self.provider(source) else {
            return Ok(SignedOutThere::Unknown);
        };
        let now = self.gate.now();
        let told = match provider.logged_out(token, now).await {
            Ok(told) => told,
            Err(ProviderError::Unavailable(why)) => return Err(PassageError::Unavailable(why)),
            Err(error) => {
                tracing::warn!(source, %error, "A logout token was refused.");
                return Ok(SignedOutThere::Refused);
            }
        };
        let subject = told.subject.as_deref().and_then(|sub| provider.subject_of(sub));
        let subject = subject.map(|subject| SubjectKey::new(source, subject));
        if told.session.is_none() && subject.is_none() {
            tracing::warn!(
                source,
                "A logout token names a person by `sub`, who is known by another claim here."
            );
            return Ok(SignedOutThere::Refused);
        }
        let event = AuditEvent::new(now, "session.ended", "signed_out_at_provider").with("source", source);
        let event = match &subject {
            Some(subject) => event.who(subject.as_str()),
            None => event,
        };
        let LoggedOut { session, once, expires, .. } = told;
        let departure = Departure { source: source.to_owned(), session, subject, once, expires };
        if self.gate.shared.sessions.depart(departure, event, now).await?.is_none() {
            tracing::warn!(source, "A logout token came twice.");
            return Ok(SignedOutThere::Refused);
        }
        Ok(SignedOutThere::Done)
    }

    /// The provider's page names its session in a frame (Front-Channel Logout 1.0). Cookies do not reach a
    /// frame of another site, so the session's unguessable name alone has to do.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn signed_out_in_frame(
        &self,
        source: &str,
        issuer: &str,
        session: &str,
    ) -> Result<SignedOutThere, PassageError> {
        match self.provider(source) {
            None => Ok(SignedOutThere::Unknown),
            Some(provider) if provider.issuer() != issuer || session.is_empty() => {
                Ok(SignedOutThere::Refused)
            }
            Some(_) => {
                self.end_of_provider(source, session).await?;
                Ok(SignedOutThere::Done)
            }
        }
    }

    /// Which pages may have us in a frame at sign-out: the provider's own.
    #[must_use]
    pub fn provider_origin(&self, source: &str) -> Option<String> {
        let issuer = url::Url::parse(self.provider(source)?.issuer()).ok()?;
        Some(issuer.origin().ascii_serialization())
    }

    async fn end_of_provider(&self, source: &str, session: &str) -> Result<(), StoreError> {
        let now = self.gate.now();
        let event = AuditEvent::new(now, "session.ended", "signed_out_at_provider").with("source", source);
        self.gate
            .shared
            .sessions
            .end(Ending::OfSource { source, session }, event, now)
            .await
    }

    /// Where this visitor signs out at their provider too, which sends them back to our page. `None`: they
    /// did not sign in at one, or it has no such place. To be asked before their session ends.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn provider_sign_out(&self, visitor: &Visitor) -> Result<Option<String>, PassageError> {
        let Some(established) = &visitor.established else {
            return Ok(None);
        };
        let (Some(provider), Some(session)) =
            (self.provider(&established.identity.source), &established.session)
        else {
            return Ok(None);
        };
        let Some(kept) = self.gate.shared.sessions.kept(session).await? else {
            return Ok(None);
        };
        Ok(provider.sign_out_url(&kept, &self.portal_url("sign-out")).await)
    }
}
