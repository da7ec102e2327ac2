//! Twilio's status callbacks: `X-Twilio-Signature` over the URL and the sorted form.
//!
//! Twilio may or may not write the scheme's own port into the URL it signs, so both are tried. A JSON
//! body is signed by its digest in the query (`bodySHA256`). Since 2026 an account may sign with a
//! secret of its own and SHA-256, which a second header says.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac::{self, Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;

use super::super::Reason;
use super::super::sms::signature::hex;
use super::super::sms::twilio::reason;
use super::{NotTaken, Outcome, Receipt, Report, field, fields, is_json, text};
use crate::config::settings::Twilio;

pub(super) fn read(settings: &Twilio, url: &str, report: &Report<'_>) -> Result<Receipt, NotTaken> {
    genuine(settings, url, report)?;
    receipt(&fields(report)?).ok_or(NotTaken::Unreadable)
}

/// Whether Twilio has signed this for this address.
pub(in super::super) fn genuine(settings: &Twilio, url: &str, report: &Report<'_>) -> Result<(), NotTaken> {
    let (algorithm, secret) = match text(report.headers, "x-twilio-webhooks-signature-settings") {
        None => (HMAC_SHA1_FOR_LEGACY_USE_ONLY, &settings.auth_token),
        Some(how) if how.split(',').any(|part| part.trim() == "algorithm=HMAC_SHA256") => {
            (HMAC_SHA256, &settings.webhook_secret)
        }
        Some(_) => return Err(NotTaken::NotGenuine),
    };
    let secret = secret.as_ref().ok_or(NotTaken::NotGenuine)?.expose_secret().as_bytes();
    let signature = text(report.headers, "x-twilio-signature").ok_or(NotTaken::NotGenuine)?;
    if is_genuine(algorithm, secret, signature, url, report) {
        Ok(())
    } else {
        Err(NotTaken::NotGenuine)
    }
}

fn is_genuine(algorithm: Algorithm, secret: &[u8], signature: &str, url: &str, report: &Report<'_>) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else {
        return false;
    };
    let key = hmac::Key::new(algorithm, secret);
    let covered = if report.is_post && is_json(report.headers) {
        let mut query = form_urlencoded::parse(report.query.as_bytes());
        let digest = query
            .find(|(name, _)| name == "bodySHA256")
            .map(|(_, value)| value.to_ascii_lowercase());
        let actual = hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, report.body).as_ref());
        if digest.as_deref() != Some(actual.as_str()) {
            return false;
        }
        String::new()
    } else if report.is_post {
        sorted(report.body)
    } else {
        String::new()
    };
    spellings(url)
        .into_iter()
        .any(|url| hmac::verify(&key, format!("{url}{covered}").as_bytes(), &signature).is_ok())
}

/// Each name with each of its different values, in order, without anything between.
fn sorted(form: &[u8]) -> String {
    let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(form).into_owned() {
        by_name.entry(name).or_default().insert(value);
    }
    by_name
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}{value}")))
        .collect()
}

/// The URL as it is, and with or without the scheme's own port.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else {
        return all;
    };
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    let port = if scheme == "https" { ":443" } else { ":80" };
    let after_bracket = authority.rsplit(']').next().unwrap_or_default();
    if let Some(bare) = authority.strip_suffix(port) {
        all.push(format!("{scheme}://{bare}{path}"));
    } else if !after_bracket.contains(':') {
        all.push(format!("{scheme}://{authority}{port}{path}"));
    }
    all
}

/// Of a text or of a call.
fn receipt(fields: &[(String, String)]) -> Option<Receipt> {
    let reference = field(fields, "MessageSid").or_else(|| field(fields, "CallSid"))?.to_owned();
    let status = field(fields, "MessageStatus").or_else(|| field(fields, "CallStatus"))?;
    let code = field(fields, "ErrorCode").and_then(|code| code.parse().ok());
    let outcome = match status {
        "delivered" | "read" | "completed" => Outcome::Delivered,
        "failed" | "undelivered" | "canceled" | "busy" | "no-answer" => {
            Outcome::Failed(code.and_then(reason).unwrap_or(Reason::Unavailable))
        }
        _ => Outcome::Underway,
    };
    Some(Receipt { reference, outcome })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::super::sms::testing::vectors;
    use super::*;

    /// Whether what Twilio's own client signs is believed.
    fn believed(
        algorithm: Algorithm,
        url: &str,
        query: &str,
        form: Option<&str>,
        json: Option<&str>,
        signature: &str,
    ) -> bool {
        let mut headers = HeaderMap::new();
        if json.is_some() {
            headers.insert("content-type", "application/json; charset=utf-8".parse().unwrap());
        }
        let body = form.or(json).unwrap_or_default().as_bytes();
        let report = Report { is_post: true, query, headers: &headers, body };
        is_genuine(algorithm, b"12345", signature, url, &report)
    }

    #[test]
    fn the_signatures_are_those_of_twilios_own_client() {
        let vector = &vectors()["twilio_signature"];
        let at = |name: &str| vector[name].as_str().unwrap().to_owned();
        let url = at("url");
        let pairs = vector["params"].as_object().unwrap().iter();
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs.map(|(key, value)| (key, value.as_str().unwrap())))
            .finish();
        let sha1 = HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        let with = |algorithm, url: &str, signature: &str| {
            believed(algorithm, url, "foo=1&bar=2", Some(&form), None, signature)
        };
        assert!(with(sha1, &url, &at("hmac_sha1")));
        assert!(with(HMAC_SHA256, &url, &at("hmac_sha256")));
        assert!(!with(sha1, &url, &at("hmac_sha256")) && !with(sha1, &url, "") && !with(sha1, &url, "!"));
        // With the port, whichever of the two spellings is configured.
        assert!(with(sha1, &url, &at("hmac_sha1_with_port_443")));
        let with_port = url.replace("mycompany.com", "mycompany.com:443");
        assert!(with(sha1, &with_port, &at("hmac_sha1")));
        let plain = url.replace("https:", "http:");
        assert!(with(sha1, &plain, &at("hmac_sha1_http_port_80")));
        assert!(with(
            sha1,
            &plain.replace("mycompany.com", "mycompany.com:1234"),
            &at("hmac_sha1_http_port_1234")
        ));
        assert!(!with(sha1, &plain, &at("hmac_sha1_http_port_1234")));
    }

    #[test]
    fn names_that_come_twice_and_json() {
        let vector = &vectors()["twilio_signature"];
        let twice = &vector["duplicate_params"];
        let (form, signature) = (twice["query"].as_str().unwrap(), twice["hmac_sha1"].as_str().unwrap());
        let sha1 = HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        assert!(believed(
            sha1,
            vector["url"].as_str().unwrap(),
            "foo=1&bar=2",
            Some(form),
            None,
            signature
        ));
        let json = &vector["json_body"];
        let (url, body) = (json["url"].as_str().unwrap(), json["body"].as_str().unwrap());
        let query = url.split_once('?').unwrap().1;
        let signature = json["hmac_sha1"].as_str().unwrap();
        assert!(believed(sha1, url, query, None, Some(body), signature));
        assert!(!believed(sha1, url, query, None, Some("{}"), signature));
        assert!(!believed(sha1, url, "foo=1&bar=2", None, Some(body), signature));
    }
}
