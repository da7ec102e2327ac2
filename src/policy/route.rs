//! Routes as they are compiled: what a site is, who may enter, and what each rule asks.
//!
//! Nothing here decides; see `evaluate.rs` and `decide.rs`.

use std::sync::Arc;

use crate::config::settings::{Allow, Answer, EncodedSlash, FormLogin, SourceSet, Upstream};

use super::conditions::When;
use super::demand::Demand;
use super::pattern::PathSet;

/// One site: a host with its upstream, its requirement, and the exceptions inside it.
#[derive(Debug)]
pub struct Route {
    pub name: Arc<str>,
    /// Its place among the settings' routes.
    pub index: usize,
    pub upstream: Option<Arc<Upstream>>,
    /// How people are signed in to the app through its own form.
    pub form_login: Option<Arc<FormLogin>>,
    /// The identity sources that count here.
    pub identity: SourceSet,
    pub encoded_slash: EncodedSlash,
    pub max_body: Option<u64>,
    /// Seconds that an exchange may go on after its proof has run out.
    pub long_lived_grace: i64,
    /// Bytes of a request's header block, where the route has a bound of its own.
    pub max_header: Option<usize>,
    /// Bytes of a request's target.
    pub max_target: usize,
    /// Whether any request to this route can be public: if not, the identity is always needed.
    pub may_be_public: bool,
    /// Whether what is asked can hang on who the person is.
    pub asks_person: bool,
    /// Line of the configuration that begins this route.
    pub line: u32,
    /// Whether a pattern has letters that folding changes.
    pub(super) minds_case: bool,
    pub(super) reason: Option<Arc<str>>,
    pub(super) answer: Answer,
    pub(super) allow: Option<Allow>,
    pub(super) base: Demand,
    pub(super) rules: Vec<Rule>,
    pub(super) raises: Vec<Raise>,
}

/// An exception inside a route; the first that matches counts.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) paths: PathSet,
    /// Empty: any method.
    pub(super) methods: Vec<http::Method>,
    /// The rule's `when` and `query` in one.
    pub(super) when: Option<When>,
    pub(super) asks_person: bool,
    pub(super) demand: Demand,
    pub(super) reason: Option<Arc<str>>,
    pub(super) answer: Option<Answer>,
    pub(super) line: u32,
}

/// Something odd that asks for more, whatever the path.
#[derive(Debug)]
pub(super) struct Raise {
    pub(super) when: When,
    pub(super) asks_person: bool,
    pub(super) demand: Demand,
    pub(super) line: u32,
}

impl Route {
    /// The configuration's own words for why this demand is made, for the challenge page.
    #[must_use]
    pub fn reason(&self, demand: &Demand) -> Option<&Arc<str>> {
        self.voice(demand)
            .and_then(|rule| rule.reason.as_ref())
            .or(self.reason.as_ref())
    }

    /// How an unmet demand is told to the client.
    #[must_use]
    pub fn answer(&self, demand: &Demand) -> Answer {
        self.voice(demand).and_then(|rule| rule.answer).unwrap_or(self.answer)
    }

    /// Line of the rule that asked, or of the route, for the audit log.
    #[must_use]
    pub fn line_of(&self, demand: &Demand) -> u32 {
        self.voice(demand).map_or(self.line, |rule| rule.line)
    }

    fn voice(&self, demand: &Demand) -> Option<&Rule> {
        demand.asked_by().and_then(|rule| self.rules.get(rule))
    }
}
