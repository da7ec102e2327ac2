//! systemd: a unit that may do nothing but serve.

use std::path::{Path, PathBuf};

use askama::Template;

use super::plan::Plan;
use super::{Document, Refused};

/// What ending takes besides the requests in flight, in seconds.
pub(super) const ENDING: u64 = 15;

#[derive(Template)]
#[template(path = "stepgate.service", escape = "none", whitespace = "preserve")]
struct Unit<'a> {
    plan: &'a Plan,
    files: Vec<String>,
    tls_key: Option<&'a str>,
    /// Whether it listens on a port that only root may open.
    low_port: bool,
    /// Seconds until it is killed.
    stop: u64,
}

pub(super) fn documents(plan: &Plan, files: &[PathBuf]) -> Result<Vec<Document>, Refused> {
    let unit = Unit {
        plan,
        files: files.iter().map(|file| quoted(file)).collect::<Result<_, _>>()?,
        tls_key: plan.tls_key.as_deref(),
        low_port: plan.listen.iter().any(|address| (1..1024).contains(&address.port())),
        stop: plan.drain.as_secs() + ENDING,
    };
    Ok(vec![Document::of("stepgate.service", &unit)?])
}

/// An absolute path as an argument of `ExecStart=`.
fn quoted(file: &Path) -> Result<String, Refused> {
    let absolute =
        std::path::absolute(file).map_err(|error| Refused(format!("{}: {error}", file.display())))?;
    let text = absolute.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    if text.bytes().all(plain) {
        return Ok(text.into_owned());
    }
    if text.chars().any(char::is_control) {
        return Err(Refused(format!("{text:?}: a unit cannot name this file")));
    }
    // systemd reads `%` and `$` even between quotes.
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    Ok(format!("\"{escaped}\""))
}
