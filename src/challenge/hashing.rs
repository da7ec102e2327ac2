//! Bounds how many passwords are hashed at the same time and how many wait, so that a burst of sign-ins
//! costs time and never memory.
//!
//! Four at a time, 19 MiB each; a costlier hash that came from elsewhere takes the room of several. They run
//! on threads of their own: the system's allocator keeps what threads have freed, so the fewer there are,
//! the less it keeps (with glibc still some hundred MiB, once). What finds no place is told to come again. Some places are
//! kept for browsers that have been here before: strangers cannot fill those. Nothing here knows whose
//! password it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::ChallengeError;

/// Hashes at a time, 19 MiB each.
const PARALLEL: usize = 4;
/// Attempts that may wait for their turn, and for how long.
const WAITING: usize = 64;
/// Further ones, of browsers that are known.
const KEPT_FOR_KNOWN: usize = 32;
const PATIENCE: Duration = Duration::from_secs(5);

/// One for the process.
#[derive(Clone)]
pub(super) struct Hashing {
    waiting: Arc<Semaphore>,
    known: Arc<Semaphore>,
    running: Arc<Semaphore>,
    /// In units of 19 MiB.
    memory: Arc<Semaphore>,
    /// Begun with the first job; they end when the last clone of this has gone.
    threads: Arc<OnceLock<SyncSender<Job>>>,
}

type Job = Box<dyn FnOnce() + Send>;

/// One attempt's turn; the next one's begins when it is dropped.
pub(super) struct Turn {
    memory: Arc<Semaphore>,
    threads: Arc<OnceLock<SyncSender<Job>>>,
    _running: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// A place to wait in.
pub(super) struct Place(OwnedSemaphorePermit);

impl Hashing {
    pub(super) fn new() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(PARALLEL + WAITING)),
            known: Arc::new(Semaphore::new(KEPT_FOR_KNOWN)),
            running: Arc::new(Semaphore::new(PARALLEL)),
            memory: Arc::new(Semaphore::new(PARALLEL)),
            threads: Arc::default(),
        }
    }

    /// A place for anybody.
    pub(super) fn place(&self) -> Option<Place> {
        Arc::clone(&self.waiting).try_acquire_owned().ok().map(Place)
    }

    /// A place for who turns out to be known: to be dropped if not.
    pub(super) fn kept_place(&self) -> Option<Place> {
        Arc::clone(&self.known).try_acquire_owned().ok().map(Place)
    }

    /// Waits for the turn of a place.
    pub(super) async fn turn(&self, place: Place) -> Result<Turn, ChallengeError> {
        let running = timeout(PATIENCE, Arc::clone(&self.running).acquire_owned()).await;
        let running = running.map_err(|_| ChallengeError::Busy)?.map_err(|_| ChallengeError::Busy)?;
        let (memory, threads) = (Arc::clone(&self.memory), Arc::clone(&self.threads));
        Ok(Turn { memory, threads, _running: running, _place: place.0 })
    }
}

impl Turn {
    /// Runs `work` on one of the threads, in the room that `weight` hashes of ours take.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        weight: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ChallengeError> {
        let weight = weight.clamp(1, u32::try_from(PARALLEL).unwrap_or(1));
        let room = timeout(PATIENCE, Arc::clone(&self.memory).acquire_many_owned(weight)).await;
        let room = room.map_err(|_| ChallengeError::Busy)?.map_err(|_| ChallengeError::Busy)?;
        let (done, computed) = oneshot::channel();
        // The thread computes on when nobody waits any more, and holds its room for as long.
        let job: Job = Box::new(move || {
            let computed = work();
            drop(room);
            let _ = done.send(computed);
        });
        // There are never more jobs than rooms, so there is always a place for one.
        let taken = self.threads.get_or_init(threads).try_send(job);
        taken.map_err(|_| ChallengeError::Busy)?;
        computed.await.map_err(|_| ChallengeError::Busy)
    }
}

fn threads() -> SyncSender<Job> {
    let (jobs, waiting) = sync_channel::<Job>(PARALLEL);
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..PARALLEL {
        let waiting = Arc::clone(&waiting);
        let begun = std::thread::Builder::new()
            .name("hashing".to_owned())
            .spawn(move || work_off(&waiting));
        if let Err(error) = begun {
            tracing::error!(%error, "A thread for hashing passwords could not be begun.");
        }
    }
    jobs
}

/// One job after the other, until nobody could send another one.
fn work_off(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("A password could not be hashed.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn strangers_fill_their_places_and_not_those_of_the_known() {
        let hashing = Hashing::new();
        let strangers: Vec<Place> = std::iter::from_fn(|| hashing.place()).collect();
        assert_eq!(strangers.len(), PARALLEL + WAITING);
        let known: Vec<Place> = std::iter::from_fn(|| hashing.kept_place()).collect();
        assert_eq!(known.len(), KEPT_FOR_KNOWN);
        drop(strangers);
        assert!(hashing.place().is_some());
    }

    #[tokio::test]
    async fn heavy_hashes_take_the_room_of_several() {
        let hashing = Hashing::new();
        let (most, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for weight in [4, 1, 1, 4, 2, 3, 1, 9] {
            let (hashing, most, now) = (hashing.clone(), Arc::clone(&most), Arc::clone(&now));
            tasks.spawn(async move {
                let place = hashing.place().expect("a place");
                let turn = hashing.turn(place).await.expect("a turn");
                let room = weight.min(PARALLEL);
                let work = move || {
                    most.fetch_max(now.fetch_add(room, Ordering::SeqCst) + room, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(room, Ordering::SeqCst);
                };
                turn.run(u32::try_from(weight).unwrap(), work).await.expect("room");
            });
        }
        tasks.join_all().await;
        assert_eq!(now.load(Ordering::SeqCst), 0);
        assert_eq!(most.load(Ordering::SeqCst), PARALLEL, "never more at a time");
    }
}
