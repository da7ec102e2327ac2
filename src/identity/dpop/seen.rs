//! Which proofs have been used: each counts once (RFC 9449 section 11.1).
//!
//! The memory is this process's: a reload keeps it, and after a start no proof from before counts.
//! Another replica does not know of it, which is said in the documentation. When it is full nothing
//! is forgotten: proofs are refused until the oldest have run out.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

use super::proof::{Good, WINDOW};
use crate::ambient::UnixTime;

/// Proofs remembered at most; each is good for two minutes at the longest.
const MOST: usize = 200_000;

type Id = [u8; 32];

/// Proofs that have been used.
pub(super) struct Seen {
    /// Proofs from before count as used.
    since: UnixTime,
    most: usize,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    ids: HashSet<Id, foldhash::fast::RandomState>,
    /// By the second from which they no longer count anyway.
    until: BTreeMap<UnixTime, Vec<Id>>,
}

/// Whether a proof may be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    First,
    Again,
    /// It cannot be told.
    Full,
}

/// The one memory of this process. `now`: when it began, for the first caller.
pub(super) fn of_this_process(now: UnixTime) -> &'static Seen {
    static SEEN: OnceLock<Seen> = OnceLock::new();
    SEEN.get_or_init(|| Seen::new(now, MOST))
}

impl Seen {
    pub(super) fn new(since: UnixTime, most: usize) -> Self {
        Self { since, most, used: Mutex::default() }
    }

    /// Uses a proof up.
    pub(super) fn first(&self, proof: &Good, thumbprint: &str, now: UnixTime) -> Sight {
        if proof.issued < self.since {
            return Sight::Again;
        }
        let id = id(thumbprint, &proof.id);
        let until = proof.issued.plus(WINDOW + 1);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.forget(now);
        if used.ids.contains(&id) {
            return Sight::Again;
        }
        if used.ids.len() >= self.most {
            return Sight::Full;
        }
        used.ids.insert(id);
        used.until.entry(until).or_default().push(id);
        Sight::First
    }
}

impl Used {
    fn forget(&mut self, now: UnixTime) {
        let keep = self.until.split_off(&now);
        for id in std::mem::replace(&mut self.until, keep).into_values().flatten() {
            self.ids.remove(&id);
        }
    }
}

/// The key and its `jti` as one value of fixed length.
fn id(thumbprint: &str, jti: &str) -> Id {
    let mut text = Vec::with_capacity(thumbprint.len() + jti.len() + 1);
    text.extend_from_slice(thumbprint.as_bytes());
    text.push(0);
    text.extend_from_slice(jti.as_bytes());
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, &text).as_ref());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(id: &str, issued: i64) -> Good {
        Good { id: id.to_owned(), issued: UnixTime(issued) }
    }

    #[test]
    fn a_proof_counts_once_while_it_could_count() {
        let seen = Seen::new(UnixTime(1000), 3);
        let now = UnixTime(1010);
        assert_eq!(seen.first(&proof("a", 1010), "key", now), Sight::First);
        assert_eq!(seen.first(&proof("a", 1010), "key", now), Sight::Again);
        assert_eq!(seen.first(&proof("a", 1010), "other key", now), Sight::First);
        assert_eq!(
            seen.first(&proof("a", 1010), "key", UnixTime(1070)),
            Sight::Again,
            "as long as it could count"
        );
        assert_eq!(seen.first(&proof("b", 999), "key", now), Sight::Again, "from before this process");
    }

    #[test]
    fn what_is_full_forgets_nothing_that_could_count() {
        let seen = Seen::new(UnixTime(0), 2);
        for (id, expected) in [
            ("a", Sight::First),
            ("b", Sight::First),
            ("c", Sight::Full),
            ("a", Sight::Again),
        ] {
            assert_eq!(seen.first(&proof(id, 1000), "key", UnixTime(1000)), expected, "{id}");
        }
        let later = UnixTime(1000 + WINDOW + 2);
        assert_eq!(seen.first(&proof("c", later.0), "key", later), Sight::First, "the others have run out");
    }
}
