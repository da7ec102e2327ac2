//! Receipts of a gateway that the configuration describes, with an HMAC-SHA-256 over the body.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;

use super::super::Reason;
use super::{NotTaken, Outcome, Receipt, Report, text};
use crate::config::settings::HttpGateway;

pub(super) fn read(settings: &HttpGateway, report: &Report<'_>) -> Result<Receipt, NotTaken> {
    let receipts = settings.receipts.as_ref().ok_or(NotTaken::Unknown)?;
    let given = text(report.headers, receipts.header.as_str()).ok_or(NotTaken::NotGenuine)?;
    let signature = bytes_of(given.strip_prefix("sha256=").unwrap_or(given)).ok_or(NotTaken::NotGenuine)?;
    let key = hmac::Key::new(HMAC_SHA256, receipts.secret.expose_secret().as_bytes());
    hmac::verify(&key, report.body, &signature).map_err(|_| NotTaken::NotGenuine)?;
    let document = serde_json::from_slice(report.body).unwrap_or_default();
    let reference = receipts.reference.text(report.body, &document).ok_or(NotTaken::Unreadable)?;
    let status = receipts.status.text(report.body, &document).ok_or(NotTaken::Unreadable)?;
    let outcome = if receipts.delivered.contains(&status) {
        Outcome::Delivered
    } else if receipts.failed.contains(&status) {
        Outcome::Failed(failure(settings, report.body, &document))
    } else {
        Outcome::Underway
    };
    Ok(Receipt { reference, outcome })
}

/// By the same table as the gateway's refusals.
fn failure(settings: &HttpGateway, body: &[u8], document: &serde_json::Value) -> Reason {
    let errors = settings.errors.as_ref();
    let word = errors.and_then(|errors| {
        let code = errors.at.text(body, document)?;
        errors
            .reasons
            .iter()
            .find(|(name, _)| *name == code)
            .map(|(_, word)| word.as_str())
    });
    word.and_then(Reason::from_name).unwrap_or(Reason::Unavailable)
}

/// 32 bytes, in hex or base64.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 {
        return STANDARD.decode(text).ok();
    }
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(pair).collect()
}
