//! `STEPGATE__SECTION__KEY`: settings from the environment.
//!
//! A variable replaces one value, or adds it; it never adds an item to a list. Items of named lists
//! are addressed by their name. A variable that names no setting is an error: a typing mistake must
//! not leave a default in force.

use std::path::Path;

use super::codes::Code;
use super::diagnostic::{Diagnostic, Problems};
use super::grammar::walk::nearest;
use super::grammar::{Map, ROOT, Shape};
use super::node::{Entry, Kind, Node, Origin};
use super::source::{Environment, SourceMap, Span};
use super::yaml;

const PREFIX: &str = "STEPGATE__";

/// Puts every `STEPGATE__…` variable into the tree.
pub(super) fn apply(
    root: &mut Node,
    environment: &Environment,
    sources: &mut SourceMap,
    problems: &mut Problems,
) {
    for (name, value) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let file = sources.add(name, Path::new(""), value.to_owned());
        let span = Span { file, start: 0, end: value.len() };
        let node = value_node(value, span, problems);
        let read = node.kind != Kind::Broken;
        let path: Vec<&str> = name.strip_prefix(PREFIX).unwrap_or_default().split("__").collect();
        let done = set(root, &ROOT, &path, node);
        if done.is_err() || !read {
            // Nobody knows what it was meant for: perhaps for a secret.
            sources.mask(span);
        }
        if let Err(what) = done {
            problems.push(
                Diagnostic::error(Code::UnknownVariable, format!("the variable `{name}` names no setting"))
                    .at(Span { end: 0, ..span }, what),
            );
        }
    }
}

/// A value that begins like a YAML list or map is read as one; anything else is text as it stands.
fn value_node(value: &str, span: Span, problems: &mut Problems) -> Node {
    if value.starts_with(['[', '{']) {
        let node = yaml::parse(span.file, value, problems);
        return node.unwrap_or(Node { span, kind: Kind::Broken });
    }
    Node::scalar(span, value, Origin::Variable)
}

/// `old-front-proxy` and `OLD_FRONT_PROXY` are the same.
fn fold(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

fn set(node: &mut Node, map: &'static Map, path: &[&str], value: Node) -> Result<(), String> {
    let [part, rest @ ..] = path else {
        return Err("it ends too early".to_owned());
    };
    let Some(key) = map.keys.iter().find(|key| fold(key.name) == *part) else {
        let names: Vec<String> = map.keys.iter().map(|key| fold(key.name)).collect();
        return Err(unknown(part, &names, map.what));
    };
    let span = value.span;
    let Kind::Map(entries) = &mut node.kind else {
        return Ok(());
    };
    let place = entries.iter().position(|entry| entry.key == key.name).unwrap_or_else(|| {
        let empty = Node::map(span, Vec::new());
        entries.push(Entry { key: key.name.to_owned(), key_span: span, value: empty });
        entries.len() - 1
    });
    let Some(entry) = entries.get_mut(place) else {
        return Ok(());
    };
    descend(&mut entry.value, &key.shape, rest, value)
}

fn descend(node: &mut Node, shape: &'static Shape, path: &[&str], value: Node) -> Result<(), String> {
    if path.is_empty() {
        *node = value;
        return Ok(());
    }
    match shape {
        Shape::Map(map) => {
            if !matches!(node.kind, Kind::Map(_)) {
                *node = Node::map(value.span, Vec::new());
            }
            set(node, map, path, value)
        }
        Shape::Tagged(tagged) => match node.text_of(tagged.tag).and_then(|tag| tagged.variant(tag)) {
            Some(map) => set(node, map, path, value),
            None => Err(format!("its {} has no known `{}`", tagged.what, tagged.tag)),
        },
        Shape::Named(item) => {
            let Kind::List(items) = &mut node.kind else {
                return Err("there is no such list in the file".to_owned());
            };
            let [part, rest @ ..] = path else { return Ok(()) };
            let names: Vec<String> = items.iter().filter_map(name_of).map(fold).collect();
            match items
                .iter_mut()
                .find(|node| name_of(node).is_some_and(|name| fold(name) == *part))
            {
                Some(node) => descend(node, item, rest, value),
                None => Err(unknown(part, &names, "the list")),
            }
        }
        Shape::Table(table) => {
            let Kind::Map(entries) = &mut node.kind else {
                return Err("there is no such section in the file".to_owned());
            };
            let [part, rest @ ..] = path else { return Ok(()) };
            let names: Vec<String> = entries.iter().map(|entry| fold(&entry.key)).collect();
            match entries.iter_mut().find(|entry| fold(&entry.key) == *part) {
                Some(entry) => descend(&mut entry.value, &table.value, rest, value),
                None => Err(unknown(part, &names, "the section")),
            }
        }
        Shape::Either(shapes) => {
            let inner = shapes.iter().find(|shape| matches!(shape, Shape::Map(_) | Shape::Table(_)));
            inner.map_or_else(
                || Err("it goes on below a single value".to_owned()),
                |shape| descend(node, shape, path, value),
            )
        }
        Shape::Scalar(_) | Shape::List(_) | Shape::Many(_) | Shape::Any(_) => {
            Err("it goes on below a value".to_owned())
        }
    }
}

/// The name that an item of a named list goes by.
fn name_of(node: &Node) -> Option<&str> {
    node.text_of("name").or_else(|| node.get("host")?.items().first()?.text())
}

fn unknown(part: &str, names: &[String], what: &str) -> String {
    match nearest(part, names.iter().map(String::as_str)) {
        Some(name) => format!("`{part}` is unknown in {what}; did you mean `{name}`?"),
        None if names.is_empty() => format!("`{part}` is unknown in {what}"),
        None => format!("`{part}` is unknown in {what}; known: {}", names.join(", ")),
    }
}
