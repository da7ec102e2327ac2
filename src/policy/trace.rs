//! One evaluation in words: what every rule and raise said, for `stepgate explain`.
//!
//! It listens to the same evaluation that serves requests and adds no judgement of its own.

use serde::Serialize;

use super::conditions::{Truth, View, When};
use super::demand::{Demand, LevelSet};
use super::evaluate::{Recorder, Verdict};
use super::pattern::{Case, PathSet};
use super::request::CanonicalRequest;
use super::route::{Route, Rule};
use super::{Facts, Policy};

/// How a request's demand came about.
#[derive(Debug, Clone, Serialize)]
pub struct Trace {
    #[serde(skip)]
    pub demand: Demand,
    /// One for each way the path can be read; those that come to the same are told once.
    pub readings: Vec<ReadingTrace>,
    pub raises: Vec<Line>,
}

/// The rules on one reading of the path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadingTrace {
    pub path: String,
    /// Other readings that come to the same.
    pub also: Vec<String>,
    pub lines: Vec<Line>,
}

/// What one place of the configuration said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `rule 2`
    pub name: String,
    /// What it looks at, as it is written: `path /static/**, POST`.
    pub looks_at: String,
    pub applies: Applies,
    /// The facts it hangs on; empty where there are none.
    pub why: String,
    /// What it asks, if it applies.
    pub asks: Option<String>,
    /// Line of the configuration; `None` for the floor.
    pub line: Option<u32>,
}

/// Whether a place applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Applies {
    Yes,
    No,
    /// It cannot be told, so what it asks is added.
    Maybe,
}

impl Policy {
    /// The same evaluation as [`Policy::demand`], told step by step.
    #[must_use]
    pub fn explain(&self, route: &Route, request: &CanonicalRequest, facts: &Facts<'_>) -> Trace {
        let teller = Teller { policy: self, route, view: View::new(request, facts) };
        let mut notes = Notes { teller, readings: Vec::new(), raises: Vec::new() };
        let demand = self.evaluate(route, request, facts, &mut notes);
        Trace { demand, readings: merge(notes.readings), raises: notes.raises }
    }

    /// A demand in words: `standard + sensitive`, `public`, `deny`.
    #[must_use]
    pub fn describe(&self, demand: &Demand) -> String {
        if demand.is_deny() || demand.denies_in_doubt() {
            return "deny".to_owned();
        }
        if demand.is_public() {
            return "public".to_owned();
        }
        let names = |levels: LevelSet| self.level_names(levels).map(str::to_owned).collect::<Vec<_>>();
        let optional = demand.optional().minus(demand.required());
        let optional = names(optional).into_iter().map(|name| format!("{name} (optional)"));
        names(demand.required())
            .into_iter()
            .chain(optional)
            .collect::<Vec<_>>()
            .join(" + ")
    }
}

/// Readings with the same lines, told once.
fn merge(readings: Vec<ReadingTrace>) -> Vec<ReadingTrace> {
    let mut merged: Vec<ReadingTrace> = Vec::new();
    for reading in readings {
        match merged.iter_mut().find(|known| known.lines == reading.lines) {
            Some(known) if known.path == reading.path || known.also.contains(&reading.path) => {}
            Some(known) => known.also.push(reading.path),
            None => merged.push(reading),
        }
    }
    merged
}

/// Writes down what the evaluation says.
struct Notes<'a> {
    teller: Teller<'a>,
    readings: Vec<ReadingTrace>,
    raises: Vec<Line>,
}

impl Notes<'_> {
    fn note(&mut self, line: Line) {
        if let Some(reading) = self.readings.last_mut() {
            reading.lines.push(line);
        }
    }
}

impl Recorder for Notes<'_> {
    fn reading(&mut self, path: &str, _case: Case) {
        self.readings
            .push(ReadingTrace { path: path.to_owned(), also: vec![], lines: vec![] });
    }

    fn rule(&mut self, at: usize, verdict: Verdict) {
        if let Some(line) = self.teller.rule(at, verdict) {
            self.note(line);
        }
    }

    fn base(&mut self) {
        let line = Line::new("otherwise".to_owned(), String::new(), Applies::Yes, String::new());
        let route = self.teller.route;
        self.note(Line { line: Some(route.line), ..line.asking(self.teller.policy.describe(&route.base)) });
    }

    fn floor(&mut self, excepted: bool) {
        let (applies, why) = if excepted {
            (Applies::No, "an exception")
        } else {
            (Applies::Yes, "")
        };
        let line = Line::new("floor".to_owned(), "every request".to_owned(), applies, why.to_owned());
        let asks = self
            .teller
            .policy
            .floor
            .as_ref()
            .map(|floor| self.teller.policy.describe(&floor.demand));
        self.note(line.asking(asks.unwrap_or_default()));
    }

    fn raise(&mut self, at: usize, truth: Truth) {
        self.raises.extend(self.teller.raise(at, truth));
    }
}

/// Puts one place of the configuration into words.
struct Teller<'a> {
    policy: &'a Policy,
    route: &'a Route,
    view: View<'a>,
}

impl Teller<'_> {
    fn rule(&self, at: usize, verdict: Verdict) -> Option<Line> {
        let rule = self.route.rules.get(at)?;
        let when = |rule: &Rule| rule.when.as_ref().map(|when| when.why(&self.view)).unwrap_or_default();
        let (applies, why) = match verdict {
            Verdict::PathDiffers => (Applies::No, "path differs".to_owned()),
            Verdict::MethodDiffers => (Applies::No, "method differs".to_owned()),
            Verdict::WhenFails => (Applies::No, when(rule)),
            Verdict::MayMatch => (Applies::Maybe, when(rule)),
            Verdict::Matches => (Applies::Yes, when(rule)),
        };
        let line = Line::new(format!("rule {}", at + 1), looks_at(rule), applies, why);
        Some(Line { line: Some(rule.line), ..line.asking(self.policy.describe(&rule.demand)) })
    }

    fn raise(&self, at: usize, truth: Truth) -> Option<Line> {
        let raise = self.route.raises.get(at)?;
        let applies = match truth {
            Truth::True => Applies::Yes,
            Truth::False => Applies::No,
            Truth::Unknown => Applies::Maybe,
        };
        let why = raise.when.why(&self.view);
        let line = Line::new(format!("raise {}", at + 1), raise.when.label(), applies, why);
        Some(Line { line: Some(raise.line), ..line.asking(self.policy.describe(&raise.demand)) })
    }
}

impl Line {
    const fn new(name: String, looks_at: String, applies: Applies, why: String) -> Self {
        Self { name, looks_at, applies, why, asks: None, line: None }
    }

    /// What it asks; kept only if it applies.
    fn asking(self, asks: String) -> Self {
        Self { asks: (self.applies != Applies::No).then_some(asks), ..self }
    }
}

/// A rule's selectors as they are written.
fn looks_at(rule: &Rule) -> String {
    let list = |paths: &PathSet| paths.written().collect::<Vec<_>>().join(" ");
    let path = (!rule.paths.is_any()).then(|| format!("path {}", list(&rule.paths)));
    let methods = (!rule.methods.is_empty())
        .then(|| rule.methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(" "));
    let when = rule.when.as_ref().map(When::label);
    let parts: Vec<String> = [path, methods, when].into_iter().flatten().collect();
    if parts.is_empty() {
        "everything".to_owned()
    } else {
        parts.join(", ")
    }
}
