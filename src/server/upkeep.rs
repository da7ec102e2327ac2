//! What runs beside the requests: the revocation feed, activity, sweeping, the key ring.
//!
//! Each task has its own rhythm and none holds anything up; a failure is logged and tried again.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::supervisor::Pulse;
use crate::ambient::UnixTime;
use crate::gate::Shared;
use crate::session::{KeyRing, Revocations};
use crate::store::{Store, StoreError};

/// How often the revocation feed is read (decision 13).
const FEED: Duration = Duration::from_millis(250);
/// How often session activity is written (decision 14).
const ACTIVITY: Duration = Duration::from_secs(60);
/// How often what has run out is removed.
const PURGE: Duration = Duration::from_secs(600);

/// The running tasks.
pub struct Upkeep {
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

/// Starts all of it on the current runtime.
#[must_use]
pub fn start(shared: &Arc<Shared>) -> Upkeep {
    let mut tasks = JoinSet::new();
    tasks.spawn(follow_feed(Arc::clone(shared)));
    tasks.spawn(write_activity(Arc::clone(shared)));
    tasks.spawn(sweep(Arc::clone(shared)));
    Upkeep { tasks, shared: Arc::clone(shared) }
}

impl Upkeep {
    /// Runs something else beside the requests, for as long.
    pub(super) fn also(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Ends the tasks and writes what they still hold.
    pub async fn end(mut self) {
        self.tasks.shutdown().await;
        if let Err(error) = self.shared.sessions.flush(self.shared.clock.now()).await {
            tracing::warn!(%error, "the last activity of sessions was not written");
        }
    }
}

/// Reads everything new in the feed.
///
/// # Errors
/// When the store cannot be read; what was read before that counts.
pub async fn read_feed(store: &Store, revocations: &Revocations, now: UnixTime) -> Result<(), StoreError> {
    loop {
        let rows = store.revocations_after(revocations.last()).await?;
        revocations.apply(&rows, now);
        if rows.is_empty() {
            return Ok(());
        }
    }
}

async fn follow_feed(shared: Arc<Shared>) {
    let mut tick = interval(FEED);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keys = shared.revocations.keys_generation();
    let mut told = false;
    let mut pulse = Pulse::new();
    loop {
        tick.tick().await;
        pulse.beat();
        let read = read_feed(&shared.store, &shared.revocations, shared.clock.now()).await;
        if let Err(error) = &read
            && !told
        {
            tracing::error!(%error, "the revocation feed cannot be read; protected routes close after 60 s");
        }
        told = read.is_err();
        let newest = shared.revocations.keys_generation();
        if newest != keys {
            keys = newest;
            reload_keys(&shared);
        }
    }
}

/// Takes in a rotation by another process. Blocking for one small file is fine on this runtime.
fn reload_keys(shared: &Shared) {
    let issuer = shared.ring.load().issuer().to_owned();
    match KeyRing::open(&shared.state_directory, issuer, shared.clock.now()) {
        Ok(ring) => {
            shared.ring.store(Arc::new(ring));
            tracing::info!("the key ring has been read again");
        }
        Err(error) => {
            tracing::error!(%error, "the key ring has changed and cannot be read; the old keys stay in use");
        }
    }
}

async fn write_activity(shared: Arc<Shared>) {
    let mut tick = interval(ACTIVITY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tick.tick().await;
        if let Err(error) = shared.sessions.flush(shared.clock.now()).await {
            tracing::warn!(%error, "the activity of sessions could not be written");
        }
    }
}

async fn sweep(shared: Arc<Shared>) {
    let mut tick = interval(PURGE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        shared.attempts.sweep();
        shared.journeys.sweep();
        shared.strangers.sweep();
        match shared.store.purge(shared.clock.now()).await {
            Ok(removed) => tracing::debug!(removed, "what had run out is removed"),
            Err(error) => tracing::warn!(%error, "what has run out could not be removed"),
        }
    }
}
