//! Levels that nobody could pass, with what stands in the way. It changes nothing.

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Label};
use super::super::factor_kind::{FactorKind, FactorSet};
use super::super::matching::fills;
use super::super::node::Node;
use super::super::settings::{Factors, Level, LevelId};
use super::super::source::Span;
use super::Build;

/// Reports every level that nobody could pass: those that are used, and those that are written.
pub(super) fn passable(build: &mut Build<'_>, factors: &Factors) {
    for (at, level) in build.levels.levels.iter().enumerate() {
        let id = LevelId(u8::try_from(at).unwrap_or(u8::MAX));
        let uses = build.levels.uses.get(&id).map(Vec::as_slice).unwrap_or_default();
        let written = build.levels.written.get(at).copied().flatten();
        let unused = uses.is_empty() && written.is_none();
        if unused || build.levels.unread.contains(&level.name) || can_be_met(level, factors) {
            continue;
        }
        build.problems.push(impossible(build.root, level, factors, uses, written));
    }
}

fn impossible(
    root: &Node,
    level: &Level,
    factors: &Factors,
    uses: &[Label],
    written: Option<Span>,
) -> Diagnostic {
    let mut problem =
        Diagnostic::error(Code::Impossible, format!("nobody could pass level `{}`", level.name));
    let places: Vec<&str> = uses.iter().take(5).map(|label| label.text.as_str()).collect();
    let needed = if places.is_empty() {
        "nothing uses it yet".to_owned()
    } else {
        format!("needed by {}", places.join(", "))
    };
    let span = factors_of(root, &level.name)
        .or(written)
        .or_else(|| uses.first().map(|label| label.span));
    if let Some(span) = span {
        problem = problem.at(span, needed);
    }
    let named = level.slots.iter().fold(FactorSet::EMPTY, |all, slot| all.union(*slot));
    let able = named.able(level.properties);
    let off = able.without(factors.enabled);
    // A level that names only properties would list every factor that is off.
    for kind in off.iter().filter(|_| able == named) {
        if let Some(span) = said(root, kind, "enabled").filter(|_| !factors.enabled.contains(kind)) {
            let only = named.iter().all(|accepted| accepted == kind);
            let text = if only {
                "the only factor it accepts is off"
            } else {
                "this factor is off"
            };
            problem = problem.and_at(span, text);
        }
    }
    let beside = able.intersection(factors.enabled).intersection(factors.companions);
    for kind in beside.iter() {
        if let Some(span) = said(root, kind, "standalone") {
            problem = problem.and_at(span, "this factor counts only beside another");
        }
    }
    problem.fix(what_to_do(level, factors, able, off))
}

fn what_to_do(level: &Level, factors: &Factors, able: FactorSet, off: FactorSet) -> String {
    let beside = able.intersection(factors.enabled).intersection(factors.companions);
    let wanted = || level.properties.names().collect::<Vec<_>>().join(" and ");
    match (off.iter().next(), beside.iter().next()) {
        _ if able.is_empty() => format!("no factor it accepts can be {}: add one that can", wanted()),
        (_, Some(kind)) => format!(
            "add a factor that counts by itself, or set factors.{}.standalone to true",
            kind.section()
        ),
        (Some(kind), None) => format!("enable {}, or add a factor here", kind.name()),
        (None, None) if factors.enabled.is_empty() => "enable a factor".to_owned(),
        (None, None) => "each group needs a kind of factor of its own".to_owned(),
    }
}

/// Whether each slot can be given a kind of its own.
fn can_be_met(level: &Level, factors: &Factors) -> bool {
    fills(&level.slots_under(factors), factors.enabled, factors.companions)
}

/// Where the factors of a written level stand.
fn factors_of(root: &Node, name: &str) -> Option<Span> {
    let node = root
        .get("levels")?
        .items()
        .iter()
        .find(|node| node.text_of("name") == Some(name))?;
    ["any_of", "all_of", "properties"]
        .into_iter()
        .find_map(|key| node.get(key))
        .map(Node::pointer)
}

/// Where the file says this of a factor; the section where it says nothing.
fn said(root: &Node, kind: FactorKind, key: &str) -> Option<Span> {
    root.get("factors")?
        .get(kind.section())
        .map(|node| node.get(key).map_or(node.span, |value| value.span))
}
