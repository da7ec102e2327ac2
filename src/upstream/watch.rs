//! Exchanges that go on after their permit was given: kept in sight, and told when they must end.
//!
//! An ordinary response is over before anybody would look, so it costs nothing here: only what waits
//! for the app or goes on for long is put on the worker's [`Watches`], and every tunnel. One task per
//! worker looks at those whose time has come, and at all of them when something was revoked or the
//! rules have changed. Why an exchange is over is the business of whoever gave the permit
//! ([`Oversight`], [`Standing`]); nothing here ever prolongs one.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::ambient::UnixTime;
use crate::policy::Permit;

use super::error::{Fault, UpstreamError};

/// How often the time and what may have been revoked are looked at, while there is anything to watch.
const TICK: Duration = Duration::from_millis(250);
/// Between two looks at a request whose body is still on its way.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// Longest time, in seconds, between two looks at one exchange: conditions such as the time of day
/// change without saying so.
const LOOK_AGAIN: i64 = 30;

/// What one exchange rests on. Shared by all exchanges of the same person, proofs and route.
pub trait Standing: Send + Sync {
    /// Until when the exchange with this permit may go on, as things stand now.
    ///
    /// # Errors
    /// [`Over`] when it may not.
    fn look(&self, permit: &Permit) -> Result<UnixTime, Over>;
}

/// Whoever knows the time, and whether anything has happened.
pub trait Oversight: Send + Sync {
    fn now(&self) -> UnixTime;

    /// Another number whenever a look could have a new result before its time: something was
    /// revoked, or the rules have changed.
    fn epoch(&self) -> u64;

    /// Takes note of exchanges that were ended. They have been told already.
    fn took_note(&self, ended: Vec<Arc<Watched>>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Why an exchange is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Stable name for metrics and the audit log.
    pub reason: &'static str,
    /// What a person may read; at most 100 bytes.
    pub text: &'static str,
    /// Nobody ended it, its time has run out: the route's grace applies.
    pub by_time: bool,
    /// Asking again at once may succeed without proving anything.
    pub try_again: bool,
}

/// What sort of exchange it is, which decides how it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    WebSocket,
    EventStream,
    Download,
}

impl Kind {
    /// Stable name for metrics and the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventStream => "event_stream",
            Self::Download => "download",
        }
    }
}

/// An exchange that has been allowed, while nobody needs to look at it.
pub struct Watch {
    permit: Permit,
    standing: Arc<dyn Standing>,
}

/// An exchange in sight.
pub struct Watched {
    kind: Kind,
    permit: Permit,
    standing: Arc<dyn Standing>,
    /// Set once, never taken back.
    over: OnceLock<Over>,
    waker: Mutex<Option<Waker>>,
}

impl Watch {
    pub(super) const fn new(permit: Permit, standing: Arc<dyn Standing>) -> Self {
        Self { permit, standing }
    }

    /// What a request with a body comes to, unless somebody ends what it rests on while it is still being
    /// sent. A proof that has only grown older lets it finish: an upload is judged when it begins.
    pub(super) async fn unless_revoked<T>(
        &self,
        sent: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let mut sent = std::pin::pin!(sent);
        loop {
            match timeout(BETWEEN_LOOKS, &mut sent).await {
                Ok(sent) => return sent,
                Err(_) if self.standing.look(&self.permit).is_err_and(|over| !over.by_time) => {
                    return Err(UpstreamError::sent(Fault::Lapsed));
                }
                Err(_) => {}
            }
        }
    }
}

impl Watched {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The permit it was begun with: whose it is, which route and which request.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Why it was ended, if it was.
    #[must_use]
    pub fn over(&self) -> Option<Over> {
        self.over.get().copied()
    }

    fn end(&self, over: Over) {
        let _ = self.over.set(over);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_by(&self, waker: &Waker) {
        let mut place = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !place.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *place = Some(waker.clone());
        }
    }
}

/// Keeps an exchange in sight until it is dropped.
pub(super) struct InSight {
    watched: Arc<Watched>,
    place: usize,
    watches: Arc<Watches>,
}

impl InSight {
    /// Why the exchange must end, if it must.
    pub(super) fn over(&self) -> Option<Over> {
        self.watched.over()
    }

    /// Ready once the exchange must end.
    pub(super) fn poll_over(&self, cx: &Context<'_>) -> Poll<Over> {
        if self.over().is_none() {
            self.watched.wake_by(cx.waker());
        }
        self.over().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for InSight {
    fn drop(&mut self) {
        self.watches.list().remove(self.place);
    }
}

/// The exchanges of one worker that somebody has to look at. As many as there are connections and
/// streams, which are bounded.
pub(super) struct Watches {
    list: Mutex<List>,
    oversight: Arc<dyn Oversight>,
    somebody: Arc<Notify>,
}

#[derive(Default)]
struct List {
    places: Vec<Option<Entry>>,
    free: Vec<usize>,
}

struct Entry {
    watched: Arc<Watched>,
    look_at: UnixTime,
    /// Its time has run out, and the route lets it go on until then.
    lapsed: Option<(Over, UnixTime)>,
}

impl Watches {
    /// To be called on the worker's own runtime, which then looks from time to time.
    pub(super) fn new(oversight: Arc<dyn Oversight>) -> Arc<Self> {
        let somebody = Arc::new(Notify::new());
        let watches = Arc::new(Self { list: Mutex::default(), oversight, somebody: Arc::clone(&somebody) });
        tokio::spawn(Self::keep_looking(Arc::downgrade(&watches), somebody));
        watches
    }

    /// Takes an exchange in sight. It is looked at within a [`TICK`].
    pub(super) fn add(self: &Arc<Self>, watch: Watch, kind: Kind) -> InSight {
        let Watch { permit, standing } = watch;
        let permit = permit.detached();
        let (over, waker) = (OnceLock::new(), Mutex::default());
        let watched = Arc::new(Watched { kind, permit, standing, over, waker });
        let entry = Entry { watched: Arc::clone(&watched), look_at: UnixTime(i64::MIN), lapsed: None };
        let mut list = self.list();
        if list.is_empty() {
            self.somebody.notify_one();
        }
        InSight { watched, place: list.add(entry), watches: Arc::clone(self) }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep_looking(watches: Weak<Self>, somebody: Arc<Notify>) {
        let mut epoch = 0;
        loop {
            match watches.upgrade() {
                None => return,
                Some(watches) if !watches.list().is_empty() => {}
                Some(_) => somebody.notified().await,
            }
            tokio::time::sleep(TICK).await;
            let Some(watches) = watches.upgrade() else { return };
            let ended = watches.look(&mut epoch);
            if !ended.is_empty() {
                tokio::spawn(watches.oversight.took_note(ended));
            }
        }
    }

    /// Looks at those whose time has come, at all if something has happened, and ends what is over.
    fn look(&self, epoch: &mut u64) -> Vec<Arc<Watched>> {
        let now = self.oversight.now();
        let current = self.oversight.epoch();
        let happened = std::mem::replace(epoch, current) != current;
        let mut ended = Vec::new();
        for entry in self.list().places.iter_mut().flatten() {
            if entry.watched.over().is_none() && entry.look(now, happened) {
                ended.push(Arc::clone(&entry.watched));
            }
        }
        ended
    }
}

impl Entry {
    /// Whether it has just been ended.
    fn look(&mut self, now: UnixTime, happened: bool) -> bool {
        if happened || (self.lapsed.is_none() && self.look_at <= now) {
            match self.watched.standing.look(&self.watched.permit) {
                Ok(until) => self.look_at = until.min(now.plus(LOOK_AGAIN)),
                Err(over) if over.by_time => {
                    let until = now.plus(self.watched.permit.route().long_lived_grace);
                    self.lapsed.get_or_insert((over, until));
                }
                Err(over) => self.lapsed = Some((over, now)),
            }
        }
        match self.lapsed {
            Some((over, until)) if until <= now => {
                self.watched.end(over);
                true
            }
            _ => false,
        }
    }
}

impl List {
    const fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    fn add(&mut self, entry: Entry) -> usize {
        if let Some(place) = self.free.pop()
            && let Some(empty) = self.places.get_mut(place)
        {
            *empty = Some(entry);
            return place;
        }
        self.places.push(Some(entry));
        self.places.len() - 1
    }

    fn remove(&mut self, place: usize) {
        if let Some(entry) = self.places.get_mut(place)
            && entry.take().is_some()
        {
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests;
