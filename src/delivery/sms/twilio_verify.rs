//! Twilio Verify v2 as a carrier of our own codes: `POST …/Verifications` with `CustomCode`.
//!
//! Twilio writes the text and chooses the sender; the code is judged here and never sent back to
//! Twilio. Notices cannot be sent this way. While a verification of a number is pending, Twilio's
//! documents say, another request sends the same code once more; so the pending one is cancelled first.

use bytes::Bytes;
use http::{Request, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret as _;

use super::super::vendor::{Vendor, basic, form, get, not_carried};
use super::super::{Accepted, Channel, Content, Language, Message, NotSent};
use super::{text, twilio};
use crate::ambient::UnixTime;
use crate::config::settings::TwilioVerify as Settings;

pub(in super::super) struct TwilioVerify {
    pub settings: Settings,
}

impl TwilioVerify {
    fn service(&self) -> String {
        format!("{}/v2/Services/{}", self.settings.url, self.settings.service_sid)
    }
}

impl Vendor for TwilioVerify {
    fn request(&self, message: &Message, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        let Content::Code(code) = &message.content else {
            return Err(not_carried("notices"));
        };
        let channel = match message.channel {
            Channel::Sms if self.settings.whatsapp => "whatsapp",
            Channel::Sms => "sms",
            Channel::Voice => "call",
            Channel::Email => return Err(not_carried("e-mail")),
        };
        let name = text::name(&code.brand);
        let mut fields = vec![
            ("To", message.to.as_str()),
            ("Channel", channel),
            ("CustomCode", code.code.expose_secret()),
        ];
        // Twilio goes by the number's country where nothing better is known: our English may be just that.
        if message.channel == Channel::Voice || message.language != Language::default() {
            fields.push(("Locale", message.language.name()));
        }
        fields.extend(name.as_deref().map(|name| ("CustomFriendlyName", name)));
        form(&format!("{}/Verifications", self.service()), Some(basic(&self.settings.login)?), &fields)
    }

    fn before(&self, message: &Message) -> Result<Option<Request<Bytes>>, NotSent> {
        let to = utf8_percent_encode(&message.to, NON_ALPHANUMERIC);
        let pending = format!("{}/Verifications/{to}", self.service());
        form(&pending, Some(basic(&self.settings.login)?), &[("Status", "canceled")]).map(Some)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        twilio::judge(answer)
    }

    fn probe(&self, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        get(&self.service(), Some(basic(&self.settings.login)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, code, fields, notice};
    use super::*;
    use crate::config::settings::Login;

    #[test]
    fn our_own_code_goes_by_the_channel_asked_for() {
        let sender = |whatsapp| TwilioVerify {
            settings: Settings {
                url: "https://verify.twilio.com".into(),
                service_sid: "VA1".into(),
                login: Login { user: "SK1".into(), password: "s".into() },
                whatsapp,
            },
        };
        let request = sender(false).request(&code(), UnixTime(0)).unwrap();
        assert_eq!(request.uri(), "https://verify.twilio.com/v2/Services/VA1/Verifications");
        let sent = fields(&request);
        assert_eq!((sent["Channel"].as_str(), sent["CustomCode"].as_str()), ("sms", "12345678"));
        assert_eq!(sent["CustomFriendlyName"], "Example Ltd");
        assert!(!sent.contains_key("Locale"));
        assert_eq!(fields(&sender(true).request(&code(), UnixTime(0)).unwrap())["Channel"], "whatsapp");
        let call = fields(&sender(true).request(&call(None), UnixTime(0)).unwrap());
        assert_eq!((call["Channel"].as_str(), call["Locale"].as_str()), ("call", "en"));
        assert!(sender(false).request(&notice(), UnixTime(0)).is_err());
        let first = sender(false).before(&code()).unwrap().expect("what is pending ends first");
        assert_eq!(first.uri(), "https://verify.twilio.com/v2/Services/VA1/Verifications/%2B15005550006");
        assert_eq!(fields(&first)["Status"], "canceled");
    }
}
