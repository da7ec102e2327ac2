//! Local users: what their passwords have to be, and how they are kept.
//!
//! Knows nothing of the store, of sign-ins or of counting: those are the challenge room's. Nothing here
//! ever repeats a password or a hash.

mod breached;
mod foreign;
mod hash;
mod md5_crypt;
mod rules;

pub use breached::BadList;
pub use foreign::Unusable;
pub use hash::{Comparison, MAX_LENGTH, NOBODY, NotHashed, compare, hash, usable, weight};
pub use rules::{BadPassword, Owner, Rules};
