//! Canonical request → route → identity → claim → facts → decision.
//!
//! The gate feeds the policy its facts, lazily, and turns the decision into what a door can
//! answer. It never decides by itself and never talks to an upstream.

pub mod judgement;
pub mod passage;

pub use judgement::Judgement;
