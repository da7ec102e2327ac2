//! AWS End User Messaging SMS: `PinpointSMSVoiceV2.SendTextMessage`, JSON 1.0.
//!
//! Facts: factors.md 6.3, from botocore's service model. No local peer speaks this protocol; it was
//! run against a fake made from that model.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::super::vendor::{Vendor, accepted, excerpt, not_carried, put};
use super::super::{Accepted, Channel, Content, Message, NotSent, Reason};
use super::aws::{self, AwsCall};
use super::text;
use crate::ambient::UnixTime;
use crate::config::settings::AwsSms as Settings;

/// AWS's bounds of `TimeToLive`, seconds.
const TTL: std::ops::RangeInclusive<u64> = 5..=259_200;
/// A number that AWS's simulator answers for; with `DryRun` not even that is done.
const SIMULATOR: &str = "+14254147755";

pub(in super::super) struct AwsSms {
    pub settings: Settings,
}

impl AwsSms {
    fn call(
        &self,
        to: &str,
        text: &str,
        more: &[(&str, Value)],
        now: UnixTime,
    ) -> Result<Request<Bytes>, NotSent> {
        let settings = &self.settings;
        let mut body = json!({
            "DestinationPhoneNumber": to,
            "MessageBody": text,
            "MessageType": "TRANSACTIONAL",
        });
        let optional = [
            ("OriginationIdentity", &settings.origination_identity),
            ("ConfigurationSetName", &settings.configuration_set),
            ("MaxPrice", &settings.max_price),
        ];
        for (key, value) in optional.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))) {
            put(&mut body, key, value);
        }
        for (key, value) in more {
            put(&mut body, key, value.clone());
        }
        let call = AwsCall {
            service: "sms-voice",
            content_type: "application/x-amz-json-1.0",
            target: Some("PinpointSMSVoiceV2.SendTextMessage"),
            body: body.to_string(),
        };
        call.signed(&settings.aws, now)
    }
}

impl Vendor for AwsSms {
    fn request(&self, message: &Message, now: UnixTime) -> Result<Request<Bytes>, NotSent> {
        if message.channel != Channel::Sms {
            return Err(not_carried(message.channel.name()));
        }
        let mut more = vec![("Context", json!({ "id": message.id }))];
        if let Content::Code(code) = &message.content {
            more.push(("TimeToLive", code.lives.as_secs().clamp(*TTL.start(), *TTL.end()).into()));
        }
        self.call(&message.to, &text::of(message), &more, now)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        let document = super::super::vendor::json(answer);
        let has_id = document.get("MessageId").is_some_and(Value::is_string);
        match (answer.status().is_success(), has_id) {
            (true, true) => Ok(accepted(&document, "/MessageId")),
            (true, false) => Err(NotSent::perhaps(format!("not AWS's answer: {}", excerpt(answer.body())))),
            (false, _) => Err(refused(answer, &document)),
        }
    }

    fn probe(&self, now: UnixTime) -> Result<Request<Bytes>, NotSent> {
        self.call(SIMULATOR, "stepgate", &[("DryRun", true.into())], now)
    }

    fn is_well(&self, answer: &Response<Bytes>) -> bool {
        let denied = String::from_utf8_lossy(answer.body()).contains("AccessDenied");
        aws::knows_the_keys(answer) && !denied
    }
}

/// `Reason` says more than the type of the exception.
fn refused(answer: &Response<Bytes>, document: &Value) -> NotSent {
    let word = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
    let not = aws::refused(answer, word("__type"));
    let reason = match word("Reason") {
        "DESTINATION_PHONE_NUMBER_OPTED_OUT" => Reason::OptedOut,
        "INVALID_PARAMETER" | "INVALID_PHONE_NUMBER" | "PHONE_NUMBER_INVALID"
            if names_the_number(document) =>
        {
            Reason::InvalidDestination
        }
        "DESTINATION_COUNTRY_BLOCKED"
        | "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"
        | "COUNTRY_NOT_ENABLED" => Reason::RegionBlocked,
        "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE" => Reason::Blocked,
        _ if names_the_number(document) => Reason::InvalidDestination,
        _ => not.reason,
    };
    NotSent { reason, ..not }
}

/// Whether the field that AWS complains of is the number.
fn names_the_number(document: &Value) -> bool {
    let fields = document.get("Fields").and_then(Value::as_array);
    fields
        .into_iter()
        .flatten()
        .any(|field| field.get("Name").and_then(Value::as_str) == Some("DestinationPhoneNumber"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, body, code};
    use super::*;
    use crate::config::settings::Aws;

    fn sender() -> AwsSms {
        let aws = Aws {
            url: None,
            region: "eu-west-1".into(),
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "x".into(),
            session_token: None,
        };
        let settings = Settings {
            aws,
            origination_identity: Some("Example".into()),
            configuration_set: None,
            max_price: Some("0.10".into()),
        };
        AwsSms { settings }
    }

    #[test]
    fn the_request_is_the_operations_json() {
        let request = sender().request(&code(), UnixTime(0)).unwrap();
        assert_eq!(request.uri(), "https://sms-voice.eu-west-1.amazonaws.com/");
        assert_eq!(request.headers()["x-amz-target"], "PinpointSMSVoiceV2.SendTextMessage");
        assert_eq!(request.headers()["content-type"], "application/x-amz-json-1.0");
        let sent = body(&request);
        assert_eq!(
            (&sent["DestinationPhoneNumber"], &sent["TimeToLive"]),
            (&json!("+15005550006"), &json!(300))
        );
        assert_eq!((&sent["OriginationIdentity"], &sent["MaxPrice"]), (&json!("Example"), &json!("0.10")));
        assert_eq!(
            (&sent["MessageType"], &sent["Context"]),
            (&json!("TRANSACTIONAL"), &json!({ "id": "m1" }))
        );
        let probe = body(&sender().probe(UnixTime(0)).unwrap());
        assert_eq!(probe["DryRun"], json!(true));
    }

    #[test]
    fn answers() {
        let taken = sender().judge(&answer(200, r#"{"MessageId":"m-1"}"#)).unwrap();
        assert_eq!(taken.reference.as_deref(), Some("m-1"));
        let table = [
            ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", Reason::OptedOut),
            ("ValidationException", "COUNTRY_NOT_ENABLED", Reason::RegionBlocked),
            ("ValidationException", "SENDER_ID_REQUIRES_REGISTRATION", Reason::Misconfigured),
            (
                "ConflictException",
                "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE",
                Reason::Blocked,
            ),
            ("AccessDeniedException", "ACCOUNT_DISABLED", Reason::Misconfigured),
            ("ThrottlingException", "", Reason::Throttled),
        ];
        for (kind, why, reason) in table {
            let text = json!({ "__type": format!("com.amazonaws.sms#{kind}"), "Reason": why }).to_string();
            let not = sender().judge(&answer(400, &text)).unwrap_err();
            assert_eq!((not.reason, not.certain), (reason, true), "{kind} {why}");
        }
        let number = r#"{"__type":"ValidationException","Reason":"FIELD_VALIDATION_FAILED",
            "Fields":[{"Name":"DestinationPhoneNumber","Message":"bad"}]}"#;
        assert_eq!(sender().judge(&answer(400, number)).unwrap_err().reason, Reason::InvalidDestination);
        assert!(!sender().is_well(&answer(400, r#"{"__type":"UnrecognizedClientException"}"#)));
        assert!(!sender().is_well(&answer(400, r#"{"__type":"AccessDeniedException"}"#)));
        assert!(sender().is_well(&answer(400, r#"{"__type":"ValidationException"}"#)));
    }
}
