//! What a request must meet: the floor, the rules on every lenient reading, and the raises, joined.
//!
//! One code path for serving and for explaining: it tells a [`Recorder`] what it sees, and the one
//! for serving compiles to nothing. Unknown never ends a search and never leaves a raise out.

use http::Method;

use super::conditions::{Truth, View};
use super::demand::Demand;
use super::pattern::Case;
use super::request::{CanonicalRequest, Readings};
use super::route::{Raise, Route, Rule};
use super::{Facts, Policy};

/// Listens to an evaluation.
pub(super) trait Recorder {
    /// From here on, rules are judged on this reading.
    fn reading(&mut self, _path: &str, _case: Case) {}
    /// `None`: the path or the method differs, so no condition was asked.
    fn rule(&mut self, _at: usize, _verdict: Verdict) {}
    /// The search ended with the route's own requirement.
    fn base(&mut self) {}
    fn floor(&mut self, _excepted: bool) {}
    fn raise(&mut self, _at: usize, _truth: Truth) {}
}

/// The recorder for serving.
struct Silent;

impl Recorder for Silent {}

/// How a rule stands to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    PathDiffers,
    MethodDiffers,
    WhenFails,
    /// It may be the first that matches: what it asks is added, and the search goes on.
    MayMatch,
    /// It is the first that matches: the search ends.
    Matches,
}

impl Policy {
    /// What this request must meet, as far as these facts go. No I/O; no allocation on plain paths.
    #[must_use]
    pub fn demand(&self, route: &Route, request: &CanonicalRequest, facts: &Facts<'_>) -> Demand {
        self.evaluate(route, request, facts, &mut Silent)
    }

    pub(super) fn evaluate(
        &self,
        route: &Route,
        request: &CanonicalRequest,
        facts: &Facts<'_>,
        recorder: &mut impl Recorder,
    ) -> Demand {
        let search = Search { route, method: &request.method, view: View::new(request, facts) };
        let always_fold =
            route.minds_case || self.floor.as_ref().is_some_and(|floor| floor.except.minds_case());
        let mut demand = Demand::PUBLIC;
        each_reading(request, always_fold, |path, case| {
            recorder.reading(path, case);
            demand = demand
                .join(search.rules(path, case, recorder))
                .join(self.floor_on(path, case, recorder));
        });
        demand.join(search.raises(recorder))
    }

    /// The floor, unless this reading of the path is one of its exceptions.
    fn floor_on(&self, path: &str, case: Case, recorder: &mut impl Recorder) -> Demand {
        let Some(floor) = &self.floor else {
            return Demand::PUBLIC;
        };
        let excepted = floor.except.names(path, case);
        recorder.floor(excepted);
        if excepted { Demand::PUBLIC } else { floor.demand }
    }
}

/// One request in front of one route's rules.
struct Search<'a> {
    route: &'a Route,
    method: &'a Method,
    view: View<'a>,
}

impl Search<'_> {
    /// First match wins; what only may match is added on the way (decision 5).
    fn rules(&self, path: &str, case: Case, recorder: &mut impl Recorder) -> Demand {
        let mut demand = Demand::PUBLIC;
        // Once it hangs on who the person is which rule comes first, so does every later `deny`.
        let mut in_doubt = false;
        for (at, rule) in self.route.rules.iter().enumerate() {
            let verdict = self.verdict(rule, path, case);
            recorder.rule(at, verdict);
            if !matches!(verdict, Verdict::MayMatch | Verdict::Matches) {
                continue;
            }
            in_doubt |= verdict == Verdict::MayMatch && rule.asks_person && self.view.identity.is_none();
            demand = demand.join(if in_doubt {
                rule.demand.doubting()
            } else {
                rule.demand
            });
            if verdict == Verdict::Matches {
                return demand;
            }
        }
        recorder.base();
        demand.join(if in_doubt {
            self.route.base.doubting()
        } else {
            self.route.base
        })
    }

    fn verdict(&self, rule: &Rule, path: &str, case: Case) -> Verdict {
        if !rule.paths.holds(path, case) {
            return Verdict::PathDiffers;
        }
        let known_method = is_standard(self.method);
        if known_method && !rule.judges(self.method) {
            return Verdict::MethodDiffers;
        }
        match rule.when.as_ref().map_or(Truth::True, |when| when.holds(&self.view)) {
            Truth::False => Verdict::WhenFails,
            // A back end may take an unknown method for any other: the strictest of the path
            // counts, so no rule ends the search (security.md A14).
            Truth::True if known_method => Verdict::Matches,
            Truth::True | Truth::Unknown => Verdict::MayMatch,
        }
    }

    fn raises(&self, recorder: &mut impl Recorder) -> Demand {
        let mut demand = Demand::PUBLIC;
        for (at, raise) in self.route.raises.iter().enumerate() {
            let truth = raise.when.holds(&self.view);
            recorder.raise(at, truth);
            demand = demand.join(self.raised(raise, truth));
        }
        demand
    }

    fn raised(&self, raise: &Raise, truth: Truth) -> Demand {
        match truth {
            Truth::False => Demand::PUBLIC,
            Truth::Unknown if raise.asks_person && self.view.identity.is_none() => raise.demand.doubting(),
            Truth::True | Truth::Unknown => raise.demand,
        }
    }
}

impl Rule {
    /// Whether the rule names this method. Who serves GET serves HEAD by the same code.
    fn judges(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            || (*method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}

/// Methods that every back end takes for what they are.
fn is_standard(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    )
}

/// Visits every reading of the path, and each once more folded where that can make a difference.
fn each_reading(request: &CanonicalRequest, always_fold: bool, mut visit: impl FnMut(&str, Case)) {
    match &request.readings {
        Readings::Plain => {
            let path = request.target.path();
            visit(path, Case::Exact);
            if always_fold || path.bytes().any(|byte| byte.is_ascii_uppercase()) {
                visit(path, Case::Folded);
            }
        }
        Readings::Several(readings) => {
            for reading in readings {
                visit(reading.path(), Case::Exact);
                if always_fold || reading.folded() != reading.path() {
                    visit(reading.folded(), Case::Folded);
                }
            }
        }
    }
}
