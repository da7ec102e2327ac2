//! Conditions: facts about a request that are true, false or unknown. One file each.
//!
//! What cannot be established is unknown, and unknown never relaxes. A new condition is one file
//! here and one variant in [`Condition`].

mod certificate;
mod network;
mod query;
mod time;
mod user;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::ambient::UnixTime;
use crate::config::settings;

use super::Facts;
use super::person::Identity;
use super::request::CanonicalRequest;

pub(super) use query::Query;

/// Whether something holds, as far as it can be established (Kleene's three values).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::False, Self::False) => Self::False,
            _ => Self::Unknown,
        }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// What conditions look at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) client: IpAddr,
    pub(super) identity: Option<&'a Identity>,
    pub(super) now: UnixTime,
    /// `None` where there is no request to look at: what it says is unknown.
    pub(super) request: Option<&'a CanonicalRequest>,
}

impl<'a> View<'a> {
    pub(super) const fn new(request: &'a CanonicalRequest, facts: &Facts<'a>) -> Self {
        Self {
            client: request.client,
            identity: facts.identity,
            now: facts.now,
            request: Some(request),
        }
    }
}

/// One condition, compiled.
#[derive(Debug)]
pub(super) enum Condition {
    Network(network::Network),
    Time(time::Time),
    User(user::User),
    Query(Query),
    Certificate(certificate::Certificate),
}

impl Condition {
    fn compile(condition: &settings::Condition) -> Self {
        match condition {
            settings::Condition::Network(networks) => Self::Network(network::Network::compile(networks)),
            settings::Condition::Time(window) => Self::Time(time::Time::compile(window)),
            settings::Condition::User(wanted) => Self::User(user::User::compile(wanted)),
            settings::Condition::Query(wanted) => Self::Query(Query::compile(wanted)),
            settings::Condition::Certificate(issuers) => {
                Self::Certificate(certificate::Certificate::compile(issuers))
            }
        }
    }

    /// `positive`: an even number of `not` stands before it. What the client alone decides may
    /// add but never take away, so it knows no certain answer in the direction that relaxes.
    fn holds(&self, view: &View<'_>, positive: bool) -> Truth {
        match self {
            Self::Network(network) => network.holds(view),
            Self::Time(time) => time.holds(view),
            Self::User(user) => user.holds(view),
            Self::Query(query) if positive => query.holds(view),
            Self::Query(_) => Truth::Unknown,
            Self::Certificate(certificate) => certificate.holds(view),
        }
    }

    /// The fact itself, in words, for `explain`.
    fn why(&self, view: &View<'_>) -> String {
        match self {
            Self::Network(network) => network.why(view),
            Self::Time(time) => time.why(view),
            Self::User(user) => user.why(view),
            Self::Query(query) => query.why(view),
            Self::Certificate(certificate) => certificate.why(view),
        }
    }
}

/// The conditions of a configuration by name.
#[derive(Debug)]
pub(super) struct Conditions(BTreeMap<String, Arc<Condition>>);

impl Conditions {
    pub(super) fn compile(conditions: &BTreeMap<String, settings::Condition>) -> Self {
        let compiled =
            |(name, condition): (&String, _)| (name.clone(), Arc::new(Condition::compile(condition)));
        Self(conditions.iter().map(compiled).collect())
    }

    /// # Errors
    /// The name of a condition that does not exist.
    pub(super) fn combine(&self, when: &settings::When) -> Result<When, String> {
        let all =
            |parts: &[settings::When]| parts.iter().map(|part| self.combine(part)).collect::<Result<_, _>>();
        Ok(match when {
            settings::When::Is(name) => {
                let condition = self.0.get(name).ok_or_else(|| name.clone())?;
                When::Is(name.as_str().into(), Arc::clone(condition))
            }
            settings::When::All(parts) => When::All(all(parts)?),
            settings::When::Any(parts) => When::Any(all(parts)?),
            settings::When::Not(part) => When::Not(Box::new(self.combine(part)?)),
        })
    }
}

/// A combination of conditions.
#[derive(Debug)]
pub(super) enum When {
    Is(Box<str>, Arc<Condition>),
    All(Vec<When>),
    Any(Vec<When>),
    Not(Box<When>),
}

impl When {
    /// A rule's own `query`.
    pub(super) fn query(query: Query) -> Self {
        Self::Is(query.label().into(), Arc::new(Condition::Query(query)))
    }

    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        self.truth(view, true)
    }

    fn truth(&self, view: &View<'_>, positive: bool) -> Truth {
        match self {
            Self::Is(_, condition) => condition.holds(view, positive),
            Self::All(parts) => {
                parts.iter().fold(Truth::True, |all, part| all.and(part.truth(view, positive)))
            }
            Self::Any(parts) => {
                parts.iter().fold(Truth::False, |any, part| any.or(part.truth(view, positive)))
            }
            Self::Not(part) => !part.truth(view, !positive),
        }
    }

    /// Whether the answer can hang on who the person is.
    pub(super) fn asks_person(&self) -> bool {
        match self {
            Self::Is(_, condition) => matches!(**condition, Condition::User(_)),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::asks_person),
            Self::Not(part) => part.asks_person(),
        }
    }

    /// As it is written: `contractor and not managed-laptop`.
    pub(super) fn label(&self) -> String {
        let joined =
            |parts: &[Self], word: &str| parts.iter().map(Self::label).collect::<Vec<_>>().join(word);
        match self {
            Self::Is(name, _) => name.to_string(),
            Self::All(parts) => joined(parts, " and "),
            Self::Any(parts) => format!("any of ({})", joined(parts, ", ")),
            Self::Not(part) => format!("not {}", part.label()),
        }
    }

    /// The facts it hangs on, in words.
    pub(super) fn why(&self, view: &View<'_>) -> String {
        match self {
            Self::Is(_, condition) => condition.why(view),
            Self::Not(part) => part.why(view),
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().map(|part| part.why(view)).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Truth; 3] = [Truth::True, Truth::False, Truth::Unknown];

    #[test]
    fn kleene() {
        for a in ALL {
            assert_eq!(!!a, a);
            assert_eq!(a.and(Truth::False), Truth::False);
            assert_eq!(a.or(Truth::True), Truth::True);
            assert_eq!(a.and(Truth::True), a);
            assert_eq!(a.or(Truth::False), a);
            for b in ALL {
                assert_eq!(!(a.and(b)), (!a).or(!b));
            }
        }
        assert_eq!(Truth::Unknown.and(Truth::Unknown), Truth::Unknown);
        assert_eq!(!Truth::Unknown, Truth::Unknown);
    }
}
