//! Vonage Verify v2 as a carrier of our own codes: `POST /v2/verify` with `code`.
//!
//! Vonage writes the text and chooses the sender; the code is judged here. A verification is over
//! after a minute, so that the next can be sent: a second one at the same time is 409.

use bytes::Bytes;
use http::{Request, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::super::vendor::{Vendor, accepted, basic, by_status, not_carried, post_json, put};
use super::super::voice;
use super::super::{Accepted, Channel, Content, Message, NotSent, Reason};
use super::text;
use crate::ambient::UnixTime;
use crate::config::settings::VonageVerify as Settings;

/// Characters that Vonage takes as the name of the brand.
const BRAND: usize = 16;
/// Seconds until Vonage takes the verification for over.
const OVER: u32 = 60;

pub(in super::super) struct VonageVerify {
    pub settings: Settings,
}

impl Vendor for VonageVerify {
    fn request(&self, message: &Message, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        let Content::Code(code) = &message.content else {
            return Err(not_carried("notices"));
        };
        let channel = match message.channel {
            Channel::Sms if self.settings.whatsapp => "whatsapp",
            Channel::Sms => "sms",
            Channel::Voice => "voice",
            Channel::Email => return Err(not_carried("e-mail")),
        };
        let mut step = json!({ "channel": channel, "to": message.to.trim_start_matches('+') });
        if let (Some(from), Channel::Sms) = (&self.settings.from, message.channel) {
            put(&mut step, "from", from.as_str());
        }
        let brand: String = text::name(&code.brand)
            .unwrap_or_else(|| "Code".to_owned())
            .chars()
            .take(BRAND)
            .collect();
        let body = json!({
            "brand": brand.trim(),
            "locale": voice::tag(message.language).to_ascii_lowercase(),
            "code": code.code.expose_secret(),
            "channel_timeout": OVER,
            "workflow": [step],
        });
        post_json(&format!("{}/v2/verify", self.settings.url), Some(basic(&self.settings.login)?), &body)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        let document = super::super::vendor::json(answer);
        if answer.status().is_success() && document.get("request_id").is_some_and(Value::is_string) {
            return Ok(accepted(&document, "/request_id"));
        }
        if answer.status().is_success() {
            return Err(NotSent::perhaps(super::super::vendor::excerpt(answer.body())));
        }
        let not = by_status(answer);
        let reason = match answer.status().as_u16() {
            409 => Reason::Throttled,
            422 if names_the_number(&document) => Reason::InvalidDestination,
            _ => not.reason,
        };
        Err(NotSent { reason, ..not })
    }

    fn probe(&self, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        // Without a workflow nothing can be sent; who has no right to ask is told so first.
        post_json(
            &format!("{}/v2/verify", self.settings.url),
            Some(basic(&self.settings.login)?),
            &json!({}),
        )
    }

    fn is_well(&self, answer: &Response<Bytes>) -> bool {
        answer.status().as_u16() == 422
    }
}

/// Whether the parameter that is wrong is the number.
fn names_the_number(document: &Value) -> bool {
    let wrong = document.get("invalid_parameters").and_then(Value::as_array);
    wrong.into_iter().flatten().any(|parameter| {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
        name.rsplit(['.', '/']).next() == Some("to")
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, body, code, notice, refused};
    use super::*;
    use crate::config::settings::Login;

    fn sender() -> VonageVerify {
        let login = Login { user: "abcd1234".into(), password: "s".into() };
        let settings = Settings {
            url: "https://api.nexmo.com".into(),
            login,
            from: Some("Example".into()),
            whatsapp: false,
        };
        VonageVerify { settings }
    }

    #[test]
    fn the_request_is_vonages_workflow() {
        let request = sender().request(&code(), UnixTime(0)).unwrap();
        assert_eq!(request.uri(), "https://api.nexmo.com/v2/verify");
        assert_eq!(
            body(&request),
            json!({
                "brand": "Example Ltd", "locale": "en-gb", "code": "12345678", "channel_timeout": 60,
                "workflow": [{ "channel": "sms", "to": "15005550006", "from": "Example" }],
            })
        );
        let call = Message { channel: Channel::Voice, ..code() };
        assert_eq!(
            body(&sender().request(&call, UnixTime(0)).unwrap())["workflow"],
            json!([{ "channel": "voice", "to": "15005550006" }])
        );
        assert!(sender().request(&notice(), UnixTime(0)).is_err());
    }

    #[test]
    fn answers() {
        let taken = sender().judge(&answer(202, r#"{"request_id":"c11236f4"}"#)).unwrap();
        assert_eq!(taken.reference.as_deref(), Some("c11236f4"));
        let to =
            r#"{"title":"Invalid params","invalid_parameters":[{"name":"workflow[0].to","reason":"x"}]}"#;
        let brand = r#"{"invalid_parameters":[{"name":"brand","reason":"x"}]}"#;
        let table = [
            (401, "{}", Reason::Misconfigured, true),
            (402, "{}", Reason::Misconfigured, true),
            (409, "{}", Reason::Throttled, true),
            (422, to, Reason::InvalidDestination, true),
            (422, brand, Reason::Misconfigured, true),
            (429, "{}", Reason::Throttled, true),
            (500, "{}", Reason::Unavailable, false),
            (200, "{}", Reason::Unavailable, false),
        ];
        for (status, text, reason, certain) in table {
            assert_eq!(refused(sender().judge(&answer(status, text))), (reason, certain), "{status} {text}");
        }
    }
}
