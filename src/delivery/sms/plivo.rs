//! Plivo's Message API: `POST /v1/Account/{auth_id}/Message/`, JSON. Calls are [`voice::plivo`]'s.
//!
//! Facts: factors.md 6.4. Refusals are a sentence, without a code: only the parameter it names is
//! read from it.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::super::vendor::{Ours, Vendor, accepted, basic, by_status, get, not_carried, post_json, put};
use super::super::voice;
use super::super::{Accepted, Channel, Content, Message, NotSent, Reason};
use super::text;
use crate::ambient::UnixTime;
use crate::config::settings::Plivo as Settings;

/// Plivo's own bounds of `message_expiry`, seconds.
const EXPIRY: std::ops::RangeInclusive<u64> = 5..=10_800;

pub(in super::super) struct Plivo {
    pub settings: Settings,
    pub ours: Ours,
}

impl Plivo {
    fn account(&self) -> String {
        format!("{}/v1/Account/{}/", self.settings.url, self.settings.login.user)
    }
}

impl Vendor for Plivo {
    fn request(&self, message: &Message, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        match message.channel {
            Channel::Sms => {}
            Channel::Voice => return voice::plivo::request(&self.settings, &self.ours, message),
            Channel::Email => return Err(not_carried("e-mail")),
        }
        let mut body = json!({
            "src": self.settings.from,
            "dst": message.to.trim_start_matches('+'),
            "text": text::of(message),
            "type": "sms",
            // Plivo keeps no text.
            "log": false,
        });
        if let Content::Code(code) = &message.content {
            put(&mut body, "message_expiry", code.lives.as_secs().clamp(*EXPIRY.start(), *EXPIRY.end()));
        }
        if let Some(url) = &self.ours.receipts {
            put(&mut body, "url", url.as_str());
            put(&mut body, "method", "POST");
        }
        post_json(&format!("{}Message/", self.account()), Some(basic(&self.settings.login)?), &body)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        let document = super::super::vendor::json(answer);
        if answer.status().is_success() {
            return match document.get("message_uuid") {
                Some(_) => Ok(accepted(&document, "/message_uuid/0")),
                None => voice::plivo::accepted(&document).ok_or_else(|| voice::plivo::nonsense(answer)),
            };
        }
        let not = by_status(answer);
        let says = document
            .get("error")
            .map(Value::to_string)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let about = |words: &[&str]| words.iter().any(|word| says.contains(word));
        let reason = match answer.status().as_u16() {
            400 | 422
                if about(&[
                    "dst",
                    "destination number",
                    "destination_number",
                    "to number",
                    "'to'",
                ]) =>
            {
                Reason::InvalidDestination
            }
            400 | 403 if about(&["country", "region", "geo permission"]) => Reason::RegionBlocked,
            _ => not.reason,
        };
        Err(NotSent { reason, ..not })
    }

    fn asks_back(&self) -> bool {
        self.ours.calls.is_some()
    }

    fn probe(&self, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        get(&self.account(), Some(basic(&self.settings.login)?))
    }
}

/// What one of Plivo's error codes in a receipt means.
pub(in super::super) fn reason(code: &str) -> Reason {
    match code.trim_start_matches('0') {
        "50" | "70" => Reason::InvalidDestination,
        "200" => Reason::OptedOut,
        "450" => Reason::RegionBlocked,
        "30" | "100" | "451" => Reason::Blocked,
        "40" | "900" | "910" => Reason::Misconfigured,
        _ => Reason::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, body, code, refused};
    use super::*;
    use crate::config::settings::Login;

    fn sender() -> Plivo {
        let login = Login { user: "MA1".into(), password: "s".into() };
        let settings = Settings { url: "https://api.plivo.com".into(), login, from: "15005550001".into() };
        Plivo {
            settings,
            ours: Ours { receipts: Some("https://mfa.example.com/r".into()), calls: None },
        }
    }

    #[test]
    fn the_request_is_plivos_json() {
        let request = sender().request(&code(), UnixTime(0)).unwrap();
        assert_eq!(request.uri(), "https://api.plivo.com/v1/Account/MA1/Message/");
        let sent = body(&request);
        assert_eq!((&sent["src"], &sent["dst"]), (&json!("15005550001"), &json!("15005550006")));
        assert_eq!((&sent["message_expiry"], &sent["log"]), (&json!(300), &json!(false)));
        assert_eq!((&sent["url"], &sent["method"]), (&json!("https://mfa.example.com/r"), &json!("POST")));
    }

    #[test]
    fn answers() {
        let taken = r#"{"api_id":"a","message":"message(s) queued","message_uuid":["u-1"]}"#;
        assert_eq!(sender().judge(&answer(202, taken)).unwrap().reference.as_deref(), Some("u-1"));
        let table = [
            (400, r#"{"error":"Invalid 'dst' parameter"}"#, Reason::InvalidDestination, true),
            (400, r#"{"error":{"dst":"not valid"}}"#, Reason::InvalidDestination, true),
            (400, r#"{"error":"src parameter not present"}"#, Reason::Misconfigured, true),
            (401, "", Reason::Misconfigured, true),
            (429, "", Reason::Throttled, true),
            (500, "", Reason::Unavailable, false),
            (200, "{}", Reason::Unavailable, false),
        ];
        for (status, text, reason, certain) in table {
            assert_eq!(refused(sender().judge(&answer(status, text))), (reason, certain), "{status} {text}");
        }
        assert_eq!((reason("200"), reason("050")), (Reason::OptedOut, Reason::InvalidDestination));
    }
}
