//! YAML text to a tree of [`Node`]s, from the parser's events.
//!
//! Only the plain part of YAML: maps with text keys, lists, scalars. What makes two readers see
//! two things (anchors, aliases, tags, merge keys, duplicate keys, several documents) is refused.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as YamlSpan};

use super::codes::Code;
use super::diagnostic::{Diagnostic, Problems};
use super::node::{Entry, Kind, Node, Origin, Scalar};
use super::source::{FileId, Span};

/// Deeper than any valid configuration by far.
const DEPTH: usize = 32;

/// Reads one text; `None` when it is not YAML, which is put into `problems` like everything else.
/// A text without any value is [`Kind::Nothing`].
pub(super) fn parse(file: FileId, text: &str, problems: &mut Problems) -> Option<Node> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.emit_unresolved_aliases = true;
    let mut builder = Builder { file, length: text.len(), open: Vec::new(), root: None, documents: 0 };
    for next in Parser::new_from_str_with_options(text, options) {
        let step = match next {
            Ok((event, span)) => builder.event(event, span, problems),
            Err(error) => Err(Box::new(syntax(file, text, &error))),
        };
        if let Err(fatal) = step {
            problems.push(*fatal);
            return None;
        }
    }
    let nothing = Node { span: Span { file, ..Span::default() }, kind: Kind::Nothing };
    Some(builder.root.unwrap_or(nothing))
}

/// A collection whose end has not come yet.
struct Open {
    span: Span,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Mapping),
}

#[derive(Default)]
struct Mapping {
    entries: Vec<Entry>,
    /// Read, and waiting for its value.
    key: Option<(String, Span)>,
    seen: HashMap<String, Span>,
}

struct Builder {
    file: FileId,
    length: usize,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

impl Builder {
    /// Takes one event. An error ends the reading of this file.
    fn event(
        &mut self,
        event: Event<'_>,
        span: YamlSpan,
        problems: &mut Problems,
    ) -> Result<(), Box<Diagnostic>> {
        let at = self.span(span);
        if event.tag().is_some() {
            let at = span.tag_span().map_or(at, |tag| self.span(tag));
            problems.push(unsupported(at, "a tag", "write the value without it"));
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let why = unsupported(at, "a second document", "use one file per document");
                    return Err(Box::new(why));
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                problems.push(unsupported(at, "an alias", "write the value out"));
                self.place(Node { span: at, kind: Kind::Broken }, problems);
            }
            Event::Anchor(..) => {
                problems.push(unsupported(at, "an anchor", "write the value out where it is used"));
            }
            Event::Scalar(value, style, ..) => {
                let kind = scalar(&value, style);
                self.place(Node { span: at, kind }, problems);
            }
            Event::SequenceStart(..) => self.begin(at, Content::List(Vec::new()))?,
            Event::MappingStart(..) => self.begin(at, Content::Map(Mapping::default()))?,
            Event::SequenceEnd | Event::MappingEnd => self.end(at, problems),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, span: Span, content: Content) -> Result<(), Box<Diagnostic>> {
        if self.open.len() >= DEPTH {
            let why = Diagnostic::error(Code::Syntax, "nested too deeply");
            return Err(Box::new(why.at(span, format!("more than {DEPTH} levels of nesting"))));
        }
        self.open.push(Open { span, content });
        Ok(())
    }

    fn end(&mut self, at: Span, problems: &mut Problems) {
        let Some(open) = self.open.pop() else { return };
        let (kind, span) = match open.content {
            // A block collection ends where the next token begins, far from its own last line.
            Content::List(items) => {
                let end = if at.end > at.start {
                    at.end
                } else {
                    items.last().map_or(at.start, |n| n.span.end)
                };
                (Kind::List(items), Span { end: end.max(open.span.start), ..open.span })
            }
            Content::Map(Mapping { entries, .. }) => {
                let last = entries
                    .last()
                    .map_or(at.start, |entry| entry.value.span.end.max(entry.key_span.end));
                let end = if at.end > at.start { at.end } else { last };
                (Kind::Map(entries), Span { end: end.max(open.span.start), ..open.span })
            }
        };
        self.place(Node { span, kind }, problems);
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node, problems: &mut Problems) {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map(mapping)) => match mapping.key.take() {
                None => mapping.key = Some(key_of(&node, problems)),
                Some((name, span)) => mapping.add(name, span, node, problems),
            },
        }
    }

    fn span(&self, span: YamlSpan) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        Span {
            file: self.file,
            start: range.start.min(self.length),
            end: range.end.min(self.length),
        }
    }
}

fn scalar(value: &str, style: ScalarStyle) -> Kind {
    let plain = matches!(style, ScalarStyle::Plain);
    if plain && matches!(value, "" | "~" | "null" | "Null" | "NULL") {
        return Kind::Nothing;
    }
    Kind::Scalar(Scalar { text: value.to_owned(), plain, origin: Origin::Written })
}

fn key_of(node: &Node, problems: &mut Problems) -> (String, Span) {
    match &node.kind {
        Kind::Scalar(scalar) => {
            if scalar.plain && scalar.text == "<<" {
                problems.push(unsupported(node.span, "a merge key", "write the keys out"));
            }
            (scalar.text.clone(), node.span)
        }
        Kind::Broken => (String::new(), node.span),
        _ => {
            problems.push(
                Diagnostic::error(Code::WrongKind, "a key must be text")
                    .at(node.span, "this is no plain word"),
            );
            (String::new(), node.span)
        }
    }
}

impl Mapping {
    fn add(&mut self, key: String, key_span: Span, value: Node, problems: &mut Problems) {
        // An empty or merging key was reported when it was read.
        if key.is_empty() || key == "<<" {
            return;
        }
        if let Some(first) = self.seen.get(&key) {
            problems.push(
                Diagnostic::error(Code::DuplicateKey, format!("`{key}` is there twice"))
                    .at(key_span, "which of the two counts would depend on the reader")
                    .and_at(*first, "first here"),
            );
            return;
        }
        self.seen.insert(key.clone(), key_span);
        self.entries.push(Entry { key, key_span, value });
    }
}

fn unsupported(at: Span, what: &str, instead: &str) -> Diagnostic {
    Diagnostic::error(Code::YamlFeature, format!("{what} is not accepted in a configuration"))
        .at(at, "readers would have to look elsewhere to know what this says")
        .fix(instead)
}

fn syntax(file: FileId, text: &str, error: &ScanError) -> Diagnostic {
    let start = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let problem = Diagnostic::error(Code::Syntax, "this is not well-formed YAML");
    if let Some(tab) = indenting_tab(text, start) {
        return problem
            .at(Span { file, start: tab, end: tab + 1 }, "a tab, which YAML does not take for indentation")
            .fix("indent with spaces");
    }
    let width = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    problem.at(Span { file, start, end: start + width }, error.info())
}

/// A tab in the indentation of the line at `at`, or of the next one: the parser notices it early.
fn indenting_tab(text: &str, at: usize) -> Option<usize> {
    let mut start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    for line in text.get(start..)?.split_inclusive('\n').take(2) {
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line.get(..indentation).and_then(|indentation| indentation.find('\t')) {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}
