//! Folding of text: what lenient back ends hold to be the same, made the same.
//!
//! Used on both sides of a comparison only where a match tightens. It must never touch what is
//! forwarded.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// NFKC, without zero-width characters, in lower case. Borrows when there is nothing to change.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    // Lower-casing can undo normalisation and the other way round, so both ends are normalised.
    let lower: String = text.nfkc().filter(|c| !is_zero_width(*c)).flat_map(lower).collect();
    Cow::Owned(lower.nfkc().collect())
}

/// Characters that take no room and that some back ends drop.
#[must_use]
pub const fn is_zero_width(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Lower case of one character, both small sigmas being one letter whatever the position.
fn lower(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c })
}
