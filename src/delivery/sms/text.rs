//! What a text message says: always GSM-7, always one segment, the code bound to its domain.
//!
//! A second segment costs a second message, and one character outside the alphabet halves what a
//! segment holds. So names are written in the alphabet, cut where they are long, and left out
//! where nothing of them remains; code and domain are never cut.

use secrecy::ExposeSecret as _;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::super::{Code, Content, Event, Message, Notice, Origin};

/// Septets of one segment (3GPP TS 23.038).
const SEGMENT: usize = 160;
/// Septets that a name may take.
const NAME: usize = 30;
/// The default alphabet, without the escape to its extension.
const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The text of a message.
pub(in super::super) fn of(message: &Message) -> String {
    within(message, SEGMENT)
}

/// The text of a message, in at most so many characters: for those who cannot send it in the default
/// alphabet, where fewer fit into one segment.
pub(in super::super) fn within(message: &Message, most: usize) -> String {
    match &message.content {
        Content::Code(code) => code_text(code, most),
        Content::Notice(notice) => notice_text(notice, most),
    }
}

fn code_text(code: &Code, most: usize) -> String {
    let digits = code.code.expose_secret();
    // Browsers and phones offer the code only on this domain: `@domain #code`, on the last line.
    let bound = format!("\n\n@{} #{digits}", code.domain);
    let what = match (name(&code.brand), name(&code.app)) {
        (Some(brand), Some(app)) if app != brand => format!("your {brand} code for {app}"),
        (Some(known), _) | (None, Some(known)) => format!("your {known} code"),
        (None, None) => "your code".to_owned(),
    };
    let full = format!("{digits} is {what}. Don't share it.");
    let short = format!("{digits} is your code. Don't share it.");
    let candidates = [
        format!("{full}{bound}"),
        format!("{short}{bound}"),
        format!("{digits} is your code.{bound}"),
        short,
    ];
    candidates
        .into_iter()
        .find(|text| fits(text, most))
        .unwrap_or_else(|| digits.to_owned())
}

fn notice_text(notice: &Notice, most: usize) -> String {
    let of = |what: &str| name(what).map_or_else(String::new, |name| format!(" \"{name}\""));
    let what = match &notice.event {
        Event::FactorAdded { name } => format!("A way to confirm it's you was added{}.", of(name)),
        Event::FactorRemoved { name } => format!("A way to confirm it's you was removed{}.", of(name)),
        Event::RecoveryCodeUsed { left } => format!("A recovery code was used; {left} left."),
        Event::TemporaryCodeIssued { .. } => "An administrator gave out a temporary code.".to_owned(),
        Event::TemporaryCodeUsed => "A temporary code was used.".to_owned(),
        Event::Reset => "An administrator removed all your ways to confirm it's you.".to_owned(),
        Event::Locked => "Too many wrong codes were typed.".to_owned(),
        Event::PasskeyCopied { name } => format!("A copy of a passkey{} may be in use.", of(name)),
        Event::PasswordChanged => "Your password was changed.".to_owned(),
        Event::PasswordLink { .. } => "Somebody asked for a new password.".to_owned(),
        Event::BrowserTrusted { name } => format!("A browser was remembered{}.", of(name)),
        Event::SignedIn => match &notice.origin {
            Some(Origin::Browser { agent, .. }) => {
                format!("A new browser was used to sign in{}.", of(agent))
            }
            _ => "A new browser was used to sign in.".to_owned(),
        },
        Event::BrowserTokenCopied { name } => {
            format!("A remembered browser{} was used in two places and is asked again.", of(name))
        }
    };
    let brand = name(&notice.brand).map_or_else(String::new, |brand| format!("{brand}: "));
    let full = format!("{brand}{what} Not you? {}", notice.page);
    let candidates = [full, format!("{brand}{what} Not you? Sign in and check.")];
    let fitting = candidates.into_iter().find(|text| is_gsm(text) && fits(text, most));
    fitting.unwrap_or_else(|| "Your ways to confirm it's you have changed.".to_owned())
}

/// A name in the alphabet and not too long; `None` when nothing of it remains.
pub(super) fn name(text: &str) -> Option<String> {
    let plain: String = text
        .chars()
        .flat_map(|c| {
            let kept = ALPHABET.contains(c) && !c.is_control();
            let parts: Vec<char> = if kept {
                vec![c]
            } else {
                c.to_string().nfkd().collect()
            };
            parts
        })
        .filter(|c| !is_combining_mark(*c) && ALPHABET.contains(*c) && !c.is_control())
        .take(NAME)
        .collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    plain.chars().any(char::is_alphanumeric).then_some(plain)
}

fn is_gsm(text: &str) -> bool {
    text.chars().all(|c| ALPHABET.contains(c))
}

fn fits(text: &str, most: usize) -> bool {
    text.chars().count() <= most
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::ambient::UnixTime;

    fn text(code: &str, brand: &str, app: &str, domain: &str) -> String {
        let (brand, app, domain) = (brand.to_owned(), app.to_owned(), domain.to_owned());
        code_text(
            &Code {
                code: code.into(),
                lives: Duration::from_secs(300),
                app,
                brand,
                domain,
                call: None,
            },
            SEGMENT,
        )
    }

    #[test]
    fn the_code_comes_first_and_last_and_is_bound() {
        assert_eq!(
            text("12345678", "Example Ltd", "Payroll", "mfa.example.com"),
            "12345678 is your Example Ltd code for Payroll. Don't share it.\n\n@mfa.example.com #12345678"
        );
        assert_eq!(
            text("123456", "Wiki", "Wiki", "a.b"),
            "123456 is your Wiki code. Don't share it.\n\n@a.b #123456"
        );
    }

    #[test]
    fn names_outside_the_alphabet_are_written_in_it_or_left_out() {
        let at = |brand| text("1", brand, "", "a.b");
        assert!(at("Škoda Žižkov").starts_with("1 is your Skoda Zizkov code."));
        assert!(at("Größe & Söhne").starts_with("1 is your Größe & Söhne code."));
        assert!(at("株式会社").starts_with("1 is your code."));
        assert!(
            at("a\nb\u{202e}c [x]").starts_with("1 is your ab c x code.")
                || at("a\nb").starts_with("1 is your ab code.")
        );
    }

    #[test]
    fn every_text_with_the_longest_names_is_one_segment() {
        let long = "Ω".repeat(500);
        let domain = format!("{}.example.com", "d".repeat(63));
        let with = text("12345678", &long, &"w".repeat(500), &domain);
        assert!(
            fits(&with, SEGMENT) && is_gsm(&with) && with.ends_with(&format!("@{domain} #12345678")),
            "{with}"
        );
        let hopeless = text("12345678", &long, &long, &"d".repeat(253));
        assert_eq!(hopeless, "12345678 is your code. Don't share it.");
        let events = [
            Event::FactorAdded { name: long.clone() },
            Event::FactorRemoved { name: long.clone() },
            Event::RecoveryCodeUsed { left: u32::MAX },
            Event::TemporaryCodeUsed,
            Event::PasskeyCopied { name: long.clone() },
            Event::SignedIn,
            Event::BrowserTrusted { name: long.clone() },
        ];
        for event in events {
            for page in [
                "https://mfa.example.com/.stepgate/my-mfa".to_owned(),
                "x".repeat(200),
            ] {
                let brand = long.clone();
                let notice = Notice {
                    event: event.clone(),
                    at: UnixTime(0),
                    origin: None,
                    not_me: None,
                    brand,
                    page,
                    support: None,
                };
                let short = notice_text(&notice, 70);
                assert!(fits(&short, 70), "{short}");
                let said = notice_text(&notice, SEGMENT);
                assert!(fits(&said, SEGMENT) && is_gsm(&said) && said.len() > 40, "{said}");
            }
        }
    }

    #[test]
    fn in_seventy_characters_the_code_stays_bound_as_long_as_its_domain_lets_it() {
        let at = |domain: &str| {
            let code = Code {
                code: "12345678".into(),
                lives: Duration::from_secs(300),
                app: "Payroll".into(),
                brand: "Example Ltd".into(),
                domain: domain.into(),
                call: None,
            };
            code_text(&code, 70)
        };
        assert_eq!(
            at("mfa.example.com"),
            "12345678 is your code. Don't share it.\n\n@mfa.example.com #12345678"
        );
        let longer = "confirm.accounts.example.com";
        assert_eq!(at(longer), format!("12345678 is your code.\n\n@{longer} #12345678"));
        assert_eq!(at(&"d".repeat(40)), "12345678 is your code. Don't share it.");
    }

    proptest! {
        #[test]
        fn whatever_the_names(brand in ".{0,80}", app in ".{0,80}", domain in "[a-z0-9.-]{1,253}") {
            let said = text("12345678", &brand, &app, &domain);
            prop_assert!(fits(&said, SEGMENT) && is_gsm(&said) && said.starts_with("12345678 is your "));
        }
    }
}
