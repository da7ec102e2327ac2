//! A configuration as a tree, each part with the place it was written at.
//!
//! The tree carries no meaning: what is allowed where is the grammar's. Lookups are tolerant on
//! purpose, because a file with errors is still read to its end so that all of them are reported.

use super::source::Span;

/// A value and its place.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Nothing where a value belongs.
    Nothing,
    /// Already reported; nobody should report it again.
    Broken,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Scalar {
    pub text: String,
    /// Without quotes, so YAML may read it as something other than text.
    pub plain: bool,
    pub origin: Origin,
}

/// Where a scalar's text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Written,
    /// A `STEPGATE__…` variable.
    Variable,
    /// `{ file: … }` or `{ env: … }`: never quoted in messages.
    Fetched,
    /// The grammar's default.
    Default,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

impl Node {
    pub fn map(span: Span, entries: Vec<Entry>) -> Self {
        Self { span, kind: Kind::Map(entries) }
    }

    pub fn scalar(span: Span, text: &str, origin: Origin) -> Self {
        Self { span, kind: Kind::Scalar(Scalar { text: text.to_owned(), plain: true, origin }) }
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; a single value counts as a list of itself.
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Broken | Kind::Nothing => &[],
            Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(self),
        }
    }

    pub fn text(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Whether the grammar put it there.
    pub fn is_default(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.origin == Origin::Default)
    }

    /// The value of a key as text.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The value of a key as a list of texts, empty where the key is absent.
    pub fn texts_of(&self, key: &str) -> Vec<String> {
        self.get(key).map(Self::texts).unwrap_or_default()
    }

    /// Every item that is text.
    pub fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect()
    }

    pub fn is_true(&self, key: &str) -> bool {
        self.text_of(key) == Some("true")
    }

    /// What to underline: a map that spans many lines is pointed to by its first key.
    pub fn pointer(&self) -> Span {
        match &self.kind {
            Kind::Map(entries) => entries.first().map_or(self.span, |entry| entry.key_span),
            Kind::List(items) => match (items.first(), items.last()) {
                (Some(first), Some(_)) if self.span.end <= self.span.start => first.pointer(),
                _ => self.span,
            },
            _ => self.span,
        }
    }

    /// "text", "a list", …: how to name what is there.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(_) => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a section with keys",
            Kind::Nothing | Kind::Broken => "nothing",
        }
    }
}
