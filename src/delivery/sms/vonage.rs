//! Vonage's SMS API: `POST /sms/json`, always answered with 200; the truth is in `messages[].status`.
//!
//! Facts: factors.md 6.2. With the signature secret every request is signed (`sig`) and the API
//! secret stays at home.

use bytes::Bytes;
use http::{Request, Response};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::super::vendor::{
    Vendor, accepted, basic, by_status, excerpt, form, get, json, not_carried, text_of,
};
use super::super::{Accepted, Channel, Content, Message, NotSent, Reason};
use super::signature::{hex, hmac};
use super::text;
use crate::ambient::UnixTime;
use crate::config::settings::{Login, SignatureMethod, Vonage as Settings, VonageSecret};

/// Vonage's own bounds of `ttl`, milliseconds.
const TTL: std::ops::RangeInclusive<u128> = 20_000..=604_800_000;

pub(in super::super) struct Vonage {
    pub settings: Settings,
    /// Where delivery receipts are wanted.
    pub receipts: Option<String>,
}

impl Vonage {
    fn login(&self) -> Option<Login> {
        match &self.settings.secret {
            VonageSecret::Api(secret) => {
                Some(Login { user: self.settings.api_key.clone(), password: secret.clone() })
            }
            VonageSecret::Signature(_) => None,
        }
    }
}

impl Vendor for Vonage {
    fn request(&self, message: &Message, now: UnixTime) -> Result<Request<Bytes>, NotSent> {
        if message.channel != Channel::Sms {
            return Err(not_carried(message.channel.name()));
        }
        let mut fields = vec![
            ("from", self.settings.from.clone()),
            ("to", message.to.trim_start_matches('+').to_owned()),
            ("text", text::of(message)),
            ("type", "text".to_owned()),
            ("client-ref", message.id.clone()),
        ];
        if let Content::Code(code) = &message.content {
            fields.push(("ttl", code.lives.as_millis().clamp(*TTL.start(), *TTL.end()).to_string()));
        }
        if let Some(url) = &self.receipts {
            fields.extend([("status-report-req", "1".to_owned()), ("callback", url.clone())]);
        }
        let authorization = self.login().as_ref().map(basic).transpose()?;
        if let VonageSecret::Signature(secret) = &self.settings.secret {
            fields.extend([
                ("api_key", self.settings.api_key.clone()),
                ("timestamp", now.0.to_string()),
            ]);
            let pairs: Vec<(&str, &str)> = fields.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let sig = sign(&pairs, secret.expose_secret(), self.settings.signature_method);
            fields.push(("sig", sig));
        }
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(key, value)| (*key, value.as_str())).collect();
        form(&format!("{}/sms/json", self.settings.url), authorization, &pairs)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        if !answer.status().is_success() {
            return Err(by_status(answer));
        }
        let document = json(answer);
        let parts = document
            .get("messages")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let says = || excerpt(answer.body());
        if parts.is_empty() {
            return Err(NotSent::perhaps(format!("not Vonage's answer: {}", says())));
        }
        let states = parts
            .iter()
            .map(|part| (part.get("status").and_then(text_of).unwrap_or_default(), part));
        match states.into_iter().find(|(status, _)| status != "0") {
            None => Ok(accepted(&document, "/messages/0/message-id")),
            Some((status, _)) if status == "5" => Err(NotSent::perhaps(says())),
            Some((status, part)) => {
                let why = part.get("error-text").and_then(Value::as_str).unwrap_or_default();
                Err(NotSent::surely(reason(&status, why), says()))
            }
        }
    }

    fn probe(&self, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        let authorization = self.login().as_ref().map(basic).transpose()?;
        get(&format!("{}/account/get-balance", self.settings.url), authorization)
    }

    fn is_well(&self, answer: &Response<Bytes>) -> bool {
        // With a signature secret alone there is no question that could be asked; an answer has to do.
        answer.status().is_success() || (self.login().is_none() && answer.status().as_u16() == 401)
    }
}

/// Vonage's `sig`: HMAC over `&key=value` of the sorted parameters, in hex.
pub(in super::super) fn sign(fields: &[(&str, &str)], secret: &str, method: SignatureMethod) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let text: String = sorted
        .iter()
        .map(|(key, value)| format!("&{key}={}", value.replace(['&', '='], "_")))
        .collect();
    let algorithm = match method {
        SignatureMethod::Sha256 => aws_lc_rs::hmac::HMAC_SHA256,
        SignatureMethod::Sha512 => aws_lc_rs::hmac::HMAC_SHA512,
    };
    hex(hmac(algorithm, secret.as_bytes(), text.as_bytes()).as_ref())
}

/// 3 says only that a parameter is not valid; which one is in the words alone ("to address is not numeric").
fn reason(status: &str, why: &str) -> Reason {
    let names_the_number = || why.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "to");
    match status {
        "3" if names_the_number() => Reason::InvalidDestination,
        "1" | "10" => Reason::Throttled,
        "6" | "22" | "33" => Reason::InvalidDestination,
        "7" => Reason::Blocked,
        _ => Reason::Misconfigured,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, code, fields, refused, vectors};
    use super::*;

    fn vonage(secret: VonageSecret) -> Vonage {
        let settings = Settings {
            url: "https://rest.nexmo.com".into(),
            api_key: "abcd1234".into(),
            secret,
            from: "Example".into(),
            signature_secret: None,
            signature_method: SignatureMethod::Sha256,
        };
        Vonage { settings, receipts: Some("https://mfa.example.com/r".into()) }
    }

    #[test]
    fn the_request_is_vonages_form() {
        let request = vonage(VonageSecret::Api("s".into())).request(&code(), UnixTime(0)).unwrap();
        assert_eq!(request.uri(), "https://rest.nexmo.com/sms/json");
        assert!(request.headers().contains_key("authorization"));
        let sent = fields(&request);
        assert_eq!((sent["to"].as_str(), sent["ttl"].as_str()), ("15005550006", "300000"));
        assert_eq!((sent["status-report-req"].as_str(), sent["client-ref"].as_str()), ("1", "m1"));
        assert!(!sent.contains_key("sig"));
    }

    #[test]
    fn a_signed_request_carries_no_secret() {
        let secret = VonageSecret::Signature("my_secret".into());
        let request = vonage(secret).request(&code(), UnixTime(1_461_605_396)).unwrap();
        assert!(!request.headers().contains_key("authorization"));
        let sent = fields(&request);
        let rest: Vec<(&str, &str)> = sent
            .iter()
            .filter(|(key, _)| *key != "sig")
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(sent["sig"], sign(&rest, "my_secret", SignatureMethod::Sha256));
        assert_eq!(sent["timestamp"], "1461605396");
    }

    #[test]
    fn the_signature_is_that_of_vonages_own_client() {
        let vector = &vectors()["vonage_sig"];
        let fields: Vec<(String, String)> = vector["params"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), text_of(value).unwrap()))
            .collect();
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let secret = vector["secret"].as_str().unwrap();
        assert_eq!(sign(&pairs, secret, SignatureMethod::Sha256), vector["hmac_sha256"].as_str().unwrap());
    }

    #[test]
    fn answers() {
        let sender = vonage(VonageSecret::Api("s".into()));
        let taken = r#"{"message-count":"1","messages":[{"status":"0","message-id":"0A1"}]}"#;
        assert_eq!(sender.judge(&answer(200, taken)).unwrap().reference.as_deref(), Some("0A1"));
        let table = [
            ("1", Reason::Throttled, true),
            ("4", Reason::Misconfigured, true),
            ("5", Reason::Unavailable, false),
            ("6", Reason::InvalidDestination, true),
            ("7", Reason::Blocked, true),
            ("9", Reason::Misconfigured, true),
            ("33", Reason::InvalidDestination, true),
            ("77", Reason::Misconfigured, true),
        ];
        for (status, reason, certain) in table {
            let body = format!(r#"{{"messages":[{{"status":"{status}","error-text":"no"}}]}}"#);
            assert_eq!(refused(sender.judge(&answer(200, &body))), (reason, certain), "{status}");
        }
        for (why, reason) in [
            ("to address is not numeric", Reason::InvalidDestination),
            ("Invalid value for to", Reason::InvalidDestination),
            ("Invalid from param", Reason::Misconfigured),
        ] {
            let body = format!(r#"{{"messages":[{{"status":"3","error-text":"{why}"}}]}}"#);
            assert_eq!(refused(sender.judge(&answer(200, &body))), (reason, true), "{why}");
        }
        assert_eq!(refused(sender.judge(&answer(200, "{}"))), (Reason::Unavailable, false));
    }
}
