//! What mails say. Plain words, no tracking, nothing to press but one address; the code is never in the
//! subject, which lock screens show.
//!
//! Names come from people, so everything is escaped in HTML, and nothing but our own words gets into a
//! header.

use secrecy::ExposeSecret as _;

use super::{Code, Content, Event, Notice};

/// One mail.
pub(super) struct Mail {
    pub subject: String,
    pub plain: String,
    pub html: String,
}

/// A paragraph.
enum Part {
    Text(String),
    /// To be copied.
    Code(String),
    Link(String),
}

pub(super) fn text(content: &Content) -> Mail {
    let (subject, parts) = match content {
        Content::Code(code) => (format!("Your code for {}", one_line(&code.brand)), of_code(code)),
        Content::Notice(notice) => {
            (format!("{}: {}", one_line(&notice.brand), headline(&notice.event)), of_notice(notice))
        }
    };
    Mail { plain: plain(&parts), html: html(&subject, &parts), subject }
}

fn of_code(code: &Code) -> Vec<Part> {
    let minutes = code.lives.as_secs().div_ceil(60).max(1);
    let time = if minutes == 1 {
        "1 minute".to_owned()
    } else {
        format!("{minutes} minutes")
    };
    vec![
        Part::Text(format!("Your code for {}:", one_line(&code.app))),
        Part::Code(code.code.expose_secret().to_owned()),
        Part::Text(format!(
            "Type it on {}. It can be used once, in the next {time}. Don't share it: nobody from {} will ask you for it.",
            one_line(&code.domain),
            one_line(&code.brand)
        )),
        Part::Text(
            "If you were not asked for a code, somebody may know your password. Change it, and tell your \
             administrator."
                .to_owned(),
        ),
    ]
}

fn of_notice(notice: &Notice) -> Vec<Part> {
    if let Event::PasswordLink { link, minutes, .. } = &notice.event {
        return of_link(notice, link.address(), *minutes);
    }
    let mut parts = vec![
        Part::Text(format!("{} Time: {}.", sentence(&notice.event), time(notice))),
        Part::Text("If this was you, there is nothing to do. If not, look at your account now:".to_owned()),
        Part::Link(notice.page.clone()),
    ];
    if let Some(support) = &notice.support {
        parts.push(Part::Text("Help is here:".to_owned()));
        parts.push(Part::Link(support.clone()));
    }
    parts
}

fn of_link(notice: &Notice, link: &str, minutes: u32) -> Vec<Part> {
    let brand = one_line(&notice.brand);
    vec![
        Part::Text(format!("{} Time: {}.", sentence(&notice.event), time(notice))),
        Part::Text("If this was you, choose a new password here:".to_owned()),
        Part::Link(link.to_owned()),
        Part::Text(format!(
            "The link can be used once, in the next {minutes} minutes. Don't pass it on: nobody from {brand} will ask you for it."
        )),
        Part::Text("If it was not you, there is nothing to do: your password stays as it is.".to_owned()),
    ]
}

const fn headline(event: &Event) -> &'static str {
    match event {
        Event::FactorAdded { .. } => "a new way to confirm it's you",
        Event::FactorRemoved { .. } => "a way to confirm it's you was removed",
        Event::RecoveryCodeUsed { .. } => "a recovery code was used",
        Event::TemporaryCodeUsed => "a temporary code was used",
        Event::PasswordChanged => "your password was changed",
        Event::PasswordLink { .. } => "choose a new password",
        Event::BrowserTrusted { .. } => "a browser was trusted",
        Event::SignedIn { .. } => "a new sign-in",
        Event::BrowserTokenCopied { .. } => "somebody may have copied your browser's data",
    }
}

/// What happened, in one sentence; for every channel.
pub(super) fn sentence(event: &Event) -> String {
    match event {
        Event::FactorAdded { name } => {
            format!("\u{201c}{}\u{201d} was added to your account.", one_line(name))
        }
        Event::FactorRemoved { name } => {
            format!("\u{201c}{}\u{201d} was removed from your account.", one_line(name))
        }
        Event::RecoveryCodeUsed { left: 0 } => {
            "The last of your recovery codes was used. Make new ones.".to_owned()
        }
        Event::RecoveryCodeUsed { left } => format!("A recovery code was used. You have {left} left."),
        Event::TemporaryCodeUsed => {
            "A temporary code from your administrator was used to sign in as you.".to_owned()
        }
        Event::PasswordChanged => {
            "Your password was changed. Wherever you were signed in, you have been signed out.".to_owned()
        }
        Event::PasswordLink { from, agent, .. } => {
            format!(
                "Somebody has asked to choose a new password for your account, from {} ({}).",
                one_line(agent),
                one_line(from)
            )
        }
        Event::BrowserTrusted { name } => {
            format!(
                "The browser \u{201c}{}\u{201d} will not be asked for a code for a while.",
                one_line(name)
            )
        }
        Event::SignedIn { agent, address } => format!(
            "Somebody signed in to your account with a browser that was not used for it before: {}, from the address {}.",
            one_line(agent),
            one_line(address)
        ),
        Event::BrowserTokenCopied { name } => {
            format!(
                "What the browser \u{201c}{}\u{201d} was remembered by has been used in two places. It is asked again from now on.",
                one_line(name)
            )
        }
    }
}

fn time(notice: &Notice) -> String {
    jiff::Timestamp::from_second(notice.at.0)
        .map(|at| at.strftime("%-d %B %Y, %H:%M UTC").to_string())
        .unwrap_or_default()
}

/// Names are shown as one line, whatever was typed.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn plain(parts: &[Part]) -> String {
    let lines: Vec<String> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) | Part::Link(text) => text.clone(),
            Part::Code(code) => format!("    {code}"),
        })
        .collect();
    lines.join("\n\n") + "\n"
}

fn html(title: &str, parts: &[Part]) -> String {
    let body: String = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => format!("<p>{}</p>\n", escaped(text)),
            Part::Code(code) => {
                format!("<p style=\"font: bold 2em monospace; letter-spacing: .1em\">{}</p>\n", escaped(code))
            }
            Part::Link(link) => format!("<p><a href=\"{0}\">{0}</a></p>\n", escaped(link)),
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font: 1em/1.5 sans-serif\">\n{body}</body>\n</html>\n",
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ambient::UnixTime;

    fn code(app: &str) -> Content {
        Content::Code(Code {
            code: "12345678".into(),
            lives: Duration::from_secs(300),
            app: app.to_owned(),
            brand: "Example Ltd".to_owned(),
            domain: "mfa.example.com".to_owned(),
        })
    }

    #[test]
    fn a_code_is_in_both_parts_and_not_in_the_subject() {
        let mail = text(&code("Wiki"));
        assert_eq!(mail.subject, "Your code for Example Ltd");
        assert!(mail.plain.contains("\n    12345678\n") && mail.html.contains(">12345678<"));
        for part in [&mail.plain, &mail.html] {
            assert!(part.contains("Wiki") && part.contains("in the next 5 minutes"), "{part}");
            assert!(part.contains("on mfa.example.com"), "{part}");
        }
    }

    #[test]
    fn names_are_escaped_and_stay_on_their_line() {
        let mail = text(&code("<script>&\"'\r\nBcc: x@example.com"));
        assert!(mail.html.contains("&lt;script&gt;&amp;&quot;&#39; Bcc: x@example.com:"), "{}", mail.html);
        assert!(!mail.html.contains("<script") && mail.plain.starts_with("Your code for <script>&\"' Bcc:"));
        let notice = Notice {
            event: Event::FactorAdded { name: "a\r\nb".to_owned() },
            at: UnixTime(1_795_343_520),
            brand: "Example\nLtd".to_owned(),
            page: "https://mfa.example.com/.stepgate/my-mfa".to_owned(),
            support: None,
        };
        let mail = text(&Content::Notice(notice));
        assert_eq!(mail.subject, "Example Ltd: a new way to confirm it's you");
        assert!(
            mail.plain
                .starts_with("“a b” was added to your account. Time: 22 November 2026, 10:32 UTC.")
        );
        assert!(mail.html.contains("<a href=\"https://mfa.example.com/.stepgate/my-mfa\">"));
    }

    #[test]
    fn a_link_is_in_the_mail_it_is_for_and_says_who_asked() {
        let event = Event::PasswordLink {
            link: crate::delivery::Opening::new("https://mfa.example.com/new?link=abc".to_owned()),
            minutes: 30,
            from: "192.0.2.7".to_owned(),
            agent: "Firefox on Linux".to_owned(),
        };
        assert!(!format!("{event:?}").contains("abc"), "{event:?}");
        let notice = Notice {
            event,
            at: UnixTime(1_795_343_520),
            brand: "Example".to_owned(),
            page: "https://mfa.example.com/.stepgate/my-mfa".to_owned(),
            support: None,
        };
        let mail = text(&Content::Notice(notice));
        assert_eq!(mail.subject, "Example: choose a new password");
        assert!(mail.html.contains("<a href=\"https://mfa.example.com/new?link=abc\">"), "{}", mail.html);
        for part in [
            "Firefox on Linux (192.0.2.7)",
            "used once, in the next 30 minutes",
            "link=abc",
        ] {
            assert!(mail.plain.contains(part), "{}", mail.plain);
        }
    }

    #[test]
    fn every_event_has_its_words() {
        let name = || "Phone".to_owned();
        for (event, word) in [
            (Event::FactorAdded { name: name() }, "“Phone” was added"),
            (Event::FactorRemoved { name: name() }, "“Phone” was removed"),
            (Event::RecoveryCodeUsed { left: 3 }, "You have 3 left"),
            (Event::RecoveryCodeUsed { left: 0 }, "Make new ones"),
            (Event::TemporaryCodeUsed, "temporary code"),
            (Event::PasswordChanged, "password was changed"),
            (Event::BrowserTrusted { name: name() }, "“Phone” will not be asked"),
            (
                Event::SignedIn { agent: "Firefox on Linux".into(), address: "203.0.113.9".into() },
                "Firefox on Linux, from the address 203.0.113.9.",
            ),
            (Event::BrowserTokenCopied { name: name() }, "used in two places"),
        ] {
            assert!(sentence(&event).contains(word), "{}", sentence(&event));
        }
    }
}
