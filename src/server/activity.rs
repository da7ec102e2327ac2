//! What a connection is waiting for, and until when.
//!
//! Shared by the three that know a part of it: the socket's wrapper (bytes), the service (requests
//! in flight) and the task that ends the connection. Times are milliseconds since the connection
//! began; zero means no deadline.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::settings::Timeouts;

/// What comes next from the client.
const FIRST_BYTE: u8 = 0;
const HEADERS: u8 = 1;
const NEXT_REQUEST: u8 = 2;
const NOTHING: u8 = 3;

/// Whose deadline comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The peer is slow or silent where it must speak: close.
    Overdue,
    /// No request in flight for long enough: end in good order.
    Idle,
}

#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    headers: Duration,
    idle: Duration,
    body_idle: Duration,
    in_flight: AtomicU32,
    awaited: AtomicU8,
    /// For what is awaited.
    awaited_by: AtomicU64,
    /// For an HTTP/2 header block that has begun.
    block_by: AtomicU64,
    /// For the client to take what is written.
    write_by: AtomicU64,
    /// HTTP/2 responses: each may have more to say than its window takes.
    responses: Mutex<Vec<Hold>>,
}

/// One HTTP/2 response body, as far as it concerns deadlines. As many as streams at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Free,
    /// Waits for the app, or is being written.
    Flowing,
    /// Has given bytes away at that time, and has not been asked for more since.
    Since(u64),
}

impl Activity {
    pub(super) fn new(timeouts: &Timeouts) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            headers: timeouts.headers,
            idle: timeouts.idle,
            body_idle: timeouts.body_idle,
            in_flight: AtomicU32::new(0),
            awaited: AtomicU8::new(FIRST_BYTE),
            awaited_by: AtomicU64::new(millis(timeouts.handshake)),
            block_by: AtomicU64::new(0),
            write_by: AtomicU64::new(0),
            responses: Mutex::default(),
        })
    }

    pub(super) const fn body_idle(&self) -> Duration {
        self.body_idle
    }

    fn now(&self) -> u64 {
        millis(self.start.elapsed())
    }

    fn after(&self, period: Duration) -> u64 {
        self.now().saturating_add(millis(period)).max(1)
    }

    /// Bytes came in. On HTTP/1 the first of them begin a header block; on HTTP/2 they may be anything,
    /// so only the very first count, until the first request.
    pub(super) fn on_read(&self, http2: bool) {
        match self.awaited.load(Relaxed) {
            FIRST_BYTE => {}
            NEXT_REQUEST if !http2 => {}
            _ => return,
        }
        self.awaited.store(HEADERS, Relaxed);
        self.awaited_by.store(self.after(self.headers), Relaxed);
    }

    /// An HTTP/2 header block is incomplete, or not any more.
    pub(super) fn on_header_block(&self, open: bool) {
        if !open {
            self.block_by.store(0, Relaxed);
        } else if self.block_by.load(Relaxed) == 0 {
            self.block_by.store(self.after(self.headers), Relaxed);
        }
    }

    /// The client does not take more until `left` has passed, or does again.
    pub(super) fn on_blocked_write(&self, left: Option<Duration>) {
        self.write_by.store(left.map_or(0, |left| self.after(left)), Relaxed);
    }

    /// A whole request header block has arrived.
    pub(super) fn begin_request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.awaited.store(NOTHING, Relaxed);
        self.awaited_by.store(0, Relaxed);
        InFlight { activity: Arc::clone(self), slot: None }
    }

    fn end_request(&self) {
        if self.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.awaited.store(NEXT_REQUEST, Relaxed);
            self.awaited_by.store(self.after(self.idle), Relaxed);
        }
    }

    /// Whether everything that was asked has been answered.
    pub(super) fn waits_for_another(&self) -> bool {
        self.awaited.load(Relaxed) == NEXT_REQUEST
    }

    fn responses(&self) -> MutexGuard<'_, Vec<Hold>> {
        self.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When to look again: the earliest deadline there is now.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let write_by = self.write_by.load(Relaxed);
        // While the last response is still being taken, the connection is not idle.
        let awaited_by = if write_by == 0 {
            self.awaited_by.load(Relaxed)
        } else {
            0
        };
        let mut next = [awaited_by, self.block_by.load(Relaxed), write_by]
            .into_iter()
            .filter(|deadline| *deadline != 0)
            .min();
        let held_up = self
            .responses()
            .iter()
            .filter_map(|hold| match hold {
                Hold::Since(at) => Some(at.saturating_add(millis(self.body_idle))),
                Hold::Free | Hold::Flowing => None,
            })
            .min();
        next = next.into_iter().chain(held_up).min();
        next.map(|millis| self.start + Duration::from_millis(millis))
    }

    /// What is over its time now.
    pub(super) fn due(&self) -> Option<Due> {
        let now = self.now();
        let over = |deadline: &AtomicU64| (1..=now).contains(&deadline.load(Relaxed));
        let since = now.checked_sub(millis(self.body_idle));
        let held_up = || {
            self.responses()
                .iter()
                .any(|hold| matches!(hold, Hold::Since(at) if Some(*at) <= since))
        };
        if over(&self.block_by) || over(&self.write_by) || held_up() {
            return Some(Due::Overdue);
        }
        (self.write_by.load(Relaxed) == 0 && over(&self.awaited_by)).then(|| {
            match self.awaited.load(Relaxed) {
                NEXT_REQUEST => Due::Idle,
                _ => Due::Overdue,
            }
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A request from its headers to the end of its response; dropping it is that end.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    slot: Option<usize>,
}

impl InFlight {
    /// Says that the response has given bytes away and waits to be asked for more, or that it has
    /// been asked.
    pub(super) fn hold_up(&mut self, held: bool) {
        let hold = if held {
            Hold::Since(self.activity.now())
        } else {
            Hold::Flowing
        };
        let mut responses = self.activity.responses();
        let index = *self.slot.get_or_insert_with(|| {
            let free = responses.iter().position(|other| *other == Hold::Free);
            free.unwrap_or_else(|| {
                responses.push(Hold::Free);
                responses.len() - 1
            })
        });
        if let Some(own) = responses.get_mut(index) {
            *own = hold;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(index) = self.slot
            && let Some(own) = self.activity.responses().get_mut(index)
        {
            *own = Hold::Free;
        }
        self.activity.end_request();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeouts() -> Timeouts {
        let seconds = Duration::from_secs;
        Timeouts {
            handshake: seconds(10),
            headers: seconds(10),
            idle: seconds(60),
            body_idle: seconds(30),
            upstream_connect: seconds(2),
            upstream_response: seconds(30),
        }
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn d06_a_byte_now_and_then_does_not_prolong_the_headers() {
        let activity = Activity::new(&timeouts());
        pass(9).await;
        assert_eq!(activity.due(), None);
        activity.on_read(false);
        pass(5).await;
        activity.on_read(false);
        pass(5).await;
        assert_eq!(activity.due(), Some(Due::Overdue));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_runs_only_with_no_request_in_flight() {
        let activity = Activity::new(&timeouts());
        activity.on_read(false);
        let (one, other) = (activity.begin_request(), activity.begin_request());
        drop(one);
        pass(3600).await;
        assert_eq!(activity.due(), None);
        drop(other);
        pass(59).await;
        assert_eq!(activity.due(), None);
        pass(1).await;
        assert_eq!(activity.due(), Some(Due::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn d05_pings_do_not_prolong_an_http2_connection_without_a_request() {
        let activity = Activity::new(&timeouts());
        activity.on_read(true);
        pass(9).await;
        activity.on_read(true);
        pass(1).await;
        assert_eq!(activity.due(), Some(Due::Overdue));
        drop(activity.begin_request());
        pass(59).await;
        activity.on_read(true);
        pass(1).await;
        assert_eq!(activity.due(), Some(Due::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn r17_a_response_that_nobody_takes_is_overdue() {
        let activity = Activity::new(&timeouts());
        let mut waits = activity.begin_request();
        let mut stuck = activity.begin_request();
        waits.hold_up(true);
        waits.hold_up(false);
        stuck.hold_up(true);
        pass(29).await;
        assert_eq!(activity.due(), None);
        pass(2).await;
        assert_eq!(activity.due(), Some(Due::Overdue));
        drop(stuck);
        assert_eq!(activity.due(), None);
    }
}
