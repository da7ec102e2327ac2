//! One problem of a configuration, and the collection of all of them.
//!
//! Messages never contain the text of a secret; snippets come from masked sources only.

use std::fmt;

use super::codes::Code;
use super::source::{SourceMap, Span};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// It is accepted, but should be looked at. `check --strict` refuses it.
    Warning,
}

/// A place with a word about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub span: Span,
    pub text: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Code,
    pub message: String,
    pub(super) primary: Option<Label>,
    pub(super) secondary: Vec<Label>,
    /// Lines such as `fix: …` or `keys allowed here: …`.
    pub notes: Vec<String>,
}

impl Diagnostic {
    pub(super) fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    pub(super) fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: label.into() });
        self
    }

    pub(super) fn and_at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: label.into() });
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(super) fn fix(self, what: impl fmt::Display) -> Self {
        self.note(format!("fix: {what}"))
    }
}

/// Where problems are put while a configuration is read. Bounded: a file of ten mebibytes of
/// nonsense must not become gigabytes of messages.
#[derive(Default)]
pub(super) struct Problems {
    pub list: Vec<Diagnostic>,
    pub left_out: usize,
}

impl Problems {
    const MOST: usize = 200;

    pub fn push(&mut self, problem: Diagnostic) {
        let room = self.list.len() < Self::MOST;
        // An error is never crowded out by warnings: acceptance depends on seeing it.
        if room || (problem.severity == Severity::Error && !self.any_error()) {
            self.list.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    pub fn any_error(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// Every problem of a configuration, in the order of their places, with the (masked) text around them.
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    pub(super) sources: SourceMap,
    pub(super) left_out: usize,
}

impl Diagnostics {
    pub(super) fn new(problems: Problems, mut sources: SourceMap) -> Self {
        sources.seal();
        let mut all = Self { list: problems.list, sources, left_out: problems.left_out };
        all.sort();
        all
    }

    /// Adds what was found by looking further.
    pub(super) fn add(&mut self, more: Vec<Diagnostic>) {
        self.list.extend(more);
        self.sort();
    }

    fn sort(&mut self) {
        self.list
            .sort_by_key(|problem| problem.primary.as_ref().map(|label| label.span));
    }

    /// All of them, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// How many errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many warnings.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|problem| problem.severity == severity).count()
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(false))
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(false))
    }
}
