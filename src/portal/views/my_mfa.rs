//! My MFA settings (ux.md P-28, P-29). Shows a person their own enrolments and nobody else's.

use askama::Template;

use super::{Hidden, Line, Problem, Shell, Timed, text};
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
    /// Whether there are ways but no recovery codes, and the kind is switched on.
    pub offer_codes: bool,
    /// Whether the person has a password of ours.
    pub password: bool,
    /// Browsers that are trusted, the last used first.
    pub browsers: Vec<BrowserRow>,
    /// Names of the apps that the person is signed in to by us.
    pub apps: Vec<String>,
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
    pub kind: &'static str,
    /// A model, a serial number, whether it is synced.
    pub note: Option<String>,
    pub left: Option<String>,
    pub added: Timed,
    pub used: Line,
    pub is_codes: bool,
}

impl From<&EnrolmentView> for Row {
    fn from(enrolment: &EnrolmentView) -> Self {
        let used = match (enrolment.last_used, &enrolment.last_used_by) {
            (None, _) => text::NEVER_USED.into(),
            (Some(at), None) => Timed::new(at, text::last_used).into(),
            (Some(at), Some(agent)) => Timed::new(at, |when| text::last_used_by(when, agent)).into(),
        };
        let is_codes = enrolment.factor == FactorKind::RecoveryCode;
        let kind = text::kind(enrolment.factor);
        Self {
            id: enrolment.id.0.to_string(),
            title: if is_codes {
                kind.to_owned()
            } else {
                enrolment.name.clone()
            },
            kind,
            note: enrolment.note.clone(),
            left: enrolment.left.map(text::codes_left),
            added: Timed::new(enrolment.added, text::added),
            used,
            is_codes,
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
