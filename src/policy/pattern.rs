//! Path patterns.
//!
//! Segments; `*` within a segment, `**` as a whole segment; `/admin/**` covers `/admin` too.

/// One path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// Why a path pattern is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a path pattern begins with `/`")]
    Start,
}

#[derive(Debug, Default)]
pub(super) struct PathSet(Vec<Pattern>);

impl Pattern {
    /// # Errors
    /// When the text is no path pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.starts_with('/') {
            Ok(Self(text.into()))
        } else {
            Err(PatternError::Start)
        }
    }

    /// Whether this pattern surely matches every path that `other` matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self == other
    }
}
