//! YAML to validated [`Settings`], with errors that point at the line.
//!
//! This room reads files and the environment, and nothing else: it opens no socket and no store.
//!
//! The way of a file: text → tree with places ([`yaml`]) → files merged and variables put in →
//! checked against the one grammar table ([`grammar`]) → meaning and cross checks ([`build`]).
//! No step stops at the first problem.

mod build;
pub mod certificate;
mod codes;
mod diagnostic;
pub mod factor_kind;
mod fetch;
mod grammar;
mod load;
pub mod matching;
mod merge;
mod node;
mod overrides;
mod pattern;
pub mod properties;
mod render;
mod secrets;
pub mod settings;
mod shown;
mod source;
#[cfg(test)]
mod tests;
mod values;
mod yaml;

pub use codes::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use factor_kind::{FactorKind, FactorSet};
pub use grammar::schema::schema;
pub use load::{Loaded, load};
pub use properties::Properties;
pub use settings::Settings;
pub use source::{Environment, Sources};

/// A duration as files write it: `30s`, `15m`, `12h`, `30d`. For command lines, so that they read
/// the same everywhere.
#[must_use]
pub fn duration(text: &str) -> Option<std::time::Duration> {
    values::quantity::duration(text).ok()
}
