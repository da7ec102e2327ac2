//! Levels: which proofs count, and until when.
//!
//! Judged once for each claim and remembered as times, so that a request costs one comparison for
//! each level. Nothing here may ever lengthen a proof's life.

use crate::ambient::UnixTime;
use crate::config::matching::fills;
use crate::config::settings::{self, LevelId, Settings};
use crate::config::{FactorSet, Properties};

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
    /// Only kinds that can fill them ([`settings::Level::slots_under`]).
    pub(super) slots: Vec<FactorSet>,
    /// Kinds that count only beside another.
    pub(super) companions: FactorSet,
    /// What each proof must have.
    pub(super) properties: Properties,
    pub(super) lifetime: Lifetime,
    /// Seconds for which a proof counts that a trusted browser brought back; `None`: it does not.
    pub(super) remember: Option<i64>,
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
                    Lifetime::Once => level.filled_until(proofs, now),
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
        let seconds = |length: std::time::Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
        Self {
            name: level.name.clone(),
            slots: level.slots_under(&settings.factors),
            companions: settings.factors.companions,
            properties: level.properties,
            lifetime,
            remember: level.remember_device.map(seconds).filter(|_| lifetime != Lifetime::Once),
        }
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
        if self.lifetime == Lifetime::Once {
            return Deadlines::NOT_MET;
        }
        self.filled_until(proofs, now)
    }

    /// The latest time until which every slot is filled by a proof of its own kind.
    fn filled_until(&self, proofs: &[Proof], now: UnixTime) -> UnixTime {
        let counting: Vec<(FactorSet, UnixTime)> = proofs
            .iter()
            .filter_map(|proof| Some((FactorSet::EMPTY.with(proof.factor), self.expiry(proof, now)?)))
            .collect();
        let mut times: Vec<UnixTime> = counting.iter().map(|(_, until)| *until).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.dedup();
        let filled = |until: &UnixTime| {
            let lasting = counting.iter().filter(|(_, own)| own >= until);
            let kinds = lasting.fold(FactorSet::EMPTY, |all, (kind, _)| all.union(*kind));
            fills(&self.slots, kinds, self.companions)
        };
        times.into_iter().find(filled).unwrap_or(Deadlines::NOT_MET)
    }

    /// Kinds of the proofs that count here, and do so beyond `until`.
    pub(super) fn counting_beyond(&self, proofs: &[Proof], now: UnixTime, until: UnixTime) -> FactorSet {
        let lasts = |proof: &&Proof| self.expiry(proof, now).is_some_and(|end| end > until);
        proofs.iter().filter(lasts).map(|proof| proof.factor).collect()
    }

    /// Until when this proof counts here; `None` if it does not. One that a trusted browser brought
    /// back has its own measure, and is nothing to levels that allow none.
    fn expiry(&self, proof: &Proof, now: UnixTime) -> Option<UnixTime> {
        if proof.at.since(now) > TOLERATED_SKEW || !proof.properties.covers(self.properties) {
            return None;
        }
        // What nobody proved is nothing where each request is proved, or where it matters how.
        if proof.waived && (self.lifetime == Lifetime::Once || !self.properties.is_empty()) {
            return None;
        }
        let at = proof.at.min(now);
        match (&proof.remembered, self.lifetime) {
            (Some(_), _) => self.remember.map(|seconds| at.plus(seconds)),
            (None, Lifetime::Session) => Some(UnixTime::NEVER),
            (None, Lifetime::Seconds(seconds)) => Some(at.plus(seconds)),
            (None, Lifetime::Once) => Some(at.plus(ONCE_WINDOW)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FactorKind;
    use crate::policy::TrustId;
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
    fn e26_what_nobody_proved_is_nothing_where_each_request_is_proved() {
        let mut waived = proof(FactorKind::Totp, NOW.0);
        waived.waived = true;
        let levels = Levels::compile(&settings(vec![]));
        let met = levels.met_at_once(&[waived], NOW);
        assert!(met.contains(STANDARD) && !met.contains(CRITICAL));
        assert!(levels.met_at_once(&[proof(FactorKind::Totp, NOW.0)], NOW).contains(CRITICAL));
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

    const DAY: i64 = 86_400;

    fn remembered(factor: FactorKind, age: i64) -> Proof {
        Proof { remembered: Some(TrustId("b".into())), ..proof(factor, NOW.0 - age) }
    }

    #[test]
    fn e25_a_trusted_browser_counts_where_a_level_allows_it_and_from_the_original_time() {
        let mut settings = settings(vec![]);
        settings.levels[usize::from(STANDARD.0)].remember_device =
            Some(std::time::Duration::from_hours(30 * 24));
        settings.levels[usize::from(CRITICAL.0)].remember_device =
            Some(std::time::Duration::from_hours(30 * 24));
        let levels = Levels::compile(&settings);
        let until = |level, proofs: &[Proof]| {
            levels.deadlines(proofs, NOW).until(level).map(|until| until.since(NOW))
        };
        let old = [remembered(FactorKind::Totp, 5 * DAY)];
        assert_eq!(until(STANDARD, &old), Some(25 * DAY));
        assert_eq!(until(SENSITIVE, &old), None);
        assert_eq!(until(SENSITIVE, &[remembered(FactorKind::Totp, 1)]), None, "however young");
        assert_eq!(
            levels
                .deadlines(&old, NOW.plus(25 * DAY))
                .met(LevelSet::EMPTY.with(STANDARD), NOW.plus(25 * DAY)),
            LevelSet::EMPTY
        );
        let again = [old[0].clone(), proof(FactorKind::Totp, NOW.0 - 100)];
        assert_eq!(until(SENSITIVE, &again), Some(800), "a proof made here stands beside it");
        let at_once = levels.met_at_once(&[remembered(FactorKind::Totp, 0)], NOW);
        assert!(!at_once.contains(CRITICAL), "what is asked every time is asked");
    }

    #[test]
    fn a_proof_without_the_properties_does_not_count() {
        let mut settings = settings(vec![]);
        settings.factors.enabled = FactorKind::ALL.into_iter().collect();
        let strong = &mut settings.levels[usize::from(STANDARD.0)];
        strong.properties = Properties::PHISHING_RESISTANT;
        let levels = Levels::compile(&settings);
        let met = |proof: Proof| levels.deadlines(&[proof], NOW).until(STANDARD).is_some();
        let plain = proof(FactorKind::Passkey, NOW.0);
        assert!(!met(plain.clone()));
        assert!(met(Proof { properties: Properties::PHISHING_RESISTANT, ..plain }));
        let claimed = Proof { properties: Properties::PHISHING_RESISTANT, ..proof(FactorKind::Totp, NOW.0) };
        assert!(!met(claimed), "such a kind cannot have it, whatever the proof says");
    }

    #[test]
    fn a_companion_needs_another_beside_it() {
        let mut settings = settings(vec![]);
        settings.factors.enabled = FactorKind::ALL.into_iter().collect();
        settings.factors.companions = FactorSet::EMPTY.with(FactorKind::Email);
        settings.factors.email.as_factor = true;
        let levels = Levels::compile(&settings);
        let met = |level, kinds: &[FactorKind]| {
            let proofs: Vec<Proof> = kinds.iter().map(|kind| proof(*kind, NOW.0)).collect();
            levels.deadlines(&proofs, NOW).until(level).is_some()
        };
        assert!(!met(STANDARD, &[FactorKind::Email]));
        assert!(met(STANDARD, &[FactorKind::Sms]));
        assert!(met(BOTH, &[FactorKind::Email, FactorKind::RecoveryCode]));
        assert!(!levels.get(STANDARD).unwrap().kinds().contains(FactorKind::Email));
        assert!(levels.get(BOTH).unwrap().kinds().contains(FactorKind::Email));
    }
}
