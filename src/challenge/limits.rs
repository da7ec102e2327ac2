//! What counts of wrong answers mean: so many in a window, then waits that double, then a stop.
//! Pure: the store keeps the counts, the caller brings the time.
//!
//! A right answer forgives the wrong ones by its own kind of factor alone (NIST SP 800-63B-4, 3.2.2):
//! else whoever has one factor of somebody's could guess at another one without end.

use crate::ambient::UnixTime;
use crate::challenge::view::Locked;
use crate::config::FactorKind;
use crate::config::settings::Limits;
use crate::store::CounterRecord;

/// The first wait; each further one is twice as long, up to the longest. Seconds.
const FIRST_WAIT: i64 = 60;
const LONGEST_WAIT: i64 = 3600;
/// After a day without a wrong answer the waits begin anew; the stop does not.
const QUIET: i64 = 86_400;
/// After a week without a wrong answer those by another kind are forgiven too. Shorter, and whoever has one
/// factor could go on guessing at another up to the stop, day after day.
const FORGIVEN: i64 = 7 * QUIET;

/// The figures of security.md 2.3.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    wrong_answers: i64,
    window: i64,
    hard_stop: i64,
}

impl Figures {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            wrong_answers: i64::from(limits.wrong_answers.max(1)),
            window: i64::try_from(limits.window.as_secs()).unwrap_or(i64::MAX),
            hard_stop: i64::from(limits.hard_stop.max(1)),
        }
    }

    /// Waits alone, where a stop would let strangers shut people out for good.
    pub(super) const fn without_stop(self) -> Self {
        Self { hard_stop: i64::MAX, ..self }
    }

    /// Whether an answer may be judged now.
    pub(super) fn lock(&self, count: &CounterRecord, now: UnixTime) -> Option<Locked> {
        if count.in_a_row >= self.hard_stop {
            Some(Locked::Hard)
        } else if count.locked_until > now.0 {
            Some(Locked::Until(UnixTime(count.locked_until)))
        } else {
            None
        }
    }

    /// The count after one more wrong answer.
    pub(super) fn after_wrong(&self, count: &CounterRecord, now: UnixTime) -> CounterRecord {
        let mut next = *count;
        if self.window_is_over(count, now) {
            next = CounterRecord { window_start: now.0, in_window: 0, waits: 0, ..next };
        }
        next.in_a_row = next.in_a_row.saturating_add(1);
        next.in_window = next.in_window.saturating_add(1);
        next.last_wrong = now.0;
        if next.in_window >= self.wrong_answers {
            next.locked_until = now.plus(wait(next.waits)).0;
            next.waits = next.waits.saturating_add(1);
        }
        next
    }

    /// The count after one more wrong answer by this kind of factor.
    pub(super) fn after_wrong_by(
        &self,
        kind: FactorKind,
        count: &CounterRecord,
        now: UnixTime,
    ) -> CounterRecord {
        CounterRecord { kinds: count.kinds | bit(kind), ..self.after_wrong(count, now) }
    }

    /// The count after a right answer by this kind of factor: nothing, unless another kind was answered
    /// wrongly too and the last wrong answer is less than a week old.
    pub(super) fn after_right_by(kind: FactorKind, count: &CounterRecord, now: UnixTime) -> CounterRecord {
        let others = count.kinds & !bit(kind);
        if others == 0 || now.since(UnixTime(count.last_wrong)) >= FORGIVEN {
            CounterRecord::default()
        } else {
            CounterRecord { kinds: others, ..*count }
        }
    }

    /// The count without one answer that was counted before it was judged and was not wrong.
    pub(super) fn taken_back(&self, count: &CounterRecord) -> CounterRecord {
        let mut next = *count;
        next.in_a_row = (next.in_a_row - 1).max(0);
        next.in_window = (next.in_window - 1).max(0);
        if count.in_window >= self.wrong_answers {
            next.waits = (next.waits - 1).max(0);
        }
        if next.in_window < self.wrong_answers {
            next.locked_until = 0;
        }
        next
    }

    /// How many more wrong answers there may be before a wait.
    pub(super) fn attempts_left(&self, count: &CounterRecord, now: UnixTime) -> u32 {
        if self.lock(count, now).is_some() {
            return 0;
        }
        let used = if self.window_is_over(count, now) {
            0
        } else {
            count.in_window
        };
        // Once waits have begun, each wrong answer brings the next.
        let before_wait = (self.wrong_answers - used).max(1);
        u32::try_from(before_wait.min(self.hard_stop - count.in_a_row)).unwrap_or(0)
    }

    fn window_is_over(&self, count: &CounterRecord, now: UnixTime) -> bool {
        let began = UnixTime(count.window_start);
        let last = UnixTime(count.last_wrong);
        if count.waits == 0 {
            now.since(began) >= self.window
        } else {
            now.since(last) >= QUIET
        }
    }
}

const fn bit(kind: FactorKind) -> i64 {
    1 << kind as u8
}

fn wait(waits_before: i64) -> i64 {
    let doublings = u32::try_from(waits_before).unwrap_or(u32::MAX).min(6);
    (FIRST_WAIT << doublings).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIGURES: Figures = Figures { wrong_answers: 5, window: 900, hard_stop: 50 };

    fn wrong(count: CounterRecord, now: i64) -> CounterRecord {
        FIGURES.after_wrong(&count, UnixTime(now))
    }

    fn until(count: &CounterRecord, now: i64) -> Option<i64> {
        match FIGURES.lock(count, UnixTime(now)) {
            Some(Locked::Until(time)) => Some(time.0 - now),
            Some(Locked::Hard | Locked::Stopped) => Some(i64::MAX),
            None => None,
        }
    }

    #[test]
    fn five_in_a_window_then_waits_that_double_then_a_stop() {
        let mut now = 1_000_000;
        let mut count = CounterRecord::default();
        for left in [5, 4, 3, 2, 1] {
            assert_eq!(FIGURES.attempts_left(&count, UnixTime(now)), left);
            assert_eq!(until(&count, now), None);
            count = wrong(count, now);
        }
        let mut waits = Vec::new();
        while let Some(wait) = until(&count, now).filter(|wait| *wait < i64::MAX) {
            waits.push(wait / 60);
            now += wait;
            assert_eq!(until(&count, now), None, "the wait is over at its end");
            assert_eq!(FIGURES.attempts_left(&count, UnixTime(now)), 1);
            count = wrong(count, now);
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(count.in_a_row, 50);
        assert_eq!(FIGURES.lock(&count, UnixTime(i64::MAX)), Some(Locked::Hard));
        assert_eq!(FIGURES.attempts_left(&count, UnixTime(i64::MAX)), 0);
    }

    #[test]
    fn e04_a_right_answer_forgives_its_own_kind_alone() {
        let now = UnixTime(1_000_000);
        let by = |kind, count| FIGURES.after_wrong_by(kind, &count, now);
        let one = by(FactorKind::Totp, CounterRecord::default());
        assert_eq!(Figures::after_right_by(FactorKind::Totp, &one, now), CounterRecord::default());
        assert_eq!(Figures::after_right_by(FactorKind::Email, &one, now), one);
        let both = by(FactorKind::Email, one);
        for kind in [FactorKind::Totp, FactorKind::Email] {
            assert_eq!(Figures::after_right_by(kind, &both, now).in_a_row, 2);
        }
        // Not for ever: who uses another factor every day is not stopped by an old slip.
        let next_day = Figures::after_right_by(FactorKind::Sms, &both, now.plus(QUIET));
        assert_eq!(next_day.in_a_row, both.in_a_row, "or the stop would begin anew every day");
        let next_week = now.plus(FORGIVEN);
        assert_eq!(Figures::after_right_by(FactorKind::Sms, &both, next_week), CounterRecord::default());
    }

    #[test]
    fn without_a_stop_there_are_waits_for_ever() {
        let figures = FIGURES.without_stop();
        let (mut now, mut count) = (UnixTime(1_000_000), CounterRecord::default());
        for _ in 0..100 {
            count = figures.after_wrong(&count, now);
            now = now.plus(LONGEST_WAIT);
            assert_eq!(figures.lock(&count, now), None);
        }
        assert_eq!(FIGURES.lock(&count, now), Some(Locked::Hard));
    }

    #[test]
    fn what_was_counted_too_early_is_taken_back_whole() {
        let mut count = CounterRecord::default();
        for now in 1_000_000..1_000_005 {
            let before = count;
            count = wrong(before, now);
            let back = FIGURES.taken_back(&count);
            assert_eq!((back.in_a_row, back.in_window, back.waits), (before.in_a_row, before.in_window, 0));
            assert_eq!(until(&back, now), None);
        }
        // A second one in flight keeps the wait that it was counted into.
        let two = wrong(count, 1_000_010);
        assert!(until(&FIGURES.taken_back(&two), 1_000_010).is_some());
    }

    #[test]
    fn a_window_that_is_over_counts_no_more_but_the_row_does() {
        let mut count = CounterRecord::default();
        for _ in 0..4 {
            count = wrong(count, 1_000_000);
        }
        assert_eq!(FIGURES.attempts_left(&count, UnixTime(1_000_900)), 5);
        count = wrong(count, 1_000_900);
        assert_eq!((count.in_a_row, count.in_window), (5, 1));
        assert_eq!(until(&count, 1_000_900), None);
    }

    #[test]
    fn waits_begin_anew_only_after_a_quiet_day() {
        let mut count = CounterRecord::default();
        for _ in 0..5 {
            count = wrong(count, 1_000_000);
        }
        let later = wrong(count, 1_000_000 + 3600);
        assert_eq!(until(&later, 1_003_600), Some(120));
        let next_day = wrong(count, 1_000_000 + 86_400);
        assert_eq!(until(&next_day, 1_086_400), None);
        assert_eq!(next_day.in_a_row, 6);
    }

    proptest! {
        #[test]
        fn e04_no_schedule_of_guesses_gets_past_the_stop(pauses in prop::collection::vec(0_i64..200_000, 1..200)) {
            let mut now = 1_000_000;
            let mut count = CounterRecord::default();
            let mut judged = 0;
            for pause in pauses {
                now += pause;
                if FIGURES.lock(&count, UnixTime(now)).is_none() {
                    judged += 1;
                    count = wrong(count, now);
                }
            }
            prop_assert!(judged <= 50);
        }
    }
}
