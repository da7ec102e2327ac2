//! One answer at a time for one question, where a service may be asked about it: a second post of the
//! same answer waits for the first and then gets its outcome, instead of being asked and counted again
//! (decision 19). It decides nothing; what counts once is decided by the store alone, which also
//! holds over replicas.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use crate::store::StoreError;

/// How long an answer waits for the one before it: longer than any question to a service takes, or who presses
/// the button twice during a push would see a failure and not what came of it.
const PATIENCE: Duration = Duration::from_secs(80);
/// And where so many wait already (two presses, a second tab) that nobody is still looking: each holds a place
/// among the portal's requests.
const CROWDED: Duration = Duration::from_secs(10);
const CROWD: usize = 4;

/// The questions that are being answered.
#[derive(Clone, Default)]
pub(super) struct InLine(Arc<DashMap<String, Arc<Mutex<()>>>>);

/// A place in the line, and then a turn; the next one's when dropped.
pub(super) struct Turn {
    line: InLine,
    question: String,
    mutex: Option<Arc<Mutex<()>>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl InLine {
    /// Waits for its turn.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the answer before takes too long.
    pub(super) async fn turn(&self, question: &str) -> Result<Turn, StoreError> {
        let mutex = Arc::clone(&self.0.entry(question.to_owned()).or_default());
        // The map's own, and two of each that waits: its place and its wait.
        let patience = if Arc::strong_count(&mutex) > 2 * CROWD {
            CROWDED
        } else {
            PATIENCE
        };
        let waiting = Arc::clone(&mutex);
        // Made before the wait, which may be given up at any time: whoever leaves last clears the place.
        let mut turn = Turn {
            line: self.clone(),
            question: question.to_owned(),
            mutex: Some(mutex),
            guard: None,
        };
        turn.guard = Some(timeout(patience, waiting.lock_owned()).await.map_err(|_| StoreError::Busy)?);
        Ok(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        (self.guard, self.mutex) = (None, None);
        // Nobody else holds it: those who wait have a count of their own.
        self.line.0.remove_if(&self.question, |_, mutex| Arc::strong_count(mutex) == 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_after_the_other_and_nothing_stays() {
        let line = InLine::default();
        let first = line.turn("a").await.unwrap();
        let other = line.turn("b").await.unwrap();
        let waiting = {
            let line = line.clone();
            tokio::spawn(async move { line.turn("a").await.map(drop) })
        };
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap().unwrap();
        drop(other);
        assert!(line.0.is_empty());
    }

    #[tokio::test]
    async fn who_hangs_up_while_waiting_leaves_nothing_behind() {
        let line = InLine::default();
        let first = line.turn("a").await.unwrap();
        let mut waiting = Box::pin(line.turn("a"));
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context)));
        assert!(polled.await.is_pending());
        drop(first);
        // Its turn now, and nobody is there any more.
        drop(waiting);
        assert!(line.0.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let line = InLine::default();
        let _first = line.turn("a").await.unwrap();
        assert!(matches!(line.turn("a").await, Err(StoreError::Busy)));
    }
}
