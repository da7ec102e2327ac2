//! What there is to say about a case: the steps, the decision, and what the client would see.
//!
//! Serialised as it stands for `--json`; `text.rs` puts it into columns.

use std::sync::Arc;

use serde::Serialize;

use crate::config::settings::{Answer, LevelId};
use crate::config::{FactorKind, FactorSet};
use crate::gate::canonical::{self, Refusal};
use crate::policy::{
    AllowReason, CanonicalRequest, Decision, Demand, Enrolled, Facts, LevelSet, Line, Missing, Policy, Proof,
    Question, ReadingTrace, Reserved, Route, Trace,
};

use super::Usage;
use super::case::Case;

/// Everything there is to say about one case.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) user: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) from: String,
    pub(super) at: String,
    pub(super) route: Option<RouteReport>,
    pub(super) decision: Kind,
    /// Why, in a word; a refusal's or a denial's code.
    pub(super) reason: Option<String>,
    /// Every level that is asked of this person.
    pub(super) asked: Vec<String>,
    pub(super) missing: Vec<MissingLevel>,
    /// What the person has, and whether it helps.
    pub(super) has: Vec<String>,
    /// The same person would be let through while in a period of grace.
    pub(super) grace_would_allow: bool,
    pub(super) answer: String,
}

#[derive(Debug, Serialize)]
pub(super) struct RouteReport {
    pub(super) name: String,
    pub(super) line: u32,
    pub(super) readings: Vec<ReadingTrace>,
    pub(super) raises: Vec<Line>,
}

#[derive(Debug, Serialize)]
pub(super) struct MissingLevel {
    pub(super) level: String,
    pub(super) factors: Vec<&'static str>,
    /// Seconds; `None`: as long as the session.
    pub(super) max_age: Option<u64>,
}

/// The outcome in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Allow,
    Challenge,
    SignIn,
    Deny,
    /// The request has no single meaning, or none that is passed on.
    Refuse,
    /// One of our own pages or endpoints.
    Own,
}

impl Report {
    pub(super) fn of(case: &Case, policy: &Policy) -> Self {
        let report = Self::about(case);
        let request = match canonical::read(&case.parts, case.client, &[], policy) {
            Ok(request) => request,
            Err(refusal) => return report.refused(&refusal),
        };
        match request.reserved(&policy.settings().server.prefix) {
            Reserved::Inside => {
                return Self { decision: Kind::Own, answer: "stepgate's own".to_owned(), ..report };
            }
            Reserved::Ambiguous => return report.refused(&Refusal::RESERVED),
            Reserved::Outside => {}
        }
        match policy.route_for(&request.host) {
            Some(route) => report.judged(case, policy, route, &request),
            None => report.denied("no_route"),
        }
    }

    /// The case itself, before anything is decided.
    fn about(case: &Case) -> Self {
        let identity = case.identity.as_ref();
        Self {
            method: case.parts.method.to_string(),
            url: case.url.clone(),
            user: identity.map(|identity| identity.subject.to_string()),
            groups: identity
                .map(|identity| identity.groups().iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            from: case.client.to_string(),
            at: case.at.strftime("%a %Y-%m-%d %H:%M %Q").to_string(),
            route: None,
            decision: Kind::Refuse,
            reason: None,
            asked: vec![],
            missing: vec![],
            has: vec![],
            grace_would_allow: false,
            answer: String::new(),
        }
    }

    fn refused(self, refusal: &Refusal) -> Self {
        let answer = format!("{}: {}", refusal.status.as_u16(), refusal.why);
        Self { decision: Kind::Refuse, reason: Some(refusal.code.to_owned()), answer, ..self }
    }

    fn denied(self, reason: &str) -> Self {
        let answer = "403 page to a browser; to fetch(): 403 problem+json".to_owned();
        Self { decision: Kind::Deny, reason: Some(reason.to_owned()), answer, ..self }
    }

    fn judged(self, case: &Case, policy: &Policy, route: &Arc<Route>, request: &CanonicalRequest) -> Self {
        let facts = Facts { identity: case.identity.as_ref(), now: case.now() };
        let trace = policy.explain(route, request, &facts);
        let demand = trace.demand;
        let decide = |grace: bool| decide(case, policy, route, request, demand, grace);
        let report = Self {
            asked: names(policy, policy.asked(&demand, case.enrolled)),
            route: Some(RouteReport::of(route, trace)),
            ..self
        };
        match decide(false) {
            Decision::Allow(permit) => {
                let reason = if permit.reason() == AllowReason::Public {
                    "public"
                } else {
                    "met"
                };
                let answer = "passed on".to_owned();
                Self { decision: Kind::Allow, reason: Some(reason.to_owned()), answer, ..report }
            }
            Decision::SignIn(_) => {
                Self { decision: Kind::SignIn, answer: told(Answer::Auto, "sign-in"), ..report }
            }
            Decision::Challenge(_, missing) => Self {
                grace_would_allow: policy.settings().enrolment.grace_period.is_some()
                    && matches!(decide(true), Decision::Allow(_)),
                answer: told(route.answer(&missing.demand), "challenge"),
                ..report.challenged(case, policy, &missing)
            },
            Decision::Deny(_, reason) => report.denied(reason.name()),
        }
    }

    fn challenged(self, case: &Case, policy: &Policy, missing: &Missing) -> Self {
        let on = policy.settings().factors.enabled;
        let helping = |levels| policy.remaining(levels, &case.proofs, on, case.now()).accepted.kinds();
        let describe = |id: LevelId| MissingLevel {
            level: names(policy, LevelSet::EMPTY.with(id)).concat(),
            factors: helping(LevelSet::EMPTY.with(id)).iter().map(FactorKind::name).collect(),
            max_age: policy.max_age(id),
        };
        Self {
            decision: Kind::Challenge,
            missing: missing.levels.iter().map(describe).collect(),
            has: has(case, policy.kinds_for(missing.levels)),
            ..self
        }
    }

    /// Whether this is the outcome with that name.
    pub(super) fn is(&self, expected: &str, policy: &Policy) -> Result<bool, Usage> {
        Ok(match expected {
            "allow" => self.decision == Kind::Allow,
            "public" => self.decision == Kind::Allow && self.reason.as_deref() == Some("public"),
            "challenge" => self.decision == Kind::Challenge,
            "sign-in" => self.decision == Kind::SignIn,
            "deny" => matches!(self.decision, Kind::Deny | Kind::Refuse),
            level if policy.level_named(level).is_some() => {
                !matches!(self.decision, Kind::Deny | Kind::Refuse)
                    && self.asked.iter().any(|asked| asked == level)
            }
            other => return Err(Usage(format!("there is no outcome and no level named `{other}`"))),
        })
    }
}

impl RouteReport {
    fn of(route: &Route, trace: Trace) -> Self {
        let Trace { readings, raises, .. } = trace;
        Self { name: route.name.to_string(), line: route.line, readings, raises }
    }
}

fn decide(
    case: &Case,
    policy: &Policy,
    route: &Arc<Route>,
    request: &CanonicalRequest,
    demand: Demand,
    grace: bool,
) -> Decision {
    let deadlines = policy.deadlines(&case.proofs, case.now());
    policy.decide(Question {
        request: request.clone(),
        route,
        demand,
        identity: case.identity.clone().map(Into::into),
        deadlines: Some(&deadlines),
        enrolled: case.enrolled,
        grace_until: grace.then(|| case.now().plus(1)),
        granted: LevelSet::EMPTY,
        now: case.now(),
    })
}

/// What the client is told when something is missing.
fn told(answer: Answer, page: &str) -> String {
    match answer {
        Answer::Auto => format!("303 to the {page} page to a browser; to fetch(): 401 problem+json"),
        Answer::Status => "401 problem+json to everyone".to_owned(),
    }
}

/// What the person has, and whether it helps towards these kinds.
fn has(case: &Case, counting: FactorSet) -> Vec<String> {
    let Enrolled::Kinds(kinds) = case.enrolled else {
        return vec![];
    };
    let newest = |kind: FactorKind| -> Option<&Proof> {
        case.proofs
            .iter()
            .filter(|proof| proof.factor == kind)
            .max_by_key(|proof| proof.at)
    };
    let describe = |kind: FactorKind| {
        let helps = if counting.contains(kind) {
            "not enough"
        } else {
            "does not count here"
        };
        match newest(kind) {
            Some(proof) => {
                let age = u64::try_from(case.now().since(proof.at)).unwrap_or(0);
                format!("{} (confirmed {} ago, {helps})", kind.name(), short(age))
            }
            None if counting.contains(kind) => kind.name().to_owned(),
            None => format!("{} ({helps})", kind.name()),
        }
    };
    let known: Vec<String> = kinds.iter().map(describe).collect();
    if known.is_empty() {
        vec!["nothing".to_owned()]
    } else {
        known
    }
}

fn names(policy: &Policy, levels: LevelSet) -> Vec<String> {
    policy.level_names(levels).map(str::to_owned).collect()
}

/// A duration as configuration writes it, in its largest whole unit.
pub(super) fn short(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole = units
        .into_iter()
        .find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size));
    whole.map_or_else(|| format!("{seconds}s"), |(size, unit)| format!("{}{unit}", seconds / size))
}
