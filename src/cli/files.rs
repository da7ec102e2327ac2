//! The configuration files that a command reads, named alike by every command.
//!
//! What is wrong with them goes to standard error and ends the command; what they say is never printed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::REFUSED;
use crate::config::{self, Environment, Settings, Sources};

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
pub struct Files {
    /// Configuration file, or a directory of *.yaml files; may be given more than once
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "STEPGATE_CONFIG",
        default_value = "/etc/stepgate/stepgate.yaml"
    )]
    pub config: Vec<PathBuf>,
}

impl Files {
    pub(super) fn sources(&self) -> Sources {
        Sources::paths(self.config.clone())
    }

    /// What they say. An exit code instead means that the problems have been printed.
    pub(super) fn load(&self) -> Result<Arc<Settings>, ExitCode> {
        let loaded = config::load(&self.sources(), &Environment::of_process());
        loaded.settings.ok_or_else(|| {
            // Nothing can be done about a reader that has gone away; the exit code still tells.
            let _ = std::io::stderr().write_all(loaded.diagnostics.to_text(false).as_bytes());
            ExitCode::from(REFUSED)
        })
    }
}
