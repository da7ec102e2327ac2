//! Vonage's delivery receipts: a JWT with the body's digest, or the older parameter `sig`.

use jsonwebtoken::Algorithm;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::super::Reason;
use super::super::sms::vonage::sign;
use super::{NotTaken, Outcome, Receipt, Report, field, fields, jwt, text};
use crate::ambient::UnixTime;
use crate::config::settings::{Vonage, VonageVoice};

/// Seconds that a signature may be old, or ahead of our clock.
const FRESH: i64 = 300;

pub(super) fn read(settings: &Vonage, report: &Report<'_>, now: UnixTime) -> Result<Receipt, NotTaken> {
    let secret = settings.signature_secret.as_ref().ok_or(NotTaken::NotGenuine)?;
    let fields = fields(report)?;
    let bearer = text(report.headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let genuine = match bearer {
        Some(token) => has_signed(token, secret, report, now)?,
        None => has_signed_fields(settings, secret, &fields, now),
    };
    if !genuine {
        return Err(NotTaken::NotGenuine);
    }
    receipt(&fields).ok_or(NotTaken::Unreadable)
}

fn is_fresh(at: i64, now: UnixTime) -> bool {
    (now.0 - FRESH..=now.0 + FRESH).contains(&at)
}

/// By a token. A receipt in the query has no payload that a digest could be of: it is not covered.
fn has_signed(
    token: &str,
    secret: &SecretString,
    report: &Report<'_>,
    now: UnixTime,
) -> Result<bool, NotTaken> {
    let claims = jwt::claims(token, secret, &[Algorithm::HS256])?;
    let in_time = claims.iat.is_some_and(|at| is_fresh(at, now)) && claims.exp.is_none_or(|exp| exp > now.0);
    Ok(report.is_post && in_time && jwt::is_digest(claims.payload_hash.as_ref(), report.body))
}

/// By `sig`.
fn has_signed_fields(
    settings: &Vonage,
    secret: &SecretString,
    fields: &[(String, String)],
    now: UnixTime,
) -> bool {
    let rest = fields.iter().filter(|(key, _)| key != "sig");
    let rest: Vec<(&str, &str)> = rest.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let own = sign(&rest, secret.expose_secret(), settings.signature_method);
    let at = field(fields, "timestamp").and_then(|at| at.parse().ok());
    let sig = field(fields, "sig").unwrap_or_default().to_ascii_lowercase();
    at.is_some_and(|at| is_fresh(at, now)) && bool::from(own.as_bytes().ct_eq(sig.as_bytes()))
}

/// Of a call, which is signed by a token alone.
pub(super) fn read_call(
    settings: &VonageVoice,
    report: &Report<'_>,
    now: UnixTime,
) -> Result<Receipt, NotTaken> {
    genuine_call(settings, report, now)?;
    let fields = fields(report)?;
    let reference = field(&fields, "uuid").ok_or(NotTaken::Unreadable)?.to_owned();
    let outcome = match field(&fields, "status").ok_or(NotTaken::Unreadable)? {
        "completed" => Outcome::Delivered,
        "busy" | "cancelled" | "failed" | "machine" | "rejected" | "timeout" | "unanswered" => {
            Outcome::Failed(Reason::Unavailable)
        }
        _ => Outcome::Underway,
    };
    Ok(Receipt { reference, outcome })
}

/// Whether Vonage has signed this body just now.
pub(in super::super) fn genuine_call(
    settings: &VonageVoice,
    report: &Report<'_>,
    now: UnixTime,
) -> Result<(), NotTaken> {
    let secret = settings.signature_secret.as_ref().ok_or(NotTaken::NotGenuine)?;
    let bearer = text(report.headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    if has_signed(bearer.ok_or(NotTaken::NotGenuine)?, secret, report, now)? {
        Ok(())
    } else {
        Err(NotTaken::NotGenuine)
    }
}

fn receipt(fields: &[(String, String)]) -> Option<Receipt> {
    let reference = field(fields, "messageId").or_else(|| field(fields, "message-id"))?.to_owned();
    let outcome = match field(fields, "status")? {
        "delivered" => Outcome::Delivered,
        "expired" | "failed" | "rejected" | "unknown" => {
            Outcome::Failed(reason(field(fields, "err-code").unwrap_or_default()))
        }
        _ => Outcome::Underway,
    };
    Some(Receipt { reference, outcome })
}

fn reason(code: &str) -> Reason {
    match code {
        "3" | "9" | "11" => Reason::InvalidDestination,
        "4" => Reason::OptedOut,
        "6" | "13" | "14" => Reason::Blocked,
        _ => Reason::Unavailable,
    }
}
