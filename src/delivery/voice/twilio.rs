//! Twilio's Calls API (2010-04-01) with the first TwiML in the request, and the rest behind a `Gather`:
//! Twilio asks us for it, signed, when a key was pressed. Without a signing secret there is no such
//! question, and everything is said at once.

use bytes::Bytes;
use http::Request;

use super::super::receipts::{self, NotTaken, Report, field, fields};
use super::super::vendor::{Ours, basic, form, not_carried};
use super::super::{Message, NotSent, numbers};
use super::asked::{Reply, Step};
use super::script::token;
use super::xml::{Dialect, document, escaped};
use super::{ASKS, LONGEST, RINGS, Spoken, WAITS};
use crate::config::settings::{Twilio, TwilioFrom};

const TWIML: Dialect = Dialect {
    say: ("<Say language=\"", "\">"),
    close: "</Say>",
    pause: "<Pause length=\"1\"/>",
};
/// Half a second, twice, before an extension is dialled.
const BEFORE_EXTENSION: &str = "ww";

/// The request that calls. Answers are those of every API of Twilio's.
pub(in super::super) fn request(
    settings: &Twilio,
    ours: &Ours,
    message: &Message,
) -> Result<Request<Bytes>, NotSent> {
    let TwilioFrom::Number(from) = &settings.from else {
        return Err(not_carried("calls: a messaging service has no number"));
    };
    let spoken = Spoken::of(message)?;
    let twiml = match (&ours.calls, token(message)) {
        (Some(place), Some(token)) => question(&spoken, &format!("{place}/{token}")),
        _ => document(&TWIML.said(&spoken.whole(), spoken.tag())),
    };
    let (to, extension) = numbers::with_extension(&message.to);
    let (rings, longest) = (RINGS.to_string(), LONGEST.to_string());
    let keys = extension.map(|digits| format!("{BEFORE_EXTENSION}{digits}"));
    let mut fields = vec![
        ("To", to),
        ("From", from.as_str()),
        ("Twiml", twiml.as_str()),
        ("Timeout", rings.as_str()),
        ("TimeLimit", longest.as_str()),
    ];
    fields.extend(keys.as_deref().map(|keys| ("SendDigits", keys)));
    fields.extend(ours.receipts.as_deref().map(|url| ("StatusCallback", url)));
    let url = format!("{}/2010-04-01/Accounts/{}/Calls.json", settings.url, settings.account_sid);
    form(&url, Some(basic(&settings.login)?), &fields)
}

/// Who calls, and that a key shall be pressed. Pressed at any time, it leads on.
fn question(spoken: &Spoken, address: &str) -> String {
    let language = spoken.tag();
    let gather = |parts: &str| {
        format!(
            "<Gather input=\"dtmf\" numDigits=\"1\" finishOnKey=\"\" timeout=\"{WAITS}\" \
             action=\"{}\" method=\"POST\">{parts}</Gather>",
            escaped(address)
        )
    };
    let press = TWIML.said(&[spoken.question()], language);
    let mut inside = gather(&format!("{}{press}", TWIML.said(&spoken.greeting(), language)));
    for _ in 1..ASKS {
        inside.push_str(&gather(&press));
    }
    inside.push_str(&TWIML.said(&spoken.farewell(), language));
    document(&inside)
}

/// Where the call stands that Twilio asks about.
pub(super) fn step(settings: &Twilio, url: &str, report: &Report<'_>) -> Result<Step, NotTaken> {
    receipts::twilio::genuine(settings, url, report)?;
    let fields = fields(report)?;
    let pressed = field(&fields, "Digits").is_some_and(|keys| !keys.is_empty());
    Ok(match field(&fields, "CallStatus").ok_or(NotTaken::Unreadable)? {
        "completed" | "canceled" | "failed" | "busy" | "no-answer" => Step::Over,
        _ if pressed => Step::Pressed,
        _ => Step::Unpressed,
    })
}

pub(super) fn reply(step: Step, spoken: Option<&Spoken>) -> Reply {
    let said = |parts: &[_], spoken: &Spoken| TWIML.said(parts, spoken.tag());
    Reply::xml(document(&match (step, spoken) {
        (Step::Pressed, Some(spoken)) => said(&spoken.answer(), spoken),
        (Step::Unpressed | Step::Answered, Some(spoken)) => said(&spoken.farewell(), spoken),
        (Step::Over, _) | (_, None) => String::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::Language;
    use super::super::super::sms::testing::{call, fields};
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

    fn number() -> Twilio {
        settings(TwilioFrom::Number("+15005550006".into()))
    }

    const DIGITS: &str = "1, 2, 3, 4, 5, 6, 7, 8.";

    #[test]
    fn without_a_signing_secret_a_call_carries_its_own_script() {
        let message = Message { language: Language::De, ..call(None) };
        let request = request(&number(), &Ours::default(), &message).unwrap();
        assert_eq!(
            request.uri(),
            "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000000/Calls.json"
        );
        let sent = fields(&request);
        assert_eq!((sent["To"].as_str(), sent["From"].as_str()), ("+15005550006", "+15005550006"));
        assert_eq!((sent["Timeout"].as_str(), sent["TimeLimit"].as_str()), ("20", "120"));
        assert!(!sent.contains_key("SendDigits") && !sent.contains_key("StatusCallback"));
        let twiml = &sent["Twiml"];
        assert!(twiml.len() <= 4000, "Twilio's bound");
        assert_eq!(twiml.matches(DIGITS).count(), 2, "{twiml}");
        assert!(
            twiml.contains("<Response><Pause length=\"1\"/><Say language=\"de-DE\">Guten Tag."),
            "{twiml}"
        );
    }

    #[test]
    fn with_one_the_code_stays_here_until_a_key_is_pressed() {
        let ours = Ours {
            receipts: Some("https://mfa.test/r".into()),
            calls: Some("https://mfa.test/c".into()),
        };
        let message = Message { to: "+442079460958;ext=12".into(), ..call(Some("tok")) };
        let sent = fields(&request(&number(), &ours, &message).unwrap());
        assert_eq!((sent["To"].as_str(), sent["SendDigits"].as_str()), ("+442079460958", "ww12"));
        assert_eq!(sent["StatusCallback"], "https://mfa.test/r");
        let twiml = &sent["Twiml"];
        assert_eq!(twiml.matches("action=\"https://mfa.test/c/tok\"").count(), ASKS, "{twiml}");
        assert!(!twiml.contains(DIGITS) && !twiml.contains("12345678"), "{twiml}");
        assert!(twiml.len() <= 4000, "Twilio's bound");
        // Asked from the command line of another process: nothing waits here.
        let alone = fields(&request(&number(), &ours, &call(None)).unwrap());
        assert!(alone["Twiml"].contains(DIGITS));
    }

    #[test]
    fn a_messaging_service_calls_nobody() {
        let service = settings(TwilioFrom::Service("MG1".into()));
        assert!(request(&service, &Ours::default(), &call(None)).is_err());
    }
}
