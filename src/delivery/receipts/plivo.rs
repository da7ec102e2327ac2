//! Plivo's status callbacks: `X-Plivo-Signature-V3` over URL, sorted parameters and a nonce.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;

use super::super::Reason;
use super::super::sms::plivo::reason;
use super::{NotTaken, Outcome, Receipt, Report, field, fields, text};
use crate::config::settings::Plivo;

pub(super) fn read(settings: &Plivo, url: &str, report: &Report<'_>) -> Result<Receipt, NotTaken> {
    genuine(settings, url, report)?;
    receipt(&fields(report)?).ok_or(NotTaken::Unreadable)
}

/// Whether Plivo has signed this for this address.
pub(in super::super) fn genuine(settings: &Plivo, url: &str, report: &Report<'_>) -> Result<(), NotTaken> {
    let nonce = text(report.headers, "x-plivo-signature-v3-nonce").ok_or(NotTaken::NotGenuine)?;
    let signatures = text(report.headers, "x-plivo-signature-v3").ok_or(NotTaken::NotGenuine)?;
    let fields = fields(report)?;
    let body = if report.is_post { fields.as_slice() } else { &[] };
    let covered = format!("{}.{nonce}", covered(url, body));
    let key = hmac::Key::new(HMAC_SHA256, settings.login.password.expose_secret().as_bytes());
    // Several while a token is being replaced.
    let genuine = signatures.split(',').take(4).any(|signature| {
        let signature = STANDARD.decode(signature.trim()).unwrap_or_default();
        hmac::verify(&key, covered.as_bytes(), &signature).is_ok()
    });
    if genuine {
        Ok(())
    } else {
        Err(NotTaken::NotGenuine)
    }
}

/// The URL with its query sorted; of a `POST` also the sorted parameters.
fn covered(url: &str, body: &[(String, String)]) -> String {
    let (bare, query) = url.split_once('?').unwrap_or((url, ""));
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.sort();
    let query = pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join("&");
    let mut sorted = body.to_vec();
    sorted.sort();
    let body: String = sorted.iter().map(|(key, value)| format!("{key}{value}")).collect();
    match (query.is_empty(), body.is_empty()) {
        (true, true) => bare.to_owned(),
        (false, true) => format!("{bare}?{query}"),
        (true, false) => format!("{bare}?{body}"),
        (false, false) => format!("{bare}?{query}.{body}"),
    }
}

fn receipt(fields: &[(String, String)]) -> Option<Receipt> {
    if let Some(reference) = field(fields, "RequestUUID") {
        return call(fields, reference.to_owned());
    }
    let reference = field(fields, "MessageUUID")?.to_owned();
    let outcome = match field(fields, "Status")? {
        "delivered" => Outcome::Delivered,
        "failed" | "undelivered" | "rejected" => {
            Outcome::Failed(reason(field(fields, "ErrorCode").unwrap_or_default()))
        }
        _ => Outcome::Underway,
    };
    Some(Receipt { reference, outcome })
}

/// Of a call that has ended.
fn call(fields: &[(String, String)], reference: String) -> Option<Receipt> {
    let outcome = match field(fields, "CallStatus")? {
        "completed" => Outcome::Delivered,
        "busy" | "failed" | "timeout" | "no-answer" | "cancel" => Outcome::Failed(Reason::Unavailable),
        _ => Outcome::Underway,
    };
    Some(Receipt { reference, outcome })
}
