//! What local users' passwords have to be. Values only; what they mean is `identity::local`'s.

use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct Passwords {
    /// In characters.
    pub min_length: usize,
    /// Stolen passwords, one in a line: SHA-1 in order, or words.
    pub breach_list: Option<PathBuf>,
    /// Whether a link for a new password is mailed to who asks.
    pub reset_by_mail: bool,
}
