//! Caps on messages with codes, so that nobody is flooded and nobody earns by being sent to
//! (security.md E22).
//!
//! A message is counted in one transaction before it is handed to a sender, and given back only when
//! it surely did not leave. Counts are durable and shared by all sessions, pages and processes. A
//! message that nobody asked for by POST is never counted, because it is never sent.

use crate::ambient::{UnixTime, random_token};
use crate::config::FactorKind;
use crate::config::settings::{MessageLimits, Rate};
use crate::delivery::{Channel, numbers};
use crate::observe::metrics;
use crate::policy::SubjectKey;
use crate::store::{LINKS, NewSend, SendScope, Store, StoreError, Tx};

/// Seconds between two messages to one destination (ux.md P-5).
pub(super) const RESEND_AFTER: i64 = 60;
/// Messages per person and per destination, each within so many seconds (security.md 2.3).
const EACH: [(u32, i64); 2] = [(3, 600), (10, 86_400)];
/// Links for new passwords per person and per destination, likewise. They are counted apart, because
/// whoever knows a name can ask for them: nobody is kept from their codes by that.
const EACH_LINK: [(u32, i64); 2] = [(3, 3600), (5, 86_400)];
/// Messages into one block of numbers in a day, none of which was ever answered, after which no more
/// go there: what is paid for by the message looks like this.
const UNANSWERED: i64 = 20;
const DAY: i64 = 86_400;

/// Which cap holds a message back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// The last one went only just now.
    Resend,
    Person,
    Destination,
    /// The block of numbers that the destination is in.
    Prefix,
    /// Everything that leaves by this channel.
    Overall,
    /// Many went into that block, and none was answered.
    Unanswered,
}

impl Cap {
    /// Its name in `stepgate_limited_total`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resend => "message_resend",
            Self::Person => "messages_per_person",
            Self::Destination => "messages_per_destination",
            Self::Prefix => "messages_per_prefix",
            Self::Overall => "messages_overall",
            Self::Unanswered => "messages_unanswered",
        }
    }
}

/// Whether a message may be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// It is counted, under this name.
    Counted(String),
    /// Not before `until`.
    Held { cap: Cap, until: UnixTime },
}

/// One cap: so many messages of a scope within so many seconds.
struct Limit {
    cap: Cap,
    scope: SendScope,
    most: u32,
    within: i64,
}

/// The caps in the order in which they are asked: what the person can do something about first.
fn limits(figures: &MessageLimits, channel: Channel) -> Vec<Limit> {
    let mut list =
        vec![Limit { cap: Cap::Resend, scope: SendScope::Destination, most: 1, within: RESEND_AFTER }];
    for (most, within) in EACH {
        list.push(Limit { cap: Cap::Person, scope: SendScope::Person, most, within });
        list.push(Limit { cap: Cap::Destination, scope: SendScope::Destination, most, within });
    }
    let all = if channel == Channel::Email {
        SendScope::Mail
    } else {
        SendScope::Channel
    };
    for (cap, scope, rate) in [
        (Cap::Prefix, SendScope::Block, figures.per_prefix),
        (Cap::Overall, all, figures.overall),
    ] {
        list.push(Limit { cap, scope, most: rate.count.max(1), within: within(rate) });
    }
    list
}

/// The caps on links. They take half of all that may be mailed, and leave the other half to codes.
fn link_limits(figures: &MessageLimits) -> Vec<Limit> {
    let mut list =
        vec![Limit { cap: Cap::Resend, scope: SendScope::Destination, most: 1, within: RESEND_AFTER }];
    for (most, within) in EACH_LINK {
        list.push(Limit { cap: Cap::Person, scope: SendScope::PersonsLinks, most, within });
        list.push(Limit { cap: Cap::Destination, scope: SendScope::Destination, most, within });
    }
    let (all, within) = (figures.overall.count, within(figures.overall));
    list.push(Limit { cap: Cap::Overall, scope: SendScope::Channel, most: (all / 2).max(1), within });
    list.push(Limit { cap: Cap::Overall, scope: SendScope::Mail, most: all.max(1), within });
    list
}

/// In seconds; counts are kept for a day.
fn within(rate: Rate) -> i64 {
    i64::try_from(rate.window.as_secs()).unwrap_or(DAY).min(DAY)
}

/// Counts a message that is about to go to `to` (E.164, or an address), unless a cap holds it back.
/// The caller commits, and sends only then.
///
/// # Errors
/// When the database refuses: then nothing may be sent.
pub(super) async fn reserve(
    tx: &mut Tx,
    figures: &MessageLimits,
    subject: &SubjectKey,
    channel: Channel,
    to: &str,
    now: UnixTime,
) -> Result<Reserved, StoreError> {
    let ring = tx.ring();
    let block = (channel != Channel::Email).then(|| numbers::block(to));
    let send = NewSend {
        id: random_token(),
        at: now,
        channel: channel.name(),
        subject: subject.clone(),
        destination: ring.mac("destination", &[to.as_bytes()]),
        block: block.map(|block| ring.mac("block of numbers", &[block.as_bytes()])),
    };
    if let Some(held) = holding(tx, &send, &limits(figures, channel)).await? {
        return Ok(held);
    }
    let (sent, answered) = tx.conversion(&send, now.plus(-DAY)).await?;
    if sent >= UNANSWERED && answered == 0 {
        return Ok(held(Cap::Unanswered, now.plus(DAY)));
    }
    tx.insert_send(&send).await?;
    Ok(Reserved::Counted(send.id))
}

/// Counts a link for a new password that is about to be mailed to `to`, as [`reserve`] does a code.
///
/// # Errors
/// When the database refuses: then nothing may be sent.
pub(super) async fn reserve_link(
    tx: &mut Tx,
    figures: &MessageLimits,
    subject: &SubjectKey,
    to: &str,
    now: UnixTime,
) -> Result<Reserved, StoreError> {
    let send = NewSend {
        id: random_token(),
        at: now,
        channel: LINKS,
        subject: subject.clone(),
        // Another than that of codes to the same address.
        destination: tx.ring().mac("links to", &[to.as_bytes()]),
        block: None,
    };
    if let Some(held) = holding(tx, &send, &link_limits(figures)).await? {
        return Ok(held);
    }
    tx.insert_send(&send).await?;
    Ok(Reserved::Counted(send.id))
}

/// The first of the caps that holds this message back.
async fn holding(tx: &mut Tx, send: &NewSend, limits: &[Limit]) -> Result<Option<Reserved>, StoreError> {
    for limit in limits {
        let last = tx.nth_newest_send(send, limit.scope, limit.most).await?;
        if let Some(until) = last.map(|at| at.plus(limit.within)).filter(|until| *until > send.at) {
            return Ok(Some(held(limit.cap, until)));
        }
    }
    Ok(None)
}

/// Questions to somebody's phone in a row and within so many seconds (security.md E21).
const PUSHES: [(Cap, u32, i64); 2] = [(Cap::Resend, 1, RESEND_AFTER), (Cap::Person, 5, 3600)];

/// Counts a push or a call that a service is about to make for this person, as [`reserve`] does a
/// message.
///
/// # Errors
/// When the database refuses: then nobody may be asked.
pub(super) async fn reserve_push(
    tx: &mut Tx,
    subject: &SubjectKey,
    now: UnixTime,
) -> Result<Reserved, StoreError> {
    let send = NewSend {
        id: random_token(),
        at: now,
        channel: "push",
        subject: subject.clone(),
        // All phones of one person are one.
        destination: tx.ring().mac("pushes to", &[subject.as_str().as_bytes()]),
        block: None,
    };
    for (cap, most, within) in PUSHES {
        let last = tx.nth_newest_send(&send, SendScope::Destination, most).await?;
        if let Some(until) = last.map(|at| at.plus(within)).filter(|until| *until > now) {
            return Ok(held(cap, until));
        }
    }
    tx.insert_send(&send).await?;
    Ok(Reserved::Counted(send.id))
}

fn held(cap: Cap, until: UnixTime) -> Reserved {
    metrics().limited(cap.name());
    Reserved::Held { cap, until }
}

/// Takes the count back: the message surely did not leave. Where that fails it stays counted, which
/// is the safe side.
pub(super) async fn give_back(store: &Store, id: &str) {
    if let Err(error) = store.withdraw_send(id).await {
        tracing::warn!(%error, "a message that was not sent stays counted");
    }
}

/// Notes in the transaction of a right answer that the messages behind it arrived, if it was to one.
///
/// # Errors
/// When the database refuses.
pub(super) async fn answered(
    tx: &mut Tx,
    subject: &SubjectKey,
    kind: FactorKind,
    now: UnixTime,
) -> Result<(), StoreError> {
    let channel = match kind {
        FactorKind::Email => Channel::Email,
        FactorKind::Sms => Channel::Sms,
        FactorKind::Voice => Channel::Voice,
        _ => return Ok(()),
    };
    tx.confirm_sends(subject, channel.name(), now.plus(-2 * LONGEST_LIFE)).await
}

/// No code lives longer. Seconds (security.md 2.3).
const LONGEST_LIFE: i64 = 600;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    struct World {
        _guard: tempfile::TempDir,
        store: Store,
        figures: MessageLimits,
    }

    async fn world(per_prefix: u32, overall: u32) -> World {
        let (guard, store) = crate::store::testing::store().await;
        let per_hour = |count| Rate { count, window: Duration::from_hours(1) };
        let figures = MessageLimits { per_prefix: per_hour(per_prefix), overall: per_hour(overall) };
        World { _guard: guard, store, figures }
    }

    impl World {
        async fn send_by(&self, channel: Channel, who: &str, to: &str, at: i64) -> Reserved {
            let (figures, subject, to) = (self.figures, SubjectKey::new("local", who), to.to_owned());
            self.store
                .write(move |mut tx| async move {
                    let reserved =
                        reserve(&mut tx, &figures, &subject, channel, &to, UnixTime(NOW + at)).await?;
                    tx.commit(reserved).await
                })
                .await
                .unwrap()
        }

        async fn send(&self, who: &str, to: &str, at: i64) -> Reserved {
            self.send_by(Channel::Sms, who, to, at).await
        }

        /// Which cap holds it, and for how many seconds; `None`: it was counted.
        async fn held(&self, who: &str, to: &str, at: i64) -> Option<(Cap, i64)> {
            match self.send(who, to, at).await {
                Reserved::Counted(_) => None,
                Reserved::Held { cap, until } => Some((cap, until.since(UnixTime(NOW + at)))),
            }
        }

        async fn answered(&self, who: &str, at: i64) {
            let subject = SubjectKey::new("local", who);
            self.store
                .write(move |mut tx| async move {
                    answered(&mut tx, &subject, FactorKind::Sms, UnixTime(NOW + at)).await?;
                    tx.commit(()).await
                })
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn e22_a_minute_between_three_in_ten_minutes_and_ten_a_day() {
        let world = world(1000, 1000).await;
        let to = "+447400123456";
        assert_eq!(world.held("alice", to, 0).await, None);
        assert_eq!(world.held("alice", to, 59).await, Some((Cap::Resend, 1)));
        assert_eq!(world.held("alice", to, 60).await, None);
        assert_eq!(world.held("alice", to, 120).await, None);
        assert_eq!(world.held("alice", to, 180).await, Some((Cap::Person, 420)));
        for at in (600..).step_by(600).take(7) {
            assert_eq!(world.held("alice", to, at).await, None, "{at}");
        }
        assert_eq!(world.held("alice", to, 6000).await, Some((Cap::Person, DAY - 6000)));
        assert_eq!(world.held("alice", to, DAY).await, None);
    }

    #[tokio::test]
    async fn e21_one_push_a_minute_and_five_an_hour() {
        let world = world(1000, 1000).await;
        let push = |who: &'static str, at: i64| {
            let subject = SubjectKey::new("local", who);
            world.store.write(move |mut tx| async move {
                let reserved = reserve_push(&mut tx, &subject, UnixTime(NOW + at)).await?;
                tx.commit(reserved).await
            })
        };
        for at in [0, 60, 120, 180, 240] {
            assert!(matches!(push("alice", at).await.unwrap(), Reserved::Counted(_)), "{at}");
            let again = push("alice", at + 59).await.unwrap();
            assert_eq!(again, Reserved::Held { cap: Cap::Resend, until: UnixTime(NOW + at + 60) });
        }
        let until = UnixTime(NOW + 3600);
        assert_eq!(push("alice", 300).await.unwrap(), Reserved::Held { cap: Cap::Person, until });
        assert!(matches!(push("bob", 300).await.unwrap(), Reserved::Counted(_)), "another person");
    }

    #[tokio::test]
    async fn links_that_strangers_ask_for_keep_nobody_from_codes() {
        let world = world(1000, 8).await;
        let link = async |who: &str, at: i64| {
            let (figures, subject) = (world.figures, SubjectKey::new("local", who));
            let to = format!("{who}@example.com");
            let reserved = world.store.write(move |mut tx| async move {
                let reserved = reserve_link(&mut tx, &figures, &subject, &to, UnixTime(NOW + at)).await?;
                tx.commit(reserved).await
            });
            match reserved.await.unwrap() {
                Reserved::Counted(_) => None,
                Reserved::Held { cap, until } => Some((cap, until.since(UnixTime(NOW + at)))),
            }
        };
        assert_eq!(link("alice", 0).await, None);
        assert_eq!(link("alice", 59).await, Some((Cap::Resend, 1)));
        assert_eq!(link("alice", 60).await, None);
        assert_eq!(link("alice", 120).await, None);
        assert_eq!(link("alice", 180).await, Some((Cap::Person, 3420)));
        let mail = async |who: &str, at: i64| {
            let to = format!("{who}@example.com");
            world.send_by(Channel::Email, who, &to, at).await
        };
        assert!(matches!(mail("alice", 121).await, Reserved::Counted(_)), "a code to the same address");
        assert_eq!(world.held("alice", "+447400123456", 181).await, None);
        // Half of what may be mailed at all, and no more; together no more than all of it.
        assert_eq!(link("bob", 190).await, None);
        assert_eq!(link("carol", 190).await, Some((Cap::Overall, 3410)));
        for who in ["bob", "carol", "dave"] {
            assert!(matches!(mail(who, 200).await, Reserved::Counted(_)), "{who}");
        }
        let until = UnixTime(NOW + 3600);
        assert_eq!(mail("erin", 200).await, Reserved::Held { cap: Cap::Overall, until });
        // Five a day.
        for at in [3600, 3660] {
            assert_eq!(link("alice", at).await, None, "{at}");
        }
        assert_eq!(link("alice", 40_000).await, Some((Cap::Person, DAY - 40_000)));
    }

    #[tokio::test]
    async fn e22_nobody_else_can_send_on_to_the_same_number_nor_one_person_to_many() {
        let world = world(1000, 1000).await;
        for (nth, who) in ["alice", "bob", "carol"].into_iter().enumerate() {
            let at = 60 * i64::try_from(nth).unwrap();
            assert_eq!(world.held(who, "+447400123456", at).await, None, "{who}");
        }
        assert_eq!(world.held("dave", "+447400123456", 200).await, Some((Cap::Destination, 400)));
        assert_eq!(world.held("alice", "+447400223456", 200).await, None);
        assert_eq!(world.held("alice", "+447400323456", 200).await, None);
        assert_eq!(world.held("alice", "+447400423456", 200).await, Some((Cap::Person, 400)));
    }

    #[tokio::test]
    async fn e22_a_block_of_numbers_and_everything_together_are_bounded() {
        let world = world(3, 5).await;
        let number = |n: i64| format!("+44740012{n:04}");
        for n in 0..3 {
            assert_eq!(world.held(&format!("p{n}"), &number(n), n).await, None);
        }
        assert_eq!(world.held("p9", &number(9), 10).await, Some((Cap::Prefix, 3590)));
        assert_eq!(world.held("p4", "+491511234567", 10).await, None);
        assert_eq!(world.held("p5", "+491521234567", 11).await, None);
        assert_eq!(world.held("p6", "+491531234567", 12).await, Some((Cap::Overall, 3588)));
        // Each channel has a total of its own, and addresses have no block.
        let mail = world.send_by(Channel::Email, "p7", "p7@example.com", 12).await;
        assert!(matches!(mail, Reserved::Counted(_)));
        let text = metrics().render();
        for cap in [Cap::Prefix, Cap::Overall] {
            assert!(text.contains(&format!("stepgate_limited_total{{limit=\"{}\"}}", cap.name())), "{text}");
        }
    }

    #[tokio::test]
    async fn what_surely_did_not_leave_is_given_back() {
        let world = world(1000, 1000).await;
        let Reserved::Counted(id) = world.send("alice", "+447400123456", 0).await else {
            panic!("the first is counted")
        };
        give_back(&world.store, &id).await;
        assert_eq!(world.held("alice", "+447400123456", 1).await, None);
    }

    #[tokio::test]
    async fn e22_a_block_that_never_answers_gets_no_more() {
        let world = world(1000, 1000).await;
        let number = |n: i64| format!("+44740012{n:04}");
        for n in 0..UNANSWERED {
            assert_eq!(world.held(&format!("p{n}"), &number(n), n).await, None);
        }
        assert_eq!(world.held("q", &number(99), 99).await, Some((Cap::Unanswered, DAY)));
        world.answered("p19", 100).await;
        assert_eq!(world.held("q", &number(99), 101).await, None);
    }

    #[tokio::test]
    async fn e07_a_hundred_at_once_are_one() {
        let world = std::sync::Arc::new(world(1000, 1000).await);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let world = std::sync::Arc::clone(&world);
            tasks.spawn(async move { world.held("alice", "+447400123456", 0).await });
        }
        let sent = tasks.join_all().await.into_iter().filter(Option::is_none).count();
        assert_eq!(sent, 1);
    }

    #[tokio::test]
    async fn counts_are_kept_for_a_day_and_no_longer() {
        let world = world(1000, 1000).await;
        world.send("alice", "+447400123456", 0).await;
        world.store.purge(UnixTime(NOW + DAY - 1)).await.unwrap();
        assert_eq!(world.held("alice", "+447400123456", 30).await, Some((Cap::Resend, 30)));
        assert_eq!(world.store.purge(UnixTime(NOW + DAY)).await.unwrap(), 1);
    }
}
