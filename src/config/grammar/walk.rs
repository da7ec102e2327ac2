//! Checks a tree against the grammar, fetches what lives elsewhere, and fills in defaults.
//!
//! Every problem is reported and the walk goes on. After it, a part that had no problem has the
//! shape that the grammar says, with every default in place; `build` relies on that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Problems};
use super::super::node::{self, Entry, Kind, Node, Origin};
use super::super::source::{Environment, SourceMap, Span};
use super::super::{fetch, secrets};
use super::{Absent, Choice, Key, Map, Scalar, Shape, Tagged, quoting};

/// What the walk reads and writes beside the tree.
pub(in super::super) struct Walk<'a> {
    pub environment: &'a Environment,
    pub sources: &'a mut SourceMap,
    pub problems: &'a mut Problems,
    /// Files that values came from.
    pub files: &'a mut BTreeSet<PathBuf>,
}

impl Walk<'_> {
    /// Checks one node. `name` is the key it is the value of, for messages.
    pub fn check(&mut self, node: &mut Node, shape: &'static Shape, name: &str) {
        match (shape, &mut node.kind) {
            (_, Kind::Broken) => {}
            (_, Kind::Nothing) => self.problems.push(
                Diagnostic::error(Code::WrongKind, format!("`{name}` has no value"))
                    .at(node.span, format!("{} belongs here", describe(shape))),
            ),
            (Shape::Scalar(scalar), _) => self.scalar(node, *scalar, name),
            (Shape::Map(map), Kind::Map(_)) => self.map(node, map),
            (Shape::Tagged(tagged), Kind::Map(_)) => self.tagged(node, tagged),
            (Shape::List(_) | Shape::Many(_), Kind::List(items)) if items.is_empty() => {
                self.empty(node, name);
            }
            (Shape::Table(_), Kind::Map(entries)) if entries.is_empty() => self.empty(node, name),
            (
                Shape::List(item) | Shape::Named(item) | Shape::Many(item) | Shape::Any(item),
                Kind::List(items),
            ) => {
                for node in items {
                    self.check(node, item, name);
                }
            }
            (Shape::Many(item) | Shape::Any(item), _) => self.check(node, item, name),
            (Shape::Table(table), Kind::Map(entries)) => {
                for entry in entries {
                    self.check(&mut entry.value, &table.value, &entry.key);
                }
            }
            (Shape::Either(shapes), _) => match alternative(shapes, &node.kind) {
                Some(shape) => self.check(node, shape, name),
                None => self.wrong_kind(node, shape, name),
            },
            _ => self.wrong_kind(node, shape, name),
        }
    }

    /// Checks a map against its keys, and fills in the defaults of those that are absent.
    pub fn map(&mut self, node: &mut Node, map: &'static Map) {
        self.tagged_map(node, map, None);
    }

    fn tagged_map(&mut self, node: &mut Node, map: &'static Map, tag: Option<&str>) {
        let pointer = node.pointer();
        let span = node.span;
        let Kind::Map(entries) = &mut node.kind else {
            return;
        };
        let names: Vec<&str> = tag.into_iter().chain(map.keys.iter().map(|key| key.name)).collect();
        // A required key that is only misspelt is not reported as missing too.
        let mut meant = Vec::new();
        for entry in entries.iter_mut() {
            match map.key(&entry.key) {
                Some(key) => self.check(&mut entry.value, &key.shape, key.name),
                None if tag == Some(entry.key.as_str()) => {}
                None => {
                    meant.extend(nearest(&entry.key, names.iter().copied()));
                    self.unknown_key(entry, map, &names);
                }
            }
        }
        for choice in map.choices {
            self.choice(entries, choice, map, pointer);
        }
        for key in map.keys {
            let misspelt = meant.contains(&key.name) && matches!(key.absent, Absent::Error);
            if !misspelt && !entries.iter().any(|entry| entry.key == key.name) {
                self.absent(entries, key, map, pointer, span);
            }
        }
    }

    fn absent(&mut self, entries: &mut Vec<Entry>, key: &'static Key, map: &Map, pointer: Span, span: Span) {
        let mut value = match key.absent {
            Absent::Nothing => return,
            Absent::Error => {
                self.problems.push(
                    Diagnostic::error(Code::MissingKey, format!("{} has no `{}`", map.what, key.name))
                        .at(pointer, format!("add `{}`: {}", key.name, describe(&key.shape))),
                );
                return;
            }
            Absent::Is(text) => Node::scalar(span, text, Origin::Default),
            Absent::Empty => Node::map(span, Vec::new()),
        };
        self.check(&mut value, &key.shape, key.name);
        entries.push(Entry { key: key.name.to_owned(), key_span: pointer, value });
    }

    fn choice(&mut self, entries: &[Entry], choice: &Choice, map: &Map, pointer: Span) {
        let mut there = entries.iter().filter(|entry| choice.keys.contains(&entry.key.as_str()));
        let names = super::scalar::either(choice.keys);
        match (there.next(), there.next()) {
            (None, _) if !entries.iter().any(|e| map.later.contains(&e.key.as_str())) => {
                self.problems.push(
                    Diagnostic::error(Code::Combination, format!("{} needs {names}", map.what))
                        .at(pointer, "none of them is here"),
                );
            }
            (Some(first), Some(second)) if choice.exclusive => self.problems.push(
                Diagnostic::error(
                    Code::Combination,
                    format!("`{}` and `{}` exclude each other", first.key, second.key),
                )
                .at(second.key_span, format!("write one of {names}"))
                .and_at(first.key_span, "the other"),
            ),
            _ => {}
        }
    }

    fn tagged(&mut self, node: &mut Node, tagged: &'static Tagged) {
        let Some(tag) = node.get(tagged.tag) else {
            let names: Vec<_> = tagged.variants.iter().map(|(name, _)| *name).collect();
            self.problems.push(
                Diagnostic::error(Code::MissingKey, format!("{} has no `{}`", tagged.what, tagged.tag))
                    .at(node.pointer(), format!("add `{}`: {}", tagged.tag, super::scalar::either(&names))),
            );
            return;
        };
        let (text, at) = (tag.text().unwrap_or_default().to_owned(), tag.pointer());
        let Some(map) = tagged.variant(&text) else {
            self.problems.push(unknown_variant(&text, at, tagged));
            return;
        };
        self.tagged_map(node, map, Some(tagged.tag));
    }

    fn unknown_key(&mut self, entry: &Entry, map: &Map, names: &[&str]) {
        // What it holds is unknown too, and its line will be shown.
        if secrets::is_suspicious(&entry.key) {
            self.sources.mask(entry.value.span);
        }
        if map.later.contains(&entry.key.as_str()) {
            let message = format!("`{}` is not available yet", entry.key);
            self.problems.push(
                Diagnostic::error(Code::NotAvailable, message)
                    .at(entry.key_span, "this version cannot do what it asks for, and does not pretend to")
                    .fix("remove it"),
            );
            return;
        }
        let label = match nearest(&entry.key, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "this key does not exist here".to_owned(),
        };
        self.problems.push(
            Diagnostic::error(Code::UnknownKey, format!("unknown key `{}` in {}", entry.key, map.what))
                .at(entry.key_span, label)
                .note(format!("keys allowed here: {}", names.join(", "))),
        );
    }

    /// What selects or names nothing would mean everything to one reader and nothing to another.
    fn empty(&mut self, node: &mut Node, name: &str) {
        self.problems.push(
            Diagnostic::error(Code::Value, format!("`{name}` is empty"))
                .at(node.span, "write what it is to hold, or leave the key out"),
        );
        node.kind = Kind::Broken;
    }

    fn wrong_kind(&mut self, node: &Node, shape: &Shape, name: &str) {
        self.problems.push(
            Diagnostic::error(Code::WrongKind, format!("`{name}` is {}", node.describe()))
                .at(node.pointer(), format!("{} belongs here", describe(shape))),
        );
    }

    fn scalar(&mut self, node: &mut Node, scalar: Scalar, name: &str) {
        self.fetch(node, scalar);
        let span = node.span;
        let origin = node.as_scalar().map(|value| value.origin);
        if matches!(scalar, Scalar::Secret) && origin != Some(Origin::Fetched) {
            self.sources.mask(span);
            if origin == Some(Origin::Written) {
                self.problems.push(inline_secret(span, name));
            }
        }
        let Kind::Scalar(value) = &node.kind else {
            if node.kind != Kind::Broken {
                self.wrong_kind(node, &Shape::Scalar(scalar), name);
            }
            return;
        };
        match problem_of(value, scalar, name, span) {
            Some(problem) => {
                self.problems.push(problem);
                node.kind = Kind::Broken;
            }
            None => self.place_path(node, scalar),
        }
    }

    /// Replaces `{ file: … }` and `{ env: … }` by what they stand for.
    fn fetch(&mut self, node: &mut Node, scalar: Scalar) {
        let [entry] = node.entries() else { return };
        if !scalar.is_fetchable() || !matches!(entry.key.as_str(), "file" | "env") {
            return;
        }
        let (Some(target), at) = (entry.value.text(), entry.value.span) else {
            return;
        };
        if entry.key == "file" && matches!(scalar, Scalar::KeyFile | Scalar::PemFile) {
            *node = entry.value.clone();
            return;
        }
        let fetched = if entry.key == "file" {
            let path = fetch::resolve(self.directory(at), target);
            if matches!(scalar, Scalar::Secret) {
                self.extend(fetch::readable_by_others(&path, at));
            }
            let text = fetch::file(&path, at);
            self.files.insert(path);
            text
        } else {
            fetch::variable(self.environment, target, at)
        };
        let span = node.span;
        *node = match fetched {
            Ok(text) => Node::scalar(span, &text, Origin::Fetched),
            Err(problem) => {
                self.problems.push(*problem);
                Node { span, kind: Kind::Broken }
            }
        };
    }

    /// Makes a path absolute where it is one.
    fn place_path(&mut self, node: &mut Node, scalar: Scalar) {
        if !matches!(scalar, Scalar::File | Scalar::PemFile | Scalar::KeyFile | Scalar::Database) {
            return;
        }
        let span = node.span;
        let directory = self.directory(span).to_owned();
        let Kind::Scalar(value) = &mut node.kind else {
            return;
        };
        let path = fetch::resolve(&directory, value.text.strip_prefix("sqlite://").unwrap_or(&value.text));
        if matches!(scalar, Scalar::KeyFile) {
            self.extend(fetch::readable_by_others(&path, span));
        }
        value.text = path.to_string_lossy().into_owned();
        if matches!(scalar, Scalar::PemFile | Scalar::KeyFile) {
            self.files.insert(path);
        }
    }

    fn extend(&mut self, problem: Option<Diagnostic>) {
        if let Some(problem) = problem {
            self.problems.push(problem);
        }
    }

    fn directory(&self, span: Span) -> &Path {
        self.sources.get(span.file).map_or(Path::new(""), |file| &file.directory)
    }
}

/// What is wrong with a single value.
fn problem_of(value: &node::Scalar, scalar: Scalar, name: &str, span: Span) -> Option<Diagnostic> {
    let written = value.origin == Origin::Written;
    if let Some(problem) = quoting::boolean(&value.text, value.plain && written, scalar, span) {
        return Some(problem);
    }
    match scalar.check(&value.text) {
        Err(bad) => {
            // The label may repeat parts of the value.
            let label = match value.origin {
                Origin::Fetched => format!("what this stands for is not {}", scalar.describe()),
                _ => bad.label,
            };
            Some(Diagnostic::error(bad.code, format!("{} (`{name}`)", bad.message)).at(span, label))
        }
        Ok(()) if written => quoting::check(&value.text, value.plain, scalar, span),
        Ok(()) => None,
    }
}

/// The first alternative that fits a node's kind.
fn alternative(shapes: &'static [Shape], kind: &Kind) -> Option<&'static Shape> {
    let fits = |shape: &&Shape| match shape {
        Shape::Scalar(_) => matches!(kind, Kind::Scalar(_)),
        Shape::List(_) | Shape::Named(_) | Shape::Many(_) | Shape::Any(_) => matches!(kind, Kind::List(_)),
        Shape::Map(map) => matches!(kind, Kind::Map(_)) && !(fetches(kind) && map.key("file").is_none()),
        Shape::Table(_) | Shape::Tagged(_) => matches!(kind, Kind::Map(_)),
        Shape::Either(_) => true,
    };
    let fetched = |shape: &&Shape| {
        matches!(kind, Kind::Map(_)) && matches!(shape, Shape::Scalar(scalar) if scalar.is_fetchable())
    };
    let map = |shape: &&Shape| matches!(kind, Kind::Map(_)) && matches!(shape, Shape::Map(_));
    shapes
        .iter()
        .find(fits)
        .or_else(|| shapes.iter().find(fetched))
        .or_else(|| shapes.iter().find(map))
}

/// `{ file: … }` or `{ env: … }`, which stands for a single value.
fn fetches(kind: &Kind) -> bool {
    matches!(kind, Kind::Map(entries) if matches!(entries.as_slice(), [only] if matches!(only.key.as_str(), "file" | "env")))
}

/// What belongs at a place, for messages.
pub(super) fn describe(shape: &Shape) -> String {
    match shape {
        Shape::Scalar(scalar) => scalar.describe(),
        Shape::Map(_) | Shape::Tagged(_) | Shape::Table(_) => "a section with keys".to_owned(),
        Shape::List(_) | Shape::Named(_) => "a list".to_owned(),
        Shape::Many(item) | Shape::Any(item) => format!("{}, or a list of such", describe(item)),
        Shape::Either(shapes) => shapes.iter().map(describe).collect::<Vec<_>>().join(" or "),
    }
}

fn unknown_variant(text: &str, at: Span, tagged: &Tagged) -> Diagnostic {
    let names: Vec<_> = tagged.variants.iter().map(|(name, _)| *name).collect();
    if tagged.later.contains(&text) {
        return Diagnostic::error(Code::NotAvailable, format!("`{text}` is not available yet"))
            .at(at, format!("write {}", super::scalar::either(&names)))
            .fix(instead(text));
    }
    Diagnostic::error(Code::Value, format!("{} cannot be of this type", tagged.what))
        .at(at, format!("write {}", super::scalar::either(&names)))
}

/// What does the same for now (docs/architecture.md, "Sources that are not there").
fn instead(text: &str) -> &'static str {
    match text {
        "saml" => {
            "let something that speaks SAML sign people in before this: an identity provider that bridges to OIDC, or a proxy with a SAML module and `trusted-header`"
        }
        "kerberos" => "let a proxy with a Kerberos module sign people in, and use `trusted-header`",
        _ => "remove it",
    }
}

/// The name that was probably meant.
pub(in super::super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (strsim::damerau_levenshtein(word, name), name)).min()?;
    let most = (word.chars().count().max(near.1.chars().count()) / 3).max(1);
    (near.0 <= most).then_some(near.1)
}

fn inline_secret(span: Span, name: &str) -> Diagnostic {
    Diagnostic::warning(Code::InlineSecret, format!("a secret is written in the file (`{name}`)"))
        .at(span, "whoever reads this file, a backup of it or its history knows the secret")
        .fix("{ file: /run/secrets/… } or { env: … }")
}
