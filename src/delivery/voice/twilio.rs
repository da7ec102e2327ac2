//! Twilio's Calls API (2010-04-01) with the TwiML in the request, so that nothing has to be fetched
//! from us. `Gather` would need an address of ours that hands out the code, so no key is asked for.

use bytes::Bytes;
use http::Request;

use super::super::vendor::{basic, form, not_carried};
use super::super::{Message, NotSent};
use super::{LONGEST, Part, RINGS, script, tag};
use crate::config::settings::{Twilio, TwilioFrom};

/// The request that calls. Answers are those of every API of Twilio's.
pub(in super::super) fn request(settings: &Twilio, message: &Message) -> Result<Request<Bytes>, NotSent> {
    let TwilioFrom::Number(from) = &settings.from else {
        return Err(not_carried("calls: a messaging service has no number"));
    };
    let twiml = twiml(&script(message)?, tag(message.language));
    let (rings, longest) = (RINGS.to_string(), LONGEST.to_string());
    let fields = [
        ("To", message.to.as_str()),
        ("From", from.as_str()),
        ("Twiml", twiml.as_str()),
        ("Timeout", rings.as_str()),
        ("TimeLimit", longest.as_str()),
    ];
    let url = format!("{}/2010-04-01/Accounts/{}/Calls.json", settings.url, settings.account_sid);
    form(&url, Some(basic(&settings.login)?), &fields)
}

fn twiml(script: &[Part], language: &str) -> String {
    let parts = script.iter().map(|part| match part {
        Part::Say(text) => format!("<Say language=\"{language}\">{}</Say>", escaped(text)),
        Part::Pause => "<Pause length=\"1\"/>".to_owned(),
    });
    format!("<Response>{}<Hangup/></Response>", parts.collect::<String>())
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut xml, c| {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            c => xml.push(c),
        }
        xml
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::sms::testing::{code, fields};
    use super::super::super::{Channel, Language};
    use super::*;
    use crate::config::settings::Login;

    fn settings(from: TwilioFrom) -> Twilio {
        Twilio {
            url: "https://api.twilio.com".into(),
            account_sid: "AC00000000000000000000000000000000".into(),
            login: Login { user: "SK1".into(), password: "secret".into() },
            from,
            auth_token: None,
            webhook_secret: None,
        }
    }

    #[test]
    fn a_call_carries_its_own_script() {
        let message = Message { channel: Channel::Voice, language: Language::De, ..code() };
        let request = request(&settings(TwilioFrom::Number("+15005550006".into())), &message).unwrap();
        assert_eq!(
            request.uri(),
            "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000000/Calls.json"
        );
        let sent = fields(&request);
        assert_eq!((sent["To"].as_str(), sent["From"].as_str()), ("+15005550006", "+15005550006"));
        assert_eq!((sent["Timeout"].as_str(), sent["TimeLimit"].as_str()), ("20", "90"));
        let twiml = &sent["Twiml"];
        assert!(twiml.len() <= 4000, "Twilio's bound");
        let digits = "<Say language=\"de-DE\">1, 2, 3, 4, 5, 6, 7, 8.</Say>";
        assert_eq!(twiml.matches(digits).count(), 2, "{twiml}");
        assert!(twiml.starts_with("<Response><Pause length=\"1\"/><Say language=\"de-DE\">Guten Tag."));
    }

    #[test]
    fn nothing_of_a_name_becomes_markup() {
        assert_eq!(
            twiml(&[Part::Say("a & b <c>".into()), Part::Pause], "en-GB"),
            "<Response><Say language=\"en-GB\">a &amp; b &lt;c&gt;</Say><Pause length=\"1\"/><Hangup/></Response>"
        );
        let service = settings(TwilioFrom::Service("MG1".into()));
        assert!(request(&service, &Message { channel: Channel::Voice, ..code() }).is_err());
    }
}
