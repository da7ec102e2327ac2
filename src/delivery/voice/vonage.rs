//! Vonage's Voice API: `POST /v1/calls` with the NCCO in the request, authorised by a JWT that the
//! application's key signs. A machine that answers is hung up on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::super::vendor::{
    Vendor, accepted, authorization, by_status, excerpt, get, json, not_carried, post_json,
};
use super::super::{Accepted, Channel, Message, NotSent, Reason};
use super::{LONGEST, Part, RINGS, script, tag};
use crate::ambient::{UnixTime, random_bytes};
use crate::config::settings::VonageVoice as Settings;

/// Seconds that a token counts.
const TOKEN_LIFE: i64 = 120;

pub(in super::super) struct VonageVoice {
    pub settings: Settings,
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
        let phone = |number: &str| json!({ "type": "phone", "number": number.trim_start_matches('+') });
        let body = json!({
            "to": [phone(&message.to)],
            "from": phone(&self.settings.from),
            "ncco": ncco(&script(message)?, tag(message.language)),
            "ringing_timer": RINGS,
            "length_timer": LONGEST,
            "machine_detection": "hangup",
        });
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
}

/// Nothing to say is a second of silence: an NCCO has no pause of its own.
fn ncco(script: &[Part], language: &str) -> Value {
    let say = |part: &Part| match part {
        Part::Say(text) => json!({ "action": "talk", "text": text, "language": language }),
        Part::Pause => {
            json!({ "action": "talk", "text": "<speak><break time='1s'/></speak>", "language": language })
        }
    };
    script.iter().map(say).collect()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    use base64::engine::general_purpose::STANDARD;
    use jsonwebtoken::{DecodingKey, Validation};

    use super::super::super::sms::testing::{answer, body, code, refused};
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
        };
        let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        (VonageVoice { settings }, public)
    }

    #[test]
    fn a_call_is_signed_by_the_application_and_carries_its_own_script() {
        let (sender, public) = sender();
        let message = Message { channel: Channel::Voice, ..code() };
        let request = sender.request(&message, UnixTime(1_800_000_000)).unwrap();
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
