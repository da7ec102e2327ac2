//! What vendors report afterwards: whether a message arrived.
//!
//! A receipt changes nothing but figures and the audit log: no code becomes right or wrong by it. It
//! counts only with the vendor's signature over the very address that the configuration gives it;
//! a sender without a signing secret takes none. What comes twice or out of order is harmless: each
//! outcome of a message is told once.

mod gateway;
mod jwt;
mod messagebird;
pub(super) mod plivo;
pub(super) mod twilio;
pub(super) mod vonage;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use quick_cache::sync::Cache;

use super::Reason;
use crate::ambient::UnixTime;
use crate::config::Settings;
use crate::config::settings::{SenderKind, Vendor};
use crate::observe::metrics;

/// Outcomes remembered, so that a repeated receipt is told once.
const REMEMBERED: usize = 10_000;
/// Longest name of a message that is taken from a vendor.
const LONGEST_REFERENCE: usize = 128;

/// A receipt as it came in.
pub struct Report<'a> {
    /// Whether it came by `POST`; some vendors use `GET`.
    pub is_post: bool,
    /// As sent, without the question mark.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The vendor's name for it, as [`super::Accepted`] had it.
    pub reference: String,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Delivered,
    Failed(Reason),
    /// Not known yet.
    Underway,
}

impl Outcome {
    /// Its name in metrics and in the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed(_) => "failed",
            Self::Underway => "underway",
        }
    }

    /// Why it failed.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Failed(reason) => reason.name(),
            Self::Delivered | Self::Underway => "none",
        }
    }
}

/// Why a receipt is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("no sender of this name takes receipts")]
    Unknown,
    #[error("the signature is missing or wrong")]
    NotGenuine,
    #[error("it says nothing that could be read")]
    Unreadable,
}

/// Every sender that takes receipts. Cheap to clone.
#[derive(Clone)]
pub struct Receipts(Arc<Inner>);

struct Inner {
    /// The portal's reserved prefix with its origin.
    base: String,
    senders: BTreeMap<String, Vendor>,
    told: Cache<(String, String, Outcome), ()>,
}

impl Receipts {
    /// Those of these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let takes = |sender: &crate::config::settings::Sender| match &sender.kind {
            SenderKind::Vendor { api, .. } if is_signed(api) => {
                Some((sender.name.clone(), Vendor::clone(api)))
            }
            _ => None,
        };
        let senders = settings.senders.list.iter().filter_map(takes).collect();
        Self(Arc::new(Inner { base: base(settings), senders, told: Cache::new(REMEMBERED) }))
    }

    /// Reads one receipt. `None`: it was told before, or says nothing final.
    ///
    /// # Errors
    /// When it is not to be believed or cannot be read.
    pub fn read(&self, name: &str, report: &Report<'_>, now: UnixTime) -> Result<Option<Receipt>, NotTaken> {
        let vendor = self.0.senders.get(name).ok_or(NotTaken::Unknown)?;
        let url = address(&self.0.base, name, report.query);
        let read = genuine(vendor, &url, report, now);
        let key = |receipt: &Receipt| (name.to_owned(), receipt.reference.clone(), receipt.outcome);
        let (outcome, reason) = match &read {
            Ok(receipt) if self.0.told.get(&key(receipt)).is_some() => ("repeated", "none"),
            Ok(receipt) => (receipt.outcome.name(), receipt.outcome.reason()),
            Err(_) => ("refused", "none"),
        };
        metrics().receipt(name, outcome, reason);
        let receipt = read?;
        let is_news = outcome != "repeated" && receipt.outcome != Outcome::Underway;
        Ok(is_news.then_some(receipt))
    }

    /// Remembers that a receipt has been recorded: its repetitions are no news.
    pub fn told(&self, name: &str, receipt: &Receipt) {
        self.0
            .told
            .insert((name.to_owned(), receipt.reference.clone(), receipt.outcome), ());
    }
}

fn genuine(vendor: &Vendor, url: &str, report: &Report<'_>, now: UnixTime) -> Result<Receipt, NotTaken> {
    let receipt = match vendor {
        Vendor::Twilio(settings) => twilio::read(settings, url, report),
        Vendor::Vonage(settings) => vonage::read(settings, report, now),
        Vendor::VonageVoice(settings) => vonage::read_call(settings, report, now),
        Vendor::Plivo(settings) => plivo::read(settings, url, report),
        Vendor::MessageBird(settings) => messagebird::read(settings, url, report, now),
        Vendor::Http(settings) => gateway::read(settings, report),
        Vendor::TwilioVerify(_) | Vendor::VonageVerify(_) | Vendor::AwsSms(_) | Vendor::AwsSns(_) => {
            Err(NotTaken::Unknown)
        }
    }?;
    let plain = |c: char| c.is_ascii_graphic();
    let fits = (1..=LONGEST_REFERENCE).contains(&receipt.reference.len());
    if fits && receipt.reference.chars().all(plain) {
        Ok(receipt)
    } else {
        Err(NotTaken::Unreadable)
    }
}

/// Whether this sender has what receipts are signed with.
pub(super) fn is_signed(vendor: &Vendor) -> bool {
    match vendor {
        Vendor::Twilio(twilio) => twilio.auth_token.is_some() || twilio.webhook_secret.is_some(),
        Vendor::Vonage(vonage) => vonage.signature_secret.is_some(),
        Vendor::VonageVoice(voice) => voice.signature_secret.is_some(),
        Vendor::Plivo(_) => true,
        Vendor::MessageBird(bird) => bird.signing_key.is_some(),
        Vendor::Http(gateway) => gateway.receipts.is_some(),
        Vendor::TwilioVerify(_) | Vendor::VonageVerify(_) | Vendor::AwsSms(_) | Vendor::AwsSns(_) => false,
    }
}

/// Where a vendor is told to send its receipts: only to an address that it can reach.
pub(super) fn wanted_at(settings: &Settings, name: &str, vendor: &Vendor) -> Option<String> {
    let wanted = is_signed(vendor) && is_reachable(settings, vendor);
    wanted.then(|| address(&base(settings), name, ""))
}

/// Whether the vendor can reach the portal, as far as can be said.
pub(super) fn is_reachable(settings: &Settings, vendor: &Vendor) -> bool {
    let local = vendor.url().is_some_and(|url| url.starts_with("http://"));
    settings.server.public_url.https || local
}

/// The portal's reserved prefix with its origin.
pub(super) fn base(settings: &Settings) -> String {
    format!("{}{}", settings.server.public_url.origin(), settings.server.prefix)
}

fn address(base: &str, name: &str, query: &str) -> String {
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{base}/receipts/{name}{mark}{query}")
}

/// What the vendor says, by name: the query of a `GET`; the form, or the plain members of the JSON
/// object, of a `POST`.
pub(super) fn fields(report: &Report<'_>) -> Result<Vec<(String, String)>, NotTaken> {
    if !report.is_post {
        return Ok(form_urlencoded::parse(report.query.as_bytes()).into_owned().collect());
    }
    if !is_json(report.headers) {
        return Ok(form_urlencoded::parse(report.body).into_owned().collect());
    }
    let document: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(report.body).map_err(|_| NotTaken::Unreadable)?;
    let plain = document
        .into_iter()
        .filter_map(|(key, value)| Some((key, super::vendor::text_of(&value)?)));
    Ok(plain.collect())
}

fn is_json(headers: &HeaderMap) -> bool {
    text(headers, http::header::CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("application/json"))
}

/// The one header of this name; two of them are none.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    }
}

/// The first field of this name.
pub(super) fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
