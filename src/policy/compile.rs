//! Settings become a policy.

use std::sync::Arc;

use crate::config::Settings;

use super::Policy;
use super::demand::Demand;

/// Why settings do not make a policy. Configuration has checked all of it before: a policy that
/// cannot be compiled is never served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct CompileError {
    /// Where in the configuration.
    pub place: String,
    pub what: String,
}

#[derive(Debug)]
pub(super) struct Floor(pub(super) Demand);

impl Policy {
    /// Compiles the rules of validated settings.
    ///
    /// # Errors
    /// When the settings name what is not there; the caller must not serve.
    pub fn compile(settings: &Arc<Settings>) -> Result<Self, CompileError> {
        let _ = settings;
        Err(CompileError { place: String::new(), what: "not there yet".to_owned() })
    }
}
