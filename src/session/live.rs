//! A session as one process remembers it, found by one token at one site.
//!
//! What changes with time lies in atomics: requests read it and nothing else. Never says who may do what.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::ambient::UnixTime;
use crate::policy::Identity;

/// A session that was good when it was last looked at.
pub struct LiveSession {
    pub id: Arc<str>,
    pub site: Box<str>,
    pub identity: Arc<Identity>,
    pub created: UnixTime,
    pub expires: UnixTime,
    /// Whether another source keeps the session itself, and this is only how the portal knows it.
    pub guest: bool,
    pub(super) last_seen: Arc<AtomicI64>,
    pub(super) generation: AtomicU64,
    /// Digest of the cookies it last came with.
    cookies: AtomicU64,
    /// When its source wants to be asked again.
    recheck: AtomicI64,
    /// When the token it was found by stands for nothing any more: at the latest when the session expires.
    ends: AtomicI64,
}

/// What a session is found with.
pub(super) struct Found {
    pub id: Arc<str>,
    pub identity: Arc<Identity>,
    pub guest: bool,
    pub created: UnixTime,
    pub expires: UnixTime,
    pub last_seen: Arc<AtomicI64>,
    pub generation: u64,
}

impl LiveSession {
    pub(super) fn new(found: Found, site: &str) -> Self {
        Self {
            id: found.id,
            site: site.into(),
            identity: found.identity,
            created: found.created,
            expires: found.expires,
            guest: found.guest,
            last_seen: found.last_seen,
            generation: AtomicU64::new(found.generation),
            cookies: AtomicU64::new(0),
            recheck: AtomicI64::new(UnixTime::NEVER.0),
            ends: AtomicI64::new(found.expires.0),
        }
    }

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
        self.retire(UnixTime(0));
        self.set_recheck(UnixTime(0));
    }

    /// Whether it came with cookies of this digest the last time too.
    #[must_use]
    pub fn seen_with(&self, cookies: u64) -> bool {
        self.cookies.swap(cookies, Ordering::Relaxed) == cookies
    }

    /// When somebody was last there.
    #[must_use]
    pub fn last_seen(&self) -> UnixTime {
        UnixTime(self.last_seen.load(Ordering::Relaxed))
    }

    /// Whether activity now would be news. Times have whole seconds, so most requests need not look closer.
    #[must_use]
    pub fn was_seen_before(&self, now: UnixTime) -> bool {
        self.last_seen() < now
    }

    /// Somebody is there: the idle limit runs from now.
    pub fn touch(&self, now: UnixTime) {
        self.last_seen.fetch_max(now.0, Ordering::Relaxed);
    }

    /// Whether token and session have not run out, idle or otherwise.
    pub(super) fn lasts(&self, idle: i64, now: UnixTime) -> bool {
        self.ends.load(Ordering::Relaxed) > now.0 && now.since(self.last_seen()) <= idle
    }

    /// Its token has been replaced by another: this one is good until then, for what is under way.
    pub(super) fn retire(&self, until: UnixTime) {
        self.ends.fetch_min(until.0, Ordering::Relaxed);
    }
}
