//! Twilio's Messages API (2010-04-01): `POST …/Messages.json`, a form answered by JSON.
//!
//! Facts: factors.md 6.1. Twilio splits the meanings of its codes over time, so what is not in the
//! table is judged by the class of the answer alone.

use bytes::Bytes;
use http::{Request, Response};

use super::super::vendor::{Ours, Vendor, accepted, basic, by_status, excerpt, form, get, json, not_carried};
use super::super::voice;
use super::super::{Accepted, Channel, Content, Message, NotSent, Reason};
use super::text;
use crate::ambient::UnixTime;
use crate::config::settings::{Twilio as Settings, TwilioFrom};

/// Twilio's own bounds of `ValidityPeriod`, seconds.
const VALIDITY: std::ops::RangeInclusive<u64> = 1..=36_000;
/// How long a text without a code may be on its way, seconds.
const NOTICE_VALIDITY: u64 = 14_400;

pub(in super::super) struct Twilio {
    pub settings: Settings,
    pub ours: Ours,
}

impl Twilio {
    fn place(&self, what: &str) -> String {
        format!("{}/2010-04-01/Accounts/{}/{what}", self.settings.url, self.settings.account_sid)
    }
}

impl Vendor for Twilio {
    fn request(&self, message: &Message, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        match message.channel {
            Channel::Sms => {}
            Channel::Voice => return voice::twilio::request(&self.settings, &self.ours, message),
            Channel::Email => return Err(not_carried("e-mail")),
        }
        let lives = match &message.content {
            Content::Code(code) => code.lives.as_secs().clamp(*VALIDITY.start(), *VALIDITY.end()),
            Content::Notice(_) => NOTICE_VALIDITY,
        };
        let (text, lives) = (text::of(message), lives.to_string());
        let from = match &self.settings.from {
            TwilioFrom::Number(number) => ("From", number.as_str()),
            TwilioFrom::Service(service) => ("MessagingServiceSid", service.as_str()),
        };
        let mut fields = vec![
            ("To", message.to.as_str()),
            from,
            ("Body", text.as_str()),
            ("ValidityPeriod", lives.as_str()),
            // Twilio keeps neither the number in full nor the text.
            ("AddressRetention", "obfuscate"),
            ("ContentRetention", "discard"),
        ];
        fields.extend(self.ours.receipts.as_deref().map(|url| ("StatusCallback", url)));
        form(&self.place("Messages.json"), Some(basic(&self.settings.login)?), &fields)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        judge(answer)
    }

    fn asks_back(&self) -> bool {
        self.ours.calls.is_some()
    }

    fn probe(&self, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        // Every kind of key may read this, and it holds nothing of the people who were written to.
        get(&self.place("IncomingPhoneNumbers.json?PageSize=1"), Some(basic(&self.settings.login)?))
    }
}

/// What an answer of any of Twilio's APIs means.
pub(in super::super) fn judge(answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
    let document = json(answer);
    let number = |key: &str| document.get(key).and_then(serde_json::Value::as_u64);
    if answer.status().is_success() {
        if !document.get("sid").is_some_and(serde_json::Value::is_string) {
            return Err(NotSent::perhaps(format!("not Twilio's answer: {}", excerpt(answer.body()))));
        }
        let failed =
            matches!(document.get("status").and_then(|s| s.as_str()), Some("failed" | "undelivered"));
        if failed {
            let reason = number("error_code").and_then(reason).unwrap_or(Reason::Unavailable);
            return Err(NotSent::surely(reason, excerpt(answer.body())));
        }
        return Ok(accepted(&document, "/sid"));
    }
    let not = by_status(answer);
    Err(match number("code").and_then(reason) {
        Some(reason) => NotSent { reason, certain: answer.status().is_client_error(), ..not },
        None => not,
    })
}

/// What one of Twilio's error codes means, of requests and of receipts.
pub(in super::super) fn reason(code: u64) -> Option<Reason> {
    Some(match code {
        21_211 | 21_214 | 21_217 | 21_401 | 30_005 | 60_200 => Reason::InvalidDestination,
        21_614 | 30_006 | 60_205 => Reason::NotMobile,
        21_610 => Reason::OptedOut,
        13_227 | 21_215 | 21_408 | 60_410 | 60_605 => Reason::RegionBlocked,
        30_004 | 30_007 | 60_238 | 60_413 => Reason::Blocked,
        20_429 | 21_611 | 30_001 | 60_202 | 60_203 | 60_212 => Reason::Throttled,
        20_003 | 20_404 | 21_266 | 21_603 | 21_606 | 21_608 | 21_609 | 21_612 | 21_659 | 30_002 => {
            Reason::Misconfigured
        }
        30_003 | 30_008 => Reason::Unavailable,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, code, fields, notice, refused};
    use super::*;
    use crate::config::settings::Login;

    fn twilio(from: TwilioFrom, receipts: Option<&str>) -> Twilio {
        let settings = Settings {
            url: "https://api.twilio.com".into(),
            account_sid: "AC00000000000000000000000000000000".into(),
            login: Login { user: "SK1".into(), password: "secret".into() },
            from,
            auth_token: None,
            webhook_secret: None,
        };
        Twilio { settings, ours: Ours { receipts: receipts.map(str::to_owned), calls: None } }
    }

    #[test]
    fn the_request_is_twilios_form() {
        let url = "https://mfa.example.com/.stepgate/receipts/texts";
        let sender = twilio(TwilioFrom::Number("+15005550006".into()), Some(url));
        let request = sender.request(&code(), UnixTime(0)).unwrap();
        assert_eq!(
            request.uri(),
            "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json"
        );
        assert_eq!(request.headers()["authorization"], "Basic U0sxOnNlY3JldA==");
        let sent = fields(&request);
        assert_eq!(sent["To"], "+15005550006");
        assert_eq!((sent["From"].as_str(), sent["ValidityPeriod"].as_str()), ("+15005550006", "300"));
        assert!(sent["Body"].ends_with("\n\n@mfa.example.com #12345678"));
        assert_eq!(
            (sent["AddressRetention"].as_str(), sent["ContentRetention"].as_str()),
            ("obfuscate", "discard")
        );
        assert_eq!(sent["StatusCallback"], url);
        let service = twilio(TwilioFrom::Service("MG1".into()), None);
        let sent = fields(&service.request(&notice(), UnixTime(0)).unwrap());
        assert_eq!(sent["MessagingServiceSid"], "MG1");
        assert!(!sent.contains_key("From") && !sent.contains_key("StatusCallback"));
    }

    #[test]
    fn answers() {
        let taken = judge(&answer(201, r#"{"sid":"SM1","status":"queued","error_code":null}"#)).unwrap();
        assert_eq!(taken.reference.as_deref(), Some("SM1"));
        let table = [
            (400, r#"{"code":21211,"message":"no","status":400}"#, Reason::InvalidDestination, true),
            (400, r#"{"code":21614}"#, Reason::NotMobile, true),
            (400, r#"{"code":21610}"#, Reason::OptedOut, true),
            (400, r#"{"code":21408}"#, Reason::RegionBlocked, true),
            (403, r#"{"code":60410}"#, Reason::RegionBlocked, true),
            (403, r#"{"code":60238}"#, Reason::Blocked, true),
            (429, r#"{"code":20429}"#, Reason::Throttled, true),
            (401, r#"{"code":20003}"#, Reason::Misconfigured, true),
            (400, r#"{"code":99999}"#, Reason::Misconfigured, true),
            (500, "oops", Reason::Unavailable, false),
            (201, r#"{"sid":"SM1","status":"failed","error_code":30007}"#, Reason::Blocked, true),
            (200, "<html>", Reason::Unavailable, false),
        ];
        for (status, body, reason, certain) in table {
            assert_eq!(refused(judge(&answer(status, body))), (reason, certain), "{status} {body}");
        }
    }
}
