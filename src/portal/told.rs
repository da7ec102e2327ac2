//! What to say about an answer that did not pass, and about a message that did not leave; and what
//! of an answer may be shown again. Words only: nothing here decides.

use super::text;
use super::views::{Again, Line, Problem, Timed};
use crate::ambient::UnixTime;
use crate::challenge::view::{Beginning, Cap, Outcome};
use crate::config::FactorKind;
use crate::factors::Malformed;

/// From how many wrong answers left on the person is told (ux.md P-1: from the third on).
const TELL_ATTEMPTS: u32 = 2;

/// What a page says beside what it asks.
#[derive(Default)]
pub struct Told {
    pub problem: Option<Problem>,
    /// What was typed, where it may be shown again.
    pub value: String,
    /// How things stand, where nothing is wrong.
    pub status: Option<Line>,
    /// Whether this way can't be had for now, so that another is to be offered at once.
    pub away: bool,
}

impl Told {
    fn wrong(problem: Problem) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }

    /// As wrong, and not by the person.
    fn away(problem: Problem) -> Self {
        Self { away: true, ..Self::wrong(problem) }
    }

    fn status(line: impl Into<Line>) -> Self {
        Self { status: Some(line.into()), ..Self::default() }
    }
}

/// About an answer.
#[must_use]
pub fn of(factor: FactorKind, outcome: Option<&Outcome>, code: &str) -> Told {
    // Beside what waits on a phone there is a field of its own.
    let field = if factor == FactorKind::Duo && !code.is_empty() {
        "passcode"
    } else {
        "code"
    };
    let problem = |text: &str| Told::wrong(Problem::new(field, text));
    // What was begun is over: the page leads to where it is begun anew.
    let again = |text: &str| Told::wrong(Problem::new("start", text));
    match outcome {
        Some(Outcome::Malformed(why)) => {
            let again = matches!(why, Malformed::Length { got, .. } if *got > 0);
            let value = if again { code.to_owned() } else { String::new() };
            let problem = Some(Problem::new(field, text::malformed(factor, why)));
            Told { problem, value, ..Told::default() }
        }
        Some(Outcome::Wrong { attempts_left }) => {
            let mut problem = Problem::new(field, text::wrong(factor));
            let few = *attempts_left <= TELL_ATTEMPTS;
            problem.more.extend(few.then(|| text::attempts_left(*attempts_left)));
            // A fob that has run ahead stays wrong until two codes are typed: nobody need lose tries first.
            let advice = text::wrong_advice(factor).filter(|_| few || factor == FactorKind::Hotp);
            problem.more.extend(advice.map(str::to_owned));
            Told::wrong(problem)
        }
        Some(Outcome::Used { .. }) => problem(text::used(factor)),
        Some(Outcome::Denied { fraud: true, .. }) => again(text::DENIED_FRAUD),
        Some(Outcome::Denied { .. }) => {
            let mut problem = Problem::new("start", text::DENIED);
            problem.more.push(text::DENIED_ADVICE.to_owned());
            Told::wrong(problem)
        }
        Some(Outcome::Lapsed) => again(text::LAPSED),
        Some(Outcome::Barred) => again(text::BARRED),
        Some(Outcome::Waiting) => Told::status(text::STILL_WAITING),
        Some(Outcome::Again) => Told::default(),
        Some(Outcome::Cloned { .. }) => problem(text::PASSKEY_COPIED),
        Some(Outcome::Unfit) => problem(text::PASSKEY_NOT_ACCEPTED),
        // What the browser asks is begun by showing the page: this one was open for too long.
        Some(Outcome::NotBegun | Outcome::Expired) if factor == FactorKind::Passkey => {
            problem(text::PASSKEY_STALE)
        }
        Some(Outcome::NotBegun) => again(text::not_begun(factor)),
        Some(Outcome::Unavailable) => Told::away(Problem::new(field, text::SERVICE_AWAY)),
        Some(Outcome::Taken) => problem(text::TAKEN),
        _ => problem(text::ran_out(factor)),
    }
}

/// About a beginning that began nothing.
#[must_use]
pub fn not_begun(factor: FactorKind, beginning: &Beginning, now: UnixTime) -> Told {
    match beginning {
        Beginning::NotYet { until, cap: Cap::Resend } => {
            Told { status: Again::new(*until, now).map(Line::from), ..Told::default() }
        }
        Beginning::NotYet { until, cap } => {
            let mut told = Told::away(Problem::new("start", text::capped(factor, *cap)));
            told.status = Some(Timed::new(*until, text::ask_from).into());
            told
        }
        Beginning::Refused(reason) => Told::away(Problem::new("start", text::refused(factor, *reason))),
        Beginning::Unknown => Told::away(Problem::new("start", text::unknown_to_service(factor))),
        _ => Told::wrong(Problem::new("start", text::ran_out(factor))),
    }
}
