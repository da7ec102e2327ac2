//! Which sender a message goes through, and what happens when it cannot.
//!
//! The next sender is asked only where the one before surely sent nothing and the reason does not lie
//! with the destination: nobody gets two codes, and a vendor's block is not gone around.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::redaction::redacted;
use super::smpp::Smpp;
use super::smtp::Smtp;
use super::vendor::Ours;
use super::voice::asked::asked_at;
use super::{Channel, Message, NotSent, Reason, Sender, masked};
use super::{receipts, sms};
use crate::calls::{Https, Trouble, Unwell};
use crate::config::Settings;
use crate::config::settings::{self, SenderKind};
use crate::observe::metrics;

/// All senders of a message together. People wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the senders of a configuration cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the sender `{name}` cannot be used: {why}")]
pub struct DeliveryError {
    pub name: String,
    pub why: String,
}

/// A sender, and how long it may take for one message.
#[derive(Clone)]
pub struct Carrier {
    pub sender: Arc<dyn Sender>,
    pub patience: Duration,
}

/// What came of a message that a sender has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The sender's name.
    pub sender: String,
    pub reference: Option<String>,
}

/// Every sender of the configuration. Cheap to clone.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

struct Inner {
    all: Vec<Carrier>,
    /// In the order in which they are asked.
    routes: BTreeMap<Channel, Vec<Carrier>>,
}

impl Delivery {
    /// The senders of these settings. Connects to nothing.
    ///
    /// # Errors
    /// When one cannot be made, as without any authority that could be believed.
    pub fn new(settings: &Settings) -> Result<Self, DeliveryError> {
        let mut all = Vec::new();
        for sender in &settings.senders.list {
            all.push(Carrier { sender: made(settings, sender)?, patience: sender.timeout });
        }
        let named = |name: &String| all.iter().find(|carrier| carrier.sender.name() == name).cloned();
        let routes = settings
            .senders
            .routes
            .iter()
            .map(|(channel, names)| (*channel, names.iter().filter_map(named).collect()))
            .collect();
        Ok(Self(Arc::new(Inner { all, routes })))
    }

    /// One made of parts, for tests: each channel with its senders in their order.
    #[must_use]
    pub fn of(routes: impl IntoIterator<Item = (Channel, Vec<Carrier>)>) -> Self {
        let routes: BTreeMap<Channel, Vec<Carrier>> = routes.into_iter().collect();
        Self(Arc::new(Inner { all: routes.values().flatten().cloned().collect(), routes }))
    }

    /// Whether anything could leave through this channel.
    #[must_use]
    pub fn offers(&self, channel: Channel) -> bool {
        self.0.routes.get(&channel).is_some_and(|route| !route.is_empty())
    }

    /// Whether a sender of this channel may ask us for what a call says.
    #[must_use]
    pub fn asks_back(&self, channel: Channel) -> bool {
        let mut route = self.0.routes.get(&channel).into_iter().flatten();
        route.any(|carrier| carrier.sender.asks_back())
    }

    /// Hands a message to the first sender that takes it. Ends within 30 s.
    ///
    /// # Errors
    /// The last sender's [`NotSent`]; `certain` only if none of them can have sent it.
    pub async fn send(&self, message: &Message) -> Result<Sent, NotSent> {
        let end = Instant::now() + PATIENCE;
        let mut failed = None;
        for carrier in self.0.routes.get(&message.channel).into_iter().flatten() {
            let patience = carrier.patience.min(end.saturating_duration_since(Instant::now()));
            if patience.is_zero() {
                break;
            }
            match attempt(carrier, patience, message).await {
                Ok(sent) => return Ok(sent),
                Err(not) if !not.certain || not.reason.is_of_destination() => return Err(not),
                Err(not) => failed = Some(not),
            }
        }
        Err(failed.unwrap_or_else(|| {
            let channel = message.channel.name();
            NotSent::surely(Reason::Misconfigured, format!("no sender is configured for {channel}"))
        }))
    }

    /// Tries every sender at the same time, without sending anything: its name, and what is wrong with it.
    pub async fn probe_all(&self) -> Vec<(String, Result<(), Unwell>)> {
        let mut probes = JoinSet::new();
        for (at, carrier) in self.0.all.iter().cloned().enumerate() {
            probes.spawn(async move {
                let probed = timeout(carrier.patience, carrier.sender.probe()).await;
                let late = || format!("no answer within {:?}", carrier.patience);
                let outcome = probed.unwrap_or_else(|_| Err(Unwell::new(Trouble::Unreachable, late())));
                (at, carrier.sender.name().to_owned(), outcome)
            });
        }
        let mut found = probes.join_all().await;
        found.sort_by_key(|(at, ..)| *at);
        found.into_iter().map(|(_, name, outcome)| (name, outcome)).collect()
    }
}

/// The one place where senders are listed.
fn made(settings: &Settings, sender: &settings::Sender) -> Result<Arc<dyn Sender>, DeliveryError> {
    let settings::Sender { name, timeout, kind } = sender;
    let broken = |why: String| DeliveryError { name: name.clone(), why };
    Ok(match kind {
        SenderKind::Smtp(smtp) => Arc::new(Smtp::new(name, smtp, *timeout).map_err(broken)?),
        SenderKind::Vendor { api, authority } => {
            let client = Https::new(authority.as_deref()).map_err(|error| broken(error.to_string()))?;
            let ours = Ours {
                receipts: receipts::wanted_at(settings, name, api),
                calls: asked_at(settings, name, api),
            };
            sms::sender(name, api, ours, client)
        }
        SenderKind::Smpp(smpp) => Arc::new(Smpp::new(name, smpp, *timeout).map_err(broken)?),
    })
}

/// One sender, one message; counted and logged.
async fn attempt(carrier: &Carrier, patience: Duration, message: &Message) -> Result<Sent, NotSent> {
    let name = carrier.sender.name();
    let channel = message.channel.name();
    let began = Instant::now();
    let answer = timeout_at(began + patience, carrier.sender.send(message)).await;
    let result = answer
        .unwrap_or_else(|_| Err(NotSent::late(false, format!("no answer within {patience:?}"))))
        .map_err(|not| NotSent { says: redacted(&not.says, message), ..not });
    let (outcome, reason) = match &result {
        Ok(_) => ("accepted", "none"),
        Err(not) if not.slow => ("slow", not.reason.name()),
        Err(not) if not.reason == Reason::Unavailable => ("unavailable", not.reason.name()),
        Err(not) => ("refused", not.reason.name()),
    };
    metrics().message(name, channel, outcome, reason, began.elapsed());
    match result {
        Ok(accepted) => {
            tracing::debug!(sender = name, channel, message = %message.id, "a message was accepted");
            Ok(Sent { sender: name.to_owned(), reference: accepted.reference })
        }
        Err(not) => {
            tracing::warn!(
                sender = name, channel, message = %message.id, to = %masked(&message.to), outcome, reason,
                says = %not.says, certain = not.certain, "a message was not sent"
            );
            Err(not)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{Accepted, BoxFuture, Code, Content, Language};
    use super::*;

    /// Answers always the same, and counts how often it was asked. `None`: never answers.
    struct Fake {
        name: &'static str,
        answer: Option<Result<Accepted, NotSent>>,
        asked: AtomicUsize,
    }

    impl Sender for Fake {
        fn name(&self) -> &str {
            self.name
        }

        fn send<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<Accepted, NotSent>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {
                match &self.answer {
                    Some(answer) => answer.clone(),
                    None => std::future::pending().await,
                }
            })
        }

        fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
            Box::pin(async {
                match &self.answer {
                    Some(answer) => answer
                        .clone()
                        .map(drop)
                        .map_err(|not| Unwell::new(Trouble::NotAdmitted, not.says)),
                    None => std::future::pending().await,
                }
            })
        }
    }

    fn fake(name: &'static str, answer: Option<Result<Accepted, NotSent>>) -> Arc<Fake> {
        Arc::new(Fake { name, answer, asked: AtomicUsize::new(0) })
    }

    fn good(name: &'static str) -> Arc<Fake> {
        fake(name, Some(Ok(Accepted { reference: Some("1".to_owned()) })))
    }

    fn bad(name: &'static str, reason: Reason, certain: bool) -> Arc<Fake> {
        fake(name, Some(Err(NotSent { reason, certain, slow: false, says: "no".to_owned() })))
    }

    fn delivery(fakes: &[&Arc<Fake>]) -> Delivery {
        let carrier = |fake: &&Arc<Fake>| {
            let sender: Arc<dyn Sender> = Arc::clone(*fake) as _;
            Carrier { sender, patience: Duration::from_secs(10) }
        };
        Delivery::of([(Channel::Sms, fakes.iter().map(carrier).collect())])
    }

    fn message() -> Message {
        let code = Code {
            code: "12345678".into(),
            lives: Duration::from_secs(300),
            app: "Wiki".to_owned(),
            brand: "Example".to_owned(),
            domain: "mfa.example.com".to_owned(),
            call: None,
        };
        Message {
            channel: Channel::Sms,
            to: "+447700900123".to_owned(),
            content: Content::Code(code),
            language: Language::En,
            id: "m1".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_next_is_asked_only_where_nothing_can_have_left() {
        let table = [
            (bad("a", Reason::Unavailable, true), true),
            (bad("b", Reason::Throttled, true), true),
            (bad("c", Reason::Misconfigured, true), true),
            (bad("d", Reason::Unavailable, false), false),
            (bad("e", Reason::InvalidDestination, true), false),
            (bad("f", Reason::NotMobile, true), false),
            (bad("g", Reason::OptedOut, true), false),
            (bad("h", Reason::RegionBlocked, true), false),
            (bad("i", Reason::Blocked, true), false),
        ];
        for (first, goes_on) in table {
            let second = good("second");
            let sent = delivery(&[&first, &second]).send(&message()).await;
            assert_eq!(sent.is_ok(), goes_on, "{}", first.name);
            assert_eq!(second.asked.load(Ordering::Relaxed), usize::from(goes_on), "{}", first.name);
            assert_eq!(first.asked.load(Ordering::Relaxed), 1, "{}", first.name);
        }
    }

    #[tokio::test]
    async fn the_first_that_takes_it_has_it() {
        let (first, second) = (good("first"), good("second"));
        let sent = delivery(&[&first, &second]).send(&message()).await.unwrap();
        assert_eq!((sent.sender.as_str(), sent.reference.as_deref()), ("first", Some("1")));
        assert_eq!(second.asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn e26_a_silent_sender_is_given_up_and_nobody_else_sends_it_too() {
        let (silent, second) = (fake("silent", None), good("after-silent"));
        let began = Instant::now();
        let not = delivery(&[&silent, &second]).send(&message()).await.unwrap_err();
        assert_eq!((not.reason, not.certain), (Reason::Unavailable, false));
        assert_eq!((began.elapsed(), second.asked.load(Ordering::Relaxed)), (Duration::from_secs(10), 0));
        let text = metrics().render();
        let line =
            r#"stepgate_messages_total{sender="silent",channel="sms",outcome="slow",reason="unavailable"} 1"#;
        assert!(text.contains(line), "{text}");
    }

    #[tokio::test]
    async fn what_a_vendor_says_is_told_without_number_and_code() {
        let says = "to +447700900123 (447700900123):\r\n'12345678 is your code' refused".to_owned();
        let talkative = NotSent::surely(Reason::Blocked, says);
        let sender = fake("talkative", Some(Err(talkative)));
        let not = delivery(&[&sender]).send(&message()).await.unwrap_err();
        assert_eq!(not.says, "to …23 (…23):  '… is your code' refused");
    }

    #[tokio::test]
    async fn a_channel_without_senders_offers_nothing() {
        let delivery = delivery(&[&good("texts")]);
        assert!(delivery.offers(Channel::Sms) && !delivery.offers(Channel::Email));
        let not = delivery
            .send(&Message { channel: Channel::Email, ..message() })
            .await
            .unwrap_err();
        assert_eq!((not.reason, not.certain), (Reason::Misconfigured, true));
    }

    #[tokio::test]
    async fn outcomes_are_counted_by_sender() {
        let (tired, well) = (bad("tired", Reason::Throttled, true), good("well"));
        delivery(&[&tired, &well]).send(&message()).await.unwrap();
        let text = metrics().render();
        for line in [
            r#"stepgate_messages_total{sender="tired",channel="sms",outcome="refused",reason="throttled"} 1"#,
            r#"stepgate_messages_total{sender="well",channel="sms",outcome="accepted",reason="none"} 1"#,
            r#"stepgate_message_duration_seconds_count{sender="well",channel="sms"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_end_and_send_nothing() {
        let (well, ill, silent) =
            (good("well"), bad("ill", Reason::Misconfigured, true), fake("silent", None));
        let found = delivery(&[&well, &ill, &silent]).probe_all().await;
        assert_eq!(
            found,
            [
                ("well".to_owned(), Ok(())),
                ("ill".to_owned(), Err(Unwell::new(Trouble::NotAdmitted, "no"))),
                ("silent".to_owned(), Err(Unwell::new(Trouble::Unreachable, "no answer within 10s"))),
            ]
        );
        assert_eq!(well.asked.load(Ordering::Relaxed), 0);
    }
}
