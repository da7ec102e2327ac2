//! Canonical request → route → identity → claim → facts → decision.
//!
//! The gate feeds the policy its facts, lazily, and turns the decision into what a door can
//! answer. It never decides by itself and never talks to an upstream.

pub mod canonical;
pub mod judgement;
pub mod passage;
pub mod readings;

pub use canonical::Refusal;
pub use judgement::Judgement;
