//! Forwarding to the app: pools, headers, upgrades, streaming.
//!
//! This room knows nothing of factors, levels or people. It takes a permit by value, and the
//! method, host and target it sends come from the permit's canonical request alone. It must never
//! offer a way to send anything upstream without one.

mod body;
mod channel;
mod cookies;
mod dial;
mod download;
mod error;
mod event_stream;
mod exchange;
mod fleet;
mod forward;
mod health;
mod lasting;
mod link;
mod names;
mod origin;
mod outgoing;
mod peer;
mod pool;
mod relay;
mod request;
mod response;
mod rules;
mod socket;
pub(crate) mod timer;
mod tls;
mod tunnel;
mod twins;
mod upload;
mod via;
mod watch;
mod websocket;
mod wire;
mod ws_frame;

pub use body::{Body, BodyError};
pub use cookies::AppCookie;
pub use error::{Fault, Side, UpstreamError};
pub use forward::Forwarder;
pub use lasting::Lasting;
pub use origin::OriginError;
pub use outgoing::Outgoing;
pub use peer::Peer;
pub use rules::{Payload, Rules};
pub use tunnel::{Kept, Tunnels};
pub use watch::{Kind, Over, Oversight, Standing, Watched};
pub use websocket::{Extended, is_same_origin};

/// Removes what a client may not send, these names among it, for whoever tries that with any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn cleaned(headers: &mut http::HeaderMap, names: &[&str]) {
    request::clean(headers, &twins::Twins::new(names.iter().copied()), None);
}
