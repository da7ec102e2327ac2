//! Rules that can never match, because earlier ones decide everything they cover.

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::pattern;
use super::super::settings::{Require, Rule};
use super::super::source::Span;
use super::Build;

/// More rules than this in one route are not searched pair by pair.
const MOST_RULES: usize = 1_000;

pub(super) fn check(build: &mut Build<'_>, rules: &[Rule], nodes: &[&Node]) {
    if rules.len() > MOST_RULES {
        return;
    }
    for (at, (rule, node)) in rules.iter().zip(nodes).enumerate() {
        let earlier: Vec<(&Rule, &Node)> = rules.iter().zip(nodes.iter().copied()).take(at).collect();
        // A query selects within what a path covers; what covers the path covers it too.
        let any = vec!["/**".to_owned()];
        let paths = if rule.path.is_empty() { &any } else { &rule.path };
        let covering: Option<Vec<(&Rule, &Node, usize)>> = paths
            .iter()
            .map(|path| earlier.iter().find_map(|(r, n)| covers(r, rule, path).map(|p| (*r, *n, p))))
            .collect();
        if let Some([first, ..]) = covering.as_deref() {
            build.report(unreachable(build, rule, node, *first));
        }
    }
}

/// Whether an earlier rule decides everything a later one says about one path; by which of its own
/// patterns.
fn covers(earlier: &Rule, later: &Rule, path: &str) -> Option<usize> {
    if earlier.when.is_some() || !earlier.query.is_empty() {
        return None;
    }
    let every_method = earlier.method.is_empty()
        || (!later.method.is_empty() && later.method.iter().all(|method| earlier.method.contains(method)));
    if !every_method {
        return None;
    }
    if earlier.path.is_empty() {
        return Some(0);
    }
    earlier.path.iter().position(|outer| pattern::covers(outer, path))
}

fn unreachable(build: &Build<'_>, rule: &Rule, node: &Node, covering: (&Rule, &Node, usize)) -> Diagnostic {
    let (earlier, place, pattern) = covering;
    let selector = |node: &Node| -> Span { node.get("path").map_or_else(|| node.pointer(), Node::pointer) };
    let at = selector(node);
    let by = place
        .get("path")
        .and_then(|path| path.items().get(pattern))
        .map_or_else(|| selector(place), |n| n.span);
    let what = match earlier.path.get(pattern) {
        None => "everything is already decided here".to_owned(),
        Some(path) => match path.strip_suffix("/**") {
            Some("") => "everything is already decided here".to_owned(),
            Some(directory) => format!("everything below {directory}/ is already decided here"),
            None => "already decided here".to_owned(),
        },
    };
    let label = if rule.requirement.require == earlier.requirement.require {
        "unreachable".to_owned()
    } else {
        let asked = asked(build, &rule.requirement.require);
        format!("unreachable, and it asks for something else ({asked})")
    };
    let (line, first) = (rule.line, earlier.line);
    Diagnostic::error(Code::Unreachable, "this rule can never match")
        .at(at, label)
        .and_at(by, what)
        .fix(format!("move the rule at line {line} above the one at line {first}"))
}

fn asked(build: &Build<'_>, require: &Require) -> String {
    match require {
        Require::Public => "public".to_owned(),
        Require::Deny => "deny".to_owned(),
        Require::Levels(ids) => ids
            .iter()
            .filter_map(|id| build.levels.name(*id))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
