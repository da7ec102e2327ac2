//! Routes, conditions, levels and the decision: pure.
//!
//! No I/O, no clock of its own, no HTTP types beyond method and target. The gate feeds it facts.
//! This is the only room that can make a [`Permit`], and forwarding takes one by value.

pub mod accepted;
mod combining;
mod compile;
mod conditions;
mod decide;
mod demand;
mod evaluate;
mod hosts;
mod levels;
mod pattern;
pub mod person;
pub mod proof;
mod request;
mod route;
mod standing;
#[cfg(test)]
pub(crate) mod tests_support;
pub mod text;
mod trace;

use std::net::IpAddr;
use std::sync::Arc;

use crate::ambient::UnixTime;
use crate::config::settings::{LevelId, When};
use crate::config::{FactorSet, Settings};

use conditions::View;

pub use accepted::Accepted;
pub use combining::Remaining;
pub use compile::CompileError;
pub use conditions::Truth;
pub use decide::{AllowReason, Decision, DenyReason, Enrolled, Missing, Permit, PermitParts, Question};
pub use demand::{Demand, LevelSet};
pub use levels::Deadlines;
pub use pattern::{Case, Pattern, PatternError};
pub use person::{Binding, Identity, SubjectKey};
pub use proof::{EnrolmentId, Proof, TrustId};
pub use request::{CanonicalRequest, Device, Door, Reading, Readings, Reserved};
pub use route::Route;
pub use standing::{Lapse, Since};
pub use trace::{Applies, Line, ReadingTrace, Trace};

/// A whole configuration's rules, compiled for judging.
#[derive(Debug)]
pub struct Policy {
    hosts: hosts::Hosts,
    /// The portal's host, which need not be a site.
    portal: Arc<str>,
    floor: Option<compile::Floor>,
    levels: levels::Levels,
    conditions: conditions::Conditions,
    /// What was compiled, for those who hold a policy and need the rest.
    settings: Arc<Settings>,
}

/// What is known about a request beyond the request itself.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `None`: not known (yet), so every condition about the person is unknown.
    pub identity: Option<&'a Identity>,
    pub now: UnixTime,
}

impl Policy {
    /// The settings this policy was compiled from.
    #[must_use]
    pub const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The route for a canonical host: exact, then the longest wildcard, then `*`. `None`: deny.
    #[must_use]
    pub fn route_for(&self, host: &str) -> Option<&Arc<Route>> {
        self.hosts.route(host)
    }

    /// Whether this canonical host is a site of ours, where people may be sent and sessions carried:
    /// the portal, or one that a route names. Under `*` alone it is whatever the client wrote, and
    /// that host may be anybody's.
    #[must_use]
    pub fn is_site(&self, host: &str) -> bool {
        *self.portal == *host || self.hosts.named(host).is_some()
    }

    /// The shared copy of a host that is spelled out in the configuration.
    #[must_use]
    pub fn known_host(&self, host: &str) -> Option<&Arc<str>> {
        self.hosts
            .name(host)
            .or_else(|| Some(&self.portal).filter(|portal| ***portal == *host))
    }

    /// Until when these proofs meet each level. To be computed once for each claim.
    ///
    /// `now` only leaves out proofs from the future (security.md F09).
    #[must_use]
    pub fn deadlines(&self, proofs: &[Proof], now: UnixTime) -> Deadlines {
        self.levels.deadlines(proofs, now)
    }

    /// The levels that these proofs meet at this moment, `valid_for: 0s` ones included if all
    /// their proofs are at most 120 s old.
    ///
    /// Only for a challenge that has just been passed (to write a grant) and for a code that came
    /// with the request: what it returns counts for one request alone (decision 8).
    #[must_use]
    pub fn met_at_once(&self, proofs: &[Proof], now: UnixTime) -> LevelSet {
        self.levels.met_at_once(proofs, now)
    }

    /// The kinds of factor, among those switched on, that count for one of these levels.
    #[must_use]
    pub fn kinds_for(&self, levels: LevelSet) -> FactorSet {
        levels
            .iter()
            .filter_map(|id| self.levels.get(id))
            .fold(FactorSet::EMPTY, |all, level| all.union(level.kinds()))
    }

    /// What counts for one of these levels.
    #[must_use]
    pub fn accepted_for(&self, levels: LevelSet) -> Accepted {
        levels
            .iter()
            .filter_map(|id| self.levels.get(id))
            .map(|level| (level.kinds(), level.properties))
            .collect()
    }

    /// For how many seconds a browser may stand for proofs of all of these levels; `None` when one
    /// of them lets none do so.
    #[must_use]
    pub fn remember_for(&self, levels: LevelSet) -> Option<i64> {
        levels
            .iter()
            .map(|id| self.levels.get(id)?.remember)
            .try_fold(i64::MAX, |least, remember| remember.map(|seconds| least.min(seconds)))
            .filter(|seconds| *seconds < i64::MAX)
    }

    /// How old, in seconds, a proof may be for this level; `None`: as old as the session.
    #[must_use]
    pub fn max_age(&self, level: LevelId) -> Option<u64> {
        self.settings.level(level)?.valid_for.map(|valid_for| valid_for.as_secs())
    }

    /// Whether a combination of conditions holds for a client outside of any request to a route,
    /// as for first enrolment. What it asks of the query is unknown.
    #[must_use]
    pub fn holds(&self, when: &When, client: IpAddr, facts: &Facts<'_>) -> Truth {
        let view = View { client, identity: facts.identity, now: facts.now, request: None };
        self.conditions.combine(when).map_or(Truth::Unknown, |when| when.holds(&view))
    }

    /// Levels that no claim meets, only a grant (`valid_for: 0s`).
    #[must_use]
    pub const fn once(&self) -> LevelSet {
        self.levels.once
    }

    /// Names of these levels, in the order of the configuration.
    pub fn level_names(&self, levels: LevelSet) -> impl Iterator<Item = &str> {
        levels
            .iter()
            .filter_map(|id| self.levels.get(id))
            .map(|level| level.name.as_str())
    }

    /// The level of this name.
    #[must_use]
    pub fn level_named(&self, name: &str) -> Option<LevelId> {
        self.levels.named(name)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
