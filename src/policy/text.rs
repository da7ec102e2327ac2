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

/// Decodes every `%XX` once; `None` when a `%` is not followed by two hexadecimal digits.
#[must_use]
pub fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let [high, low, after @ ..] = rest else {
                return None;
            };
            decoded.push(hex(*high)? << 4 | hex(*low)?);
            rest = after;
        } else {
            decoded.push(*byte);
        }
    }
    Some(decoded)
}

/// The value of a hexadecimal digit.
#[must_use]
pub const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_joins_what_lenient_back_ends_join() {
        for (written, folded) in [
            ("/Admin", "/admin"),
            ("/admin", "/admin"),
            ("/\u{ff21}dmin", "/admin"),
            ("/ad\u{200b}min", "/admin"),
            ("/\u{212a}ey", "/key"),
            ("/ΣΟΦΟΣ", "/σοφοσ"),
            ("/e\u{301}", "/é"),
        ] {
            assert_eq!(fold(written), folded);
        }
        assert!(matches!(fold("/admin"), Cow::Borrowed(_)));
    }

    #[test]
    fn decoding_is_once_and_strict() {
        assert_eq!(percent_decode(b"/%2561%C3"), Some(b"/%61\xc3".to_vec()));
        for broken in ["/%", "/%4", "/%zz", "/%u0061"] {
            assert_eq!(percent_decode(broken.as_bytes()), None);
        }
    }
}
