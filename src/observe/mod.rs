//! What operators see: logs and metrics, by one vocabulary.
//!
//! The lowest room: it knows no other. No secret, code, cookie or full number is ever given to it,
//! and no metric has a person, an address or a path as a label.

pub mod log;
pub mod metrics;

pub use metrics::{Metrics, metrics};
