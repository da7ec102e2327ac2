//! The decision: allow, sign in, challenge or deny.
//!
//! The only place that makes a [`Permit`]. Doors translate what comes out of here; they never decide.

use std::sync::Arc;

use crate::ambient::UnixTime;
use crate::config::FactorSet;
use crate::config::settings::LevelId;

use super::Policy;
use super::demand::{Demand, LevelSet};
use super::levels::Deadlines;
use super::person::Identity;
use super::request::CanonicalRequest;
use super::route::Route;

/// How long, in seconds, an exchange may last that was let through by a grant or by a code in the
/// request: what was proved for one request is not proof for a day.
pub(super) const LONGEST_GRANTED: i64 = 3600;

/// Everything a decision hangs on.
pub struct Question<'a> {
    pub request: CanonicalRequest,
    pub route: &'a Arc<Route>,
    /// From [`Policy::demand`], evaluated with this identity.
    pub demand: Demand,
    pub identity: Option<Arc<Identity>>,
    /// What the session's claim proves; `None` without a claim.
    pub deadlines: Option<&'a Deadlines>,
    pub enrolled: Enrolled,
    /// End of this person's period of grace, if they have one (decision 10).
    pub grace_until: Option<UnixTime>,
    /// Levels proved for this request alone: by a grant that has been consumed, or by a code that
    /// came with the request.
    pub granted: LevelSet,
    pub now: UnixTime,
}

/// Which kinds of factor a person has enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// Could not be established, which counts as enrolled (decision 9).
    Unknown,
    Kinds(FactorSet),
}

/// What happens to a request.
#[derive(Debug)]
pub enum Decision {
    Allow(Permit),
    /// Who it is must be known first.
    SignIn(CanonicalRequest),
    /// More must be proved first.
    Challenge(CanonicalRequest, Missing),
    Deny(CanonicalRequest, DenyReason),
}

/// What a challenge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Every level that is asked and not met. Never empty.
    pub levels: LevelSet,
    /// The one to name in a 401; the next 401 names the next (decision 11).
    pub next: LevelId,
    /// The demand it comes from, for [`Route::reason`] and [`Route::answer`].
    pub demand: Demand,
}

/// Why nobody, or not this person, passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// The configuration says `deny` for this request.
    Denied,
    /// The route's `allow` does not name this person.
    NotAllowed,
}

impl DenyReason {
    /// Stable name for logs and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::NotAllowed => "not_allowed",
        }
    }
}

/// Why a request was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowReason {
    /// Nothing is asked here; the permit carries no person (decision 6).
    Public,
    /// Everything that is asked has been proved.
    Met,
    /// Something is missing, and this person still has time to enrol (decision 10): to be audited.
    Grace,
}

/// Leave to send exactly this request to the route's upstream, once.
///
/// Only [`Policy::decide`] makes one, and forwarding consumes it: it can be neither copied nor changed.
#[derive(Debug)]
pub struct Permit {
    request: CanonicalRequest,
    route: Arc<Route>,
    identity: Option<Arc<Identity>>,
    met: LevelSet,
    /// Asked and not proved by the claim, yet let through: granted, optional, or under grace.
    waived: LevelSet,
    /// Until when that holds for an exchange that goes on.
    waived_until: UnixTime,
    reason: AllowReason,
}

/// A permit taken apart by what consumes it.
#[derive(Debug)]
pub struct PermitParts {
    pub request: CanonicalRequest,
    pub route: Arc<Route>,
    /// `None` on public requests.
    pub identity: Option<Arc<Identity>>,
    /// The asked levels that are met, for `Stepgate-Acr`.
    pub met: LevelSet,
    pub reason: AllowReason,
}

impl Permit {
    #[must_use]
    pub const fn request(&self) -> &CanonicalRequest {
        &self.request
    }

    #[must_use]
    pub const fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Who is let through; `None` on public requests.
    #[must_use]
    pub const fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// Until when [`waived`](Self::waived) levels may stay unproved while the exchange goes on.
    pub(super) const fn waived_until(&self) -> UnixTime {
        self.waived_until
    }

    /// The asked levels that are met, for `Stepgate-Acr`.
    #[must_use]
    pub const fn met(&self) -> LevelSet {
        self.met
    }

    /// Levels that were asked and that the claim does not prove: granted for this request, optional,
    /// or under grace.
    #[must_use]
    pub const fn waived(&self) -> LevelSet {
        self.waived
    }

    #[must_use]
    pub const fn reason(&self) -> AllowReason {
        self.reason
    }

    /// The same permit with a copy of its own of the target: what arrived with the request shares the
    /// buffer it was read into, which is many times larger and would live as long as the permit.
    #[must_use]
    pub fn detached(mut self) -> Self {
        if let Ok(copy) = self.request.target.as_str().parse() {
            self.request.target = copy;
        }
        self
    }

    /// Consumes the permit.
    #[must_use]
    pub fn into_parts(self) -> PermitParts {
        let Self { request, route, identity, met, reason, .. } = self;
        PermitParts { request, route, identity, met, reason }
    }
}

impl Policy {
    /// Decides. Pure: the same question always has the same answer.
    #[must_use]
    pub fn decide(&self, question: Question<'_>) -> Decision {
        let demand = question.demand;
        if demand.is_deny() || (demand.denies_in_doubt() && question.identity.is_some()) {
            return Decision::Deny(question.request, DenyReason::Denied);
        }
        if demand.is_public() {
            return allow(question, None, Met::default(), AllowReason::Public);
        }
        let Some(identity) = question.identity.clone() else {
            return Decision::SignIn(question.request);
        };
        if !question.route.allows(&identity) {
            return Decision::Deny(question.request, DenyReason::NotAllowed);
        }
        let asked = self.asked(&demand, question.enrolled);
        let deadlines = question.deadlines.unwrap_or(&self.levels.unproved);
        let proved = deadlines.met(asked, question.now);
        let levels = proved.union(question.granted.intersection(asked));
        let missing = asked.minus(levels);
        let waived = demand.required().union(demand.optional()).minus(proved);
        let met = Met { levels, waived };
        match missing.first() {
            None => allow(question, Some(identity), met, AllowReason::Met),
            Some(_) if self.in_grace(&question, missing) => {
                allow(question, Some(identity), met, AllowReason::Grace)
            }
            Some(next) => Decision::Challenge(question.request, Missing { levels: missing, next, demand }),
        }
    }

    /// The levels asked of someone with these enrolments. `optional` relaxes only its own part:
    /// what any other place requires stays (decision 9).
    #[must_use]
    pub fn asked(&self, demand: &Demand, enrolled: Enrolled) -> LevelSet {
        let counts = |level: &LevelId| match (enrolled, self.levels.get(*level)) {
            (Enrolled::Kinds(kinds), Some(level)) => {
                level.slots.is_empty() || !level.kinds().intersection(kinds).is_empty()
            }
            _ => true,
        };
        demand.required().union(demand.optional().iter().filter(counts).collect())
    }

    /// Grace is for people who have never enrolled anything, and never covers what must be proved
    /// each time or what a raise or the floor asks (decision 10).
    fn in_grace(&self, question: &Question<'_>, missing: LevelSet) -> bool {
        let never = question.demand.firm().union(self.levels.once);
        question.enrolled == Enrolled::Kinds(FactorSet::EMPTY)
            && question.grace_until.is_some_and(|until| question.now < until)
            && missing.intersection(never).is_empty()
    }
}

/// What an allow rests on.
#[derive(Default)]
struct Met {
    levels: LevelSet,
    waived: LevelSet,
}

fn allow(question: Question<'_>, identity: Option<Arc<Identity>>, met: Met, reason: AllowReason) -> Decision {
    let waived_until = match (reason, question.grace_until) {
        (AllowReason::Grace, Some(until)) => until,
        _ if question.granted.is_empty() => UnixTime::NEVER,
        _ => question.now.plus(LONGEST_GRANTED),
    };
    Decision::Allow(Permit {
        request: question.request,
        route: Arc::clone(question.route),
        identity,
        met: met.levels,
        waived: met.waived,
        waived_until,
        reason,
    })
}

impl Route {
    /// Whether `allow` names this person. It says who, never how surely.
    #[must_use]
    pub fn allows(&self, identity: &Identity) -> bool {
        let Some(allow) = &self.allow else { return true };
        let named = |user: &String| **user == *identity.subject || **user == *identity.key.as_str();
        allow.users.iter().any(named)
            || allow
                .groups
                .iter()
                .any(|group| identity.groups().iter().any(|own| **own == **group))
    }
}
