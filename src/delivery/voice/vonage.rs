//! Vonage's Voice API: `POST /v1/calls` with the first NCCO in the request, authorised by a JWT that the
//! application's key signs. When a key was pressed Vonage asks us, signed, for the rest. Without a signing
//! secret there is no such question: then everything is said at once, and a machine is hung up on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::super::receipts::{self, NotTaken, Report};
use super::super::vendor::{
    Ours, Vendor, accepted, authorization, by_status, excerpt, get, json, not_carried, post_json, put,
};
use super::super::{Accepted, Channel, Message, NotSent, Reason, numbers};
use super::asked::{Reply, Step};
use super::script::token;
use super::{ASKS, LONGEST, Part, RINGS, Spoken, WAITS};
use crate::ambient::{UnixTime, random_bytes};
use crate::config::settings::VonageVoice as Settings;

/// Seconds that a token counts.
const TOKEN_LIFE: i64 = 120;
/// Half a second, twice, before an extension is dialled.
const BEFORE_EXTENSION: &str = "pp";

pub(in super::super) struct VonageVoice {
    pub settings: Settings,
    pub ours: Ours,
}

impl VonageVoice {
    fn token(&self, now: UnixTime) -> Result<HeaderValue, NotSent> {
        let unusable =
            |error: jsonwebtoken::errors::Error| NotSent::surely(Reason::Misconfigured, error.to_string());
        let key = EncodingKey::from_rsa_pem(self.settings.private_key.expose_secret().as_bytes())
            .map_err(unusable)?;
        let claims = json!({
            "application_id": self.settings.application_id,
            "iat": now.0,
            "exp": now.plus(TOKEN_LIFE).0,
            "jti": URL_SAFE_NO_PAD.encode(random_bytes::<16>()),
        });
        let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).map_err(unusable)?;
        authorization(&format!("Bearer {token}"))
    }

    fn calls(&self) -> String {
        format!("{}/v1/calls", self.settings.url)
    }
}

impl Vendor for VonageVoice {
    fn request(&self, message: &Message, now: UnixTime) -> Result<Request<Bytes>, NotSent> {
        if message.channel != Channel::Voice {
            return Err(not_carried(message.channel.name()));
        }
        let spoken = Spoken::of(message)?;
        let phone = |number: &str| json!({ "type": "phone", "number": number.trim_start_matches('+') });
        let (number, extension) = numbers::with_extension(&message.to);
        let mut to = phone(number);
        if let Some(digits) = extension {
            put(&mut to, "dtmfAnswer", format!("{BEFORE_EXTENSION}{digits}"));
        }
        let mut body = json!({
            "to": [to],
            "from": phone(&self.settings.from),
            "ringing_timer": RINGS,
            "length_timer": LONGEST,
        });
        if let (Some(place), Some(token)) = (&self.ours.calls, token(message)) {
            put(&mut body, "ncco", question(&spoken, &format!("{place}/{token}")));
        } else {
            put(&mut body, "ncco", said(&spoken.whole(), spoken.tag(), false));
            put(&mut body, "machine_detection", "hangup");
        }
        if let Some(url) = &self.ours.receipts {
            put(&mut body, "event_url", vec![url.as_str()]);
            put(&mut body, "event_method", "POST");
        }
        post_json(&self.calls(), Some(self.token(now)?), &body)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        let document = json(answer);
        if answer.status().is_success() {
            return match document.get("uuid") {
                Some(Value::String(_)) => Ok(accepted(&document, "/uuid")),
                _ => Err(NotSent::perhaps(format!("not Vonage's answer: {}", excerpt(answer.body())))),
            };
        }
        let not = by_status(answer);
        let wrong = document.get("invalid_parameters").and_then(Value::as_array);
        let names = |parameter: &Value| {
            parameter
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|name| name.starts_with("to"))
        };
        Err(if wrong.is_some_and(|wrong| wrong.iter().any(names)) {
            NotSent { reason: Reason::InvalidDestination, ..not }
        } else {
            not
        })
    }

    fn probe(&self, now: UnixTime) -> Result<Request<Bytes>, NotSent> {
        get(&format!("{}?page_size=1", self.calls()), Some(self.token(now)?))
    }

    fn asks_back(&self) -> bool {
        self.ours.calls.is_some()
    }
}

/// What is said, one after the other; `over` lets a key cut in. An NCCO has no pause of its own.
fn said(parts: &[Part], language: &str, over: bool) -> Vec<Value> {
    let say = |part: &Part| {
        let text = match part {
            Part::Say(text) => text.as_str(),
            Part::Pause => "<speak><break time='1s'/></speak>",
        };
        let mut action = json!({ "action": "talk", "text": text, "language": language });
        if over {
            put(&mut action, "bargeIn", true);
        }
        action
    };
    parts.iter().map(say).collect()
}

/// Who calls, and that a key shall be pressed.
fn question(spoken: &Spoken, address: &str) -> Vec<Value> {
    let mut ncco = said(&spoken.greeting(), spoken.tag(), true);
    ncco.extend(asking(spoken, address, 1));
    ncco
}

/// The question, with where its answer goes; the address says how often it was asked.
fn asking(spoken: &Spoken, address: &str, nth: usize) -> Vec<Value> {
    let mut ncco = said(&[spoken.question()], spoken.tag(), true);
    ncco.push(json!({
        "action": "input",
        "type": ["dtmf"],
        "dtmf": { "maxDigits": 1, "timeOut": WAITS, "submitOnHash": false },
        "eventUrl": [format!("{address}?asked={nth}")],
        "eventMethod": "POST",
    }));
    ncco
}

/// Where the call stands that Vonage asks about.
pub(super) fn step(settings: &Settings, report: &Report<'_>, now: UnixTime) -> Result<Step, NotTaken> {
    receipts::vonage::genuine_call(settings, report, now)?;
    let event: Value = serde_json::from_slice(report.body).map_err(|_| NotTaken::Unreadable)?;
    let keys = event.pointer("/dtmf/digits").ok_or(NotTaken::Unreadable)?;
    let again = report.query.strip_prefix("asked=").and_then(|nth| nth.parse().ok());
    Ok(match keys.as_str() {
        Some(keys) if !keys.is_empty() => Step::Pressed,
        _ if again.is_some_and(|nth: usize| nth < ASKS) => Step::Answered,
        _ => Step::Unpressed,
    })
}

pub(super) fn reply(step: Step, spoken: Option<&Spoken>, address: &str) -> Reply {
    let ncco = match (step, spoken) {
        // Once more: this vendor asks for each key anew.
        (Step::Answered, Some(spoken)) => asking(spoken, address, ASKS),
        (Step::Pressed, Some(spoken)) => said(&spoken.answer(), spoken.tag(), false),
        (Step::Unpressed, Some(spoken)) => said(&spoken.farewell(), spoken.tag(), false),
        (Step::Over, _) | (_, None) => Vec::new(),
    };
    Reply::json(&Value::Array(ncco))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    use base64::engine::general_purpose::STANDARD;
    use jsonwebtoken::{DecodingKey, Validation};

    use super::super::super::sms::testing::{answer, body, call, code, refused};
    use super::*;

    fn sender() -> (VonageVoice, DecodingKey) {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        let settings = Settings {
            url: "https://api.nexmo.com".into(),
            application_id: "78d335fa-323d-0114-9c3d-d6f0d48968cf".into(),
            private_key: pem.into(),
            from: "+447418342132".into(),
            signature_secret: None,
        };
        let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        (VonageVoice { settings, ours: Ours::default() }, public)
    }

    #[test]
    fn a_call_is_signed_by_the_application_and_carries_its_own_script() {
        let (sender, public) = sender();
        let request = sender.request(&call(Some("t")), UnixTime(1_800_000_000)).unwrap();
        assert_eq!(request.uri(), "https://api.nexmo.com/v1/calls");
        let sent = body(&request);
        assert_eq!(sent["to"], json!([{ "type": "phone", "number": "15005550006" }]));
        assert_eq!(sent["from"]["number"], "447418342132");
        assert_eq!(sent["machine_detection"], "hangup");
        let digits = sent["ncco"].as_array().unwrap().iter();
        let digits =
            digits.filter(|part| part["text"] == "1, 2, 3, 4, 5, 6, 7, 8." && part["language"] == "en-GB");
        assert_eq!(digits.count(), 2);
        let header = request.headers()["authorization"].to_str().unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.set_required_spec_claims::<&str>(&[]);
        let token = header.strip_prefix("Bearer ").unwrap();
        let claims = jsonwebtoken::decode::<Value>(token, &public, &validation).unwrap().claims;
        assert_eq!(claims["application_id"], "78d335fa-323d-0114-9c3d-d6f0d48968cf");
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(1_800_000_000), &json!(1_800_000_120)));
        assert!(sender.request(&code(), UnixTime(0)).is_err(), "no texts");
    }

    #[test]
    fn with_a_signing_secret_the_code_stays_here_until_a_key_is_pressed() {
        let (mut sender, _) = sender();
        sender.ours = Ours {
            receipts: Some("https://mfa.test/r".into()),
            calls: Some("https://mfa.test/c".into()),
        };
        let message = Message { to: "+442079460958;ext=12".into(), ..call(Some("tok")) };
        let sent = body(&sender.request(&message, UnixTime(0)).unwrap());
        let to = json!([{ "type": "phone", "number": "442079460958", "dtmfAnswer": "pp12" }]);
        assert_eq!((&sent["to"], &sent["event_url"]), (&to, &json!(["https://mfa.test/r"])));
        let input = sent["ncco"].as_array().unwrap().last().unwrap();
        assert_eq!(input["eventUrl"], json!(["https://mfa.test/c/tok?asked=1"]));
        assert!(sent.get("machine_detection").is_none(), "the key tells");
        assert!(!sent.to_string().contains("1, 2, 3"), "{sent}");
        let spoken = Spoken::of(&message).unwrap();
        let said = |step| reply(step, Some(&spoken), "https://mfa.test/c/tok").body;
        assert!(said(Step::Answered).contains("tok?asked=2") && !said(Step::Answered).contains("1, 2"));
        assert_eq!(said(Step::Pressed).matches("1, 2, 3, 4, 5, 6, 7, 8.").count(), 2);
        assert!(!said(Step::Unpressed).contains("1, 2"));
        assert_eq!(reply(Step::Pressed, None, "").body, "[]");
    }

    #[test]
    fn answers() {
        let (sender, _) = sender();
        let taken = sender.judge(&answer(201, r#"{"uuid":"63f61863","status":"started"}"#)).unwrap();
        assert_eq!(taken.reference.as_deref(), Some("63f61863"));
        let to = r#"{"title":"Bad Request","invalid_parameters":[{"name":"to[0].number","reason":"x"}]}"#;
        for (status, text, expected) in [
            (400, to, (Reason::InvalidDestination, true)),
            (400, "{}", (Reason::Misconfigured, true)),
            (401, "{}", (Reason::Misconfigured, true)),
            (429, "{}", (Reason::Throttled, true)),
            (500, "{}", (Reason::Unavailable, false)),
            (200, "{}", (Reason::Unavailable, false)),
        ] {
            assert_eq!(refused(sender.judge(&answer(status, text))), expected, "{status} {text}");
        }
    }
}
