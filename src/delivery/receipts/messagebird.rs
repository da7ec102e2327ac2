//! MessageBird's status reports: a JWT over the whole URL and, where there is one, the body.

use jsonwebtoken::Algorithm;

use super::super::Reason;
use super::{NotTaken, Outcome, Receipt, Report, field, fields, jwt, text};
use crate::ambient::UnixTime;
use crate::config::settings::MessageBird;

/// Seconds that the two clocks may differ.
const LEEWAY: i64 = 5;

pub(super) fn read(
    settings: &MessageBird,
    url: &str,
    report: &Report<'_>,
    now: UnixTime,
) -> Result<Receipt, NotTaken> {
    let secret = settings.signing_key.as_ref().ok_or(NotTaken::NotGenuine)?;
    let token = text(report.headers, "messagebird-signature-jwt").ok_or(NotTaken::NotGenuine)?;
    let claims = jwt::claims(token, secret, &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512])?;
    let valid = claims.nbf.is_some_and(|nbf| nbf <= now.0 + LEEWAY)
        && claims.exp.is_some_and(|exp| exp > now.0 - LEEWAY)
        && claims.iss.as_deref() == Some("MessageBird");
    let covers_body = if report.body.is_empty() {
        claims.payload_hash.is_none()
    } else {
        jwt::is_digest(claims.payload_hash.as_ref(), report.body)
    };
    if !valid || !covers_body || !jwt::is_digest(claims.url_hash.as_ref(), url.as_bytes()) {
        return Err(NotTaken::NotGenuine);
    }
    receipt(&fields(report)?).ok_or(NotTaken::Unreadable)
}

fn receipt(fields: &[(String, String)]) -> Option<Receipt> {
    let reference = field(fields, "id")?.to_owned();
    let outcome = match field(fields, "status")? {
        "delivered" => Outcome::Delivered,
        "delivery_failed" | "expired" => Outcome::Failed(match field(fields, "statusReason") {
            Some("unknown subscriber") => Reason::InvalidDestination,
            Some("opted out" | "opt-out") => Reason::OptedOut,
            Some("carrier rejected" | "capability limitation") => Reason::Blocked,
            Some("generation of message failed" | "insufficient balance") => Reason::Misconfigured,
            _ => Reason::Unavailable,
        }),
        _ => Outcome::Underway,
    };
    Some(Receipt { reference, outcome })
}
