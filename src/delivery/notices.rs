//! Tells people what happened to their account, off the way of the request that did it.
//!
//! A notice is tried for a quarter of an hour: one that comes twice does no harm, one that never comes
//! does. What cannot be told in the end is in the audit log. How many wait is bounded, and how many one
//! person gets. Nothing here may ever hold up, or fail, what it tells of.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Content, Delivery, Event, Message, NotSent, Notice};
use crate::ambient::Clock;
use crate::store::{AuditEvent, Store};

/// Notices on their way.
const MOST: usize = 1024;
/// Senders asked at the same time.
const AT_ONCE: usize = 8;
/// For one person in an hour; texts cost money, and who turns a factor on and off makes them. Sign-ins are
/// counted apart: whoever has a password alone can make any number of them, and nobody must be kept from
/// hearing of a new factor by that.
const PER_PERSON: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
/// Between attempts.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(240),
    Duration::from_secs(600),
];

/// The way to people's other channels. Cheap to clone; one for the process.
#[derive(Clone)]
pub struct Notices(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    runtime: Handle,
    waiting: Arc<Semaphore>,
    at_once: Semaphore,
    ending: CancellationToken,
    per_person: DefaultKeyedRateLimiter<String>,
    pauses: &'static [Duration],
}

/// One notice for one destination.
pub struct Telling {
    /// Whose account: the subject key.
    pub who: String,
    pub what: &'static str,
    pub message: Message,
}

impl Notices {
    /// Sends on the current runtime.
    ///
    /// # Panics
    /// Outside a runtime.
    #[must_use]
    pub fn new(store: Store, clock: Clock) -> Self {
        Self::with_pauses(store, clock, &PAUSES)
    }

    fn with_pauses(store: Store, clock: Clock, pauses: &'static [Duration]) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            runtime: Handle::current(),
            waiting: Arc::new(Semaphore::new(MOST)),
            at_once: Semaphore::new(AT_ONCE),
            ending: CancellationToken::new(),
            per_person: RateLimiter::keyed(Quota::per_hour(PER_PERSON)),
            pauses,
        }))
    }

    /// Sees to it that the person is told, and returns at once.
    pub fn tell(&self, delivery: &Delivery, telling: Telling) {
        let inner = Arc::clone(&self.0);
        let counted = match &telling.message.content {
            Content::Notice(Notice { event: Event::SignedIn, .. }) => format!("{} in", telling.who),
            Content::Notice(_) | Content::Code(_) => telling.who.clone(),
        };
        let place = match inner.per_person.check_key(&counted) {
            Ok(()) => Arc::clone(&inner.waiting).try_acquire_owned().map_err(|_| "queue_full"),
            Err(_) => Err("too_many"),
        };
        // Who has been quiet for an hour is forgotten.
        inner.per_person.retain_recent();
        let delivery = delivery.clone();
        self.0.runtime.spawn(async move {
            match place {
                Ok(place) => inner.deliver(&delivery, &telling, place).await,
                Err(why) => inner.lost(&telling, why).await,
            }
        });
    }

    /// Gives everything that still waits one last attempt; returns when that is done, or `patience` is over.
    pub async fn end(&self, patience: Duration) {
        self.0.ending.cancel();
        let all = u32::try_from(MOST).unwrap_or(u32::MAX);
        if timeout(patience, self.0.waiting.acquire_many(all)).await.is_err() {
            let left = MOST.saturating_sub(self.0.waiting.available_permits());
            tracing::warn!(left, "notices were not sent before the end");
        }
    }
}

impl Inner {
    async fn deliver(&self, delivery: &Delivery, telling: &Telling, _place: OwnedSemaphorePermit) {
        let mut last = false;
        for pause in self.pauses.iter().copied().map(Some).chain([None]) {
            let not = match self.attempt(delivery, &telling.message).await {
                Ok(()) => return,
                Err(not) => not,
            };
            let Some(pause) = pause.filter(|_| !last && !not.reason.is_of_destination()) else {
                return self.lost(telling, not.reason.name()).await;
            };
            last = timeout(pause, self.ending.cancelled()).await.is_ok();
        }
    }

    async fn attempt(&self, delivery: &Delivery, message: &Message) -> Result<(), NotSent> {
        let _turn = self.at_once.acquire().await;
        delivery.send(message).await.map(drop)
    }

    async fn lost(&self, telling: &Telling, why: &str) {
        let event = AuditEvent::new(self.clock.now(), "notice.lost", why)
            .who(&telling.who)
            .with("channel", telling.message.channel.name())
            .with("event", telling.what);
        if let Err(error) = self.store.append_audit(event).await {
            tracing::error!(%error, who = %telling.who, why, "a notice was lost");
        }
    }
}

impl Event {
    /// Its name in the audit log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FactorAdded { .. } => "factor_added",
            Self::FactorRemoved { .. } => "factor_removed",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::TemporaryCodeIssued { .. } => "temporary_code_issued",
            Self::TemporaryCodeUsed => "temporary_code_used",
            Self::Reset => "reset",
            Self::Locked => "locked",
            Self::PasskeyCopied { .. } => "passkey_copied",
            Self::PasswordChanged => "password_changed",
            Self::PasswordLink { .. } => "password_link",
            Self::BrowserTrusted { .. } => "browser_trusted",
            Self::SignedIn => "signed_in",
            Self::BrowserTokenCopied { .. } => "browser_token_copied",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{Accepted, BoxFuture, Carrier, Channel, Language, Reason, Sender};
    use super::*;
    use crate::ambient::UnixTime;
    use crate::calls::Unwell;
    use crate::store::testing;

    /// Fails so often, then takes everything.
    struct Flaky {
        failures: AtomicUsize,
        reason: Reason,
        taken: Mutex<Vec<String>>,
    }

    impl Sender for Flaky {
        fn name(&self) -> &'static str {
            "flaky"
        }

        fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Accepted, NotSent>> {
            Box::pin(async move {
                let left = self.failures.load(Ordering::Relaxed);
                if left > 0 {
                    self.failures.store(left - 1, Ordering::Relaxed);
                    return Err(NotSent::surely(self.reason, "not now"));
                }
                self.taken.lock().unwrap().push(message.to.clone());
                Ok(Accepted::default())
            })
        }

        fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
            Box::pin(async { Ok(()) })
        }
    }

    struct World {
        notices: Notices,
        delivery: Delivery,
        sender: Arc<Flaky>,
        store: Store,
        _guard: tempfile::TempDir,
    }

    const AT_ONCE_AGAIN: [Duration; 5] = [Duration::ZERO; 5];

    async fn world(failures: usize, reason: Reason, pauses: &'static [Duration]) -> World {
        let (guard, store) = testing::store().await;
        let taken = Mutex::default();
        let sender = Arc::new(Flaky { failures: AtomicUsize::new(failures), reason, taken });
        let carrier = Carrier { sender: Arc::clone(&sender) as _, patience: Duration::from_secs(10) };
        let clock = Clock::manual(UnixTime(1_000));
        World {
            notices: Notices::with_pauses(store.clone(), clock, pauses),
            delivery: Delivery::of([(Channel::Email, vec![carrier])]),
            sender,
            store,
            _guard: guard,
        }
    }

    fn telling() -> Telling {
        telling_of(Event::FactorAdded { name: "Phone".to_owned() })
    }

    fn telling_of(event: Event) -> Telling {
        let what = event.name();
        let notice = Notice {
            event,
            at: UnixTime(1_000),
            origin: None,
            not_me: None,
            brand: "Example".to_owned(),
            page: "https://mfa.example.com/".to_owned(),
            support: None,
        };
        let message = Message {
            channel: Channel::Email,
            to: "anna@example.com".to_owned(),
            content: Content::Notice(notice),
            language: Language::En,
            id: "n1".to_owned(),
        };
        Telling { who: "local:anna".to_owned(), what, message }
    }

    /// When nothing is on its way any more.
    async fn settled(world: &World) {
        let all = u32::try_from(MOST).unwrap();
        drop(world.notices.0.waiting.acquire_many(all).await.unwrap());
    }

    async fn lost(world: &World) -> Vec<(String, Option<String>)> {
        let audit = world.store.audit_after(0, 10).await.unwrap();
        audit
            .into_iter()
            .map(|record| (record.event.result, record.event.who))
            .collect()
    }

    #[tokio::test]
    async fn a_notice_is_tried_again_until_it_is_taken_once() {
        let world = world(5, Reason::Unavailable, &AT_ONCE_AGAIN).await;
        world.notices.tell(&world.delivery, telling());
        settled(&world).await;
        assert_eq!(*world.sender.taken.lock().unwrap(), ["anna@example.com"]);
        assert!(lost(&world).await.is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_told_is_in_the_audit_log() {
        for (failures, reason, attempts) in [(9, Reason::Unavailable, 6), (9, Reason::InvalidDestination, 1)]
        {
            let world = world(failures, reason, &AT_ONCE_AGAIN).await;
            world.notices.tell(&world.delivery, telling());
            settled(&world).await;
            assert_eq!(world.sender.failures.load(Ordering::Relaxed), failures - attempts);
            assert_eq!(lost(&world).await, [(reason.name().to_owned(), Some("local:anna".to_owned()))]);
        }
    }

    #[tokio::test]
    async fn nobody_is_flooded() {
        let world = world(0, Reason::Unavailable, &AT_ONCE_AGAIN).await;
        for _ in 0..=PER_PERSON.get() {
            world.notices.tell(&world.delivery, telling());
        }
        world
            .notices
            .tell(&world.delivery, Telling { who: "local:ben".to_owned(), ..telling() });
        settled(&world).await;
        let taken = world.sender.taken.lock().unwrap().len();
        assert_eq!(taken, usize::try_from(PER_PERSON.get()).unwrap() + 1);
    }

    #[tokio::test]
    async fn sign_ins_without_end_keep_nobody_from_hearing_of_a_new_factor() {
        let world = world(0, Reason::Unavailable, &AT_ONCE_AGAIN).await;
        for _ in 0..100 {
            world.notices.tell(&world.delivery, telling_of(Event::SignedIn));
        }
        world.notices.tell(&world.delivery, telling());
        settled(&world).await;
        let taken = world.sender.taken.lock().unwrap().len();
        assert_eq!(taken, usize::try_from(PER_PERSON.get()).unwrap() + 1);
    }

    #[tokio::test]
    async fn the_end_gives_everything_one_last_attempt() {
        let world = world(1, Reason::Unavailable, &PAUSES).await;
        world.notices.tell(&world.delivery, telling());
        while world.sender.failures.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        world.notices.end(Duration::from_secs(60)).await;
        assert_eq!(world.sender.taken.lock().unwrap().len(), 1);
    }
}
