//! Settings become a policy: names resolved, patterns parsed, requirements as sets.
//!
//! Nothing is guessed here. What does not resolve is an error, and a policy with an error in it
//! does not exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Settings;
use crate::config::settings::{self, Activity, Require, Requirement};

use super::Policy;
use super::conditions::{Conditions, Query, When};
use super::demand::{Demand, LevelSet};
use super::hosts::Hosts;
use super::levels::Levels;
use super::pattern::PathSet;
use super::route::{Raise, Route, Rule};

/// Why settings do not make a policy. Configuration has checked all of it before: whoever gets
/// this must not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct CompileError {
    /// Line of the configuration; 0 where the place has none.
    pub line: u32,
    pub what: String,
}

/// What every request must meet.
#[derive(Debug)]
pub(super) struct Floor {
    pub(super) demand: Demand,
    pub(super) except: PathSet,
}

impl Policy {
    /// Compiles the rules of validated settings.
    ///
    /// # Errors
    /// When the settings name what is not there; the caller must not serve.
    pub fn compile(settings: &Arc<Settings>) -> Result<Self, CompileError> {
        if settings.levels.len() > LevelSet::CAPACITY {
            return Err(CompileError { line: 0, what: "more than 64 levels".to_owned() });
        }
        let conditions = Conditions::compile(&settings.conditions);
        let floor = settings
            .floor
            .as_ref()
            .map(|floor| Floor::compile(floor, settings))
            .transpose()?;
        let mut hosts = Hosts::default();
        for (index, route) in settings.routes.iter().enumerate() {
            let compiler = Compiler { settings, conditions: &conditions, line: route.line };
            let compiled = Arc::new(compiler.route(index, route)?);
            for host in &route.hosts {
                if !hosts.add(host, &compiled) {
                    return Err(CompileError {
                        line: route.line,
                        what: format!("a second route for {host}"),
                    });
                }
            }
        }
        Ok(Self {
            hosts,
            portal: settings.server.public_url.host.as_str().into(),
            floor,
            levels: Levels::compile(settings),
            conditions,
            settings: Arc::clone(settings),
        })
    }
}

impl Floor {
    fn compile(floor: &settings::Floor, settings: &Settings) -> Result<Self, CompileError> {
        let demand = demand_of(&floor.requirement, settings, 0)?.firmly();
        let except = PathSet::parse(&floor.except)
            .map_err(|error| CompileError { line: 0, what: format!("floor: {error}") })?;
        Ok(Self { demand, except })
    }
}

/// Compiles one route; `line` is where an error is reported.
struct Compiler<'a> {
    settings: &'a Settings,
    conditions: &'a Conditions,
    line: u32,
}

impl Compiler<'_> {
    fn route(&self, index: usize, route: &settings::Route) -> Result<Route, CompileError> {
        let activity = route.activity.unwrap_or(self.settings.sessions.activity);
        let base = demand_of(&route.requirement, self.settings, self.line)?.counting(activity);
        let rules: Vec<Rule> = route
            .rules
            .iter()
            .enumerate()
            .map(|(at, rule)| Self { line: rule.line, ..*self }.rule(at, rule, activity))
            .collect::<Result<_, _>>()?;
        let raises: Vec<Raise> = route
            .raise
            .iter()
            .map(|raise| Self { line: raise.line, ..*self }.raise(raise))
            .collect::<Result<_, _>>()?;
        Ok(Route {
            name: route.name.as_str().into(),
            index,
            upstream: route.upstream.clone(),
            form_login: route.form_login.clone(),
            identity: route.identity,
            encoded_slash: route.encoded_slash,
            max_body: route.max_body,
            long_lived_grace: i64::try_from(route.long_lived_grace.as_secs()).unwrap_or(i64::MAX),
            max_header: route.max_header,
            max_target: route.max_target.unwrap_or(self.settings.server.max_target),
            may_be_public: may_be_public(&base, &rules, self.settings),
            asks_person: rules.iter().any(|rule| rule.asks_person)
                || raises.iter().any(|raise| raise.asks_person),
            minds_case: rules.iter().any(|rule| rule.paths.minds_case()),
            line: route.line,
            reason: route.reason.as_deref().map(Arc::from),
            answer: route.answer,
            allow: route.allow.clone(),
            base,
            rules,
            raises,
        })
    }

    fn rule(&self, at: usize, rule: &settings::Rule, activity: Activity) -> Result<Rule, CompileError> {
        let when = self.when(rule.when.as_ref(), &rule.query)?;
        let methods = rule.method.iter().map(|method| method.parse()).collect::<Result<_, _>>();
        let asks_person = when.as_ref().is_some_and(When::asks_person);
        Ok(Rule {
            paths: PathSet::parse(&rule.path).map_err(|error| self.error(error.to_string()))?,
            methods: methods.map_err(|_| self.error("a method that is none".to_owned()))?,
            when,
            asks_person,
            demand: demand_of(&rule.requirement, self.settings, self.line)?
                .voiced_by(at)
                .counting(rule.activity.unwrap_or(activity)),
            reason: rule.reason.as_deref().map(Arc::from),
            answer: rule.answer,
            line: rule.line,
        })
    }

    fn raise(&self, raise: &settings::Raise) -> Result<Raise, CompileError> {
        let when = self.conditions.combine(&raise.when).map_err(|name| self.no_condition(&name))?;
        let demand = demand_of(&raise.requirement, self.settings, self.line)?.firmly();
        Ok(Raise { asks_person: when.asks_person(), when, demand, line: raise.line })
    }

    /// A rule's `when` and `query` in one.
    fn when(
        &self,
        when: Option<&settings::When>,
        query: &BTreeMap<String, Vec<String>>,
    ) -> Result<Option<When>, CompileError> {
        let when = when.map(|when| self.conditions.combine(when)).transpose();
        let when = when.map_err(|name| self.no_condition(&name))?;
        let query = (!query.is_empty()).then(|| When::query(Query::compile(query)));
        Ok(match (when, query) {
            (Some(when), Some(query)) => Some(When::All(vec![when, query])),
            (when, query) => when.or(query),
        })
    }

    fn no_condition(&self, name: &str) -> CompileError {
        self.error(format!("there is no condition named `{name}`"))
    }

    const fn error(&self, what: String) -> CompileError {
        CompileError { line: self.line, what }
    }
}

fn demand_of(requirement: &Requirement, settings: &Settings, line: u32) -> Result<Demand, CompileError> {
    if let Require::Levels(levels) = &requirement.require {
        let missing = levels.iter().find(|level| settings.level(**level).is_none());
        if levels.is_empty() || missing.is_some() {
            return Err(CompileError { line, what: "a requirement without an existing level".to_owned() });
        }
    }
    Ok(Demand::of(requirement))
}

/// Whether any request could come out with nothing asked: only then may the gate look before it
/// knows who it is.
fn may_be_public(base: &Demand, rules: &[Rule], settings: &Settings) -> bool {
    let floor_allows = settings
        .floor
        .as_ref()
        .is_none_or(|floor| !floor.except.is_empty() || floor.requirement.require == Require::Public);
    floor_allows && (base.is_public() || rules.iter().any(|rule| rule.demand.is_public()))
}
