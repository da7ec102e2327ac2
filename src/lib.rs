//! Stepgate: the second lock on the door of any web app.
//!
//! # The house
//!
//! A request is followed from the socket to the upstream by reading downwards; a room imports only
//! from rooms below it.
//!
//! | room | what it is for |
//! |---|---|
//! | [`cli`] | one file per subcommand |
//! | [`server`] | builds the whole from settings: listeners, TLS, HTTP versions, reload, drain |
//! | [`doors`] | entrances: translate a request, ask the gate, answer |
//! | [`portal`] | the pages people see |
//! | [`api`] | the same steps as JSON |
//! | [`gate`] | canonical request → route → identity → claim → facts → decision |
//! | [`upstream`] | forwarding; knows nothing of factors, wants a permit |
//! | [`challenge`] | the life of a challenge, limits and locks; the only place that makes proofs |
//! | [`factors`] | one folder per factor, behind one trait |
//! | [`delivery`] | how messages leave: senders behind one trait, fall-over |
//! | [`identity`] | one folder per identity source, behind one trait |
//! | [`session`] | claims: sign, verify, remember, revoke; cookies; key ring |
//! | [`policy`] | routes, conditions, levels, decide: pure |
//! | [`store`] | records behind one seam; sealed secrets; migrations |
//! | [`config`] | YAML to validated settings, with errors that point at the line |
//! | [`calls`] | calls of our own to services: one bounded HTTPS client |
//! | [`observe`] | metrics, logs, audit: one typed event logs and counts together |
//! | [`ambient`] | time and randomness, the only place that asks the system for either |
#![forbid(unsafe_code)]

pub mod ambient;
pub mod api;
pub mod calls;
pub mod challenge;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod doors;
pub mod factors;
pub mod gate;
pub mod identity;
pub mod observe;
pub mod policy;
pub mod portal;
pub mod server;
pub mod session;
pub mod store;
pub mod upstream;

// Not part of the house: what is to hold whatever bytes come, for the tests and for `cargo fuzz`.
#[cfg(any(test, fuzzing))]
#[path = "../tests/fuzz/targets.rs"]
pub mod fuzz;
#[cfg(any(test, fuzzing))]
#[path = "../tests/oracle/lenient.rs"]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "an oracle may be blunt")]
mod lenient;
