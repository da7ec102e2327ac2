//! Confirm, choose another way, confirmed (ux.md P-1, P-4, P-6, P-7).
//!
//! A code is shown back only when its length was wrong: a wrong or right one never reappears.

use askama::Template;

use super::{Again, Hidden, Line, Link, Problem, Shell, Timed, text};
use crate::ambient::UnixTime;
use crate::challenge::view::{Purpose, Way};
use crate::config::FactorKind;
use crate::factors::{Prompt, Shows, Starts};

/// One way, asked for.
#[derive(Template)]
#[template(path = "challenge.html")]
pub struct Challenge {
    pub shell: Shell,
    pub action: String,
    /// Where a POST begins what the way needs.
    pub start: String,
    pub hidden: Hidden,
    pub purpose: Purpose,
    pub way: Way,
    /// Names of the passkeys that will do; the first few.
    pub passkeys: Vec<String>,
    /// How things stand, where nothing is wrong.
    pub said: Option<Line>,
    /// What was typed, where it may be shown again.
    pub value: String,
    pub ways_url: String,
    /// Another way that can be had at once, where this one cannot.
    pub instead: Option<Link>,
    pub problem: Option<Problem>,
    pub now: UnixTime,
}

impl Challenge {
    /// The heading, with how far the person has come.
    fn heading(&self) -> String {
        match &self.purpose.step {
            Some(step) => text::confirm_step(step.now, step.of),
            None => text::CONFIRM.to_owned(),
        }
    }

    /// Why the person is asked; after a first proof, that it was right.
    fn lead(&self) -> String {
        match &self.purpose.step {
            Some(step) if step.now > 1 => text::one_more(&self.purpose.app),
            Some(step) => text::app_asks_for(&self.purpose.app, step.of),
            None => text::app_asks(&self.purpose.app),
        }
    }

    fn problem_at(&self, field: &str) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.field == field)
    }

    /// What is wrong with the code that was typed.
    fn code_problem(&self) -> Option<&Problem> {
        self.problem.as_ref().filter(|problem| problem.field == "code")
    }

    /// Whether something could not be sent or asked.
    fn is_stuck(&self) -> bool {
        self.problem_at("start")
    }

    /// Whether it has to be begun before there is anything to answer.
    fn must_start(&self) -> bool {
        self.way.must_start()
    }

    fn shows(&self) -> Option<&Shows> {
        self.way.started.as_ref().map(|started| &started.shows)
    }

    fn code_label(&self) -> &'static str {
        if self.way.factor == FactorKind::RecoveryCode {
            text::RECOVERY_CODE
        } else {
            text::kind(self.way.factor)
        }
    }

    fn spare_hint(&self) -> &'static str {
        text::spare_hint(self.way.factor)
    }

    fn where_it_is(&self) -> String {
        text::where_it_is(self.way.factor, &self.way.name, self.way.hint.as_deref())
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
            text::token_hint(self.way.factor)
        }
    }

    /// Whether two codes in a row are an answer, too, which want more room.
    fn may_be_two(&self) -> bool {
        self.way.factor == FactorKind::Hotp
    }

    /// Whether what was begun is answered by typing, where another device would do as well.
    fn is_texted(&self) -> bool {
        matches!(self.shows(), Some(Shows::Sent { .. }))
    }

    fn start_lead(&self) -> String {
        text::start_lead(self.way.factor, self.way.hint.as_deref().unwrap_or_default())
    }

    fn start_button(&self) -> &'static str {
        text::start_button(self.way.factor)
    }

    fn sent(&self, to: &str) -> String {
        text::sent(self.way.factor, to)
    }

    fn perhaps_sent(&self, to: &str) -> String {
        text::perhaps_sent(self.way.factor, to)
    }

    fn nothing_came(&self) -> &'static str {
        text::nothing_came(self.way.factor)
    }

    /// What the box says that lets a person be asked less often in this browser. None for codes that
    /// are there for the worst day, nor where another site answers.
    fn remember_label(&self) -> Option<String> {
        let offered = !self.way.factor.is_spare() && self.way.prompt != Prompt::Redirect;
        self.purpose.remember.filter(|_| offered).map(text::dont_ask_again)
    }

    /// From when on another message can be had.
    fn again_at(&self) -> Option<Again> {
        Again::new(self.way.started.as_ref()?.again_at?, self.now)
    }

    /// For how long what was sent can be used.
    fn lasts(&self) -> Option<String> {
        text::lasts(self.way.started.as_ref()?, self.now)
    }
}

/// On the way to another site. A redirect straight out of a form is blocked by `form-action 'self'`
/// in some browsers.
#[derive(Template)]
#[template(path = "leaving.html")]
pub struct Leaving {
    pub shell: Shell,
    pub url: String,
    pub back: String,
}

/// The list of ways.
#[derive(Template)]
#[template(path = "ways.html")]
pub struct Ways {
    pub shell: Shell,
    pub hidden: Hidden,
    pub app: String,
    pub ways: Vec<WayRow>,
    pub any_accepted: bool,
    pub add_url: Option<String>,
}

/// One button of [`Ways`].
pub struct WayRow {
    pub id: String,
    pub title: String,
    /// What it is, where its name does not say so.
    pub kind: Option<String>,
    pub note: Line,
    pub accepted: bool,
}

impl Ways {
    /// The rows for `ways`, in the order they come in.
    #[must_use]
    pub fn rows(ways: &[Way], app: &str) -> Vec<WayRow> {
        ways.iter().map(|way| WayRow::new(way, app)).collect()
    }
}

impl WayRow {
    fn new(way: &Way, app: &str) -> Self {
        let note = if let Some(why) = &way.why_not {
            text::not_accepted(app, why).into()
        } else if let Some(left) = way.left {
            text::codes_left(left).into()
        } else if let Some(at) = way.last_used {
            Timed::new(at, text::last_used).into()
        } else {
            text::NEVER_USED.into()
        };
        Self {
            id: way.enrolment.0.to_string(),
            title: text::way_title(way).to_owned(),
            kind: text::kind_beside(text::way_title(way), way.factor, way.hint.as_deref()),
            note,
            accepted: way.accepted && way.left != Some(0),
        }
    }
}

/// The page that moves on by itself: a redirect straight out of a form is blocked by
/// `form-action 'self'` in some browsers.
#[derive(Template)]
#[template(path = "confirmed.html")]
pub struct Confirmed {
    pub shell: Shell,
    /// A path of ours or an address the gate made; never what a client sent.
    pub next: String,
    pub app: String,
    /// Set when few are left: the page then waits to be read.
    pub codes_left: Option<u32>,
}
