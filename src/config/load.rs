//! Reads a whole configuration: the entrance of this room.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ambient::UnixTime;

use super::codes::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Problems};
use super::grammar::ROOT;
use super::grammar::walk::Walk;
use super::node::{Kind, Node};
use super::settings::Settings;
use super::shown;
use super::source::{Environment, Input, SourceMap, Sources, Span};
use super::{build, merge, overrides, secrets, yaml};

/// Ten thousand routes with twenty rules each have less than half of it.
const LARGEST: u64 = 32 << 20;

/// What became of a configuration.
pub struct Loaded {
    /// `None` exactly when there is an error among the diagnostics.
    pub settings: Option<Arc<Settings>>,
    pub diagnostics: Diagnostics,
    /// Every file it came from, secrets included: a change of any of them is a reason to reload.
    pub files: BTreeSet<PathBuf>,
    certificates: shown::Places,
}

impl Loaded {
    /// Looks into the certificates that are served with: they must be there only where stepgate runs,
    /// not where somebody only asks what a configuration means.
    #[must_use]
    pub fn with_certificates(mut self, now: UnixTime) -> Self {
        let Some(settings) = &self.settings else {
            return self;
        };
        self.diagnostics.add(shown::problems(&self.certificates, settings, now));
        if self.diagnostics.has_errors() {
            self.settings = None;
        }
        self
    }
}

/// Reads the files, then the `STEPGATE__…` variables, and checks the whole. All problems are
/// reported, not the first.
#[must_use]
pub fn load(sources: &Sources, environment: &Environment) -> Loaded {
    let mut reading = Reading::default();
    let mut root: Option<Node> = None;
    let mut whole = true;
    for (name, directory, text) in reading.texts(sources) {
        let file = reading.map.add(&name, &directory, text.clone());
        for range in secrets::likely(&text) {
            reading.map.mask(Span { file, start: range.start, end: range.end });
        }
        match (reading.parse(file, &text), &mut root) {
            (Some(node), Some(root)) => merge::merge(root, node, &ROOT, &mut reading.problems),
            (Some(node), None) => root = Some(node),
            (None, _) => whole = false,
        }
    }
    let settings = root.and_then(|root| reading.finish(root, environment, whole));
    if settings.is_none() && !reading.problems.any_error() {
        reading
            .problems
            .push(Diagnostic::error(Code::Internal, "the configuration could not be understood"));
    }
    let settings = settings.filter(|_| !reading.problems.any_error()).map(Arc::new);
    Loaded {
        settings,
        diagnostics: Diagnostics::new(reading.problems, reading.map),
        files: reading.files,
        certificates: reading.certificates,
    }
}

#[derive(Default)]
struct Reading {
    map: SourceMap,
    problems: Problems,
    files: BTreeSet<PathBuf>,
    certificates: shown::Places,
}

impl Reading {
    fn finish(&mut self, mut root: Node, environment: &Environment, whole: bool) -> Option<Settings> {
        overrides::apply(&mut root, environment, &mut self.map, &mut self.problems);
        let (sources, problems, files) = (&mut self.map, &mut self.problems, &mut self.files);
        Walk { environment, sources, problems, files }.map(&mut root, &ROOT);
        // Names that a broken file defines would all seem to be missing.
        if !whole {
            return None;
        }
        self.certificates = shown::Places::of(&root);
        build::build(&root, &self.map, environment, &mut self.problems)
    }

    fn parse(&mut self, file: super::source::FileId, text: &str) -> Option<Node> {
        let node = yaml::parse(file, text, &mut self.problems)?;
        match node.kind {
            Kind::Map(_) => Some(node),
            Kind::Broken => None,
            _ => {
                self.problems.push(
                    Diagnostic::error(Code::WrongKind, "this is no configuration")
                        .at(Span { file, start: 0, end: 0 }, "a file begins with `version: 1`"),
                );
                None
            }
        }
    }

    /// Name, directory and text of every input that can be read.
    fn texts(&mut self, sources: &Sources) -> Vec<(String, PathBuf, String)> {
        let mut texts = Vec::new();
        if sources.inputs.is_empty() {
            self.problems
                .push(Diagnostic::error(Code::Unreadable, "no configuration file is given"));
        }
        for input in &sources.inputs {
            match input {
                Input::Text { name, text } => texts.push((name.clone(), PathBuf::new(), text.clone())),
                Input::Path(path) => {
                    for path in self.expand(path) {
                        texts.extend(self.read(&path));
                    }
                }
            }
        }
        texts
    }

    /// The `*.yaml` files of a directory, by name; of a file, itself.
    fn expand(&mut self, path: &Path) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_owned()];
        }
        let entries = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
        let mut found = match entries {
            Ok(found) => found,
            Err(error) => {
                self.unreadable(path, &error.to_string());
                return Vec::new();
            }
        };
        found.retain(|path| is_configuration(path));
        found.sort();
        if found.is_empty() {
            self.unreadable(path, "it has no *.yaml file");
        }
        found
    }

    fn read(&mut self, path: &Path) -> Option<(String, PathBuf, String)> {
        self.files.insert(path.to_owned());
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            self.unreadable(path, &error.to_string());
            return None;
        }
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
            self.unreadable(path, "it is larger than 32 MiB");
            return None;
        }
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        match String::from_utf8(bytes) {
            Ok(text) => Some((path.display().to_string(), directory, text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                self.unreadable(path, &format!("it is not UTF-8, from byte {at} on"));
                None
            }
        }
    }

    fn unreadable(&mut self, path: &Path, why: &str) {
        let message = format!("cannot read the configuration {}: {why}", path.display());
        self.problems.push(Diagnostic::error(Code::Unreadable, message));
    }
}

/// What is read of a directory. A link that leads nowhere counts, so that it is an error: whatever
/// it held must not be missing unnoticed.
fn is_configuration(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let named = path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml");
    named && !hidden && !path.is_dir()
}
