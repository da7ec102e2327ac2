//! What the end-to-end tests stand on: the spawned binary, peers that record, clients that behave like a
//! browser or like nothing a browser would send, and codes from an authenticator that is not ours.
//!
//! Nothing in here may use the library's own code for what it checks.

mod authenticator;
mod browser;
pub mod doors;
mod duo;
mod gate;
mod html;
mod http;
mod http2;
mod inbox;
mod issuer;
mod liar;
mod own_login;
mod provider;
mod proxy;
mod raw;
mod slapd;
mod soft_passkey;
mod telephones;
mod tools;
mod upstream;
mod vendors;
mod web_app;
mod wiki;

pub use authenticator::Authenticator;
pub use browser::{Ask, Browser};
pub use duo::Duo;
pub use gate::{Gate, Setup, write_private};
pub use html::{Form, text_of};
pub use http::{Reply, read_reply};
pub use http2::{Field, Http2, Outcome};
pub use inbox::Inbox;
pub use issuer::Signer;
pub use liar::{Liar, Lie, SignedBy};
pub use own_login::{Me, OwnLogin, json};
pub use provider::Provider;
pub use proxy::{Kind, Proxy, Reserved, tool};
pub use raw::Raw;
pub use slapd::Slapd;
pub use soft_passkey::{Maker, SoftPasskey};
pub use telephones::{Call, Telephones};
pub use tools::{Finished, peers_python, pipe_into, python, run, stepgate};
pub use upstream::{Recorded, Upstream, ok};
pub use vendors::{Vendors, peer, post, vendors_python};
pub use web_app::WebApp;
pub use wiki::Wiki;

use std::time::Duration;

/// Longest that anything in a test may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When [`PATIENCE`] runs out, naming what was waited for.
#[track_caller]
pub fn wait_until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    match poll(PATIENCE, ask) {
        Some(answer) => answer,
        None => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

/// As [`wait_until`], for what takes a time step of an authenticator app.
#[track_caller]
pub fn wait_until_long<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    poll(PATIENCE * 2, ask).unwrap_or_else(|| panic!("waited in vain: {what}"))
}

/// Asks again and again; `None` when `patience` runs out.
#[expect(clippy::disallowed_methods, reason = "the one place in the tests that waits by the clock")]
pub fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = std::time::Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if std::time::Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Seconds since 1970, by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "the tests need the time that the spawned binary has")]
pub fn unix_now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// Time elapsed while `act` ran.
#[expect(clippy::disallowed_methods, reason = "deadlines of the binary are measured from outside")]
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let result = act();
    (result, start.elapsed())
}
