//! `stepgate explain`: one request, judged as the server would, and told step by step.
//!
//! It calls the same reading and the same decision as the gate and adds no judgement of its own.
//! Nothing is sent, opened or looked up: people, proofs and times are what the command line says.

mod case;
mod report;
mod text;

use std::io::Write as _;
use std::net::IpAddr;
use std::process::ExitCode;

use super::files::Files;
use super::{REFUSED, USAGE};
use crate::ambient::Clock;
use crate::policy::Policy;

use case::Case;
use report::Report;

/// Decides one request as the server would, and prints why.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub files: Files,

    /// The request's address, such as https://app.example.com/admin?x=1
    #[arg(long)]
    pub url: String,

    /// The request's method
    #[arg(long, default_value = "GET")]
    pub method: String,

    /// Who is signed in; SOURCE:NAME where there are several identity sources
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// The person's groups, separated by commas
    #[arg(long, value_delimiter = ',', requires = "user")]
    pub groups: Vec<String>,

    /// An attribute of the person; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", requires = "user")]
    pub attr: Vec<String>,

    /// Where the request comes from
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub ip: IpAddr,

    /// When: 2026-11-21T09:12:00Z or 2026-11-21T09:12[Europe/London]; default: now
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,

    /// Factors the person has, and how long ago they proved them: totp@2m,recovery_code; or none
    #[arg(long, value_name = "FACTOR[@AGE]", value_delimiter = ',', requires = "user")]
    pub has: Vec<String>,

    /// Exit with 1 unless this is the outcome: a level that is asked, public, allow, challenge, sign-in or deny
    #[arg(long, value_name = "OUTCOME")]
    pub expect: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Why nothing could be explained.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Exit code 0; 1 when the outcome is not the expected one; 2 for a command line that makes no
/// sense; 78 for a configuration that is refused.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let settings = match args.files.load() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let policy = match Policy::compile(&settings) {
        Ok(policy) => policy,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the configuration is refused: {error}");
            return ExitCode::from(REFUSED);
        }
    };
    match explain(&args, &policy, &Clock::system()) {
        Ok((text, as_expected)) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::from(u8::from(!as_expected))
        }
        Err(usage) => {
            let _ = writeln!(std::io::stderr(), "{usage}");
            ExitCode::from(USAGE)
        }
    }
}

/// What to print, and whether the outcome is the expected one.
fn explain(args: &Args, policy: &Policy, clock: &Clock) -> Result<(String, bool), Usage> {
    let case = Case::read(args, policy, clock)?;
    let report = Report::of(&case, policy);
    let as_expected = args.expect.as_deref().map(|expected| report.is(expected, policy)).transpose()?;
    let text = if args.json {
        serde_json::to_string_pretty(&report).map_err(|error| Usage(error.to_string()))?
    } else {
        report.to_text(&file(args))
    };
    Ok((text, as_expected.unwrap_or(true)))
}

/// What stands before a line number: the file's name, if there is only one.
fn file(args: &Args) -> String {
    match args.files.config.as_slice() {
        [file] if file.extension().is_some() => {
            let name = file.file_name().unwrap_or(file.as_os_str());
            format!("{}:", name.to_string_lossy())
        }
        _ => "line ".to_owned(),
    }
}

#[cfg(test)]
mod tests;
