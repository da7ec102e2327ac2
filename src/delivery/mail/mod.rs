//! What mails say. Plain words, no tracking, nothing to press but one address; the code is never in the
//! subject, which lock screens show.
//!
//! Names come from people, so everything is escaped in HTML, and nothing but our own words gets into a
//! header.

use secrecy::ExposeSecret as _;

use super::{Code, Content, Event, Notice, Origin};

mod form;

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
    /// "Time: …", one line each.
    Facts(Vec<(&'static str, String)>),
    Link(String),
    /// The one thing to do: what it says, and where it leads.
    Button(&'static str, String),
}

pub(super) fn text(content: &Content) -> Mail {
    let (subject, parts) = match content {
        Content::Code(code) => (format!("Your code for {}", one_line(&code.brand)), of_code(code)),
        Content::Notice(notice) => {
            (format!("{}: {}", one_line(&notice.brand), headline(&notice.event)), of_notice(notice))
        }
    };
    Mail { plain: form::plain(&parts), html: form::html(&subject, &parts), subject }
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
    let mut parts = vec![Part::Text(sentence(&notice.event)), Part::Facts(facts(notice))];
    match &notice.event {
        Event::PasswordLink { link, minutes } => parts.extend(of_link(notice, link.address(), *minutes)),
        event => parts.extend(of_act(notice, event)),
    }
    if let Some(support) = &notice.support {
        parts.push(Part::Text("Help is here:".to_owned()));
        parts.push(Part::Link(support.clone()));
    }
    parts
}

/// What to do about something that has happened.
fn of_act(notice: &Notice, event: &Event) -> Vec<Part> {
    let fine = match (event, &notice.origin) {
        (Event::Locked, _) => "If you typed them, wait a while and try again.",
        (_, Some(Origin::Administrator)) => "If you know of this, there is nothing to do.",
        _ => "If this was you, there is nothing to do.",
    };
    let mut parts = Vec::new();
    match &notice.not_me {
        Some(link) => {
            parts.push(Part::Text(format!(
                "{fine} If not, stop it here. You are then signed out everywhere, and nobody can sign in to your account or change it until your administrator allows it again."
            )));
            parts.push(Part::Button("This wasn't me", link.address().to_owned()));
            parts.push(Part::Text("Your account is here:".to_owned()));
        }
        None => parts.push(Part::Text(format!("{fine} If not, look at your account now:"))),
    }
    parts.push(Part::Link(notice.page.clone()));
    parts
}

fn of_link(notice: &Notice, link: &str, minutes: u32) -> Vec<Part> {
    let brand = one_line(&notice.brand);
    vec![
        Part::Text("If this was you, choose a new password here:".to_owned()),
        Part::Button("Choose a new password", link.to_owned()),
        Part::Text(format!(
            "The link can be used once, in the next {minutes} minutes. Don't pass it on: nobody from {brand} will ask you for it."
        )),
        Part::Text("If it was not you, there is nothing to do: your password stays as it is.".to_owned()),
    ]
}

/// When, and from where.
fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Time", time(notice))];
    match &notice.origin {
        Some(Origin::Browser { agent, address }) => {
            facts.push(("Browser", one_line(agent)));
            facts.push(("Address", one_line(address)));
        }
        Some(Origin::Administrator) => facts.push(("By", "your administrator".to_owned())),
        None => {}
    }
    facts
}

const fn headline(event: &Event) -> &'static str {
    match event {
        Event::FactorAdded { .. } => "a new way to confirm it's you",
        Event::FactorRemoved { .. } => "a way to confirm it's you was removed",
        Event::RecoveryCodeUsed { .. } => "a recovery code was used",
        Event::TemporaryCodeIssued { .. } => "a temporary code was given out",
        Event::TemporaryCodeUsed => "a temporary code was used",
        Event::Reset => "your ways to confirm it's you were removed",
        Event::Locked => "too many wrong codes",
        Event::PasskeyCopied { .. } => "a copy of your passkey may be in use",
        Event::PasswordChanged => "your password was changed",
        Event::PasswordLink { .. } => "choose a new password",
        Event::BrowserTrusted { .. } => "a browser was trusted",
        Event::SignedIn => "a new sign-in",
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
        Event::TemporaryCodeIssued { minutes } => format!(
            "A code was given out that can be used once, in the next {minutes} minutes, to confirm that somebody is you."
        ),
        Event::Reset => {
            "All your ways to confirm it's you were removed, and you have been signed out everywhere."
                .to_owned()
        }
        Event::Locked => {
            "Wrong codes were typed for your account too often. For a while, no more are taken there."
                .to_owned()
        }
        Event::PasskeyCopied { name } => {
            format!(
                "Your passkey \u{201c}{}\u{201d} was used, but its counter went back, as that of a copy does. It was not accepted. Remove it and add a new one.",
                one_line(name)
            )
        }
        Event::TemporaryCodeUsed => {
            "A temporary code from your administrator was used to sign in as you.".to_owned()
        }
        Event::PasswordChanged => {
            "Your password was changed. Wherever you were signed in, you have been signed out.".to_owned()
        }
        Event::PasswordLink { .. } => {
            "Somebody has asked to choose a new password for your account.".to_owned()
        }
        Event::BrowserTrusted { name } => {
            format!(
                "The browser \u{201c}{}\u{201d} will not be asked for a code for a while.",
                one_line(name)
            )
        }
        Event::SignedIn => {
            "Somebody signed in to your account with a browser that was not used for it before.".to_owned()
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ambient::UnixTime;
    use crate::delivery::Opening;

    fn code(app: &str) -> Content {
        Content::Code(Code {
            code: "12345678".into(),
            lives: Duration::from_secs(300),
            app: app.to_owned(),
            brand: "Example Ltd".to_owned(),
            domain: "mfa.example.com".to_owned(),
            call: None,
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
            origin: Some(Origin::Browser {
                agent: "Firefox on <Linux>".to_owned(),
                address: "192.0.2.7".to_owned(),
            }),
            not_me: Some(Opening::new("https://mfa.example.com/.stepgate/not-me?link=abc".to_owned())),
            brand: "Example\nLtd".to_owned(),
            page: "https://mfa.example.com/.stepgate/my-mfa".to_owned(),
            support: None,
        };
        let mail = text(&Content::Notice(notice));
        assert_eq!(mail.subject, "Example Ltd: a new way to confirm it's you");
        let begins = "“a b” was added to your account.\n\nTime: 22 November 2026, 10:32 UTC\nBrowser: Firefox on <Linux>\nAddress: 192.0.2.7\n\nIf this was you, there is nothing to do.";
        assert!(mail.plain.starts_with(begins), "{}", mail.plain);
        assert!(
            mail.plain
                .contains("This wasn't me: https://mfa.example.com/.stepgate/not-me?link=abc\n")
        );
        for part in [
            "href=\"https://mfa.example.com/.stepgate/my-mfa\"",
            "href=\"https://mfa.example.com/.stepgate/not-me?link=abc\"",
            "Browser: Firefox on &lt;Linux&gt;",
        ] {
            assert!(mail.html.contains(part), "{part}\n{}", mail.html);
        }
    }

    #[test]
    fn a_link_is_in_the_mail_it_is_for_and_says_who_asked() {
        let event = Event::PasswordLink {
            link: Opening::new("https://mfa.example.com/new?link=abc".to_owned()),
            minutes: 30,
        };
        let (agent, address) = ("Firefox on Linux".to_owned(), "192.0.2.7".to_owned());
        assert!(!format!("{event:?}").contains("abc"), "{event:?}");
        let notice = Notice {
            event,
            at: UnixTime(1_795_343_520),
            origin: Some(Origin::Browser { agent, address }),
            not_me: None,
            brand: "Example".to_owned(),
            page: "https://mfa.example.com/.stepgate/my-mfa".to_owned(),
            support: None,
        };
        let mail = text(&Content::Notice(notice));
        assert_eq!(mail.subject, "Example: choose a new password");
        assert!(mail.html.contains("href=\"https://mfa.example.com/new?link=abc\""), "{}", mail.html);
        for part in [
            "Browser: Firefox on Linux\nAddress: 192.0.2.7\n",
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
            (Event::TemporaryCodeIssued { minutes: 60 }, "in the next 60 minutes"),
            (Event::TemporaryCodeUsed, "temporary code"),
            (Event::Reset, "signed out everywhere"),
            (Event::Locked, "too often"),
            (Event::PasskeyCopied { name: name() }, "passkey “Phone” was used"),
            (Event::PasswordChanged, "password was changed"),
            (Event::BrowserTrusted { name: name() }, "“Phone” will not be asked"),
            (Event::SignedIn, "was not used for it before"),
            (Event::BrowserTokenCopied { name: name() }, "used in two places"),
        ] {
            assert!(sentence(&event).contains(word), "{}", sentence(&event));
        }
    }
}
