//! YAML to validated [`Settings`], with errors that point at the line.
//!
//! This room reads files and the environment, and nothing else: it opens no socket and no store.

pub mod factor_kind;
pub mod settings;

pub use factor_kind::{FactorKind, FactorSet};
pub use settings::Settings;
