//! Levels: which proofs count, and until when.
//!
//! Judged once for each claim and remembered as times, so that a request costs one comparison for
//! each level. Nothing here may ever lengthen a proof's life.

use crate::ambient::UnixTime;
use crate::config::settings::{self, LevelId, Settings};
use crate::config::{FactorKind, FactorSet};

use super::demand::LevelSet;
use super::proof::Proof;

/// How far ahead of us the clock that stamped a proof may be, in seconds (security.md F09).
const TOLERATED_SKEW: i64 = 60;

/// How young, in seconds, every proof of a `valid_for: 0s` level must be when a challenge for it
/// is passed: the life of a grant (decision 8).
const ONCE_WINDOW: i64 = 120;

/// The levels of a configuration, as the decision needs them.
#[derive(Debug)]
pub(super) struct Levels {
    list: Vec<Level>,
    /// Levels that no claim ever meets.
    pub(super) once: LevelSet,
    /// What someone without any proof meets.
    pub(super) unproved: Deadlines,
}

#[derive(Debug)]
pub(super) struct Level {
    pub(super) name: String,
    /// Only kinds that are switched on.
    pub(super) slots: Vec<FactorSet>,
    pub(super) lifetime: Lifetime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    Session,
    Seconds(i64),
    Once,
}

/// For each level: until when the proofs of one claim meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    until: Box<[UnixTime]>,
}

impl Deadlines {
    const NOT_MET: UnixTime = UnixTime(i64::MIN);

    /// The time from which this level is no longer met; [`UnixTime::NEVER`] if it stays met as
    /// long as the session, `None` if these proofs never meet it.
    #[must_use]
    pub fn until(&self, level: LevelId) -> Option<UnixTime> {
        self.until
            .get(usize::from(level.0))
            .copied()
            .filter(|until| *until != Self::NOT_MET)
    }

    /// Which of `asked` are met now.
    #[must_use]
    pub fn met(&self, asked: LevelSet, now: UnixTime) -> LevelSet {
        asked
            .iter()
            .filter(|level| self.until(*level).is_some_and(|until| now < until))
            .collect()
    }
}

impl Levels {
    pub(super) fn compile(settings: &Settings) -> Self {
        let list: Vec<Level> = settings.levels.iter().map(|level| Level::compile(level, settings)).collect();
        let ids = || (0..=u8::MAX).map(LevelId).zip(&list);
        let once = ids()
            .filter(|(_, level)| level.lifetime == Lifetime::Once)
            .map(|(id, _)| id)
            .collect();
        let unproved = Deadlines { until: list.iter().map(|level| level.until(&[], UnixTime(0))).collect() };
        Self { list, once, unproved }
    }

    pub(super) fn get(&self, id: LevelId) -> Option<&Level> {
        self.list.get(usize::from(id.0))
    }

    pub(super) fn named(&self, name: &str) -> Option<LevelId> {
        let at = self.list.iter().position(|level| level.name == name)?;
        u8::try_from(at).ok().map(LevelId)
    }

    pub(super) fn deadlines(&self, proofs: &[Proof], now: UnixTime) -> Deadlines {
        Deadlines { until: self.list.iter().map(|level| level.until(proofs, now)).collect() }
    }

    /// Levels met at this moment, those that count once included.
    pub(super) fn met_at_once(&self, proofs: &[Proof], now: UnixTime) -> LevelSet {
        (0..=u8::MAX)
            .map(LevelId)
            .zip(&self.list)
            .filter(|(_, level)| {
                let until = match level.lifetime {
                    Lifetime::Once => level.filled_since(proofs, now).plus(ONCE_WINDOW),
                    _ => level.until(proofs, now),
                };
                now < until
            })
            .map(|(id, _)| id)
            .collect()
    }
}

impl Level {
    fn compile(level: &settings::Level, settings: &Settings) -> Self {
        let lifetime = match level.valid_for.map(|valid_for| valid_for.as_secs()) {
            None => Lifetime::Session,
            Some(0) => Lifetime::Once,
            Some(seconds) => Lifetime::Seconds(i64::try_from(seconds).unwrap_or(i64::MAX)),
        };
        let slots = level
            .slots
            .iter()
            .map(|slot| slot.intersection(settings.factors.enabled))
            .collect();
        Self { name: level.name.clone(), slots, lifetime }
    }

    /// The kinds that can fill a slot.
    pub(super) fn kinds(&self) -> FactorSet {
        self.slots.iter().fold(FactorSet::EMPTY, |all, slot| all.union(*slot))
    }

    fn until(&self, proofs: &[Proof], now: UnixTime) -> UnixTime {
        if self.slots.is_empty() {
            // Nothing can be proved here, so nothing can be proved again either.
            return if self.lifetime == Lifetime::Session {
                UnixTime::NEVER
            } else {
                Deadlines::NOT_MET
            };
        }
        let since = self.filled_since(proofs, now);
        match self.lifetime {
            Lifetime::Once => Deadlines::NOT_MET,
            _ if since == Deadlines::NOT_MET => since,
            Lifetime::Session => UnixTime::NEVER,
            Lifetime::Seconds(seconds) => since.plus(seconds),
        }
    }

    /// The latest time since which every slot is filled by a proof of its own kind.
    fn filled_since(&self, proofs: &[Proof], now: UnixTime) -> UnixTime {
        let credible = |proof: &&Proof| proof.at.since(now) <= TOLERATED_SKEW;
        let mut times: Vec<UnixTime> =
            proofs.iter().filter(credible).map(|proof| proof.at.min(now)).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.dedup();
        let filled = |since: &UnixTime| {
            let recent = |proof: &&Proof| credible(proof) && proof.at.min(now) >= *since;
            fills(&self.slots, proofs.iter().filter(recent).map(|proof| proof.factor).collect())
        };
        times.into_iter().find(filled).unwrap_or(Deadlines::NOT_MET)
    }
}

/// Whether each slot can have a kind of its own: a bipartite matching by augmenting paths.
fn fills(slots: &[FactorSet], kinds: FactorSet) -> bool {
    let kinds: Vec<_> = kinds.iter().collect();
    let mut holder: Vec<Option<usize>> = vec![None; kinds.len()];
    (0..slots.len()).all(|slot| {
        let mut tried = vec![false; kinds.len()];
        seat(slot, slots, &kinds, &mut holder, &mut tried)
    })
}

/// Finds a kind for `slot`, moving other slots to other kinds where that makes room.
fn seat(
    slot: usize,
    slots: &[FactorSet],
    kinds: &[FactorKind],
    holder: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for (at, kind) in kinds.iter().enumerate() {
        let fits = slots.get(slot).is_some_and(|accepted| accepted.contains(*kind));
        let Some(tried_here) = tried.get_mut(at).filter(|tried| fits && !**tried) else {
            continue;
        };
        *tried_here = true;
        let free = match holder.get(at).copied().flatten() {
            None => true,
            Some(other) => seat(other, slots, kinds, holder, tried),
        };
        if free {
            if let Some(holder) = holder.get_mut(at) {
                *holder = Some(slot);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests_support::{BOTH, CRITICAL, SENSITIVE, SIGNED_IN, STANDARD, proof, settings};

    const NOW: UnixTime = UnixTime(1_000_000);

    fn until(level: LevelId, proofs: &[(FactorKind, i64)]) -> Option<i64> {
        let proofs: Vec<Proof> = proofs.iter().map(|(factor, age)| proof(*factor, NOW.0 - age)).collect();
        let deadlines = Levels::compile(&settings(vec![])).deadlines(&proofs, NOW);
        deadlines.until(level).map(|until| until.since(NOW))
    }

    #[test]
    fn a_level_without_slots_asks_for_nothing_more() {
        assert_eq!(until(SIGNED_IN, &[]), Some(UnixTime::NEVER.since(NOW)));
    }

    #[test]
    fn the_newest_proof_that_counts_sets_the_deadline() {
        let proofs = [
            (FactorKind::Totp, 100),
            (FactorKind::Totp, 700),
            (FactorKind::RecoveryCode, 5),
        ];
        assert_eq!(until(SENSITIVE, &proofs), Some(800));
        assert_eq!(until(STANDARD, &proofs), Some(12 * 3600 - 5));
        assert_eq!(until(SENSITIVE, &proofs[2..]), None);
    }

    #[test]
    fn zero_seconds_are_never_met_by_a_claim() {
        assert_eq!(until(CRITICAL, &[(FactorKind::Totp, 0)]), None);
    }

    #[test]
    fn slots_need_distinct_kinds() {
        assert_eq!(until(BOTH, &[(FactorKind::RecoveryCode, 1), (FactorKind::RecoveryCode, 2)]), None);
        // The recovery code is the only kind for the second slot and must not be used for the first.
        let both = [(FactorKind::RecoveryCode, 1), (FactorKind::Totp, 9)];
        assert_eq!(until(BOTH, &both), Some(UnixTime::NEVER.since(NOW)));
    }

    #[test]
    fn the_oldest_proof_that_is_needed_ages_the_level() {
        let mut settings = settings(vec![]);
        settings.levels[usize::from(BOTH.0)].valid_for = Some(std::time::Duration::from_mins(1));
        let proofs = [
            proof(FactorKind::Totp, NOW.0 - 10),
            proof(FactorKind::RecoveryCode, NOW.0 - 50),
        ];
        let deadlines = Levels::compile(&settings).deadlines(&proofs, NOW);
        assert_eq!(deadlines.until(BOTH), Some(NOW.plus(10)));
    }

    #[test]
    fn f09_a_proof_from_the_future_does_not_count() {
        assert_eq!(until(SENSITIVE, &[(FactorKind::Totp, -61)]), None);
        // Within the tolerated skew it counts as made now: it gains nothing.
        assert_eq!(until(SENSITIVE, &[(FactorKind::Totp, -60)]), Some(900));
        assert_eq!(until(SENSITIVE, &[(FactorKind::Totp, -61), (FactorKind::Totp, 300)]), Some(600));
    }

    #[test]
    fn kinds_that_are_off_do_not_count() {
        let mut settings = settings(vec![]);
        settings.factors.enabled = FactorSet::EMPTY.with(FactorKind::RecoveryCode);
        let deadlines = Levels::compile(&settings).deadlines(&[proof(FactorKind::Totp, NOW.0)], NOW);
        assert_eq!((deadlines.until(SENSITIVE), deadlines.until(STANDARD)), (None, None));
    }

    #[test]
    fn met_ends_when_the_deadline_is_there() {
        let deadlines = Levels::compile(&settings(vec![])).deadlines(&[proof(FactorKind::Totp, NOW.0)], NOW);
        let asked = LevelSet::EMPTY.with(SENSITIVE);
        assert_eq!(deadlines.met(asked, NOW.plus(899)), asked);
        assert_eq!(deadlines.met(asked, NOW.plus(900)), LevelSet::EMPTY);
    }
}
