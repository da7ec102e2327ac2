//! Questions to one service at a time: so many, and half of them kept for those whom it knew before.
//!
//! Strangers can make us ask as often as they like with cookies or tokens of their own invention. They must
//! never keep whoever is signed in from being asked about again.

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// Of each half.
const AT_ONCE: usize = 32;

/// The turns of one source.
pub(super) struct Turns {
    anybodys: Semaphore,
    kept: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { anybodys: Semaphore::new(AT_ONCE), kept: Semaphore::new(AT_ONCE) }
    }
}

impl Turns {
    /// A turn, if one is free before `until`. `known`: for somebody whom the service knew before.
    pub(super) async fn take(&self, known: bool, until: Instant) -> Option<SemaphorePermit<'_>> {
        let waiting = match self.anybodys.try_acquire() {
            Ok(turn) => return Some(turn),
            Err(_) if known => self.kept.acquire(),
            Err(_) => self.anybodys.acquire(),
        };
        timeout_at(until, waiting).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn strangers_leave_turns_for_those_who_were_known_before() {
        let (turns, now) = (Turns::default(), Instant::now());
        let mut strangers = Vec::new();
        while let Some(turn) = turns.take(false, now).await {
            strangers.push(turn);
        }
        assert_eq!(strangers.len(), AT_ONCE);
        let mut known = Vec::new();
        while let Some(turn) = turns.take(true, now).await {
            known.push(turn);
        }
        assert_eq!(known.len(), AT_ONCE);
        assert!(turns.take(false, now).await.is_none());
        strangers.pop();
        assert!(turns.take(false, now).await.is_some(), "given back");
    }
}
