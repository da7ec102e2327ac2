//! A deadline that is moved far more often than it fires.
//!
//! Each request pushes its connection's deadline forward. Re-arming the runtime's timer every time
//! would cost more than the rest of the bookkeeping, so the timer stays armed for the earliest
//! deadline it ever had and is set anew only when it fires too early.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// One reusable timer; nothing is registered before the first poll.
#[derive(Debug, Default)]
pub(crate) struct LazyTimer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl LazyTimer {
    /// Whether this task, polled before, will be woken by `deadline` without asking again.
    pub(crate) fn is_armed_for(&self, deadline: Instant) -> bool {
        self.sleep
            .as_ref()
            .is_some_and(|sleep| sleep.deadline() <= deadline && !sleep.is_elapsed())
    }

    /// Ready once `deadline` has passed. May wake the task early, never late.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_forward_is_kept_and_one_moved_back_too() {
        let start = Instant::now();
        let mut timer = LazyTimer::default();
        let (soon, late) = (start + Duration::from_secs(5), start + Duration::from_secs(50));
        assert!(poll_fn(|cx| Poll::Ready(timer.poll_until(cx, soon).is_pending())).await);
        poll_fn(|cx| timer.poll_until(cx, late)).await;
        assert!(Instant::now() >= late);

        let start = Instant::now();
        let late = start + Duration::from_secs(50);
        assert!(poll_fn(|cx| Poll::Ready(timer.poll_until(cx, late).is_pending())).await);
        poll_fn(|cx| timer.poll_until(cx, start + Duration::from_secs(1))).await;
        assert!(Instant::now() < start + Duration::from_secs(2));
    }
}
