//! MessageBird's REST API, now Bird's older one: `POST /messages`, JSON.
//!
//! Facts: factors.md 6.4. Bird's newer API differs and is not spoken here.

use bytes::Bytes;
use http::{Request, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::super::vendor::{
    Vendor, accepted, authorization, by_status, excerpt, get, not_carried, post_json, put,
};
use super::super::{Accepted, Channel, Content, Message, NotSent, Reason};
use super::text;
use crate::ambient::UnixTime;
use crate::config::settings::MessageBird as Settings;

/// MessageBird's own bounds of `validity`, seconds.
const VALIDITY: std::ops::RangeInclusive<u64> = 60..=172_800;

pub(in super::super) struct MessageBird {
    pub settings: Settings,
    /// Where delivery receipts are wanted.
    pub receipts: Option<String>,
}

impl MessageBird {
    fn key(&self) -> Result<http::HeaderValue, NotSent> {
        authorization(&format!("AccessKey {}", self.settings.access_key.expose_secret()))
    }
}

impl Vendor for MessageBird {
    fn request(&self, message: &Message, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        if message.channel != Channel::Sms {
            return Err(not_carried(message.channel.name()));
        }
        let mut body = json!({
            "originator": self.settings.from,
            "recipients": [message.to.trim_start_matches('+')],
            "body": text::of(message),
            "datacoding": "plain",
            "reference": message.id,
        });
        if let Content::Code(code) = &message.content {
            put(&mut body, "validity", code.lives.as_secs().clamp(*VALIDITY.start(), *VALIDITY.end()));
        }
        if let Some(url) = &self.receipts {
            put(&mut body, "reportUrl", url.as_str());
        }
        post_json(&format!("{}/messages", self.settings.url), Some(self.key()?), &body)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        let document = super::super::vendor::json(answer);
        if answer.status().is_success() {
            if document.get("id").is_none_or(|id| !id.is_string()) {
                return Err(NotSent::perhaps(format!(
                    "not MessageBird's answer: {}",
                    excerpt(answer.body())
                )));
            }
            return Ok(accepted(&document, "/id"));
        }
        let not = by_status(answer);
        let error = |key: &str| document.pointer(&format!("/errors/0/{key}"));
        let parameter = error("parameter").and_then(Value::as_str).unwrap_or_default();
        let reason = match error("code").and_then(Value::as_u64) {
            Some(9 | 10 | 21) if parameter.starts_with("recipient") => Reason::InvalidDestination,
            Some(99) => Reason::Unavailable,
            _ => not.reason,
        };
        Err(NotSent { reason, ..not })
    }

    fn probe(&self, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        get(&format!("{}/balance", self.settings.url), Some(self.key()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, body, code, refused};
    use super::*;

    fn sender() -> MessageBird {
        let settings = Settings {
            url: "https://rest.messagebird.com".into(),
            access_key: "live_1".into(),
            from: "Example".into(),
            signing_key: None,
        };
        MessageBird { settings, receipts: Some("https://mfa.example.com/r".into()) }
    }

    #[test]
    fn the_request_is_messagebirds_json() {
        let request = sender().request(&code(), UnixTime(0)).unwrap();
        assert_eq!(request.uri(), "https://rest.messagebird.com/messages");
        assert_eq!(request.headers()["authorization"], "AccessKey live_1");
        let sent = body(&request);
        assert_eq!((&sent["originator"], &sent["recipients"]), (&json!("Example"), &json!(["15005550006"])));
        assert_eq!((&sent["reference"], &sent["validity"]), (&json!("m1"), &json!(300)));
        assert_eq!(
            (&sent["datacoding"], &sent["reportUrl"]),
            (&json!("plain"), &json!("https://mfa.example.com/r"))
        );
    }

    #[test]
    fn answers() {
        assert_eq!(sender().judge(&answer(201, r#"{"id":"b1"}"#)).unwrap().reference.as_deref(), Some("b1"));
        let error = |code: u32, parameter: &str| {
            json!({ "errors": [{ "code": code, "description": "no", "parameter": parameter }] }).to_string()
        };
        let table = [
            (401, error(2, "access_key"), Reason::Misconfigured, true),
            (422, error(9, "recipients"), Reason::InvalidDestination, true),
            (422, error(10, "originator"), Reason::Misconfigured, true),
            (422, error(25, ""), Reason::Misconfigured, true),
            (429, String::new(), Reason::Throttled, true),
            (500, error(99, ""), Reason::Unavailable, false),
            (200, "{}".to_owned(), Reason::Unavailable, false),
        ];
        for (status, text, reason, certain) in table {
            assert_eq!(refused(sender().judge(&answer(status, &text))), (reason, certain), "{status} {text}");
        }
    }
}
