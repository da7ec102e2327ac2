//! Forwarding to the app: pools, headers, upgrades, streaming.
//!
//! This room knows nothing of factors, levels or people. It takes a permit by value, and the
//! method, host and target it sends come from the permit's canonical request alone. It must never
//! offer a way to send anything upstream without one.

mod body;
mod outgoing;
mod peer;

pub use body::{Body, BodyError};
pub use outgoing::Outgoing;
pub use peer::Peer;
