//! Adding a way to confirm (ux.md P-20, P-21, P-27).
//!
//! These are the only pages that hold a secret, each only for the person who is setting it up and
//! only until it is confirmed.

use askama::Template;

use super::{Again, Hidden, Line, Link, Problem, Shell, Timed, text};
use crate::ambient::UnixTime;
use crate::challenge::view::StartedView;
use crate::config::FactorKind;
use crate::factors::{Detail, Prompt, Setup, Shows};
use crate::portal::qr::Qr;

/// Which way to add.
#[derive(Template)]
#[template(path = "enrol.html")]
pub struct Choose {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    pub lead: String,
    pub until: Option<Timed>,
    /// The recommended one first.
    pub offers: Vec<Offer>,
    pub back: Option<Link>,
}

/// One kind that can be added.
pub struct Offer {
    pub factor: &'static str,
    pub title: &'static str,
    pub note: &'static str,
}

impl From<FactorKind> for Offer {
    fn from(kind: FactorKind) -> Self {
        Self { factor: kind.name(), title: text::kind(kind), note: text::offer(kind) }
    }
}

/// A country that messages go to.
pub struct Country {
    /// ISO 3166, two letters.
    pub code: String,
    pub name: String,
    /// A number as people there write it.
    pub example: Option<String>,
}

/// What has to be said before it can begin (ux.md P-24, P-25).
#[derive(Template)]
#[template(path = "enrol_details.html")]
pub struct Details {
    pub shell: Shell,
    pub title: &'static str,
    pub kind: FactorKind,
    pub action: String,
    pub hidden: Hidden,
    pub details: &'static [Detail],
    pub countries: Vec<Country>,
    pub country: String,
    pub number: String,
    pub address: String,
    pub back: String,
    pub problem: Option<Problem>,
}

impl Details {
    fn offer(&self) -> &'static str {
        text::offer(self.kind)
    }

    fn asks_number(&self) -> bool {
        !self.countries.is_empty()
    }

    fn number_hint(&self) -> &'static str {
        text::number_hint(self.kind)
    }

    /// The example of the country that is chosen, or of the first.
    fn example(&self) -> Option<&str> {
        let chosen = self.countries.iter().find(|one| one.code == self.country);
        chosen.or(self.countries.first())?.example.as_deref()
    }

    fn problem_at(&self, field: &str) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.field == field)
    }
}

/// The confirmation of everything that is not an authenticator app or a list of codes.
#[derive(Template)]
#[template(path = "enrol_confirm.html")]
pub struct Confirm {
    pub shell: Shell,
    pub title: &'static str,
    pub kind: FactorKind,
    pub action: String,
    pub start: String,
    pub hidden: Hidden,
    pub setup: Setup,
    pub prompt: Prompt,
    pub started: Option<StartedView>,
    /// Whether something has to be begun first, and may be begun again.
    pub resend: bool,
    pub to: String,
    pub said: Option<Line>,
    pub value: String,
    pub back: String,
    /// Where another kind can be chosen; `None` where nothing had to be sent or asked.
    pub others: Option<String>,
    pub problem: Option<Problem>,
    pub now: UnixTime,
}

impl Confirm {
    fn start_lead(&self) -> String {
        text::start_lead(self.kind, &self.to)
    }

    /// Whether a server asks something besides, which need not be a code.
    fn is_asked_besides(&self) -> bool {
        matches!(self.shows(), Some(Shows::Question { says: Some(_) }))
    }

    fn token_label(&self) -> &'static str {
        if self.is_asked_besides() {
            text::ANSWER
        } else {
            text::CODE
        }
    }

    fn token_hint(&self) -> &'static str {
        if self.is_asked_besides() {
            text::ANSWER_HINT
        } else {
            text::token_hint(self.kind)
        }
    }

    /// Where the code is, unless the service asks something more by now.
    fn lead(&self) -> Option<&'static str> {
        text::where_the_first_is(self.kind).filter(|_| self.started.is_none())
    }

    fn start_button(&self) -> &'static str {
        text::start_button(self.kind)
    }

    fn sent(&self, to: &str) -> String {
        text::sent(self.kind, to)
    }

    fn perhaps_sent(&self, to: &str) -> String {
        text::perhaps_sent(self.kind, to)
    }

    fn nothing_came(&self) -> &'static str {
        text::nothing_came(self.kind)
    }

    fn problem_at(&self, field: &str) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.field == field)
    }

    /// Whether a code can be typed as well, without anything begun.
    fn takes_passcode(&self) -> bool {
        self.kind == FactorKind::Duo && matches!(self.setup, Setup::Approve)
    }

    fn must_start(&self) -> bool {
        self.resend && self.started.is_none()
    }

    fn shows(&self) -> Option<&Shows> {
        self.started.as_ref().map(|started| &started.shows)
    }

    const fn digits(&self) -> Option<u8> {
        match self.prompt {
            Prompt::Code { digits } => Some(digits),
            _ => None,
        }
    }

    fn again_at(&self) -> Option<Again> {
        Again::new(self.started.as_ref()?.again_at?, self.now)
    }

    /// Whether something could not be sent or asked.
    fn is_stuck(&self) -> bool {
        self.problem_at("start")
    }

    /// For how long what was sent can be used.
    fn lasts(&self) -> Option<String> {
        text::lasts(self.started.as_ref()?, self.now)
    }
}

/// A passkey that was just made: how it is kept, and a name for it (ux.md P-22).
#[derive(Template)]
#[template(path = "new_passkey.html")]
pub struct NewPasskey {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    /// Whether it stays on one device; else it is synced.
    pub stays: bool,
    /// Whether it is all that the person has for every day.
    pub alone: bool,
    pub name: String,
    pub problem: Option<Problem>,
}

/// Key and QR code, and the first code back.
#[derive(Template)]
#[template(path = "totp.html")]
pub struct Totp {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    pub qr: Qr,
    pub uri: String,
    /// In groups of four.
    pub key: String,
    pub name: String,
    pub value: String,
    pub back: String,
    pub problem: Option<Problem>,
}

impl Totp {
    fn problem_at(&self, field: &str) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.field == field)
    }

    /// A key as people can read it out: groups of four.
    #[must_use]
    pub fn grouped(key: &str) -> String {
        let mut grouped = String::with_capacity(key.len() + key.len() / 4);
        for (i, c) in key.chars().filter(|c| !c.is_whitespace()).enumerate() {
            if i > 0 && i % 4 == 0 {
                grouped.push(' ');
            }
            grouped.push(c);
        }
        grouped
    }
}

/// The codes, once.
#[derive(Template)]
#[template(path = "recovery_codes.html")]
pub struct RecoveryCodes {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    pub codes: Vec<String>,
    pub download: String,
    /// Where those go who do not take the codes now.
    pub skip: String,
    pub problem: Option<Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_in_groups_of_four() {
        assert_eq!(Totp::grouped("ABCDEFGHIJ"), "ABCD EFGH IJ");
        assert_eq!(Totp::grouped("ABCD EFGH"), "ABCD EFGH");
    }
}
