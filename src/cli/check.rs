//! `stepgate check`: every problem of a configuration, without starting anything.
//!
//! Opens no socket unless it is asked to try the services, and no store: of a database that is there it
//! counts what people have enrolled, and writes nothing. The verdict goes to standard
//! error for people, to standard output as JSON for scripts.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use super::connect::{self, Probed};
use super::files::Files;
use super::{REFUSED, UNREACHABLE};
use crate::ambient::Clock;
use crate::challenge::stranded::{self, Stranded, Unread};
use crate::config::{self, Diagnostics, Environment};
use crate::identity::local::Rules;

/// Checks a configuration and shows every problem with its place.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub files: Files,

    /// Refuse warnings too
    #[arg(long)]
    pub strict: bool,

    /// Try every sender and every service of a factor, without sending anything
    #[arg(long)]
    pub connect: bool,

    /// How to print the problems
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How to print the problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, on standard error
    Text,
    /// For editors and scripts, on standard output
    Json,
}

/// Exit code 0 when the configuration would be accepted, 78 when not, 69 when it would be and a service
/// that it names is not reached.
///
/// # Errors
/// None today: every reason is printed.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&args.files.sources(), &Environment::of_process())
        .with_certificates(Clock::system().now());
    let found = &loaded.diagnostics;
    // The rest of the file is fine then, but no password could be chosen, and no server would start.
    let list = loaded.settings.as_ref().and_then(|settings| Rules::of(settings).err());
    let refused = loaded.settings.is_none() || list.is_some() || (args.strict && found.warnings() > 0);
    if let Some(bad) = &list {
        eprintln!("`passwords.breach_list`: {bad}");
    }
    let probed = match &loaded.settings {
        Some(settings) if args.connect && !refused => Some(connect::probe(settings).await),
        _ => None,
    };
    let stranded = match &loaded.settings {
        Some(settings) => stranded::find(settings).await,
        None => Ok(Vec::new()),
    };
    // Nothing can be done about a reader that has gone away; the exit code still tells.
    let _ = match args.format {
        Format::Text => print_text(found, refused, &stranded, probed.as_deref()),
        Format::Json => print_json(found, &stranded, probed.as_deref()),
    };
    Ok(if refused {
        ExitCode::from(REFUSED)
    } else if probed.iter().flatten().all(Probed::is_reached) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNREACHABLE)
    })
}

fn print_json(
    found: &Diagnostics,
    stranded: &Result<Vec<Stranded>, Unread>,
    probed: Option<&[Probed]>,
) -> std::io::Result<()> {
    let mut all = found.to_json();
    let without = match stranded {
        Ok(none) if none.is_empty() => None,
        Ok(some) => Some(some.iter().map(Stranded::to_json).collect()),
        Err(Unread) => Some(serde_json::Value::Null),
    };
    if let (Some(without), Some(all)) = (without, all.as_object_mut()) {
        all.insert("without_a_factor".to_owned(), without);
    }
    if let (Some(probed), Some(all)) = (probed, all.as_object_mut()) {
        all.insert("services".to_owned(), probed.iter().map(Probed::to_json).collect());
    }
    writeln!(std::io::stdout(), "{all:#}")
}

fn print_text(
    found: &Diagnostics,
    refused: bool,
    stranded: &Result<Vec<Stranded>, Unread>,
    probed: Option<&[Probed]>,
) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    out.write_all(found.to_text(colour).as_bytes())?;
    writeln!(out, "{}", summary(found, refused))?;
    for one in stranded.iter().flatten() {
        writeln!(out, "{}", one.line())?;
    }
    if stranded.is_err() {
        writeln!(out, "the database could not be read: whom this leaves without a factor is not known")?;
    }
    for one in probed.unwrap_or_default() {
        writeln!(out, "{}", one.line())?;
    }
    if probed.is_some_and(<[Probed]>::is_empty) {
        writeln!(out, "it names no service that could be tried")?;
    }
    Ok(())
}

fn summary(found: &Diagnostics, refused: bool) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    };
    let verdict = if refused { "refused" } else { "fine" };
    match (found.errors(), found.warnings()) {
        (0, 0) => "the configuration is fine".to_owned(),
        (0, warnings) => format!("the configuration is {verdict}: {}", count(warnings, "warning")),
        (errors, 0) => format!("the configuration is {verdict}: {}", count(errors, "error")),
        (errors, warnings) => {
            format!(
                "the configuration is {verdict}: {}, {}",
                count(errors, "error"),
                count(warnings, "warning")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn summary_of(text: &str) -> String {
        let found = config::load(&Sources::text("a.yaml", text), &Environment::default());
        summary(&found.diagnostics, found.settings.is_none())
    }

    #[test]
    fn the_last_line_counts() {
        let head = "version: 1\nserver: { public_url: https://mfa.example.com";
        assert_eq!(summary_of(&format!("{head} }}")), "the configuration is fine");
        let wide = format!("{head}, trusted_proxies: [10.0.0.0/8] }}");
        assert_eq!(summary_of(&wide), "the configuration is fine: 1 warning");
        let both = format!("{head}, trusted_proxies: [10.0.0.0/8], a: b }}\nc: d");
        assert_eq!(summary_of(&both), "the configuration is refused: 2 errors, 1 warning");
    }
}
