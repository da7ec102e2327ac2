//! First-factor sessions of our own: what the opaque identity cookie stands for.
//!
//! The store keeps them; each process remembers the live ones. Idle time is judged from the later
//! of memory and store, and flushed in batches (decision 14). No proof lives here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dashmap::DashMap;
use quick_cache::sync::Cache;
use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};

use super::live::{Found, LiveSession};
use super::renewal::OVERLAP;
use super::revocations::Revocations;
use crate::ambient::{self, UnixTime};
use crate::policy::{Binding, Identity, SubjectKey};
use crate::store::{
    AuditEvent, Departure, ListedSession, NewSession, RevocationKind, SessionRecord, Store, StoreError,
    TokenHash,
};

/// Sessions remembered at most.
const REMEMBERED: usize = 50_000;

/// Limits of a session, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    pub idle: i64,
    pub absolute: i64,
}

/// What the store keeps of an identity, so that no source has to be asked again.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    name: Option<String>,
    email: Option<String>,
    /// `None`: the source does not say.
    groups: Option<Vec<String>>,
    attributes: std::collections::BTreeMap<String, Vec<String>>,
    /// When the first factor was proved, where that was not when the session began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authenticated_at: Option<UnixTime>,
    /// Of a guest: what ties claims to the session that another source keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binding: Option<[u8; 32]>,
}

/// The sessions of one process.
pub struct Sessions {
    pub(super) store: Store,
    revocations: Arc<Revocations>,
    lifetimes: Lifetimes,
    cache: Cache<Box<str>, Arc<LiveSession>>,
    /// Last activity per session id since the last flush reached the store.
    activity: DashMap<Arc<str>, Arc<AtomicI64>>,
}

impl Sessions {
    #[must_use]
    pub fn new(store: Store, revocations: Arc<Revocations>, lifetimes: Lifetimes) -> Self {
        Self {
            store,
            revocations,
            lifetimes,
            cache: Cache::new(REMEMBERED),
            activity: DashMap::new(),
        }
    }

    /// The session behind `token` at `site`, if this process remembers it as live. No I/O.
    #[must_use]
    pub fn remembered(&self, token: &str, site: &str, now: UnixTime) -> Option<Arc<LiveSession>> {
        let session = self.cache.get(token)?;
        if *session.site != *site || !session.lasts(self.lifetimes.idle, now) {
            return None;
        }
        let generation = self.revocations.generation();
        if session.generation.load(Ordering::Acquire) != generation {
            if self.revocations.is_ended(&session.id) {
                self.cache.remove(token);
                return None;
            }
            if let Some(at) = self.revocations.replaced_at(&TokenHash::of(token)) {
                session.retire(at.plus(OVERLAP));
            }
            session.generation.store(generation, Ordering::Release);
        }
        session.lasts(self.lifetimes.idle, now).then_some(session)
    }

    /// Whether a session that was found live still is, and nothing has been revoked since; to be
    /// looked up again otherwise.
    #[must_use]
    pub fn is_still_live(&self, session: &LiveSession, now: UnixTime) -> bool {
        session.lasts(self.lifetimes.idle, now)
            && session.recheck_at() > now
            && session.generation.load(Ordering::Acquire) == self.revocations.generation()
    }

    /// When the session with this id has been idle for too long, if nothing comes until then. `None`: it
    /// has been already.
    #[must_use]
    pub fn idle_until(&self, id: &str) -> Option<UnixTime> {
        let seen = self.activity.get(id)?.load(Ordering::Relaxed);
        Some(UnixTime(seen).plus(self.lifetimes.idle.saturating_add(1)))
    }

    /// The session behind `token` at `site`, asking the store if need be.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn resolve(
        &self,
        token: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<Option<Arc<LiveSession>>, StoreError> {
        if let Some(session) = self.remembered(token, site, now) {
            return Ok(Some(session));
        }
        let generation = self.revocations.generation();
        let Some(record) = self.store.session_by_token(token, site).await? else {
            return Ok(None);
        };
        let Some(session) = self.revive(&record, site, now, generation) else {
            self.end_idle(&record, now).await?;
            return Ok(None);
        };
        let session = Arc::new(session);
        self.cache.insert(token.into(), Arc::clone(&session));
        Ok(Some(session))
    }

    fn revive(
        &self,
        record: &SessionRecord,
        site: &str,
        now: UnixTime,
        generation: u64,
    ) -> Option<LiveSession> {
        let id: Arc<str> = record.sid.as_str().into();
        let activity = self
            .activity
            .entry(Arc::clone(&id))
            .or_insert_with(|| Arc::new(AtomicI64::new(record.last_seen.0)));
        let last_seen = Arc::clone(activity.value());
        drop(activity);
        last_seen.fetch_max(record.last_seen.0, Ordering::Relaxed);
        let void = record.ended.is_some() || self.revocations.is_ended(&id);
        let snapshot: Snapshot = serde_json::from_str(&record.snapshot).ok()?;
        let guest = snapshot.binding.is_some();
        let identity = Arc::new(identity_of(record, snapshot));
        let (created, expires) = (record.created, record.expires);
        let found = Found { id, identity, guest, created, expires, last_seen, generation };
        let session = LiveSession::new(found, site);
        if void || !session.lasts(self.lifetimes.idle, now) {
            self.activity.remove(&session.id);
            return None;
        }
        if let Some(at) = record.replaced {
            session.retire(at.plus(OVERLAP));
        }
        session.lasts(self.lifetimes.idle, now).then_some(session)
    }

    /// Begins a session for a person whose first factor has just been verified; returns the value of
    /// the identity cookie at `site`.
    ///
    /// # Errors
    /// When the store cannot be written: there is no session then.
    pub async fn start(
        &self,
        person: &NewPerson,
        site: &str,
        audit: AuditEvent,
        now: UnixTime,
    ) -> Result<String, StoreError> {
        let token = ambient::random_token();
        self.start_as(&token, person, site, audit, now).await?;
        Ok(token)
    }

    /// As [`Sessions::start`], with a token that the caller made of a credential which is not ours.
    /// `false`: a session that still runs has this token already, and nothing was begun.
    ///
    /// # Errors
    /// When the store cannot be written: there is no session then.
    pub async fn start_as(
        &self,
        token: &str,
        person: &NewPerson,
        site: &str,
        audit: AuditEvent,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let session = self.new_session(person, now)?;
        self.store.start_session(session, token, site, Some(audit)).await
    }

    /// The source says something new of the same person: groups that have changed, tokens that were
    /// renewed. Their session goes on; whoever remembers it here looks it up again.
    ///
    /// # Errors
    /// When the store cannot be written: what was known stands.
    pub async fn update(&self, session: &LiveSession, mut person: NewPerson) -> Result<(), StoreError> {
        person.authenticated_at = session.identity.authenticated_at;
        // First what cannot be had again: a new refresh token has used up the old one.
        if let Some(kept) = person.kept.take() {
            self.store.keep_in_session(&session.id, kept).await?;
        }
        self.store.amend_session(&session.id, snapshot_of(&person)?).await?;
        session.supersede();
        Ok(())
    }

    fn new_session(&self, person: &NewPerson, now: UnixTime) -> Result<NewSession, StoreError> {
        let snapshot = snapshot_of(person)?;
        let limit = now.plus(self.lifetimes.absolute);
        Ok(NewSession {
            sid: ambient::random_token(),
            key: SubjectKey::new(&person.source, &person.subject),
            source: person.source.clone(),
            subject: person.subject.clone(),
            snapshot,
            created: now,
            expires: person.expires.map_or(limit, |expires| expires.min(limit)),
            source_session: person.source_session.clone(),
            kept: person.kept.clone(),
            agent: person.agent.clone(),
            address: person.address.map(|address| address.to_string()),
        })
    }

    /// What the source keeps beside this session; `None` when it keeps nothing.
    ///
    /// # Errors
    /// When the store cannot be asked, or the value does not open.
    pub async fn kept(&self, session: &str) -> Result<Option<SecretSlice<u8>>, StoreError> {
        self.store.session_kept(session).await
    }

    /// Replaces what the source keeps beside this session.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn keep(&self, session: &str, kept: SecretSlice<u8>) -> Result<(), StoreError> {
        self.store.keep_in_session(session, kept).await
    }

    /// The sessions of a person that still run, the last seen first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn of(&self, subject: &SubjectKey, now: UnixTime) -> Result<Vec<ListedSession>, StoreError> {
        let mut all = self.store.sessions_of(subject, now).await?;
        for one in &mut all {
            if let Some(seen) = self.activity.get(one.sid.as_str()) {
                one.last_seen = one.last_seen.max(UnixTime(seen.load(Ordering::Relaxed)));
            }
        }
        all.retain(|one| now.since(one.last_seen) <= self.lifetimes.idle);
        all.sort_by_key(|one| std::cmp::Reverse(one.last_seen));
        Ok(all)
    }

    /// As [`Sessions::renew`], with a token that the caller made of a credential which is not ours.
    ///
    /// # Errors
    /// When the store cannot be written. `false`: the session has ended, or another one has the token.
    pub async fn token_as(
        &self,
        token: &str,
        session: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let replaced = self.store.replace_site_token(None, token, session, site, now).await?;
        Ok(replaced.added)
    }

    /// The session as its source says it is by now; the same one where nothing has changed. Who it is of
    /// cannot change.
    ///
    /// # Errors
    /// When the store cannot be written: then it stays as it was.
    pub async fn amend(
        &self,
        session: &Arc<LiveSession>,
        token: &str,
        person: &NewPerson,
        now: UnixTime,
    ) -> Result<Arc<LiveSession>, StoreError> {
        let known = &session.identity;
        let told = person
            .groups
            .as_ref()
            .map(|groups| groups.iter().map(String::as_str).collect::<Vec<_>>());
        let knew = known
            .groups
            .as_ref()
            .map(|groups| groups.iter().map(|group| &**group).collect::<Vec<_>>());
        if told == knew
            && person.name.as_deref() == known.name.as_deref()
            && person.email.as_deref() == known.email.as_deref()
            && person.attributes == known.attributes
        {
            return Ok(Arc::clone(session));
        }
        let person = NewPerson { authenticated_at: known.authenticated_at, ..person.clone() };
        self.store.amend_session(&session.id, snapshot_of(&person)?).await?;
        self.cache.remove(token);
        match self.resolve(token, &session.site, now).await? {
            Some(amended) => Ok(amended),
            None => Err(StoreError::Corrupt("a session that ended as it was changed")),
        }
    }

    /// Ends one session, or all of the person's; durable before it returns, everywhere within a second.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end(&self, ending: Ending<'_>, audit: AuditEvent, now: UnixTime) -> Result<(), StoreError> {
        match ending {
            Ending::One(session) => drop(self.store.end_session(session, now, Some(audit)).await?),
            Ending::Claims(session) => {
                self.store.revoke(RevocationKind::Session, session, now).await?;
                self.store.append_audit(audit).await?;
            }
            Ending::AllOf(subject) => drop(self.store.end_sessions_of(subject, now, Some(audit)).await?),
            Ending::Others { subject, kept } => {
                self.store.end_sessions_but(subject, kept, now, Some(audit)).await?;
            }
            Ending::OfSource { source, session } => {
                self.store.end_source_session(source, session, now, Some(audit)).await?;
            }
        }
        self.catch_up(now).await
    }

    /// Obeys a source that says that somebody has left there, once; durable before it returns. How many
    /// sessions were running; `None`: it was obeyed before.
    ///
    /// # Errors
    /// When the store cannot be written: it may be said again.
    pub async fn depart(
        &self,
        departure: Departure,
        audit: AuditEvent,
        now: UnixTime,
    ) -> Result<Option<usize>, StoreError> {
        let ended = self.store.depart(departure, now, audit).await?;
        self.catch_up(now).await?;
        Ok(ended)
    }

    /// What has just been written to the feed counts here without waiting for the next look at it.
    pub(super) async fn catch_up(&self, now: UnixTime) -> Result<(), StoreError> {
        let rows = self.store.revocations_after(self.revocations.last()).await?;
        self.revocations.apply(&rows, now);
        Ok(())
    }

    /// A session that was found idle for too long has ended, for everybody who asks about it: a credential
    /// that is not ours may begin another.
    async fn end_idle(&self, record: &SessionRecord, now: UnixTime) -> Result<(), StoreError> {
        let idle = record.ended.is_none() && now.since(record.last_seen) > self.lifetimes.idle;
        if idle && record.expires > now && !self.activity.contains_key(record.sid.as_str()) {
            let event = AuditEvent::new(now, "session.ended", "idle").who(record.key.as_str());
            self.store.end_session(&record.sid, now, Some(event)).await?;
        }
        Ok(())
    }

    /// Writes the activity since the last call to the store, in one batch, and forgets idle sessions.
    ///
    /// # Errors
    /// When the store cannot be written; nothing is forgotten then.
    pub async fn flush(&self, now: UnixTime) -> Result<(), StoreError> {
        let batch: Vec<(String, UnixTime)> = self
            .activity
            .iter()
            .map(|entry| (entry.key().to_string(), UnixTime(entry.value().load(Ordering::Relaxed))))
            .collect();
        self.store.touch_sessions(&batch).await?;
        let idle = self.lifetimes.idle;
        self.activity
            .retain(|_, seen| now.since(UnixTime(seen.load(Ordering::Relaxed))) <= idle);
        Ok(())
    }
}

/// What is ended.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'a> {
    /// One session, by its id.
    One(&'a str),
    /// The claims of a session that another source keeps.
    Claims(&'a str),
    /// All of a person's.
    AllOf(&'a SubjectKey),
    /// All of a person's but these.
    Others { subject: &'a SubjectKey, kept: &'a [String] },
    /// Those that a source knows by a name of its own.
    OfSource { source: &'a str, session: &'a str },
}

/// A person at the moment their first factor was verified.
#[derive(Clone, Debug, Default)]
pub struct NewPerson {
    pub source: String,
    /// The source's canonical spelling.
    pub subject: String,
    pub name: Option<String>,
    pub email: Option<String>,
    /// `None`: the source does not say, and every condition on groups is unknown.
    pub groups: Option<Vec<String>>,
    pub attributes: std::collections::BTreeMap<String, Vec<String>>,
    /// When the first factor was proved; `None`: just now.
    pub authenticated_at: Option<UnixTime>,
    /// An end before the absolute limit.
    pub expires: Option<UnixTime>,
    /// What the source itself calls the session, to find it when the source ends it.
    pub source_session: Option<String>,
    /// What the source keeps beside the session, sealed: tokens.
    pub kept: Option<SecretSlice<u8>>,
    /// Of a guest at the portal: what ties claims to the session that another source keeps.
    pub binding: Option<Binding>,
    /// The browser as people call it, for their list of sessions.
    pub agent: String,
    /// Where it began.
    pub address: Option<IpAddr>,
}

impl NewPerson {
    /// A person of whom nothing more is known yet.
    #[must_use]
    pub fn new(source: &str, subject: &str) -> Self {
        Self { source: source.to_owned(), subject: subject.to_owned(), ..Self::default() }
    }
}

fn snapshot_of(person: &NewPerson) -> Result<String, StoreError> {
    let snapshot = Snapshot {
        name: person.name.clone(),
        email: person.email.clone(),
        groups: person.groups.clone(),
        attributes: person.attributes.clone(),
        authenticated_at: person.authenticated_at,
        binding: person.binding.map(|binding| binding.0),
    };
    serde_json::to_string(&snapshot).map_err(|_| StoreError::Corrupt("session identity"))
}

fn identity_of(record: &SessionRecord, snapshot: Snapshot) -> Identity {
    Identity {
        source: record.source.as_str().into(),
        subject: record.subject.as_str().into(),
        key: record.key.clone(),
        groups: snapshot
            .groups
            .map(|groups| groups.iter().map(|group| group.as_str().into()).collect()),
        name: snapshot.name.map(Into::into),
        email: snapshot.email.map(Into::into),
        attributes: snapshot.attributes,
        binding: snapshot
            .binding
            .map_or_else(|| Binding::new(&record.source, &record.subject, &record.sid), Binding),
        authenticated_at: Some(snapshot.authenticated_at.unwrap_or(record.created)),
    }
}
