//! Codes read out in a call: what is said, the vendors that say it, and what they ask during a call.
//!
//! Where the vendor signs its questions to us, a key has to be pressed first: a mailbox presses none,
//! and gets no code ([`asked`]). Elsewhere everything is said at once, and a mailbox that is quicker
//! than the 20 s that it rings may record the code, which is of use only in the browser that asked for
//! it. None of the vendors was called with a real account: each was written from its published
//! contract, and runs against a fake that the vendor's own client has accepted
//! (`tests/peers/calls.py`).

pub mod asked;
mod phrases;
pub(super) mod plivo;
mod script;
pub(super) mod twilio;
pub(super) mod vonage;
mod xml;

pub(super) use script::{Part, Spoken, spoken};

/// Seconds that it rings.
const RINGS: u64 = 20;
/// Seconds that a call may take.
const LONGEST: u64 = 120;
/// Seconds that a key is waited for, each time that it is asked for.
const WAITS: u32 = 8;
/// How often a key is asked for.
const ASKS: usize = 2;

/// The language of a voice, for the vendors (BCP 47).
pub(super) const fn tag(language: super::Language) -> &'static str {
    phrases::phrases(language).tag
}
