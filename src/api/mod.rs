//! The same steps as the pages, as JSON under `api/v1/`.
//!
//! JSON in, JSON out, problems as problem+json (RFC 9457). It stands on the same calls as the pages
//! and verifies nothing itself. Only same-origin pages and clients that are no browsers may use it.

mod failure;
mod services;
mod visit;

pub use failure::Failure;
pub use services::{Services, Standing};
pub use visit::{Entry, Visit};
