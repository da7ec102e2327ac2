//! Caps on messages with codes, so that nobody is flooded and nobody earns by being sent to
//! (security.md E22).
//!
//! A message is counted in one transaction before it is handed to a sender, and given back only when
//! it surely did not leave. Counts are durable and shared by all sessions, pages and processes. A
//! message that nobody asked for by POST is never counted, because it is never sent.

use std::net::IpAddr;

use crate::ambient::{UnixTime, random_token};
use crate::config::settings::{MessageLimits, Rate};
use crate::delivery::{Channel, addresses, masked, numbers};
use crate::factors::{Answer, Factor, Material, Prompt, Verdict};
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
    /// Many went into that block in a row, and none was answered.
    Unanswered,
    /// The country of the number.
    Country,
    /// The client's network.
    Network,
    /// Everything that leaves by this channel.
    Overall,
    /// The person said no to what their phone asked, or let it ring.
    Declined,
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
            Self::Unanswered => "messages_unanswered",
            Self::Country => "messages_per_country",
            Self::Network => "messages_per_network",
            Self::Overall => "messages_overall",
            Self::Declined => "pushes_declined",
        }
    }

    /// Whether it is about more than this person and this destination: then it may be fraud, and the
    /// person can do nothing about it.
    #[must_use]
    pub const fn is_of_many(self) -> bool {
        !matches!(self, Self::Resend | Self::Person | Self::Destination | Self::Declined)
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
        (Cap::Country, SendScope::Country, figures.per_country),
        (Cap::Network, SendScope::Network, figures.per_network),
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

/// A message that somebody has asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub subject: SubjectKey,
    pub channel: Channel,
    /// E.164, or an address.
    pub to: String,
    /// The client's.
    pub address: IpAddr,
}

/// Counts a message that is about to go, unless a cap holds it back. The caller commits, and sends only
/// then.
///
/// # Errors
/// When the database refuses: then nothing may be sent.
pub(super) async fn reserve(
    tx: &mut Tx,
    figures: &MessageLimits,
    asked: &Asked,
    now: UnixTime,
) -> Result<Reserved, StoreError> {
    let send = counted(tx, asked, now);
    let mut held = holding(tx, &send, &limits(figures, asked.channel)).await?;
    if held.is_none() {
        held = unanswered(tx, &send, figures.unanswered).await?;
    }
    if let Some((cap, until)) = held {
        tell(asked, cap, until);
        return Ok(Reserved::Held { cap, until });
    }
    tx.insert_send(&send).await?;
    Ok(Reserved::Counted(send.id))
}

/// The row that counts it. What says where it goes is hashed with a key, but for the country.
fn counted(tx: &Tx, asked: &Asked, now: UnixTime) -> NewSend {
    let ring = tx.ring();
    let is_number = asked.channel != Channel::Email;
    let hash = |what: &'static str, text: String| is_number.then(|| ring.mac(what, &[text.as_bytes()]));
    NewSend {
        id: random_token(),
        at: now,
        channel: asked.channel.name(),
        subject: asked.subject.clone(),
        destination: destination(tx, asked.channel, &asked.to),
        block: hash("block of numbers", numbers::block(&asked.to)),
        country: is_number.then(|| numbers::country(&asked.to)).flatten(),
        network: hash("network that asks", network(asked.address)),
    }
}

/// What is one destination to the caps, however it is written.
fn destination(tx: &Tx, channel: Channel, to: &str) -> [u8; 32] {
    match channel {
        Channel::Email => tx.ring().mac("destination", &[addresses::mailbox(to).as_bytes()]),
        // Whatever is dialled behind it, one line is one destination.
        Channel::Sms | Channel::Voice => {
            tx.ring().mac("destination", &[numbers::with_extension(to).0.as_bytes()])
        }
    }
}

/// An IPv4 address, or an IPv6 /64: what one subscriber has at least.
fn network(address: IpAddr) -> String {
    let length = if address.is_ipv4() { 32 } else { 64 };
    ipnet::IpNet::new(address, length).map_or_else(|_| address.to_string(), |net| net.trunc().to_string())
}

/// Whether the last so many messages into its block came to nothing: what is paid for by the message
/// looks like this.
async fn unanswered(tx: &mut Tx, send: &NewSend, rate: Rate) -> Result<Option<(Cap, UnixTime)>, StoreError> {
    let (most, window) = (rate.count.max(1), within(rate));
    let newest = tx.newest_in_block(send, send.at.plus(-window), most).await?;
    let stop = newest.filter(|newest| newest.count >= i64::from(most) && newest.answered == 0);
    Ok(stop.map(|newest| (Cap::Unanswered, UnixTime(newest.oldest).plus(window))))
}

/// What may be fraud is for the operator to see; what one person has asked for too often is for support.
fn tell(asked: &Asked, cap: Cap, until: UnixTime) {
    metrics().limited(cap.name());
    let (limit, channel, person) = (cap.name(), asked.channel.name(), &asked.subject);
    let (to, until) = (masked(&asked.to), until.0);
    if cap.is_of_many() {
        tracing::warn!(limit, channel, %person, to, until, "a message was held back by a cap on many");
    } else if cap != Cap::Resend {
        tracing::info!(limit, channel, %person, to, until, "a message was held back");
    }
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
        destination: tx.ring().mac("links to", &[addresses::mailbox(to).as_bytes()]),
        block: None,
        country: None,
        network: None,
    };
    if let Some((cap, until)) = holding(tx, &send, &link_limits(figures)).await? {
        return Ok(held(cap, until));
    }
    tx.insert_send(&send).await?;
    Ok(Reserved::Counted(send.id))
}

/// The first of the caps that holds this message back.
async fn holding(
    tx: &mut Tx,
    send: &NewSend,
    limits: &[Limit],
) -> Result<Option<(Cap, UnixTime)>, StoreError> {
    for limit in limits {
        let last = tx.nth_newest_send(send, limit.scope, limit.most).await?;
        if let Some(until) = last.map(|at| at.plus(limit.within)).filter(|until| *until > send.at) {
            return Ok(Some((limit.cap, until)));
        }
    }
    Ok(None)
}

/// Questions to somebody's phone in a row and within so many seconds (security.md E21).
const PUSHES: [(Cap, u32, i64); 2] = [(Cap::Resend, 1, RESEND_AFTER), (Cap::Person, 5, 3600)];
/// Questions that somebody declines, one after the other, until nobody asks for so many seconds (likewise).
const DECLINED: (u32, i64) = (2, 3600);

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
    let (most, within) = DECLINED;
    let no = of_pushes(tx, "declined", subject, now);
    let last = tx.nth_newest_send(&no, SendScope::Destination, most).await?;
    if let Some(until) = last.map(|at| at.plus(within)).filter(|until| *until > now) {
        return Ok(held(Cap::Declined, until));
    }
    let send = of_pushes(tx, "push", subject, now);
    for (cap, most, within) in PUSHES {
        let last = tx.nth_newest_send(&send, SendScope::Destination, most).await?;
        if let Some(until) = last.map(|at| at.plus(within)).filter(|until| *until > now) {
            return Ok(held(cap, until));
        }
    }
    tx.insert_send(&send).await?;
    Ok(Reserved::Counted(send.id))
}

/// A row about questions to somebody's phone. All phones of one person are one.
fn of_pushes(tx: &Tx, channel: &'static str, subject: &SubjectKey, now: UnixTime) -> NewSend {
    NewSend {
        id: random_token(),
        at: now,
        channel,
        subject: subject.clone(),
        destination: tx.ring().mac("pushes to", &[channel.as_bytes(), subject.as_str().as_bytes()]),
        block: None,
        country: None,
        network: None,
    }
}

/// Notes in the transaction of an answer that somebody declined what their phone asked; at once twice
/// where they say that it was not them.
///
/// # Errors
/// When the database refuses.
pub(super) async fn declined(
    tx: &mut Tx,
    subject: &SubjectKey,
    answer: &Answer,
    verdict: &Verdict,
    now: UnixTime,
) -> Result<(), StoreError> {
    let times = match (answer, verdict) {
        (Answer::Ask, Verdict::Denied | Verdict::Lapsed) => 1,
        (Answer::Ask, Verdict::Fraud) => DECLINED.0,
        _ => 0,
    };
    for _ in 0..times {
        let no = of_pushes(tx, "declined", subject, now);
        tx.insert_send(&no).await?;
    }
    Ok(())
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

/// Notes in the transaction of a right answer that the messages behind it arrived where they went, if it
/// was to one; and that whoever was asked on their phone answers.
///
/// # Errors
/// When the database refuses.
pub(super) async fn answered(
    tx: &mut Tx,
    subject: &SubjectKey,
    factor: &dyn Factor,
    material: &Material,
    now: UnixTime,
) -> Result<(), StoreError> {
    if factor.prompt() == Prompt::Approve {
        let no = of_pushes(tx, "declined", subject, now);
        return tx.forget_sends(&no).await;
    }
    match factor.sends_to(material) {
        Some((channel, to)) => arrived(tx, subject, channel, &to, now).await,
        None => Ok(()),
    }
}

async fn arrived(
    tx: &mut Tx,
    subject: &SubjectKey,
    channel: Channel,
    to: &str,
    now: UnixTime,
) -> Result<(), StoreError> {
    let destination = destination(tx, channel, to);
    tx.confirm_sends(subject, channel.name(), &destination, now.plus(-2 * LONGEST_LIFE))
        .await
}

/// No code lives longer. Seconds (security.md 2.3).
const LONGEST_LIFE: i64 = 600;

#[cfg(test)]
mod tests;
