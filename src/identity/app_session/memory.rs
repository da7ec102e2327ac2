//! What is remembered for a short while between requests: who is nobody, and which credential took the
//! place of which. Only hashes are kept, and only so many.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::ambient::UnixTime;
use crate::session::LiveSession;

/// Entries of each kind.
const MOST: usize = 10_000;
/// Seconds for which the app's "nobody" is believed. Short: whoever signs in with the same cookie through
/// another process of ours would be led back to the sign-in page for so long.
const NOBODY_FOR: i64 = 2;

/// Credentials that the app does not know.
pub(super) struct Nobodies(Cache<Box<str>, UnixTime>);

impl Default for Nobodies {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Nobodies {
    pub(super) fn remember(&self, token: &str, now: UnixTime) {
        self.0.insert(token.into(), now.plus(NOBODY_FOR));
    }

    pub(super) fn hold(&self, token: &str, now: UnixTime) -> bool {
        self.0.get(token).is_some_and(|until| now < until)
    }

    /// Something has happened that may have signed them in.
    pub(super) fn forget(&self, token: &str) {
        self.0.remove(token);
    }
}

/// Which session a new credential goes on with, as the app's own answers to its requests said.
pub(super) struct Successors {
    /// By the newer one's token.
    before: Cache<Box<str>, Arc<LiveSession>>,
    /// Tokens that were replaced.
    replaced: Cache<Box<str>, ()>,
}

impl Default for Successors {
    fn default() -> Self {
        Self { before: Cache::new(MOST), replaced: Cache::new(MOST) }
    }
}

impl Successors {
    pub(super) fn note(&self, old: &str, new: &str, session: Arc<LiveSession>) {
        self.before.insert(new.into(), session);
        self.replaced.insert(old.into(), ());
    }

    pub(super) fn predecessor(&self, token: &str) -> Option<Arc<LiveSession>> {
        self.before.get(token)
    }

    /// The newer one does not go on with it after all.
    pub(super) fn part(&self, token: &str) -> Option<Arc<LiveSession>> {
        self.before.remove(token).map(|(_, session)| session)
    }

    pub(super) fn has_one(&self, token: &str) -> bool {
        self.replaced.get(token).is_some()
    }
}
