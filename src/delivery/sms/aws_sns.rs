//! AWS SNS: `Publish` to a number, the query protocol, answered by XML.
//!
//! Facts: factors.md 6.3. SNS drops messages to people who have opted out without a word.

use bytes::Bytes;
use http::{Request, Response};

use super::super::vendor::{Vendor, excerpt, not_carried};
use super::super::{Accepted, Channel, Message, NotSent, Reason};
use super::aws::{self, AwsCall};
use super::text;
use crate::ambient::UnixTime;
use crate::config::settings::AwsSns as Settings;

pub(in super::super) struct AwsSns {
    pub settings: Settings,
}

impl AwsSns {
    fn call(
        &self,
        action: &str,
        fields: &[(String, String)],
        now: UnixTime,
    ) -> Result<Request<Bytes>, NotSent> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("Action", action), ("Version", "2010-03-31")])
            .extend_pairs(fields)
            .finish();
        let call = AwsCall {
            service: "sns",
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            target: None,
            body,
        };
        call.signed(&self.settings.aws, now)
    }

    /// Message attributes, numbered as the protocol wants them.
    fn attributes(&self) -> Vec<(String, String)> {
        let settings = &self.settings;
        let wanted = [
            ("AWS.SNS.SMS.SMSType", "String", Some("Transactional")),
            ("AWS.SNS.SMS.SenderID", "String", settings.sender_id.as_deref()),
            ("AWS.MM.SMS.OriginationNumber", "String", settings.origination_number.as_deref()),
            ("AWS.SNS.SMS.MaxPrice", "Number", settings.max_price.as_deref()),
        ];
        let there = wanted.into_iter().filter_map(|(name, kind, value)| Some((name, kind, value?)));
        let number = |(at, (name, kind, value)): (usize, (&str, &str, &str))| {
            let entry = format!("MessageAttributes.entry.{}", at + 1);
            [
                (format!("{entry}.Name"), name.to_owned()),
                (format!("{entry}.Value.DataType"), kind.to_owned()),
                (format!("{entry}.Value.StringValue"), value.to_owned()),
            ]
        };
        there.enumerate().flat_map(number).collect()
    }
}

impl Vendor for AwsSns {
    fn request(&self, message: &Message, now: UnixTime) -> Result<Request<Bytes>, NotSent> {
        if message.channel != Channel::Sms {
            return Err(not_carried(message.channel.name()));
        }
        let mut fields = self.attributes();
        fields.extend([
            ("PhoneNumber".to_owned(), message.to.clone()),
            ("Message".to_owned(), text::of(message)),
        ]);
        self.call("Publish", &fields, now)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        let text = String::from_utf8_lossy(answer.body());
        match (answer.status().is_success(), element(&text, "MessageId")) {
            (true, Some(id)) => Ok(Accepted { reference: Some(id.to_owned()) }),
            (true, None) => Err(NotSent::perhaps(format!("not AWS's answer: {}", excerpt(answer.body())))),
            (false, _) => Err(refused(answer, &text)),
        }
    }

    fn probe(&self, now: UnixTime) -> Result<Request<Bytes>, NotSent> {
        self.call("GetSMSAttributes", &[], now)
    }

    fn is_well(&self, answer: &Response<Bytes>) -> bool {
        aws::knows_the_keys(answer)
    }
}

fn refused(answer: &Response<Bytes>, text: &str) -> NotSent {
    let code = element(text, "Code").unwrap_or_default();
    let not = aws::refused(answer, code);
    let says = element(text, "Message").unwrap_or_default().to_ascii_lowercase();
    let reason = match code {
        "InvalidParameter" | "InvalidParameterValue" | "ParameterValueInvalid"
            if says.contains("phonenumber") || says.contains("phone number") =>
        {
            Reason::InvalidDestination
        }
        _ => not.reason,
    };
    NotSent { reason, ..not }
}

/// The text of the first element of this name, without entities: ids and codes have none.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    after.split_once('<').map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, code, fields, refused};
    use super::*;
    use crate::config::settings::Aws;

    fn sender() -> AwsSns {
        let aws = Aws {
            url: Some("http://127.0.0.1:4015".into()),
            region: "eu-west-1".into(),
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "x".into(),
            session_token: None,
        };
        let settings = Settings {
            aws,
            sender_id: Some("Example".into()),
            origination_number: None,
            max_price: Some("0.5".into()),
        };
        AwsSns { settings }
    }

    #[test]
    fn the_request_is_a_publish() {
        let request = sender().request(&code(), UnixTime(0)).unwrap();
        assert_eq!(request.uri(), "http://127.0.0.1:4015/");
        let sent = fields(&request);
        assert_eq!((sent["Action"].as_str(), sent["PhoneNumber"].as_str()), ("Publish", "+15005550006"));
        assert_eq!(sent["MessageAttributes.entry.1.Value.StringValue"], "Transactional");
        assert_eq!(sent["MessageAttributes.entry.2.Name"], "AWS.SNS.SMS.SenderID");
        assert_eq!(sent["MessageAttributes.entry.3.Name"], "AWS.SNS.SMS.MaxPrice");
        assert_eq!(sent["MessageAttributes.entry.3.Value.DataType"], "Number");
    }

    #[test]
    fn answers() {
        let taken =
            "<PublishResponse><PublishResult><MessageId>1-2</MessageId></PublishResult></PublishResponse>";
        assert_eq!(sender().judge(&answer(200, taken)).unwrap().reference.as_deref(), Some("1-2"));
        let error = |code: &str, says: &str| {
            format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>{says}</Message></Error></ErrorResponse>"
            )
        };
        let table = [
            (
                400,
                error("InvalidParameter", "Invalid parameter: PhoneNumber"),
                Reason::InvalidDestination,
                true,
            ),
            (400, error("InvalidParameter", "Invalid parameter: Message"), Reason::Misconfigured, true),
            (403, error("AuthorizationError", "no"), Reason::Misconfigured, true),
            (400, error("Throttling", "slow"), Reason::Throttled, true),
            (500, error("InternalError", "oops"), Reason::Unavailable, false),
            (200, "<html/>".to_owned(), Reason::Unavailable, false),
        ];
        for (status, text, reason, certain) in table {
            assert_eq!(refused(sender().judge(&answer(status, &text))), (reason, certain), "{text}");
        }
    }
}
