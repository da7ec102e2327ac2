//! Session claims: sign, verify, remember, revoke; cookies; the key ring.
//!
//! This room says whether a claim is genuine and still stands. It never says whether it is enough:
//! that is the policy's.

pub mod claim;
pub mod cookies;
mod key_file;
pub mod keys;
pub mod live;
pub mod remembered;
pub mod renewal;
pub mod revocations;
pub mod sessions;

pub use claim::Claim;
pub use cookies::{Carried, CookieMode, MOST_PENDING, Ours};
pub use keys::KeyRing;
pub use live::LiveSession;
pub use remembered::{Claims, Remembered};
pub use revocations::Revocations;
pub use sessions::{Ending, NewPerson, Sessions};
