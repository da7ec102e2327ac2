//! What vendors ask us during a call: what to say first, and what to say now that a key was pressed.
//!
//! An answer goes only to the vendor that was asked to call: its signature has to be right, and it has to
//! ask at the address that it was given, which nobody can guess. The code is handed out once and only
//! after a key press; nothing of address or code is ever logged. This module reads and writes the vendors'
//! words; what is kept, and that it counts once, is the challenge room's.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretSlice;

use super::{LONGEST, RINGS, Spoken, plivo, script, twilio, vonage};
use crate::ambient::UnixTime;
use crate::config::Settings;
use crate::config::settings::{SenderKind, TwilioFrom, Vendor};
use crate::delivery::receipts::{self, NotTaken, Report};
use crate::delivery::{Channel, Message};
use crate::observe::metrics;

/// Seconds from the request to call until nothing is answered any more: ringing, the call itself, and
/// what the vendor needs in between.
pub const LIFE: i64 = (RINGS + LONGEST).cast_signed() + 40;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody, or something, has picked up.
    Answered,
    /// A key was pressed: now the code is said, once.
    Pressed,
    /// None was, for as long as was waited.
    Unpressed,
    /// It is over; nothing is said any more.
    Over,
}

impl Step {
    /// Its name in `stepgate_call_steps_total`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Pressed => "pressed",
            Self::Unpressed => "unpressed",
            Self::Over => "over",
        }
    }
}

/// What the vendor is told, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub content_type: &'static str,
    pub body: String,
}

impl Reply {
    pub(super) fn xml(body: String) -> Self {
        Self { content_type: "application/xml", body }
    }

    pub(super) fn json(body: &serde_json::Value) -> Self {
        Self { content_type: "application/json", body: body.to_string() }
    }
}

/// Every sender that asks during a call. Cheap to clone.
#[derive(Clone)]
pub struct Asked(Arc<Inner>);

struct Inner {
    /// The portal's reserved prefix with its origin.
    base: String,
    senders: BTreeMap<String, Vendor>,
}

impl Asked {
    /// Those of these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let asks = |sender: &crate::config::settings::Sender| match &sender.kind {
            SenderKind::Vendor { api, .. } if asks(api) => Some((sender.name.clone(), Vendor::clone(api))),
            _ => None,
        };
        let senders = settings.senders.list.iter().filter_map(asks).collect();
        Self(Arc::new(Inner { base: receipts::base(settings), senders }))
    }

    /// Where the call stands that the vendor of this name asks about.
    ///
    /// # Errors
    /// When it is not to be believed or cannot be read.
    pub fn read(
        &self,
        name: &str,
        token: &str,
        report: &Report<'_>,
        now: UnixTime,
    ) -> Result<Step, NotTaken> {
        let vendor = self.0.senders.get(name).ok_or(NotTaken::Unknown)?;
        let mark = if report.query.is_empty() { "" } else { "?" };
        let url = format!("{}{mark}{}", self.address(name, token), report.query);
        let step = match vendor {
            Vendor::Twilio(settings) => twilio::step(settings, &url, report),
            Vendor::Plivo(settings) => plivo::step(settings, &url, report),
            Vendor::VonageVoice(settings) => vonage::step(settings, report, now),
            _ => Err(NotTaken::Unknown),
        };
        metrics().call_step(name, step.map_or("refused", Step::name));
        step
    }

    /// What is said at this step; without `kept`, which has been heard or has run out, the call ends.
    #[must_use]
    pub fn reply(&self, name: &str, token: &str, step: Step, kept: Option<&SecretSlice<u8>>) -> Reply {
        let spoken = kept.and_then(Spoken::read);
        let address = self.address(name, token);
        match self.0.senders.get(name) {
            Some(Vendor::Plivo(_)) => plivo::reply(step, spoken.as_ref(), &address),
            Some(Vendor::VonageVoice(_)) => vonage::reply(step, spoken.as_ref(), &address),
            _ => twilio::reply(step, spoken.as_ref()),
        }
    }

    fn address(&self, name: &str, token: &str) -> String {
        format!("{}/{token}", place(&self.0.base, name))
    }
}

/// What a call of this message will say, to be kept under its token until it is asked for. `None`: it
/// goes with the message.
#[must_use]
pub fn kept(message: &Message) -> Option<(String, SecretSlice<u8>)> {
    let token = script::token(message)?;
    Some((token.to_owned(), Spoken::of(message).ok()?.written()))
}

/// Whether this vendor asks during its calls, because it signs what it asks.
#[must_use]
pub fn asks(vendor: &Vendor) -> bool {
    match vendor {
        Vendor::Twilio(twilio) => matches!(twilio.from, TwilioFrom::Number(_)) && receipts::is_signed(vendor),
        Vendor::Plivo(_) => true,
        Vendor::VonageVoice(voice) => voice.signature_secret.is_some(),
        _ => false,
    }
}

/// Whether every sender that calls can dial an extension: it needs the key press, since nobody knows when
/// somebody is there.
#[must_use]
pub fn dial_extensions(settings: &Settings) -> bool {
    let route = settings.senders.routes.get(&Channel::Voice).map_or(&[][..], Vec::as_slice);
    let named = |name: &String| settings.senders.list.iter().find(|sender| sender.name == *name);
    let dials = |name: &String| {
        named(name).is_some_and(|sender| match &sender.kind {
            SenderKind::Vendor { api, .. } => asked_at(settings, name, api).is_some(),
            SenderKind::Smtp(_) | SenderKind::Smpp(_) => false,
        })
    };
    !route.is_empty() && route.iter().all(dials)
}

/// Where this vendor asks, up to the token; only at an address that it can reach.
pub(in super::super) fn asked_at(settings: &Settings, name: &str, vendor: &Vendor) -> Option<String> {
    let reachable = asks(vendor) && receipts::is_reachable(settings, vendor);
    reachable.then(|| place(&receipts::base(settings), name))
}

fn place(base: &str, name: &str) -> String {
    format!("{base}/calls/{name}")
}

#[cfg(test)]
mod tests {
    use super::super::super::sms::testing::{call, notice};
    use super::*;
    use crate::delivery::Language;

    #[test]
    fn only_a_call_with_a_token_is_kept() {
        let with = |channel, token| kept(&Message { channel, language: Language::Fr, ..call(token) });
        let (token, says) = with(Channel::Voice, Some("t")).unwrap();
        assert_eq!((token.as_str(), Spoken::read(&says).unwrap().tag()), ("t", "fr-FR"));
        assert!(with(Channel::Voice, None).is_none() && with(Channel::Sms, Some("t")).is_none());
        assert!(kept(&notice()).is_none());
    }
}
