//! Levels by name, and requirements that use them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Label, Problems};
use super::super::factor_kind::{FactorKind, FactorSet};
use super::super::node::{Kind, Node};
use super::super::properties::Properties;
use super::super::settings::{Factors, Level, LevelId, Require, Requirement};
use super::super::source::Span;
use super::super::values::{BadValue, quantity};
use super::{Build, value, values};

/// A set of levels is one word.
const MOST_LEVELS: usize = 64;
/// The longest `remember_device` (security.md 2.3).
const LONGEST_TRUST: Duration = Duration::from_hours(30 * 24);

/// The levels there are, where they were written, and where they are used.
pub(in super::super) struct LevelTable {
    pub(super) levels: Vec<Level>,
    /// `None` for those built in.
    pub(super) written: Vec<Option<Span>>,
    pub(super) uses: BTreeMap<LevelId, Vec<Label>>,
    /// Levels with a factor that could not be read, which is reported already.
    pub(super) unread: BTreeSet<String>,
}

impl LevelTable {
    pub fn build(root: &Node, factors: &Factors, problems: &mut Problems) -> Self {
        let levels = built_in(factors);
        let written = vec![None; levels.len()];
        let mut table = Self { levels, written, uses: BTreeMap::new(), unread: BTreeSet::new() };
        for node in root.get("levels").map(Node::items).unwrap_or_default() {
            table.add(node, problems);
        }
        table
    }

    fn add(&mut self, node: &Node, problems: &mut Problems) {
        let Some(name) = node.get("name").filter(|name| name.text().is_some()) else {
            return;
        };
        let text = name.text().unwrap_or_default();
        if matches!(text, "public" | "deny") {
            problems.push(
                Diagnostic::error(Code::ReservedName, format!("`{text}` is built in"))
                    .at(name.span, "it cannot be given another meaning"),
            );
            return;
        }
        if !is_read(node) {
            self.unread.insert(text.to_owned());
        }
        let valid_for = value(node, "valid_for", quantity::duration);
        let level = Level {
            name: text.to_owned(),
            slots: slots(node, problems),
            valid_for,
            properties: values(node, "properties", property).into_iter().collect(),
            remember_device: remember_device(node, valid_for, problems),
        };
        match self.levels.iter().position(|level| level.name == text) {
            Some(at) => match self.written.get_mut(at) {
                Some(Some(first)) => problems.push(twice("level", text, name.span, *first)),
                Some(place) => {
                    *place = Some(name.span);
                    if let Some(old) = self.levels.get_mut(at) {
                        *old = level;
                    }
                }
                None => {}
            },
            None if self.levels.len() >= MOST_LEVELS => problems.push(
                Diagnostic::error(Code::TooManyLevels, format!("more than {MOST_LEVELS} levels"))
                    .at(name.span, "this one and those after it"),
            ),
            None => {
                self.levels.push(level);
                self.written.push(Some(name.span));
            }
        }
    }

    fn find(&self, name: &str) -> Option<LevelId> {
        let at = self.levels.iter().position(|level| level.name == name)?;
        u8::try_from(at).ok().map(LevelId)
    }

    /// The name of a level.
    pub fn name(&self, id: LevelId) -> Option<&str> {
        self.levels.get(usize::from(id.0)).map(|level| level.name.as_str())
    }

    /// Names of everything that `require` can say, weakest of the fixed ones first.
    fn names(&self) -> String {
        let names = self.levels.iter().map(|level| level.name.as_str());
        std::iter::once("public")
            .chain(names)
            .chain(["deny"])
            .collect::<Vec<_>>()
            .join(", ")
    }

    pub fn into_levels(self) -> Vec<Level> {
        self.levels
    }
}

/// The levels that every configuration has; a file may give them another meaning.
fn built_in(factors: &Factors) -> Vec<Level> {
    let on = |kind| factors.enabled.contains(kind);
    let alone = factors.counting().without(factors.companions);
    let best = if on(FactorKind::Passkey) {
        FactorKind::Passkey
    } else {
        FactorKind::Totp
    };
    let level = |name: &str, slots: Vec<FactorSet>, seconds: Option<u64>| Level {
        name: name.to_owned(),
        slots,
        valid_for: seconds.map(Duration::from_secs),
        properties: Properties::EMPTY,
        remember_device: None,
    };
    vec![
        level("signed-in", Vec::new(), None),
        level("standard", vec![alone], Some(12 * 3_600)),
        level("sensitive", vec![strong(factors.enabled)], Some(15 * 60)),
        level("critical", vec![FactorSet::EMPTY.with(best)], Some(0)),
    ]
}

/// Kinds that are neither sent over a channel that others may read nor kept for a rainy day.
fn strong(enabled: FactorSet) -> FactorSet {
    let strong: FactorSet = [
        FactorKind::Passkey,
        FactorKind::Totp,
        FactorKind::Duo,
        FactorKind::Yubikey,
        FactorKind::Hotp,
        FactorKind::Radius,
    ]
    .into_iter()
    .collect();
    let on = strong.intersection(enabled);
    // With none of them on, the level says so by the one that is on by default.
    if on.is_empty() {
        FactorSet::EMPTY.with(FactorKind::Totp)
    } else {
        on
    }
}

/// Whether every factor of a level could be read.
fn is_read(node: &Node) -> bool {
    let groups = node.get("any_of").into_iter().chain(node.get("all_of"));
    let mut items = groups.flat_map(Node::items).flat_map(|group| match &group.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(group),
    });
    let says = ["any_of", "all_of", "properties"].iter().any(|key| node.get(key).is_some());
    let properties = node.get("properties").map(Node::items).unwrap_or_default();
    says && items.all(|item| item.text().is_some()) && properties.iter().all(|one| one.text().is_some())
}

fn slots(node: &Node, problems: &mut Problems) -> Vec<FactorSet> {
    let set = |node: &Node| -> FactorSet {
        node.items()
            .iter()
            .filter_map(|item| FactorKind::from_name(item.text()?))
            .collect()
    };
    match (node.get("any_of"), node.get("all_of"), node.get("properties")) {
        (Some(_), Some(_), _) => {
            exclusive(node, "any_of", "all_of", "write one of `any_of` and `all_of`", problems);
            Vec::new()
        }
        (Some(any), None, Some(_)) if any.items().is_empty() => {
            exclusive(node, "any_of", "properties", "an empty `any_of` asks for no proof at all", problems);
            Vec::new()
        }
        (Some(any), None, _) if any.items().is_empty() => Vec::new(),
        (Some(any), None, _) => vec![set(any)],
        (None, Some(all), _) => all.items().iter().map(set).collect(),
        (None, None, Some(_)) => vec![FactorKind::ALL.into_iter().collect()],
        (None, None, None) => Vec::new(),
    }
}

fn exclusive(node: &Node, first: &str, second: &str, why: &str, problems: &mut Problems) {
    if let (Some(first), Some(other)) = (node.entry(first), node.entry(second)) {
        problems.push(
            Diagnostic::error(
                Code::Combination,
                format!("`{}` and `{second}` exclude each other", first.key),
            )
            .at(other.key_span, why)
            .and_at(first.key_span, "the other"),
        );
    }
}

fn property(name: &str) -> Result<Properties, BadValue> {
    Properties::from_name(name).ok_or_else(|| BadValue::new("this is no property", String::new()))
}

/// For how long a browser may be trusted. What is asked every time is asked of everyone.
fn remember_device(node: &Node, valid_for: Option<Duration>, problems: &mut Problems) -> Option<Duration> {
    let remember = value(node, "remember_device", quantity::duration)?;
    let at = node.get("remember_device")?.span;
    if valid_for == Some(Duration::ZERO) {
        problems.push(
            Diagnostic::error(Code::Combination, "`remember_device` cannot stand beside `valid_for: 0s`")
                .at(at, "this level is asked every time; remove it, or give `valid_for` a length"),
        );
    } else if remember > LONGEST_TRUST || remember.is_zero() {
        problems.push(
            Diagnostic::error(Code::Bound, "a browser is trusted for at most 30 days")
                .at(at, "write at most 30d, or remove it so that no browser is trusted"),
        );
    }
    Some(remember)
}

/// The same name twice.
pub(super) fn twice(what: &str, name: &str, at: Span, first: Span) -> Diagnostic {
    Diagnostic::error(Code::DuplicateName, format!("the {what} `{name}` is there twice"))
        .at(at, "the second")
        .and_at(first, "the first")
}

/// Reads `require` (or `to`) and `optional` beside it. `user` says whose it is: "payroll rule 2".
pub(super) fn requirement(build: &mut Build<'_>, node: &Node, key: &str, user: &str) -> Option<Requirement> {
    let list = node.get(key)?;
    let optional = node.is_true("optional");
    let (mut ids, mut denied) = (Vec::new(), false);
    for item in list.items() {
        match item.text() {
            None | Some("public") => {}
            Some("deny") => denied = true,
            Some(name) => match build.levels.find(name) {
                Some(id) => {
                    let line = build.line(item.span);
                    let label = Label { span: item.span, text: format!("{user} (line {line})") };
                    build.levels.uses.entry(id).or_default().push(label);
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                None => unknown_level(build, name, item.span),
            },
        }
    }
    let require = match (denied, ids.is_empty()) {
        (true, _) => Require::Deny,
        (false, true) => Require::Public,
        (false, false) => Require::Levels(ids),
    };
    Some(Requirement { require, optional })
}

fn unknown_level(build: &mut Build<'_>, name: &str, span: Span) {
    let defined = build.root.entry("levels").map(|entry| build.line(entry.key_span));
    let defined = defined.map(|line| format!(" (defined at line {line})")).unwrap_or_default();
    let label = format!("levels are: {}{defined}", build.levels.names());
    let message = format!("there is no level named `{name}`");
    build.report(Diagnostic::error(Code::UnknownName, message).at(span, label));
}
