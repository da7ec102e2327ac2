//! What each page shows: plain values, one struct per template.
//!
//! A view is made from what the challenge and the gate say and from [`crate::portal::text`]; it
//! asks nothing and decides nothing. Everything in it is escaped by the template; the few types
//! here that write their own markup escape what they carry.

use std::fmt;

use askama::filters::{Escaper as _, Html, HtmlSafe};

use super::frame::Shell;
use super::text;
use crate::ambient::UnixTime;

pub mod challenge;
pub mod enrol;
pub mod my_mfa;
pub mod new_password;
pub mod notice;
pub mod sign_in;

/// What was wrong with a form, shown on top and beside the field (ux.md U-21).
#[derive(Clone, Debug)]
pub struct Problem {
    /// `id` of the field.
    pub field: &'static str,
    pub message: String,
    /// Further sentences, on top only.
    pub more: Vec<String>,
}

impl Problem {
    /// A problem with one field.
    #[must_use]
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into(), more: Vec::new() }
    }
}

/// Somewhere to go.
#[derive(Clone, Debug)]
pub struct Link {
    pub href: String,
    pub label: String,
}

impl Link {
    #[must_use]
    pub fn new(href: impl Into<String>, label: impl Into<String>) -> Self {
        Self { href: href.into(), label: label.into() }
    }
}

/// Hidden fields of a form.
#[derive(Clone, Debug, Default)]
pub struct Hidden(Vec<(String, String)>);

impl Hidden {
    /// The field that proves that the form is ours, and nothing else.
    #[must_use]
    pub fn token(csrf: String) -> Self {
        Self(vec![("csrf".to_owned(), csrf)])
    }

    /// One field more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }
}

impl HtmlSafe for Hidden {}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            f.write_str(r#"<input type="hidden" name=""#)?;
            Html.write_escaped_str(&mut *f, name)?;
            f.write_str(r#"" value=""#)?;
            Html.write_escaped_str(&mut *f, value)?;
            f.write_str(r#"">"#)?;
        }
        Ok(())
    }
}

/// A sentence with one moment in it, marked so that a script can show it in local time.
#[derive(Clone, Debug)]
pub struct Timed {
    before: String,
    moment: Moment,
    after: String,
}

impl Timed {
    /// Puts `at` where `sentence`, given a placeholder, places it.
    #[must_use]
    pub fn new(at: UnixTime, sentence: impl Fn(&str) -> String) -> Self {
        const PLACE: &str = "\u{1}";
        let whole = sentence(PLACE);
        let (before, after) = whole.split_once(PLACE).unwrap_or((&whole, ""));
        Self { before: before.to_owned(), moment: Moment(at), after: after.to_owned() }
    }
}

impl HtmlSafe for Timed {}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Html.write_escaped_str(&mut *f, &self.before)?;
        self.moment.fmt(f)?;
        Html.write_escaped_str(f, &self.after)
    }
}

/// From when on something can be asked for again: a moment, which a script shows as a count of seconds.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    at: UnixTime,
    now: UnixTime,
}

impl Again {
    /// `None` when it can be asked for already.
    #[must_use]
    pub fn new(at: UnixTime, now: UnixTime) -> Option<Self> {
        (at > now).then_some(Self { at, now })
    }
}

impl HtmlSafe for Again {}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"<span data-again="{}" data-left=""#, self.at.since(self.now))?;
        Html.write_escaped_str(&mut *f, text::AGAIN_IN)?;
        f.write_str(r#"" data-now=""#)?;
        Html.write_escaped_str(&mut *f, text::AGAIN_NOW)?;
        // The clock on the wall shows whole minutes: the first that is late enough.
        let minute = UnixTime(self.at.0.saturating_add(59).div_euclid(60) * 60);
        write!(f, r#"">{}</span>"#, Timed::new(minute, text::again_from))
    }
}

/// One paragraph.
#[derive(Clone, Debug)]
pub enum Line {
    Plain(String),
    Timed(Timed),
    Again(Again),
}

impl From<&str> for Line {
    fn from(line: &str) -> Self {
        Self::Plain(line.to_owned())
    }
}

impl From<String> for Line {
    fn from(line: String) -> Self {
        Self::Plain(line)
    }
}

impl From<Timed> for Line {
    fn from(line: Timed) -> Self {
        Self::Timed(line)
    }
}

impl From<Again> for Line {
    fn from(line: Again) -> Self {
        Self::Again(line)
    }
}

impl HtmlSafe for Line {}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(line) => Html.write_escaped_str(f, line),
            Self::Timed(line) => line.fmt(f),
            Self::Again(line) => line.fmt(f),
        }
    }
}

/// An absolute time, in UTC until a script knows better.
#[derive(Clone, Copy, Debug)]
struct Moment(UnixTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_second(self.0.0)
            .unwrap_or_default()
            .to_zoned(jiff::tz::TimeZone::UTC);
        write!(
            f,
            r#"<time datetime="{}">{}</time>"#,
            at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            at.strftime("%-d %B %Y, %H:%M UTC")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_absolute_and_names_its_zone() {
        let sentence = Timed::new(UnixTime(1_795_327_500), text::try_again_at).to_string();
        assert_eq!(
            sentence,
            "You can try again at <time datetime=\"2026-11-22T06:05:00Z\">22 November 2026, 06:05 UTC</time>."
        );
    }

    #[test]
    fn what_can_be_asked_for_again_is_true_without_a_script_and_exact_with_one() {
        let again = Again::new(UnixTime(1_795_327_537), UnixTime(1_795_327_500))
            .unwrap()
            .to_string();
        assert!(again.contains(r#"data-again="37""#), "{again}");
        assert!(again.contains("22 November 2026, 06:06 UTC"), "not before the second: {again}");
        assert!(Again::new(UnixTime(5), UnixTime(5)).is_none());
    }

    #[test]
    fn markup_in_what_a_timed_sentence_carries_is_escaped() {
        let sentence = Timed::new(UnixTime(0), |when| text::last_used_by(when, "<b>")).to_string();
        assert!(!sentence.contains("<b>"), "{sentence}");
    }

    #[test]
    fn hidden_values_cannot_leave_their_attribute() {
        let fields = Hidden::token("a\"><script>".to_owned()).to_string();
        assert!(!fields.contains("<script>"), "{fields}");
        assert_eq!(fields.matches('"').count(), 6, "{fields}");
    }
}
