//! Tokens as the store knows them: only their SHA-256, so that a copy of the database opens nothing.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// SHA-256 of a token, code or id that grants something. The token has 128 random bits, so a
/// plain hash is enough.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Hashes the token as it travels.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    /// The hash as text, to be named in the feed.
    #[must_use]
    pub fn name(&self) -> String {
        BASE64.encode(self.0)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}
