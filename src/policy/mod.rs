//! Routes, conditions, levels and the decision: pure.
//!
//! No I/O, no clock of its own, no HTTP types beyond method and target. The gate feeds it facts.
//! This is the only room that can make a [`Permit`], and forwarding takes one by value.

pub mod person;
pub mod proof;

pub use person::{Binding, Identity, SubjectKey};
pub use proof::{EnrolmentId, Proof};
