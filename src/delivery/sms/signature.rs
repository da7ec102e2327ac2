//! Keyed hashes as vendors write them.

use aws_lc_rs::hmac::{self, Algorithm, Tag};

/// HMAC of a text.
pub(in super::super) fn hmac(algorithm: Algorithm, key: &[u8], text: &[u8]) -> Tag {
    hmac::sign(&hmac::Key::new(algorithm, key), text)
}

/// Lower-case hex.
pub(in super::super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
