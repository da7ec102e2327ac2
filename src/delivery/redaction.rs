//! A vendor's own words, made fit for the log: on one line, not too long, without the code, the link, the
//! number or the address, however a vendor writes them. It never decides what the words mean.

use secrecy::ExposeSecret as _;

use super::{Channel, Content, Event, Message, Notice, Opening, masked, numbers};

/// Characters that are kept.
const LONGEST: usize = 300;
/// Digits at the end of a number by which it is found in any national or international spelling.
const TELLING: usize = 7;

/// What a vendor says about this message.
pub(super) fn redacted(says: &str, message: &Message) -> String {
    let shown = masked(&message.to);
    let mut text = says.to_owned();
    let mut secrets = Vec::new();
    match &message.content {
        Content::Code(code) => {
            if let Some(address) = &code.call {
                text = text.replace(address, "…");
            }
            let code = code.code.expose_secret();
            text = text.replace(code, "…");
            secrets.push(code.to_owned());
        }
        Content::Notice(notice) => {
            // Filters like to name what they did not like about a mail.
            for token in openings(notice).map(token).filter(|token| !token.is_empty()) {
                text = text.replace(token, "…");
            }
        }
    }
    if message.channel == Channel::Email {
        text = without_address(&text, &message.to, &shown);
    } else {
        let (number, _) = numbers::with_extension(&message.to);
        let digits = digits(number);
        for written in [message.to.as_str(), number, &digits] {
            if !written.is_empty() {
                text = text.replace(written, &shown);
            }
        }
        let kept = digits.len().saturating_sub(TELLING);
        secrets.extend(digits.get(kept..).filter(|end| end.len() == TELLING).map(str::to_owned));
    }
    without_digits(&text, &secrets)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect()
}

/// What a notice has that opens something.
fn openings(notice: &Notice) -> impl Iterator<Item = &Opening> {
    let link = match &notice.event {
        Event::PasswordLink { link, .. } => Some(link),
        _ => None,
    };
    link.into_iter().chain(&notice.not_me)
}

/// What is secret about it: the end of its query.
fn token(opening: &Opening) -> &str {
    let address = opening.address();
    address.rsplit_once('=').map_or(address, |(_, token)| token)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Mail servers repeat addresses in capitals of their own.
fn without_address(text: &str, address: &str, shown: &str) -> String {
    let (lower, address) = (text.to_ascii_lowercase(), address.to_ascii_lowercase());
    if address.is_empty() {
        return text.to_owned();
    }
    let (mut out, mut done) = (String::new(), 0);
    for (at, found) in lower.match_indices(&address) {
        out.push_str(text.get(done..at).unwrap_or_default());
        out.push_str(shown);
        done = at + found.len();
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// Without the runs of digits that hold one of these, whatever is written between the digits.
fn without_digits(text: &str, secrets: &[String]) -> String {
    let between = |c: char| " -.,()/\u{a0}".contains(c);
    let (mut out, mut run) = (String::new(), String::new());
    let end = |out: &mut String, run: &mut String| {
        let whole = digits(run);
        if secrets.iter().any(|secret| whole.contains(secret.as_str())) {
            let kept = run.trim_end_matches(between).len();
            out.push('…');
            out.push_str(run.get(kept..).unwrap_or_default());
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for c in text.chars() {
        if c.is_ascii_digit() || (between(c) && !run.is_empty()) {
            run.push(c);
        } else {
            end(&mut out, &mut run);
            out.push(c);
        }
    }
    end(&mut out, &mut run);
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Code, Language};
    use super::*;

    fn message(channel: Channel, to: &str) -> Message {
        let code = Code {
            code: "12345678".into(),
            lives: Duration::from_secs(300),
            app: "Wiki".to_owned(),
            brand: "Example".to_owned(),
            domain: "mfa.example.com".to_owned(),
            call: None,
        };
        Message {
            channel,
            to: to.to_owned(),
            content: Content::Code(code),
            language: Language::En,
            id: "m1".to_owned(),
        }
    }

    #[test]
    fn h05_numbers_and_codes_are_gone_however_they_are_written() {
        let sent = message(Channel::Sms, "+447700900123");
        for (says, expected) in [
            (
                "to +447700900123 (447700900123):\r\n'12345678 is your code'",
                "to …23 (…23):  '… is your code'",
            ),
            ("07700 900123 is barred", "… is barred"),
            ("+44 (0)7700-900-123, error 30007", "+…, error 30007"),
            ("0044.7700.900.123: no", "…: no"),
            ("code 1234 5678", "code …"),
            ("spoken 1, 2, 3, 4, 5, 6, 7, 8.", "spoken …."),
            ("error 30007 at 2026-11-22 10:00:01", "error 30007 at 2026-11-22 10:00:01"),
            ("", ""),
        ] {
            assert_eq!(redacted(says, &sent), expected, "{says}");
        }
        assert_eq!(redacted(&"x".repeat(1000), &sent).len(), LONGEST);
    }

    #[test]
    fn h05_a_link_that_opens_something_is_gone() {
        let event = Event::PasswordLink {
            link: Opening::new("https://mfa.example.com/.stepgate/new-password?link=T0k3n-T0k3n".to_owned()),
            minutes: 30,
        };
        let notice = Notice {
            event,
            at: crate::ambient::UnixTime(0),
            origin: None,
            not_me: Some(Opening::new("https://mfa.example.com/.stepgate/it?t=N0tMe".to_owned())),
            brand: "Example".to_owned(),
            page: String::new(),
            support: None,
        };
        let sent =
            Message { content: Content::Notice(notice), ..message(Channel::Email, "anna@example.com") };
        let says = "554 spam: mfa.example.com/.stepgate/new-password?link=T0k3n-T0k3n and t=N0tMe";
        let told = redacted(says, &sent);
        assert!(!told.contains("T0k3n") && !told.contains("N0tMe"), "{told}");
    }

    #[test]
    fn h05_addresses_are_gone_in_capitals_too() {
        let sent = message(Channel::Email, "Anna.B@example.com");
        let says = "550 5.1.1 <anna.b@EXAMPLE.com>: Recipient anna.b@example.com unknown, ref 12345678";
        let expected = "550 5.1.1 <A…@example.com>: Recipient A…@example.com unknown, ref …";
        assert_eq!(redacted(says, &sent), expected);
    }
}
