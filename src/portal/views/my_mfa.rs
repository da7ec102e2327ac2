//! My MFA settings (ux.md P-28, P-29). Shows a person their own enrolments and nobody else's.

use askama::Template;

use super::{Hidden, Line, Link, Problem, Shell, Timed, text};
use crate::challenge::trusted::TrustedView;
use crate::challenge::view::EnrolmentView;
use crate::config::FactorKind;
use crate::gate::passage::SessionView;

/// The list, and what can be done with it.
#[derive(Template)]
#[template(path = "my_mfa.html")]
pub struct MyMfa {
    pub shell: Shell,
    pub hidden: Hidden,
    /// What was just done.
    pub done: Option<&'static str>,
    pub rows: Vec<Row>,
    /// How well the person is set up.
    pub status: &'static str,
    /// Until when they may go on without any way, where that is so.
    pub until: Option<Timed>,
    /// Whether there are ways but no recovery codes, and the kind is switched on.
    pub offer_codes: bool,
    /// Whether the person has a password of ours.
    pub password: bool,
    /// Browsers that are trusted, the last used first.
    pub browsers: Vec<BrowserRow>,
    /// The apps that the person is signed in to by us, and where a POST forgets each.
    pub apps: Vec<Link>,
    /// This one first.
    pub sessions: Vec<SessionRow>,
}

impl MyMfa {
    /// Whether there are sessions beside this one.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.sessions.iter().any(|session| !session.current)
    }
}

/// One session.
pub struct SessionRow {
    pub id: String,
    pub agent: String,
    pub since: Timed,
    pub seen: Timed,
    pub current: bool,
}

impl From<SessionView> for SessionRow {
    fn from(view: SessionView) -> Self {
        let address = view.address;
        Self {
            id: view.id,
            agent: if view.agent.is_empty() {
                text::UNKNOWN_BROWSER.to_owned()
            } else {
                view.agent
            },
            since: Timed::new(view.since, |when| text::signed_in_since(when, address.as_deref())),
            seen: Timed::new(view.last_seen, text::last_used),
            current: view.current,
        }
    }
}

/// One trusted browser.
pub struct BrowserRow {
    pub id: String,
    pub agent: String,
    pub used: Timed,
    pub until: Timed,
}

impl From<TrustedView> for BrowserRow {
    fn from(view: TrustedView) -> Self {
        Self {
            id: view.id.0.to_string(),
            agent: view.agent,
            used: Timed::new(view.last_used, text::last_used),
            until: Timed::new(view.until, text::not_asked_until),
        }
    }
}

/// One enrolment.
pub struct Row {
    pub id: String,
    pub title: String,
    pub kind: Option<String>,
    /// A model, a serial number, whether it is synced.
    pub note: Option<String>,
    pub left: Option<String>,
    pub added: Timed,
    pub used: Line,
    pub is_codes: bool,
    pub is_off: bool,
    /// Whether it is the one to be asked for first; only said where there is a choice.
    pub is_first: bool,
    pub can_be_first: bool,
}

impl Row {
    /// What it is, in one line.
    fn what(&self) -> Option<String> {
        match (&self.kind, &self.note) {
            (Some(kind), Some(note)) => Some(format!("{kind} · {note}")),
            (kind, note) => kind.clone().or_else(|| note.clone()),
        }
    }

    /// The rows; with what can be asked for first, where there is more than one such.
    #[must_use]
    pub fn all(enrolments: &[EnrolmentView]) -> Vec<Self> {
        let usable = enrolments.iter().filter(|one| one.is_everyday()).count();
        let row = |one: &EnrolmentView| {
            let choice = usable > 1 && one.is_everyday();
            Self {
                is_first: choice && one.is_default,
                can_be_first: choice && !one.is_default,
                ..Self::from(one)
            }
        };
        enrolments.iter().map(row).collect()
    }
}

impl From<&EnrolmentView> for Row {
    fn from(enrolment: &EnrolmentView) -> Self {
        let used = match (enrolment.last_used, &enrolment.last_used_by) {
            (None, _) => text::NEVER_USED.into(),
            (Some(at), None) => Timed::new(at, text::last_used).into(),
            (Some(at), Some(agent)) => Timed::new(at, |when| text::last_used_by(when, agent)).into(),
        };
        let is_codes = enrolment.factor == FactorKind::RecoveryCode;
        let name = enrolment.name.as_str();
        let kind = text::kind_beside(name, enrolment.factor, enrolment.hint.as_deref());
        let kind = kind.filter(|_| !is_codes);
        Self {
            id: enrolment.id.0.to_string(),
            title: if is_codes {
                text::kind(enrolment.factor).to_owned()
            } else {
                enrolment.name.clone()
            },
            kind,
            note: enrolment.note.clone(),
            left: enrolment.left.map(text::codes_left),
            added: Timed::new(enrolment.added, text::added),
            used,
            is_codes,
            is_off: enrolment.is_off,
            is_first: false,
            can_be_first: false,
        }
    }
}

/// A new name for one of them.
#[derive(Template)]
#[template(path = "rename.html")]
pub struct Rename {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    pub value: String,
    pub problem: Option<Problem>,
}
