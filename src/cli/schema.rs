//! `stepgate schema`: the JSON Schema of configuration files, for editors.

use std::io::Write as _;
use std::process::ExitCode;

/// Prints the JSON Schema of configuration files.
#[must_use]
pub fn run() -> ExitCode {
    match writeln!(std::io::stdout(), "{:#}", crate::config::schema()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
