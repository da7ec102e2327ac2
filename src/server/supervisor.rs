//! Tells the service manager how we are (sd_notify): ready, reloading, stopping, alive.
//!
//! Without a service manager all of it does nothing. It never waits and never fails a request: what
//! cannot be told is only logged.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// Everything listens.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A changed configuration is being read; [`ready`] follows.
pub(super) fn reloading() {
    // Without the time systemd does not take it for a reload.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the monotonic clock cannot be read"),
    }
}

/// The drain has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// The watchdog's pulse, from a loop that must not stop.
#[derive(Debug)]
pub(super) struct Pulse {
    every: Option<Duration>,
    last: Instant,
}

impl Pulse {
    /// Twice as often as is asked for.
    pub(super) fn new() -> Self {
        Self {
            every: sd_notify::watchdog_enabled().map(|within| within / 2),
            last: Instant::now(),
        }
    }

    /// To be called often; tells when it is time.
    pub(super) fn beat(&mut self) {
        if self.every.is_some_and(|every| self.last.elapsed() >= every) {
            self.last = Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
    }
}
