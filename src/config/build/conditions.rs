//! Named conditions and their combinations.

use std::collections::BTreeMap;

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Problems};
use super::super::node::{Kind, Node};
use super::super::settings::{Condition, TimeWindow, When};
use super::super::source::Span;
use super::super::values::{address, time};
use super::{Build, value, values};

pub(super) fn conditions(root: &Node, problems: &mut Problems) -> BTreeMap<String, Condition> {
    let entries = root.get("conditions").map(Node::entries).unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            // A condition that cannot be read stays known by its name, or every use of it would be
            // reported too. It matches nothing, and there are no settings with an error anyway.
            let unreadable = || Condition::Network(Vec::new());
            (entry.key.clone(), condition(&entry.value, problems).unwrap_or_else(unreadable))
        })
        .collect()
}

fn condition(node: &Node, problems: &mut Problems) -> Option<Condition> {
    let entry = node.entries().first()?;
    let only = &entry.value;
    match entry.key.as_str() {
        "network" => Some(Condition::Network(values(node, "network", address::network))),
        "time" => time_window(only, entry.key_span, problems).map(Condition::Time),
        "user" => Some(Condition::User(lists(only))),
        "groups" => Some(Condition::User(BTreeMap::from([("groups".to_owned(), only.texts())]))),
        "query" => Some(Condition::Query(query(only))),
        "client_certificate" => Some(Condition::Certificate(any_or(only))),
        _ => None,
    }
}

fn lists(node: &Node) -> BTreeMap<String, Vec<String>> {
    node.entries()
        .iter()
        .map(|entry| (entry.key.clone(), entry.value.texts()))
        .collect()
}

/// Parameters and their values.
pub(super) fn query(node: &Node) -> BTreeMap<String, Vec<String>> {
    node.entries()
        .iter()
        .map(|entry| (entry.key.clone(), any_or(&entry.value)))
        .collect()
}

/// The values given; `true` without quotes is an empty list: any value.
fn any_or(node: &Node) -> Vec<String> {
    let any = node.as_scalar().is_some_and(|scalar| scalar.plain && scalar.text == "true");
    if any { Vec::new() } else { node.texts() }
}

fn time_window(node: &Node, key: Span, problems: &mut Problems) -> Option<TimeWindow> {
    let days = match node.get("days") {
        Some(days) => days
            .items()
            .iter()
            .filter_map(|day| time::day(day.text()?))
            .fold(0, |all, day| all | day),
        None => 0b111_1111,
    };
    let between = match node.get("between") {
        None => None,
        Some(list) => Some(between(list, problems)?),
    };
    if node.get("zone").is_none() {
        problems.push(
            Diagnostic::warning(Code::NoZone, "this time condition has no zone")
                .at(key, "it is judged in UTC")
                .fix("zone: Europe/London"),
        );
    }
    let zone = match node.get("zone") {
        Some(_) => value(node, "zone", time::zone)?,
        None => jiff::tz::TimeZone::UTC,
    };
    Some(TimeWindow { days, between, zone })
}

fn between(list: &Node, problems: &mut Problems) -> Option<(u16, u16)> {
    let [from, to] = list.items() else {
        problems.push(
            Diagnostic::error(Code::Value, "`between` takes two times")
                .at(list.pointer(), "write it as [\"07:00\", \"19:00\"]"),
        );
        return None;
    };
    let read = |node: &Node| time::time_of_day(node.text()?).ok();
    let (from, to) = (read(from)?, read(to)?);
    if from == to {
        let problem = Diagnostic::error(Code::Value, "this window is empty");
        problems.push(problem.at(list.span, "from and to are the same"));
    }
    Some((from, to))
}

/// A combination of conditions, each of which must exist.
pub(super) fn when(build: &mut Build<'_>, node: &Node) -> Option<When> {
    combination(build, node, false)
}

fn combination(build: &mut Build<'_>, node: &Node, negated: bool) -> Option<When> {
    match &node.kind {
        Kind::Scalar(scalar) => named(build, &scalar.text, node.span, negated),
        Kind::List(items) => Some(When::All(all(build, items, negated))),
        Kind::Map(_) => match (node.get("any"), node.get("not")) {
            (Some(any), _) => Some(When::Any(all(build, any.items(), negated))),
            (_, Some(inner)) => Some(When::Not(Box::new(combination(build, inner, !negated)?))),
            _ => None,
        },
        _ => None,
    }
}

fn all(build: &mut Build<'_>, items: &[Node], negated: bool) -> Vec<When> {
    items.iter().filter_map(|item| combination(build, item, negated)).collect()
}

fn named(build: &mut Build<'_>, name: &str, span: Span, negated: bool) -> Option<When> {
    let Some(condition) = build.conditions.get(name) else {
        let known: Vec<_> = build.conditions.keys().map(String::as_str).collect();
        let label = if known.is_empty() {
            "this file defines no conditions".to_owned()
        } else {
            format!("conditions are: {}", known.join(", "))
        };
        let message = format!("there is no condition named `{name}`");
        build.report(Diagnostic::error(Code::UnknownName, message).at(span, label));
        return None;
    };
    if negated && matches!(condition, Condition::Query(_)) {
        build.report(
            Diagnostic::error(Code::NotQuery, "a query condition may only tighten")
                .at(span, "under `not`, leaving a parameter out would relax the requirement"),
        );
    }
    Some(When::Is(name.to_owned()))
}
