//! `{ file: … }` and `{ env: … }`: values that live elsewhere.
//!
//! What is fetched may be a secret: it is never part of a message.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::source::{Environment, Span};

/// Larger than any key, certificate chain or JWKS.
const LARGEST: u64 = 1 << 20;

/// A relative path is taken from the directory of the file that names it.
pub(super) fn resolve(directory: &Path, path: &str) -> PathBuf {
    directory.join(path)
}

/// The text of a file, without one trailing newline.
pub(super) fn file(path: &Path, span: Span) -> Result<String, Box<Diagnostic>> {
    let bad =
        |why: String| Box::new(Diagnostic::error(Code::Unfetched, "this file cannot be read").at(span, why));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| bad(error.to_string()))?;
    let length = file
        .take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| bad(error.to_string()))?;
    if u64::try_from(length).unwrap_or(u64::MAX) > LARGEST {
        return Err(bad("it is larger than 1 MiB".to_owned()));
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// The value of a variable.
pub(super) fn variable(environment: &Environment, name: &str, span: Span) -> Result<String, Box<Diagnostic>> {
    environment.get(name).map(str::to_owned).ok_or_else(|| {
        let problem = Diagnostic::error(Code::Unfetched, format!("the variable `{name}` is not set"));
        Box::new(problem.at(span, "nothing to take the value from"))
    })
}

/// A problem if other users may read a file that should be secret. A file that is not there is no
/// problem of this kind.
pub(super) fn readable_by_others(path: &Path, span: Span) -> Option<Diagnostic> {
    let metadata = std::fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o7777;
    if mode.trailing_zeros() >= 6 {
        return None;
    }
    Some(
        Diagnostic::error(Code::ReadableSecret, "secret file is readable by other users")
            .at(span, format!("mode {mode:04o}"))
            .fix("chmod 0400 and give it to the service's user. A trailing newline in it is fine and is removed"),
    )
}
