//! Log lines: JSON in containers, human on a terminal. Always to stderr; stdout is for data.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Human,
}

impl Format {
    /// Human on a terminal, JSON elsewhere.
    #[must_use]
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Human
        } else {
            Self::Json
        }
    }
}

/// The SMPP library logs whole commands, passwords and codes included: nobody can switch that on.
fn without_commands(directives: &str) -> String {
    let others = directives.split(',').filter(|one| !one.trim_start().starts_with("rusmpp"));
    others.chain(["rusmpp=off", "rusmppc=off"]).collect::<Vec<_>>().join(",")
}

/// Starts logging for the process; a second call changes nothing. `STEPGATE_LOG` overrides the level.
pub fn start(format: Format, level: &str) {
    // `notify` would tell of every line that it writes, where the log lies beside the configuration.
    let directives = std::env::var("STEPGATE_LOG")
        .unwrap_or_else(|_| format!("{level},sqlx=warn,h2=warn,hyper=warn,notify=warn"));
    let filter = EnvFilter::builder().parse_lossy(without_commands(&directives));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        Format::Human => builder.compact().with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    drop(started);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_smpp_are_never_logged() {
        assert_eq!(without_commands("info"), "info,rusmpp=off,rusmppc=off");
        assert_eq!(
            without_commands("debug, rusmpp::codec=trace,rusmppc=debug,h2=warn"),
            "debug,h2=warn,rusmpp=off,rusmppc=off"
        );
    }
}
