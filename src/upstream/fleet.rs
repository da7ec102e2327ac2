//! The addresses of one upstream, as one worker thread sees them: which to ask next.
//!
//! The one with the fewest requests of ours in flight, in turn where that is equal; those that are
//! to be left alone only when there is nobody else. With a single address nothing is chosen and
//! nothing is remembered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::error::{Fault, UpstreamError};
use super::origin::Origin;
use super::pool::{Bounds, Shelf};

/// One upstream's addresses with their connections.
pub(super) struct Fleet {
    /// At least one.
    shelves: Box<[Arc<Shelf>]>,
    turn: AtomicUsize,
    /// Alive for as long as a configuration has it.
    origin: Weak<Origin>,
}

/// Addresses that one request has been to.
#[derive(Debug, Default)]
pub(super) struct Tried(u64);

impl Fleet {
    fn new(origin: &Arc<Origin>, bounds: Bounds) -> Self {
        let shelves = origin
            .targets
            .iter()
            .map(|target| Arc::new(Shelf::new(target, bounds)))
            .collect();
        Self { shelves, turn: AtomicUsize::new(0), origin: Arc::downgrade(origin) }
    }

    /// The address to ask, and how many are left after it. `None` when the request has been to all.
    pub(super) fn choose(&self, tried: &mut Tried) -> Option<(&Arc<Shelf>, usize)> {
        let (at, shelf) = if let [only] = &*self.shelves {
            (tried.0 == 0).then_some((0, only))?
        } else {
            self.best(tried)?
        };
        tried.0 |= 1 << at;
        Some((shelf, self.shelves.len() - tried.0.count_ones() as usize))
    }

    fn best(&self, tried: &Tried) -> Option<(usize, &Arc<Shelf>)> {
        let now = Instant::now();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let many = self.shelves.len();
        let (at, shelf) = (0..many)
            .filter_map(|step| {
                let at = turn.wrapping_add(step).checked_rem(many)?;
                Some((at, self.shelves.get(at)?))
            })
            .filter(|(at, _)| tried.0 & (1 << at) == 0)
            .min_by_key(|(_, shelf)| (shelf.health.out_until(now), shelf.load()))?;
        shelf.health.is_asked(now);
        Some((at, shelf))
    }

    /// Remembers how it went at an address, where there are others to ask instead.
    pub(super) fn note(&self, shelf: &Shelf, outcome: Result<(), &UpstreamError>) {
        if self.shelves.len() == 1 {
            return;
        }
        let upstream = shelf.address();
        let spell = match outcome {
            Ok(()) => {
                if shelf.health.is_well() {
                    tracing::info!(upstream, "an address of an upstream answers again");
                }
                return;
            }
            Err(error) => match error.fault {
                Fault::Unresolved
                | Fault::Unreachable
                | Fault::ConnectTimeout
                | Fault::Untrusted
                | Fault::TlsFailed => shelf.health.was_unreachable(Instant::now()),
                Fault::Broken | Fault::ResponseTimeout => shelf.health.was_broken(Instant::now()),
                _ => None,
            },
        };
        if let (Some(spell), Err(error)) = (spell, outcome) {
            let seconds = spell.as_secs();
            tracing::warn!(upstream, %error, seconds, "an address of an upstream is left alone for a while");
        }
    }
}

/// Numbers that are given out in a row need no hashing.
#[derive(Debug, Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes both ends of the number.
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// All fleets of one worker thread.
#[derive(Default)]
pub(super) struct Harbour {
    fleets: Mutex<HashMap<u64, Arc<Fleet>, BuildHasherDefault<Plain>>>,
    bounds: Bounds,
}

impl Harbour {
    /// This worker's connections to an upstream. Their number is bounded by the configuration.
    pub(super) fn fleet(&self, origin: &Arc<Origin>) -> Arc<Fleet> {
        let mut fleets = self.fleets.lock().unwrap_or_else(PoisonError::into_inner);
        let fleet = fleets
            .entry(origin.id)
            .or_insert_with(|| Arc::new(Fleet::new(origin, self.bounds)));
        Arc::clone(fleet)
    }

    /// Sweeps every second for as long as the worker lives.
    pub(super) async fn keep_swept(harbour: Weak<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let Some(harbour) = harbour.upgrade() else { return };
            let fleets: Vec<_> = {
                let mut fleets = harbour.fleets.lock().unwrap_or_else(PoisonError::into_inner);
                // What no configuration has any more; its requests keep what they use.
                fleets.retain(|_, fleet| fleet.origin.strong_count() > 0);
                fleets.values().cloned().collect()
            };
            for shelf in fleets.iter().flat_map(|fleet| &fleet.shelves) {
                shelf.sweep();
            }
        }
    }
}
