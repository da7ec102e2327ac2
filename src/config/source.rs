//! Where configuration text comes from, and how a byte in it becomes a file, line and column.
//!
//! Knows nothing of YAML. Text may be shown to people only after [`SourceMap::seal`] has
//! overwritten every secret in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One file, or one environment variable, within a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FileId(u32);

/// A range of bytes in one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    pub file: FileId,
    pub start: usize,
    pub end: usize,
}

/// What a configuration is read from, in order.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub(super) inputs: Vec<Input>,
}

#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A file, or a directory whose `*.yaml` files are all read.
    Path(PathBuf),
    /// Text that is not on disk, with the name to show for it.
    Text { name: String, text: String },
}

impl Sources {
    /// Files, and directories of `*.yaml` files (read in the order of their names).
    #[must_use]
    pub fn paths<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self { inputs: paths.into_iter().map(|path| Input::Path(path.into())).collect() }
    }

    /// Text that is not on disk; `name` stands for it in messages.
    #[must_use]
    pub fn text(name: &str, text: &str) -> Self {
        Self { inputs: vec![Input::Text { name: name.to_owned(), text: text.to_owned() }] }
    }
}

/// The environment as configuration sees it: handed in, so that nothing here reads the process's own.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process. Those that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Every variable, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self { variables: pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect() }
    }
}

/// One text that was read.
pub(super) struct SourceFile {
    /// As given on the command line, or the name of the variable.
    pub name: String,
    /// Relative paths in it are taken from here.
    pub directory: PathBuf,
    pub text: String,
    /// Byte at which each line starts.
    lines: Vec<usize>,
}

/// Everything that was read for one configuration.
#[derive(Default)]
pub(super) struct SourceMap {
    files: Vec<SourceFile>,
    masked: Vec<Span>,
}

/// A place as people count: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineColumn {
    pub line: u32,
    pub column: u32,
}

impl SourceMap {
    /// Adds a text that was read.
    pub fn add(&mut self, name: &str, directory: &Path, text: String) -> FileId {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let (name, directory) = (name.to_owned(), directory.to_owned());
        self.files.push(SourceFile { name, directory, text, lines });
        FileId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// The source with this id.
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(usize::try_from(id.0).ok()?)
    }

    /// Name of the source that a span lies in.
    pub fn name(&self, id: FileId) -> &str {
        self.get(id).map_or("", |file| &file.name)
    }

    /// Never show what is in this span: it is a secret.
    pub fn mask(&mut self, span: Span) {
        self.masked.push(span);
    }

    /// Overwrites every secret, byte for byte, so that spans still fit. Texts may be shown afterwards.
    pub fn seal(&mut self) {
        let mut masked = std::mem::take(&mut self.masked);
        masked.sort();
        for spans in masked.chunk_by(|one, other| one.file == other.file) {
            let index = spans.first().and_then(|span| usize::try_from(span.file.0).ok());
            let Some(file) = index.and_then(|index| self.files.get_mut(index)) else {
                continue;
            };
            let mut bytes = std::mem::take(&mut file.text).into_bytes();
            for span in spans {
                let end = span.end.min(bytes.len());
                let secret = bytes.get_mut(span.start.min(end)..end).unwrap_or_default();
                secret.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
            }
            file.text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }

    /// The text of a source; free of secrets once [`SourceMap::seal`]ed.
    pub fn text(&self, id: FileId) -> &str {
        self.get(id).map_or("", |file| &file.text)
    }

    /// Line and column at which a span starts.
    pub fn place(&self, span: Span) -> LineColumn {
        self.locate(span.file, span.start)
    }

    /// Line and column of one byte.
    pub fn locate(&self, id: FileId, byte: usize) -> LineColumn {
        let Some(file) = self.get(id) else {
            return LineColumn { line: 1, column: 1 };
        };
        let byte = byte.min(file.text.len());
        let line = file.lines.partition_point(|start| *start <= byte);
        let start = file.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = file.text.get(start..byte).unwrap_or_default().chars().count() + 1;
        LineColumn { line: clamp(line), column: clamp(column) }
    }
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_and_columns_in_characters() {
        let mut map = SourceMap::default();
        let file = map.add("a.yaml", Path::new("."), "aé: b\n  c: d\n".to_owned());
        assert_eq!(map.locate(file, 0), LineColumn { line: 1, column: 1 });
        assert_eq!(map.locate(file, 3), LineColumn { line: 1, column: 3 });
        assert_eq!(map.locate(file, 9), LineColumn { line: 2, column: 3 });
        assert_eq!(map.locate(file, 9_999), LineColumn { line: 3, column: 1 });
    }

    #[test]
    fn masked_text_keeps_its_length_and_lines() {
        let mut map = SourceMap::default();
        let text = "secret: |\n  hünter\n  two\nx: y\n";
        let file = map.add("a.yaml", Path::new("."), text.to_owned());
        map.mask(Span { file, start: 12, end: 25 });
        map.seal();
        let shown = map.text(file);
        assert_eq!(shown.len(), text.len());
        assert!(!shown.contains("nter") && !shown.contains("two"), "{shown}");
        assert!(shown.ends_with("\nx: y\n"));
    }
}
