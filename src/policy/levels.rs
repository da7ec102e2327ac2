//! Levels: which proofs count, and until when.
//!
//! Judged once for each claim and remembered as times, so that a request costs one comparison for
//! each level. Nothing here may ever lengthen a proof's life.

use crate::ambient::UnixTime;
use crate::config::FactorSet;
use crate::config::settings::{LevelId, Settings};

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
    fn compile(level: &crate::config::settings::Level, settings: &Settings) -> Self {
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
    kinds: &[crate::config::FactorKind],
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
