//! The command line: one file per subcommand.
//!
//! Data goes to standard output, words for people to standard error. Exit codes: 0 fine, 1 the
//! answer is no, and the three below.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub mod check;
mod connect;
pub mod demo;
pub mod enrolments;
pub mod explain;
pub mod factors;
mod files;
pub mod health;
mod import;
pub mod keys;
pub mod recipe;
mod records;
pub mod run;
pub mod schema;
mod sessions;
mod telling;
mod temporary_codes;
pub mod users;

/// A command line that makes no sense.
const USAGE: u8 = 2;
/// Something cannot be reached (`EX_UNAVAILABLE` of sysexits.h).
const UNREACHABLE: u8 = 69;
/// The configuration is refused (`EX_CONFIG`).
const REFUSED: u8 = 78;

/// The second lock on the door of any web app.
#[derive(Debug, Parser)]
#[command(name = "stepgate", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: the gate in front of your apps
    Run(run::Args),
    /// Try it: an app, a person and the gate in one process
    Demo(demo::Args),
    /// Show every problem of a configuration, with its place and what to write instead
    Check(check::Args),
    /// Decide one request and say why
    Explain(explain::Args),
    /// Print a snippet for another proxy, systemd, an image or Kubernetes, from this configuration
    Recipe(recipe::Args),
    /// Ask the operations listener whether this gate is ready; for probes in images without a shell
    Health(health::Args),
    /// Local users, invitations, resets and locks
    Users(users::Args),
    /// Send one message through the configured senders, to see whether it arrives
    Factors(factors::Args),
    /// A person's registered factors
    Enrolments(enrolments::Args),
    /// The keys that sign claims
    Keys(keys::Args),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print a completion script for your shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
}

/// Parses the command line and carries it out.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Check(args) => block_on(check::run(args)),
        Command::Schema => return schema::run(),
        Command::Explain(args) => return explain::run(args),
        Command::Recipe(args) => return recipe::run(args),
        Command::Health(args) => return health::run(args),
        Command::Users(args) => block_on(users::run(args)),
        Command::Factors(args) => block_on(factors::run(args)),
        Command::Enrolments(args) => block_on(enrolments::run(args)),
        Command::Keys(args) => block_on(keys::run(args)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "stepgate", &mut std::io::stdout());
            return ExitCode::SUCCESS;
        }
        Command::Man => manual(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("stepgate: {error:#}");
        ExitCode::FAILURE
    })
}

fn manual() -> anyhow::Result<ExitCode> {
    clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that needs the store on a small runtime of its own.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
