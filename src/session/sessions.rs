//! First-factor sessions of our own: what the opaque identity cookie stands for.
//!
//! The store keeps them; each process remembers the live ones. Idle time is judged from the later
//! of memory and store, and flushed in batches (decision 14). No proof lives here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use dashmap::DashMap;
use quick_cache::sync::Cache;
use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};

use super::revocations::Revocations;
use crate::ambient::{self, UnixTime};
use crate::policy::{Binding, Identity, SubjectKey};
use crate::store::{AuditEvent, NewSession, RevocationKind, SessionRecord, Store, StoreError};

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

/// A session that was good when it was last looked at.
pub struct LiveSession {
    pub id: Arc<str>,
    pub site: Box<str>,
    pub identity: Arc<Identity>,
    pub created: UnixTime,
    pub expires: UnixTime,
    last_seen: Arc<AtomicI64>,
    generation: AtomicU64,
    /// Digest of the cookies it last came with.
    cookies: AtomicU64,
    /// When its source wants to be asked again.
    recheck: AtomicI64,
    /// Whether the store knows better by now.
    superseded: AtomicBool,
}

impl LiveSession {
    /// When its source wants to be asked whether it still stands; [`UnixTime::NEVER`] unless it said so.
    #[must_use]
    pub fn recheck_at(&self) -> UnixTime {
        UnixTime(self.recheck.load(Ordering::Relaxed))
    }

    /// The source has been asked, and wants to be asked again then.
    pub fn set_recheck(&self, at: UnixTime) {
        self.recheck.store(at.0, Ordering::Relaxed);
    }

    /// What is remembered here is out of date: the next request looks it up again.
    pub fn supersede(&self) {
        self.superseded.store(true, Ordering::Release);
        self.set_recheck(UnixTime(0));
    }

    /// Whether it came with cookies of this digest the last time too.
    #[must_use]
    pub fn seen_with(&self, cookies: u64) -> bool {
        self.cookies.swap(cookies, Ordering::Relaxed) == cookies
    }
}

/// The sessions of one process.
pub struct Sessions {
    store: Store,
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
        if session.superseded.load(Ordering::Acquire) {
            return None;
        }
        let seen = UnixTime(session.last_seen.load(Ordering::Relaxed));
        if *session.site != *site || session.expires <= now || now.since(seen) > self.lifetimes.idle {
            return None;
        }
        let generation = self.revocations.generation();
        if session.generation.load(Ordering::Acquire) != generation {
            if self.revocations.is_ended(&session.id) {
                self.cache.remove(token);
                return None;
            }
            session.generation.store(generation, Ordering::Release);
        }
        session.last_seen.fetch_max(now.0, Ordering::Relaxed);
        Some(session)
    }

    /// Whether a session that was found live still is, and nothing has been revoked since; to be
    /// looked up again otherwise. Counts as activity.
    #[must_use]
    pub fn is_still_live(&self, session: &LiveSession, now: UnixTime) -> bool {
        let seen = UnixTime(session.last_seen.load(Ordering::Relaxed));
        let live = session.expires > now
            && session.recheck_at() > now
            && now.since(seen) <= self.lifetimes.idle
            && session.generation.load(Ordering::Acquire) == self.revocations.generation();
        if live && seen < now {
            session.last_seen.fetch_max(now.0, Ordering::Relaxed);
        }
        live
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
        let Some(session) = self.revive(record, site, now, generation) else {
            return Ok(None);
        };
        let session = Arc::new(session);
        self.cache.insert(token.into(), Arc::clone(&session));
        Ok(Some(session))
    }

    fn revive(
        &self,
        record: SessionRecord,
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
        let seen = UnixTime(last_seen.load(Ordering::Relaxed)).max(record.last_seen);
        let void = self.revocations.is_ended(&id);
        if record.ended.is_some() || void || record.expires <= now || now.since(seen) > self.lifetimes.idle {
            self.activity.remove(&id);
            return None;
        }
        last_seen.fetch_max(now.0, Ordering::Relaxed);
        let snapshot: Snapshot = serde_json::from_str(&record.snapshot).ok()?;
        let identity = identity_of(&record, snapshot);
        Some(LiveSession {
            id,
            site: site.into(),
            identity: Arc::new(identity),
            created: record.created,
            expires: record.expires,
            last_seen,
            generation: AtomicU64::new(generation),
            cookies: AtomicU64::new(0),
            recheck: AtomicI64::new(UnixTime::NEVER.0),
            superseded: AtomicBool::new(false),
        })
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

    /// A fresh identity cookie value for this session at one more site.
    ///
    /// # Errors
    /// When the store cannot be written. `None`: the session has ended.
    pub async fn token_for(
        &self,
        session: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<Option<String>, StoreError> {
        let token = ambient::random_token();
        let added = self.store.add_site_token(&token, session, site, now).await?;
        Ok(added.then_some(token))
    }

    /// As [`Sessions::token_for`], with a token that the caller made of a credential which is not ours.
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
        self.store.add_site_token(token, session, site, now).await
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
            Ending::OfSource { source, session } => {
                self.store.end_source_session(source, session, now, Some(audit)).await?;
            }
        }
        // This process need not wait for its next look at the feed.
        let rows = self.store.revocations_after(self.revocations.last()).await?;
        self.revocations.apply(&rows, now);
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
