//! Plivo's Call API: `POST /v1/Account/{auth_id}/Call/`. Plivo takes no words with the request: it asks
//! for them at an address of ours when somebody picks up, and again when a key was pressed.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::super::receipts::{self, NotTaken, Report, field, fields};
use super::super::vendor::{self, Ours, basic, excerpt, post_json, put};
use super::super::{Accepted, Message, NotSent, Reason, numbers};
use super::asked::{Reply, Step};
use super::script::token;
use super::xml::{Dialect, document, escaped};
use super::{ASKS, LONGEST, RINGS, Spoken, WAITS};
use crate::config::settings::Plivo;

const PLIVO: Dialect = Dialect {
    say: ("<Speak language=\"", "\" voice=\"WOMAN\">"),
    close: "</Speak>",
    pause: "<Wait length=\"1\"/>",
};
/// Half a second, twice, before an extension is dialled.
const BEFORE_EXTENSION: &str = "ww";

/// The request that calls.
pub(in super::super) fn request(
    settings: &Plivo,
    ours: &Ours,
    message: &Message,
) -> Result<Request<Bytes>, NotSent> {
    let (Some(place), Some(token)) = (&ours.calls, token(message)) else {
        let why = "Plivo asks this server what to say: it needs an https `server.public_url`";
        return Err(NotSent::surely(Reason::Misconfigured, why));
    };
    let (to, extension) = numbers::with_extension(&message.to);
    let mut body = json!({
        "from": settings.from.trim_start_matches('+'),
        "to": to.trim_start_matches('+'),
        "answer_url": format!("{place}/{token}"),
        "answer_method": "POST",
        "ring_timeout": RINGS,
        "time_limit": LONGEST,
    });
    if let Some(digits) = extension {
        put(&mut body, "send_digits", format!("{BEFORE_EXTENSION}{digits}"));
    }
    // Else the end of the call would be told where it was answered.
    if let Some(url) = &ours.receipts {
        put(&mut body, "hangup_url", url.as_str());
        put(&mut body, "hangup_method", "POST");
    }
    let url = format!("{}/v1/Account/{}/Call/", settings.url, settings.login.user);
    post_json(&url, Some(basic(&settings.login)?), &body)
}

/// What an accepted call is called; `None` if it is not Plivo's answer to one.
pub(in super::super) fn accepted(document: &Value) -> Option<Accepted> {
    document
        .get("request_uuid")
        .map(|_| vendor::accepted(document, "/request_uuid"))
}

/// An answer that makes no sense.
pub(in super::super) fn nonsense(answer: &Response<Bytes>) -> NotSent {
    NotSent::perhaps(format!("not Plivo's answer: {}", excerpt(answer.body())))
}

/// Where the call stands that Plivo asks about.
pub(super) fn step(settings: &Plivo, url: &str, report: &Report<'_>) -> Result<Step, NotTaken> {
    receipts::plivo::genuine(settings, url, report)?;
    let fields = fields(report)?;
    if field(&fields, "CallUUID").is_none() {
        return Err(NotTaken::Unreadable);
    }
    let over = matches!(
        field(&fields, "CallStatus"),
        Some("completed" | "busy" | "failed" | "timeout" | "no-answer" | "cancel")
    );
    Ok(match field(&fields, "Digits") {
        _ if over || field(&fields, "Event") == Some("Hangup") => Step::Over,
        None => Step::Answered,
        Some("") => Step::Unpressed,
        Some(_) => Step::Pressed,
    })
}

pub(super) fn reply(step: Step, spoken: Option<&Spoken>, address: &str) -> Reply {
    Reply::xml(document(&match (step, spoken) {
        (Step::Answered, Some(spoken)) => question(spoken, address),
        (Step::Pressed, Some(spoken)) => PLIVO.said(&spoken.answer(), spoken.tag()),
        (Step::Unpressed, Some(spoken)) => PLIVO.said(&spoken.farewell(), spoken.tag()),
        (Step::Over, _) | (_, None) => String::new(),
    }))
}

fn question(spoken: &Spoken, address: &str) -> String {
    let language = spoken.tag();
    let mut parts = spoken.greeting();
    // A document may not begin to wait within the question.
    let greeting = PLIVO.said(&parts.drain(..1).collect::<Vec<_>>(), language);
    parts.push(spoken.question());
    format!(
        "{greeting}<GetDigits action=\"{}\" method=\"POST\" timeout=\"{WAITS}\" finishOnKey=\"none\" \
         numDigits=\"1\" retries=\"{ASKS}\" playBeep=\"false\">{}</GetDigits>{}",
        escaped(address),
        PLIVO.said(&parts, language),
        PLIVO.said(&spoken.farewell(), language)
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::sms::testing::{body, call};
    use super::*;
    use crate::config::settings::Login;

    fn settings() -> Plivo {
        let login = Login { user: "MA1".into(), password: "s".into() };
        Plivo { url: "https://api.plivo.com".into(), login, from: "15005550001".into() }
    }

    #[test]
    fn a_call_carries_an_address_and_nothing_of_the_code() {
        let ours = Ours {
            receipts: Some("https://mfa.test/r".into()),
            calls: Some("https://mfa.test/c".into()),
        };
        let message = Message { to: "+442079460958;ext=12".into(), ..call(Some("tok")) };
        let request = request(&settings(), &ours, &message).unwrap();
        assert_eq!(request.uri(), "https://api.plivo.com/v1/Account/MA1/Call/");
        let sent = body(&request);
        assert_eq!(sent["answer_url"], "https://mfa.test/c/tok");
        assert_eq!((&sent["to"], &sent["send_digits"]), (&json!("442079460958"), &json!("ww12")));
        assert_eq!((&sent["ring_timeout"], &sent["time_limit"]), (&json!(20), &json!(120)));
        assert_eq!(sent["hangup_url"], "https://mfa.test/r");
        assert!(!String::from_utf8_lossy(request.body()).contains("12345678"));
    }

    #[test]
    fn where_plivo_cannot_ask_it_is_not_asked_to_call() {
        let ours = Ours { calls: Some("https://mfa.test/c".into()), ..Ours::default() };
        for (ours, token) in [(&Ours::default(), Some("t")), (&ours, None)] {
            let not = request(&settings(), ours, &call(token)).unwrap_err();
            assert!(not.certain && not.says.contains("public_url"), "{not}");
        }
    }

    #[test]
    fn every_step_has_its_words() {
        let spoken = Spoken::of(&call(None)).unwrap();
        let said = |step, spoken| reply(step, spoken, "https://mfa.test/c/a&b").body;
        let first = said(Step::Answered, Some(&spoken));
        assert!(
            first.contains("action=\"https://mfa.test/c/a&amp;b\"") && !first.contains("1, 2"),
            "{first}"
        );
        assert_eq!(said(Step::Pressed, Some(&spoken)).matches("1, 2, 3, 4, 5, 6, 7, 8.").count(), 2);
        assert!(!said(Step::Unpressed, Some(&spoken)).contains("1, 2"));
        for step in [Step::Answered, Step::Pressed, Step::Unpressed, Step::Over] {
            assert!(said(step, None).ends_with("<Response><Hangup/></Response>"), "{step:?}");
        }
    }
}
