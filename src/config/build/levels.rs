//! Levels by name, requirements that use them, and whether anyone could pass.

use std::collections::{BTreeMap, BTreeSet};

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Label, Problems};
use super::super::factor_kind::{FactorKind, FactorSet};
use super::super::node::{Kind, Node};
use super::super::settings::{Level, LevelId, Require, Requirement};
use super::super::source::Span;
use super::super::values::quantity;
use super::{Build, value};

/// A set of levels is one word.
const MOST_LEVELS: usize = 64;

/// The levels there are, where they were written, and where they are used.
pub(in super::super) struct LevelTable {
    levels: Vec<Level>,
    /// `None` for those built in.
    written: Vec<Option<Span>>,
    uses: BTreeMap<LevelId, Vec<Label>>,
    /// Levels with a factor that could not be read, which is reported already.
    unread: BTreeSet<String>,
    enabled: FactorSet,
}

impl LevelTable {
    pub fn build(root: &Node, enabled: FactorSet, problems: &mut Problems) -> Self {
        let levels = built_in(enabled);
        let written = vec![None; levels.len()];
        let mut table = Self { levels, written, uses: BTreeMap::new(), unread: BTreeSet::new(), enabled };
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
        let level = Level {
            name: text.to_owned(),
            slots: slots(node),
            valid_for: value(node, "valid_for", quantity::duration),
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

fn built_in(enabled: FactorSet) -> Vec<Level> {
    let totp = vec![FactorSet::EMPTY.with(FactorKind::Totp)];
    let level = |name: &str, slots: Vec<FactorSet>, seconds: Option<u64>| Level {
        name: name.to_owned(),
        slots,
        valid_for: seconds.map(std::time::Duration::from_secs),
    };
    vec![
        level("signed-in", Vec::new(), None),
        level("standard", vec![enabled], Some(12 * 3_600)),
        level("sensitive", totp.clone(), Some(15 * 60)),
        level("critical", totp, Some(0)),
    ]
}

/// Whether every factor of a level could be read.
fn is_read(node: &Node) -> bool {
    let groups = node.get("any_of").into_iter().chain(node.get("all_of"));
    let mut items = groups.flat_map(Node::items).flat_map(|group| match &group.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(group),
    });
    (node.get("any_of").is_some() || node.get("all_of").is_some()) && items.all(|item| item.text().is_some())
}

fn slots(node: &Node) -> Vec<FactorSet> {
    let set = |node: &Node| -> FactorSet {
        node.items()
            .iter()
            .filter_map(|item| FactorKind::from_name(item.text()?))
            .collect()
    };
    match (node.get("any_of"), node.get("all_of")) {
        (Some(any), _) if any.items().is_empty() => Vec::new(),
        (Some(any), _) => vec![set(any)],
        (None, Some(all)) => all.items().iter().map(set).collect(),
        (None, None) => Vec::new(),
    }
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

/// Reports every level that nobody could pass: those that are used, and those that are written.
pub(super) fn passable(build: &mut Build<'_>) {
    let enabled = build.levels.enabled;
    for (at, level) in build.levels.levels.iter().enumerate() {
        let id = LevelId(u8::try_from(at).unwrap_or(u8::MAX));
        let uses = build.levels.uses.get(&id).map(Vec::as_slice).unwrap_or_default();
        let written = build.levels.written.get(at).copied().flatten();
        let unused = uses.is_empty() && written.is_none();
        if unused || build.levels.unread.contains(&level.name) || can_be_met(&level.slots, enabled) {
            continue;
        }
        build.problems.push(impossible(build.root, level, enabled, uses, written));
    }
}

/// Whether each slot can be given a kind of its own.
fn can_be_met(slots: &[FactorSet], enabled: FactorSet) -> bool {
    let Some((first, rest)) = slots.split_first() else {
        return true;
    };
    first.intersection(enabled).iter().any(|kind| {
        let others: FactorSet = enabled.iter().filter(|other| *other != kind).collect();
        can_be_met(rest, others)
    })
}

fn impossible(
    root: &Node,
    level: &Level,
    enabled: FactorSet,
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
    let off: Vec<FactorKind> = level
        .slots
        .iter()
        .flat_map(|slot| slot.iter())
        .filter(|kind| !enabled.contains(*kind))
        .collect();
    for kind in FactorKind::ALL.into_iter().filter(|kind| off.contains(kind)) {
        if let Some(span) = switched_off(root, kind) {
            let only = level.slots.iter().flat_map(|slot| slot.iter()).all(|accepted| accepted == kind);
            let text = if only {
                "the only factor it accepts is off"
            } else {
                "this factor is off"
            };
            problem = problem.and_at(span, text);
        }
    }
    match off.first() {
        Some(kind) => problem.fix(format!("enable {}, or add a factor here", kind.name())),
        None if enabled.is_empty() => problem.fix("enable a factor"),
        None => problem.fix("each group needs a kind of factor of its own"),
    }
}

/// Where the factors of a written level stand.
fn factors_of(root: &Node, name: &str) -> Option<Span> {
    let node = root
        .get("levels")?
        .items()
        .iter()
        .find(|node| node.text_of("name") == Some(name))?;
    node.get("any_of").or_else(|| node.get("all_of")).map(Node::pointer)
}

fn switched_off(root: &Node, kind: FactorKind) -> Option<Span> {
    root.get("factors")?
        .get(kind.section())
        .filter(|node| !node.is_true("enabled"))
        .map(|node| node.get("enabled").map_or(node.span, |enabled| enabled.span))
}
