//! The session of ours that stands for one of the app's: found, begun, handed on, ended.
//!
//! One credential is one person at a time. Must never let a session go on for somebody else than it
//! was begun for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::{Asking, Credential, Inner, Person};
use crate::ambient::UnixTime;
use crate::identity::guesses::Guess;
use crate::identity::{Credentials, IdentityError, grammar};
use crate::session::{Ending, LiveSession, NewPerson};
use crate::store::{AuditEvent, StoreError};

impl Inner {
    /// What the store finds the session by: not the credential, and not to be had from the store.
    pub(super) fn token(&self, credential: &Credential, site: &str) -> String {
        let parts = [self.name.as_bytes(), site.as_bytes(), credential.bytes()];
        BASE64.encode(self.store.ring().mac("app session", &parts))
    }

    /// The session with this token, if it needs no question.
    pub(super) fn fresh(
        &self,
        token: &str,
        site: &str,
        credential: &Credential,
        now: UnixTime,
    ) -> Option<Arc<LiveSession>> {
        let session = self.sessions.remembered(token, site, now)?;
        // One that this process has just read from the store says NEVER: it was not asked for here yet.
        let asked = session.recheck_at() != UnixTime::NEVER && session.recheck_at() > now;
        let holds = !self.way.can_be_asked() || (asked && credential.until() > now);
        (holds && session.identity.source == self.name).then_some(session)
    }

    /// The session with this token, if it still runs.
    pub(super) async fn running(
        &self,
        token: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<Option<Arc<LiveSession>>, IdentityError> {
        let session = self.sessions.resolve(token, site, now).await.map_err(unavailable)?;
        Ok(session.filter(|session| session.identity.source == self.name))
    }

    /// Asks whose it is, and keeps the answer.
    pub(super) async fn ask(
        &self,
        token: &str,
        credential: &Credential,
        credentials: Credentials<'_>,
        now: UnixTime,
    ) -> Result<Option<Arc<LiveSession>>, IdentityError> {
        let site = credentials.site;
        let before = self.running(token, site, now).await?;
        if !self.way.can_be_asked() {
            return Ok(before);
        }
        let keys = self.keys(credentials.headers)?;
        let asked = self.hands.asking(token, &keys, now);
        let asking = Asking { credentials, credential, known: before.is_some(), now };
        if let Some(person) = self.put(asking).await? {
            let session = self.admit(token, site, before, person, now).await?;
            asked.answer.believe(&session, now.plus(self.recheck).min(credential.until()));
            return Ok(Some(session));
        }
        // An older cookie that the app has replaced says nothing about the newer one's session.
        if !self.successors.has_one(token) {
            // Nor does a new one that is nobody's go on with the old one's: so a sign-out looks, too.
            let gone = before.or_else(|| self.successors.part(token));
            if let Some(session) = gone {
                self.end(&session.id, "app_says_nobody", now).await?;
            }
        }
        self.nobodies.remember(token, now);
        Ok(None)
    }

    /// Puts the question, counted first where it may be a guess. One that was right before is none.
    async fn put(&self, asking: Asking<'_>) -> Result<Option<Person>, IdentityError> {
        let guessed = self.way.guessed(&asking.credentials).filter(|_| !asking.known);
        let Some(name) = guessed else {
            return self.way.who(asking).await;
        };
        let subject = self.subject(&name)?;
        let (client, site) = (asking.credentials.client, asking.credentials.site);
        let token = self.token(asking.credential, site);
        let before = self.store.session_by_token(&token, site).await.map_err(unavailable)?;
        let was_right = before.is_some_and(|before| before.source == *self.name && before.subject == subject);
        let guess = Guess { source: &self.name, subject: &subject, client, was_right };
        self.guesses.counted(guess, self.way.who(asking)).await
    }

    /// Lets the session go on that this person has, or begins one.
    pub(super) async fn admit(
        &self,
        token: &str,
        site: &str,
        before: Option<Arc<LiveSession>>,
        person: Person,
        now: UnixTime,
    ) -> Result<Arc<LiveSession>, IdentityError> {
        let person = self.spelled(person)?;
        let session = match before {
            Some(session) if *session.identity.subject == *person.subject => {
                self.sessions.amend(&session, token, &person, now).await.map_err(unavailable)?
            }
            Some(session) => {
                self.end(&session.id, "app_names_another", now).await?;
                self.begin(token, site, &person, now).await?
            }
            None => match self.follow(token, site, &person, now).await? {
                Some(session) => session,
                None => self.begin(token, site, &person, now).await?,
            },
        };
        if !self.way.can_be_asked() {
            session.set_recheck(UnixTime::NEVER);
        }
        Ok(session)
    }

    async fn begin(
        &self,
        token: &str,
        site: &str,
        person: &NewPerson,
        now: UnixTime,
    ) -> Result<Arc<LiveSession>, IdentityError> {
        // A second turn: what has the token may be idle for too long, which the store alone cannot tell.
        for _ in 0..2 {
            let event = AuditEvent::new(now, "session.started", "app_session")
                .who(&format!("{}:{}", person.source, person.subject))
                .with("site", site);
            let begun = self
                .sessions
                .start_as(token, person, site, event, now)
                .await
                .map_err(unavailable)?;
            // Another process may have been quicker with the same person.
            if let Some(session) = self.running(token, site, now).await?
                && (begun || *session.identity.subject == *person.subject)
            {
                return Ok(session);
            }
            if let Some(old) = self.store.session_by_token(token, site).await.map_err(unavailable)? {
                self.end(&old.sid, "replaced", now).await?;
            }
        }
        Err(IdentityError::Unavailable("no session could be begun".to_owned()))
    }

    /// The session that this credential's predecessor had, where the app itself has replaced one by the
    /// other for the same person.
    async fn follow(
        &self,
        token: &str,
        site: &str,
        person: &NewPerson,
        now: UnixTime,
    ) -> Result<Option<Arc<LiveSession>>, IdentityError> {
        let Some(before) = self.successors.predecessor(token) else {
            return Ok(None);
        };
        if *before.site != *site {
            return Ok(None);
        }
        if *before.identity.subject != *person.subject {
            self.end(&before.id, "app_names_another", now).await?;
            self.successors.part(token);
            return Ok(None);
        }
        let added = self
            .sessions
            .token_as(token, &before.id, site, now)
            .await
            .map_err(unavailable)?;
        if !added {
            return Ok(None);
        }
        self.running(token, site, now).await
    }

    /// Ends a session and with it every proof in it.
    pub(super) async fn end(&self, session: &str, why: &str, now: UnixTime) -> Result<(), IdentityError> {
        let event = AuditEvent::new(now, "session.ended", why).with("source", &*self.name);
        self.sessions.end(Ending::One(session), event, now).await.map_err(unavailable)
    }

    /// The one spelling of a name.
    fn subject(&self, name: &str) -> Result<String, IdentityError> {
        let name = grammar::value(name)?;
        if !self.ignores_case {
            return Ok(name.to_owned());
        }
        let folded = grammar::fold(name);
        // Folding can make of an acceptable value one that is not.
        grammar::value(&folded)?;
        Ok(folded)
    }

    /// The person in our grammar and canonical spelling.
    fn spelled(&self, person: Person) -> Result<NewPerson, IdentityError> {
        let subject = self.subject(&person.user)?;
        let groups = person.groups;
        if groups.as_ref().is_some_and(|groups| groups.len() > grammar::MOST_GROUPS) {
            return Err(IdentityError::Refused("more than 256 groups"));
        }
        for value in groups.iter().flatten().chain(person.attributes.values().flatten()) {
            grammar::value(value)?;
        }
        let acceptable = |text: Option<String>| text.filter(|text| grammar::value(text).is_ok());
        Ok(NewPerson {
            name: acceptable(person.name),
            email: acceptable(person.email),
            groups,
            attributes: person.attributes,
            authenticated_at: person.authenticated_at,
            expires: person.expires,
            ..NewPerson::new(&self.name, &subject)
        })
    }
}

fn unavailable(error: StoreError) -> IdentityError {
    IdentityError::Unavailable(error.to_string())
}
