//! Several proofs for one request: what is still worth asking for, and how many it takes.
//!
//! It decides nothing. Whether proofs meet a level is judged by the level alone; this only keeps people from
//! being asked for what they have just shown, and tells them how far they have come.

use super::Policy;
use super::accepted::Accepted;
use super::demand::LevelSet;
use super::levels::Level;
use super::proof::Proof;
use crate::ambient::UnixTime;
use crate::config::matching::lacking;
use crate::config::{FactorKind, FactorSet};

/// A proof that counts for no longer than this is asked for again, not built upon: the next one takes a
/// person some time. Seconds.
const ABOUT_TO_END: i64 = 30;
/// More proofs than this in a row are not looked for.
const MOST_STEPS: usize = 4;

/// What people with some proofs still have to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// What brings them nearer to one of the levels.
    pub accepted: Accepted,
    /// Kinds that count already, and need not be shown again.
    pub done: FactorSet,
    /// How many proofs more it takes at the least.
    pub steps: usize,
}

impl Policy {
    /// What is left to prove of these levels beside `proofs`, by somebody who has enrolled the kinds `have`.
    #[must_use]
    pub fn remaining(&self, levels: LevelSet, proofs: &[Proof], have: FactorSet, now: UnixTime) -> Remaining {
        let open: Vec<Open<'_>> = levels
            .iter()
            .filter_map(|id| self.levels.get(id))
            .map(|level| Open::new(level, proofs, now))
            .collect();
        let accepted: Accepted = open.iter().map(|open| (open.helping(), open.level.properties)).collect();
        let done = open.iter().fold(FactorSet::EMPTY, |all, open| all.union(open.done()));
        let all = accepted.kinds();
        let steps = least(&open, all.intersection(have)).or_else(|| least(&open, all));
        Remaining { done: done.without(all), steps: steps.unwrap_or(1).max(1), accepted }
    }
}

/// A level that is not met, and what counts for it already.
struct Open<'a> {
    level: &'a Level,
    held: FactorSet,
}

impl<'a> Open<'a> {
    fn new(level: &'a Level, proofs: &[Proof], now: UnixTime) -> Self {
        let held = level
            .counting_beyond(proofs, now, now.plus(ABOUT_TO_END))
            .intersection(level.kinds());
        // Nothing would be missing: what is asked every time is asked anew.
        let held = if lacking(&level.slots, held, level.companions) == 0 {
            FactorSet::EMPTY
        } else {
            held
        };
        Self { level, held }
    }

    fn lacking_with(&self, more: FactorSet) -> usize {
        lacking(&self.level.slots, self.held.union(more), self.level.companions)
    }

    /// Kinds with which less is missing.
    fn helping(&self) -> FactorSet {
        let before = self.lacking_with(FactorSet::EMPTY);
        let nearer = self
            .level
            .kinds()
            .iter()
            .filter(|kind| self.lacking_with(FactorSet::EMPTY.with(*kind)) < before);
        nearer.collect()
    }

    /// Kinds that fill a slot already.
    fn done(&self) -> FactorSet {
        let fills = |kind: &FactorKind| {
            let without = self.held.without(FactorSet::EMPTY.with(*kind));
            lacking(&self.level.slots, without, self.level.companions) > self.lacking_with(FactorSet::EMPTY)
        };
        self.held.iter().filter(fills).collect()
    }
}

/// The size of the smallest set of these kinds that meets every level; `None` when none of a few does.
fn least(open: &[Open<'_>], kinds: FactorSet) -> Option<usize> {
    let kinds: Vec<_> = kinds.iter().collect();
    (0..=MOST_STEPS)
        .find(|size| subsets(&kinds, *size).any(|set| open.iter().all(|open| open.lacking_with(set) == 0)))
}

/// Every set of `size` of these kinds.
fn subsets(kinds: &[FactorKind], size: usize) -> Box<dyn Iterator<Item = FactorSet> + '_> {
    match (size, kinds.split_first()) {
        (0, _) => Box::new(std::iter::once(FactorSet::EMPTY)),
        (_, None) => Box::new(std::iter::empty()),
        (_, Some((first, rest))) => {
            let with = subsets(rest, size - 1).map(|set| set.with(*first));
            Box::new(with.chain(subsets(rest, size)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::Properties;
    use crate::config::settings::{Level, LevelId, Settings};
    use crate::policy::tests_support::{proof, settings};

    const NOW: UnixTime = UnixTime(1_000_000);
    const TOTP: FactorKind = FactorKind::Totp;
    const SMS: FactorKind = FactorKind::Sms;
    const PASSKEY: FactorKind = FactorKind::Passkey;
    const EMAIL: FactorKind = FactorKind::Email;

    fn set(kinds: &[FactorKind]) -> FactorSet {
        kinds.iter().copied().collect()
    }

    fn policy(slots: &[&[FactorKind]], valid_for: Option<u64>) -> Policy {
        let level = |name: &str, slots: &[&[FactorKind]], valid_for: Option<u64>| Level {
            name: name.to_owned(),
            slots: slots.iter().map(|slot| set(slot)).collect(),
            valid_for: valid_for.map(Duration::from_secs),
            properties: Properties::EMPTY,
            remember_device: None,
        };
        let mut settings: Settings = settings(vec![]);
        settings.factors.enabled = FactorKind::ALL.into_iter().collect();
        settings.factors.email.as_factor = true;
        settings.factors.companions = set(&[EMAIL]);
        settings.levels = vec![
            level("first", slots, valid_for),
            level("strong", &[&[PASSKEY]], Some(900)),
        ];
        Policy::compile(&Arc::new(settings)).unwrap()
    }

    /// What is accepted, what is done, how many steps: for the first of the levels.
    fn left(
        policy: &Policy,
        proofs: &[(FactorKind, i64)],
        have: &[FactorKind],
    ) -> (FactorSet, FactorSet, usize) {
        left_of(policy, LevelSet::EMPTY.with(LevelId(0)), proofs, have)
    }

    fn left_of(
        policy: &Policy,
        levels: LevelSet,
        proofs: &[(FactorKind, i64)],
        have: &[FactorKind],
    ) -> (FactorSet, FactorSet, usize) {
        let proofs: Vec<Proof> = proofs.iter().map(|(kind, age)| proof(*kind, NOW.0 - age)).collect();
        let remaining = policy.remaining(levels, &proofs, set(have), NOW);
        (remaining.accepted.kinds(), remaining.done, remaining.steps)
    }

    const ALL: [FactorKind; 4] = [TOTP, SMS, PASSKEY, EMAIL];

    #[test]
    fn what_was_shown_is_not_asked_for_again() {
        let policy = policy(&[&[TOTP], &[SMS, PASSKEY]], None);
        assert_eq!(left(&policy, &[], &ALL), (set(&[TOTP, SMS, PASSKEY]), set(&[]), 2));
        assert_eq!(left(&policy, &[(TOTP, 5)], &ALL), (set(&[SMS, PASSKEY]), set(&[TOTP]), 1));
        assert_eq!(left(&policy, &[(SMS, 5)], &ALL), (set(&[TOTP]), set(&[SMS]), 1));
    }

    #[test]
    fn what_is_about_to_end_is_asked_for_again_and_what_has_ended_too() {
        let policy = policy(&[&[TOTP], &[SMS]], Some(900));
        assert_eq!(left(&policy, &[(TOTP, 860)], &ALL).0, set(&[SMS]));
        assert_eq!(left(&policy, &[(TOTP, 880)], &ALL).0, set(&[TOTP, SMS]));
        assert_eq!(left(&policy, &[(TOTP, 901)], &ALL), (set(&[TOTP, SMS]), set(&[]), 2));
    }

    #[test]
    fn a_level_that_is_asked_every_time_is_asked_anew_and_built_upon_within_its_window() {
        let policy = policy(&[&[TOTP], &[SMS]], Some(0));
        assert_eq!(left(&policy, &[(TOTP, 20)], &ALL), (set(&[SMS]), set(&[TOTP]), 1));
        assert_eq!(left(&policy, &[(TOTP, 20), (SMS, 10)], &ALL), (set(&[TOTP, SMS]), set(&[]), 2));
    }

    #[test]
    fn a_companion_helps_beside_another_and_never_twice() {
        let policy = policy(&[&ALL, &ALL], None);
        let (accepted, done, steps) = left(&policy, &[(EMAIL, 5)], &ALL);
        assert_eq!((accepted, done, steps), (set(&[TOTP, SMS, PASSKEY]), set(&[EMAIL]), 1));
    }

    #[test]
    fn steps_are_counted_over_all_levels_with_what_the_person_has() {
        let policy = policy(&[&[TOTP, PASSKEY]], None);
        let both = LevelSet::EMPTY.with(LevelId(0)).with(LevelId(1));
        assert_eq!(left_of(&policy, both, &[], &ALL).2, 1, "one passkey meets both");
        assert_eq!(left_of(&policy, both, &[(TOTP, 5)], &ALL).2, 1);
        let two = super::tests::policy(&[&[TOTP]], None);
        assert_eq!(left_of(&two, both, &[], &ALL).2, 2);
        assert_eq!(left_of(&two, both, &[], &[TOTP]).2, 2, "what is missing is set up on the way");
    }
}
