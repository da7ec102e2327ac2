//! Several files to one tree: lists of named things are joined, sections are merged key by key, and
//! nothing is ever silently overridden.

use super::codes::Code;
use super::diagnostic::{Diagnostic, Problems};
use super::grammar::{Map, Shape};
use super::node::{Entry, Kind, Node};

/// Puts `other` into `into`, both maps of the shape `map`.
pub(super) fn merge(into: &mut Node, other: Node, map: &'static Map, problems: &mut Problems) {
    let Kind::Map(entries) = &mut into.kind else {
        return;
    };
    let Kind::Map(others) = other.kind else { return };
    for entry in others {
        match entries.iter_mut().find(|mine| mine.key == entry.key) {
            None => entries.push(entry),
            Some(mine) => join(mine, entry, map, problems),
        }
    }
}

fn join(mine: &mut Entry, other: Entry, map: &'static Map, problems: &mut Problems) {
    let shape = map.key(&mine.key).map(|key| &key.shape);
    match (shape, &mut mine.value.kind, other.value.kind) {
        (Some(Shape::Named(_)), Kind::List(items), Kind::List(more)) => items.extend(more),
        (Some(Shape::Table(_)), Kind::Map(entries), Kind::Map(more)) => {
            for entry in more {
                match entries.iter().find(|first| first.key == entry.key) {
                    Some(first) => problems.push(twice(first, &entry)),
                    None => entries.push(entry),
                }
            }
        }
        (Some(Shape::Map(map)), Kind::Map(_), kind @ Kind::Map(_)) => {
            merge(&mut mine.value, Node { span: other.value.span, kind }, map, problems);
        }
        (_, Kind::Scalar(first), Kind::Scalar(second)) if mine.key == "version" && *first == second => {}
        (_, Kind::Broken, _) | (_, _, Kind::Broken) => {}
        (_, _, kind) => {
            let other = Entry { value: Node { span: other.value.span, kind }, ..other };
            problems.push(twice(mine, &other));
        }
    }
}

fn twice(first: &Entry, second: &Entry) -> Diagnostic {
    Diagnostic::error(Code::TwoFiles, format!("`{}` is set in two files", first.key))
        .at(second.key_span, "which of the two counts would depend on the order of the files")
        .and_at(first.key_span, "first here")
}
