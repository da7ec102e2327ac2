//! What has been revoked, known in every process within a second (decision 13).
//!
//! One task reads the store's numbered rows; everyone else asks memory. A feed that has not been
//! read for [`OLDEST_FEED`] seconds can vouch for nothing, and protected routes close.

use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::ambient::UnixTime;
use crate::policy::{Proof, SubjectKey};
use crate::store::{Revocation, RevocationKind, TokenHash};

/// Seconds after which an unread feed closes protected routes.
pub const OLDEST_FEED: i64 = 60;

/// No claim lives longer than this many seconds, so no revocation matters for longer.
pub const LONGEST_SESSION: i64 = 24 * 3600;

/// How many revocations are kept before old ones are looked for.
const SWEEP_AT: usize = 10_000;

/// The revocations of one process. Cheap to ask: a caller that remembers the
/// [`generation`](Self::generation) it was checked at needs one atomic load per request.
#[derive(Default)]
pub struct Revocations {
    sets: RwLock<Sets>,
    generation: AtomicU64,
    read_at: AtomicI64,
    last: AtomicI64,
    keys: AtomicU64,
}

#[derive(Default)]
struct Sets {
    sessions: HashMap<String, UnixTime>,
    /// Everything of this person issued up to the time is void.
    subjects: HashMap<String, UnixTime>,
    enrolments: HashMap<String, UnixTime>,
    /// By the name of its hash: when the token was replaced.
    tokens: HashMap<String, UnixTime>,
    /// Row number of the last change to what this person has enrolled.
    enrolled: HashMap<String, (i64, UnixTime)>,
    /// Highest row number among those that were forgotten of `enrolled`.
    enrolled_before: i64,
}

impl Revocations {
    /// Number of the last row taken in.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.last.load(Ordering::Acquire)
    }

    /// Changes whenever anything was revoked.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Changes whenever the key ring's file did.
    #[must_use]
    pub fn keys_generation(&self) -> u64 {
        self.keys.load(Ordering::Acquire)
    }

    /// Whether the feed is too old to vouch for anything.
    #[must_use]
    pub fn is_stale(&self, now: UnixTime) -> bool {
        self.age(now) > OLDEST_FEED
    }

    /// Seconds since the feed was last read.
    #[must_use]
    pub fn age(&self, now: UnixTime) -> i64 {
        now.since(UnixTime(self.read_at.load(Ordering::Acquire)))
    }

    /// Takes in what the store had after [`Revocations::last`], read at `now`.
    pub fn apply(&self, rows: &[Revocation], now: UnixTime) {
        if !rows.is_empty() {
            let mut sets = self.sets.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            for row in rows {
                sets.take(row);
                if row.kind == RevocationKind::Keys {
                    self.keys.fetch_add(1, Ordering::Release);
                }
                self.last.fetch_max(row.n, Ordering::AcqRel);
            }
            sets.sweep(now.plus(-LONGEST_SESSION));
            self.generation.fetch_add(1, Ordering::Release);
        }
        self.read_at.fetch_max(now.0, Ordering::AcqRel);
    }

    /// Whether this session of our own has ended. Each one is named in the feed, so the row about its
    /// person, whose time has whole seconds, need not be asked: a session begun in the very second
    /// of a reset lives.
    #[must_use]
    pub fn is_ended(&self, session: &str) -> bool {
        self.read().sessions.contains_key(session)
    }

    /// When this token was replaced by another.
    #[must_use]
    pub fn replaced_at(&self, token: &TokenHash) -> Option<UnixTime> {
        let sets = self.read();
        if sets.tokens.is_empty() {
            return None;
        }
        sets.tokens.get(&token.name()).copied()
    }

    /// Whether this session, or everything of this person issued at `issued`, is void.
    #[must_use]
    pub fn is_void(&self, session: &str, subject: &SubjectKey, issued: UnixTime) -> bool {
        let sets = self.read();
        sets.sessions.contains_key(session)
            || sets.subjects.get(subject.as_str()).is_some_and(|until| issued <= *until)
    }

    /// Whether this proof no longer counts: its enrolment was removed, or the browser that brought it
    /// back is trusted no more.
    #[must_use]
    pub fn is_void_proof(&self, proof: &Proof) -> bool {
        let sets = self.read();
        let by = proof.remembered.as_ref().map(|browser| &*browser.0);
        [Some(&*proof.enrolment.0), by]
            .into_iter()
            .flatten()
            .any(|id| sets.enrolments.contains_key(id))
    }

    /// Row number of the last change to what this person has enrolled; without one, a number that
    /// none of theirs exceeds. Never goes back to what it was before a change.
    #[must_use]
    pub fn enrolled_version(&self, subject: &SubjectKey) -> i64 {
        let sets = self.read();
        sets.enrolled.get(subject.as_str()).map_or(sets.enrolled_before, |(n, _)| *n)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Sets> {
        self.sets.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Sets {
    fn take(&mut self, row: &Revocation) {
        match row.kind {
            RevocationKind::Session => drop(self.sessions.insert(row.key.clone(), row.at)),
            RevocationKind::Subject => drop(self.subjects.insert(row.key.clone(), row.at)),
            RevocationKind::Enrolment => drop(self.enrolments.insert(row.key.clone(), row.at)),
            RevocationKind::Enrolled => drop(self.enrolled.insert(row.key.clone(), (row.n, row.at))),
            RevocationKind::Token => drop(self.tokens.insert(row.key.clone(), row.at)),
            RevocationKind::Keys => {}
        }
    }

    /// Forgets what no living claim can depend on.
    fn sweep(&mut self, limit: UnixTime) {
        for set in [
            &mut self.sessions,
            &mut self.subjects,
            &mut self.enrolments,
            &mut self.tokens,
        ] {
            if set.len() > SWEEP_AT {
                set.retain(|_, at| *at > limit);
            }
        }
        if self.enrolled.len() > SWEEP_AT {
            let before = &mut self.enrolled_before;
            self.enrolled.retain(|_, (n, at)| {
                let kept = *at > limit;
                if !kept {
                    *before = (*before).max(*n);
                }
                kept
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{EnrolmentId, TrustId};

    fn row(n: i64, kind: RevocationKind, key: &str, at: i64) -> Revocation {
        Revocation { n, kind, key: key.to_owned(), at: UnixTime(at) }
    }

    #[test]
    fn f07_sessions_people_and_enrolments_end() {
        let feed = Revocations::default();
        let anna = SubjectKey::new("local", "anna");
        assert!(feed.is_stale(UnixTime(1000)), "never read");
        feed.apply(&[], UnixTime(1000));
        assert!(!feed.is_stale(UnixTime(1060)) && feed.is_stale(UnixTime(1061)));
        let before = feed.generation();
        feed.apply(
            &[
                row(1, RevocationKind::Session, "s1", 1000),
                row(2, RevocationKind::Subject, "local:anna", 1000),
                row(3, RevocationKind::Enrolment, "e1", 1000),
                row(4, RevocationKind::Enrolled, "local:anna", 1000),
            ],
            UnixTime(1001),
        );
        assert_ne!(feed.generation(), before);
        assert_eq!((feed.last(), feed.enrolled_version(&anna)), (4, 4));
        let bob = SubjectKey::new("local", "bob");
        assert!(feed.is_void("s1", &bob, UnixTime(2000)));
        assert!(feed.is_ended("s1") && !feed.is_ended("s2"));
        assert!(feed.is_void("s2", &anna, UnixTime(1000)), "issued before the reset");
        assert!(!feed.is_void("s2", &anna, UnixTime(1001)), "issued after it");
        let proof =
            |id: &str| Proof::new(crate::config::FactorKind::Totp, EnrolmentId(id.into()), UnixTime(0));
        assert!(feed.is_void_proof(&proof("e1")) && !feed.is_void_proof(&proof("e2")));
        let remembered = Proof { remembered: Some(TrustId("e1".into())), ..proof("e2") };
        assert!(feed.is_void_proof(&remembered), "the browser that brought it back");
    }

    #[test]
    fn what_was_known_of_somebody_before_a_change_is_not_believed_again() {
        let feed = Revocations::default();
        let anna = SubjectKey::new("local", "anna");
        let unknown = feed.enrolled_version(&anna);
        feed.apply(&[row(7, RevocationKind::Enrolled, "local:anna", 1000)], UnixTime(1000));
        let later = 1001 + LONGEST_SESSION;
        let many = i64::try_from(SWEEP_AT).unwrap();
        let rows: Vec<_> = (8..8 + many)
            .map(|n| row(n, RevocationKind::Enrolled, &format!("local:{n}"), later))
            .collect();
        feed.apply(&rows, UnixTime(later));
        assert!(!feed.read().enrolled.contains_key("local:anna"), "forgotten");
        assert_ne!(feed.enrolled_version(&anna), unknown);
    }
}
