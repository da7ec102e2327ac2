//! What earlier requests say about an address: whether to leave it alone for a while.
//!
//! Passive only: nothing is sent to find out. An address that cannot be reached is left alone at
//! once, one whose answers are broken after a few in a row; each time twice as long, within bounds.
//! When the time is over, one request tries it. Whether there is anything else to ask is not
//! judged here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Broken answers in a row.
const MOST_BROKEN: u32 = 3;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Health of one address, as one worker has seen it.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Whether there is anything in `state`.
    troubled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Left alone until then. A time that is over stays, until an answer says that all is well.
    out_until: Option<Instant>,
    /// How long it was left alone the last time.
    spell: Duration,
    /// Whether a request is out to see how it is.
    tried: bool,
    broken: u32,
}

impl Health {
    /// An answer has come. Whether that ends a time in which it was left alone.
    pub(super) fn is_well(&self) -> bool {
        if !self.troubled.load(Ordering::Relaxed) {
            return false;
        }
        self.troubled.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.state()).out_until.is_some()
    }

    /// It could not be reached: for how long to leave it alone, if that is news.
    pub(super) fn was_unreachable(&self, now: Instant) -> Option<Duration> {
        self.troubled.store(true, Ordering::Relaxed);
        let mut state = self.state();
        // Requests that fail together are one failure.
        if state.out_until.is_some_and(|until| now < until) && !state.tried {
            return None;
        }
        let spell = state.spell.saturating_mul(2).clamp(SHORTEST, LONGEST);
        *state = State { out_until: Some(now + spell), spell, tried: false, broken: 0 };
        Some(spell)
    }

    /// Its answer was broken or did not come: for how long to leave it alone, if that is news.
    pub(super) fn was_broken(&self, now: Instant) -> Option<Duration> {
        self.troubled.store(true, Ordering::Relaxed);
        {
            let mut state = self.state();
            state.broken += 1;
            if state.broken < MOST_BROKEN && !state.tried {
                return None;
            }
        }
        self.was_unreachable(now)
    }

    /// Until when it is to be left alone.
    pub(super) fn out_until(&self, now: Instant) -> Option<Instant> {
        if !self.troubled.load(Ordering::Relaxed) {
            return None;
        }
        self.state().out_until.filter(|until| now < *until)
    }

    /// It is about to be asked. Where its time is over, others leave it alone until it has answered.
    pub(super) fn is_asked(&self, now: Instant) {
        if !self.troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state();
        if state.out_until.is_some_and(|until| until <= now) {
            state.out_until = Some(now + state.spell);
            state.tried = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_together_are_one_and_the_times_grow_within_bounds() {
        let health = Health::default();
        let mut now = Instant::now();
        let mut spells = Vec::new();
        for _ in 0..7 {
            spells.extend(health.was_unreachable(now).map(|spell| spell.as_secs()));
            assert_eq!(health.was_unreachable(now), None, "one that fails with it is no news");
            let until = health.out_until(now).unwrap();
            now = until;
            assert!(health.out_until(now).is_none());
            health.is_asked(now);
            assert!(health.out_until(now).is_some(), "one request tries it, the others wait");
        }
        assert_eq!(spells, [1, 2, 4, 8, 16, 30, 30]);
        assert!(health.is_well() && health.out_until(now).is_none() && !health.is_well());
    }

    #[test]
    fn broken_answers_count_in_a_row() {
        let health = Health::default();
        let now = Instant::now();
        assert!(health.was_broken(now).is_none() && health.was_broken(now).is_none());
        assert!(!health.is_well(), "it was never left alone");
        assert!(health.was_broken(now).is_none() && health.was_broken(now).is_none());
        assert_eq!(health.was_broken(now), Some(SHORTEST));
    }
}
