//! Problems as text, in the manner of rustc, and as JSON for editors and scripts.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::diagnostic::{Diagnostic, Diagnostics, Label, Severity};
use super::source::FileId;

impl Diagnostics {
    /// Every problem with its place and the line it is on; `colour` for a terminal.
    #[must_use]
    pub fn to_text(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = String::new();
        for problem in self.iter() {
            text.push_str(&renderer.render(&[self.group(problem)]));
            text.push_str("\n\n");
        }
        if self.left_out > 0 {
            text = format!("{text}… and {} more\n\n", self.left_out);
        }
        text
    }

    fn group<'a>(&'a self, problem: &'a Diagnostic) -> Group<'a> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group =
            Group::with_title(level.primary_title(problem.message.as_str()).id(problem.code.id()));
        for (file, labels) in by_file(problem) {
            group = group.element(self.snippet(file, &labels));
        }
        for note in &problem.notes {
            group = group.element(Level::NOTE.no_name().message(note.as_str()));
        }
        group
    }

    /// The lines around the labels of one file. Only those lines are handed to the renderer, which
    /// would else walk a large file once per problem.
    fn snippet(&self, file: FileId, labels: &[(AnnotationKind, &Label)]) -> Snippet<'_, Annotation<'_>> {
        let text = self.sources.text(file);
        let first = labels
            .iter()
            .map(|(_, label)| label.span.start)
            .min()
            .unwrap_or(0)
            .min(text.len());
        let last = labels
            .iter()
            .map(|(_, label)| label.span.end)
            .max()
            .unwrap_or(0)
            .min(text.len());
        let from = text.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let to = text
            .get(last..)
            .and_then(|after| after.find('\n'))
            .map_or(text.len(), |at| last + at);
        let window = text.get(from..to).unwrap_or_default().to_owned();
        let line = usize::try_from(self.sources.locate(file, from).line).unwrap_or(1);
        let annotations: Vec<_> = labels
            .iter()
            .map(|(kind, label)| {
                let start = label.span.start.saturating_sub(from).min(window.len());
                let end = label.span.end.saturating_sub(from).clamp(start, window.len());
                let end = first_line_end(&window, start, end);
                kind.span(start..end).label(label.text.clone())
            })
            .collect();
        Snippet::source(window)
            .line_start(line)
            .path(self.sources.name(file).to_owned())
            .annotations(annotations)
    }

    /// One object per problem.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let problems: Vec<Value> = self.iter().map(|problem| self.json_of(problem)).collect();
        json!({
            "errors": self.errors(),
            "warnings": self.warnings(),
            "left_out": self.left_out,
            "problems": problems,
        })
    }

    fn json_of(&self, problem: &Diagnostic) -> Value {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let related: Vec<Value> = problem.secondary.iter().map(|label| self.json_of_label(label)).collect();
        json!({
            "severity": severity,
            "code": problem.code.id(),
            "message": problem.message,
            "place": problem.primary.as_ref().map(|label| self.json_of_label(label)),
            "related": related,
            "notes": problem.notes,
        })
    }

    fn json_of_label(&self, label: &Label) -> Value {
        let start = self.sources.place(label.span);
        let end = self.sources.locate(label.span.file, label.span.end);
        json!({
            "file": self.sources.name(label.span.file),
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
            "label": label.text,
        })
    }
}

/// A label is one line long: an underline that runs over many lines hides more than it shows.
fn first_line_end(text: &str, start: usize, end: usize) -> usize {
    text.get(start..end)
        .and_then(|part| part.find('\n'))
        .map_or(end, |at| start + at)
}

/// Labels in groups of one file each, the primary's first.
fn by_file(problem: &Diagnostic) -> Vec<(FileId, Vec<(AnnotationKind, &Label)>)> {
    let primary = problem.primary.iter().map(|label| (AnnotationKind::Primary, label));
    let secondary = problem.secondary.iter().map(|label| (AnnotationKind::Context, label));
    let mut files: Vec<(FileId, Vec<(AnnotationKind, &Label)>)> = Vec::new();
    for (kind, label) in primary.chain(secondary) {
        match files.iter_mut().find(|(file, _)| *file == label.span.file) {
            Some((_, labels)) => labels.push((kind, label)),
            None => files.push((label.span.file, vec![(kind, label)])),
        }
    }
    files
}
