//! Codes as people type them: digits of any script, spaces and dashes; and the one spelling that
//! is judged (decision 20). It never decides whether a code is right.

use unicode_normalization::UnicodeNormalization as _;

use super::{Malformed, NormalForm};
use crate::ambient::random_bytes;
use crate::delivery::digits::ascii_digit;

/// Longer than any code with any spaces: more is not looked at.
const MAX_TYPED: usize = 256;

/// A code of exactly `digits` digits.
pub(super) fn digits(typed: &str, digits: u8) -> Result<NormalForm, Malformed> {
    either(typed, &[digits])
}

/// A code with one of these numbers of digits; the first is the one that messages name.
pub(super) fn either(typed: &str, lengths: &[u8]) -> Result<NormalForm, Malformed> {
    let expected = lengths.first().copied().unwrap_or_default();
    let kept = without_separators(typed, expected).map_err(|why| match why {
        Malformed::Empty => Malformed::Length { expected, got: 0 },
        other => other,
    })?;
    let ascii: Option<String> = kept.chars().map(ascii_digit).collect();
    let ascii = ascii.ok_or(Malformed::NotDigits)?;
    let fits = lengths.iter().copied().find(|length| usize::from(*length) == ascii.len());
    sized(ascii, fits.unwrap_or(expected))
}

/// A code of exactly `length` characters of Crockford's base 32, where O is 0 and I and L are 1.
pub(super) fn crockford(typed: &str, length: u8) -> Result<NormalForm, Malformed> {
    let kept: String = without_separators(typed, length)?.nfkc().collect();
    let folded: Option<String> = kept.chars().map(crockford_character).collect();
    sized(folded.ok_or(Malformed::NotDigits)?, length)
}

fn without_separators(typed: &str, expected: u8) -> Result<String, Malformed> {
    if typed.len() > MAX_TYPED {
        return Err(Malformed::Length { expected, got: typed.chars().count() });
    }
    let kept: String = typed.chars().filter(|c| !is_separator(*c)).collect();
    if kept.is_empty() {
        Err(Malformed::Empty)
    } else {
        Ok(kept)
    }
}

fn sized(code: String, expected: u8) -> Result<NormalForm, Malformed> {
    if code.len() == usize::from(expected) {
        Ok(NormalForm(code.into()))
    } else {
        Err(Malformed::Length { expected, got: code.len() })
    }
}

/// Crockford's base 32, lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUP: usize = 4;

/// A new code of so many characters, at most 25, five random bits each.
pub(super) fn random(length: u8) -> String {
    let bits = u128::from_be_bytes(random_bytes::<16>());
    (0..u32::from(length.min(25)))
        .filter_map(|at| ALPHABET.get(usize::try_from((bits >> (5 * at)) & 31).unwrap_or(0)))
        .map(|byte| char::from(*byte))
        .collect()
}

/// `xxxx-xxxx-xxxx-xxxx`, as it is shown.
pub(super) fn grouped(code: &str) -> String {
    let characters: Vec<char> = code.chars().collect();
    let groups: Vec<String> = characters.chunks(GROUP).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// Spaces, dashes, and what is invisible when pasted.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn crockford_character(c: char) -> Option<char> {
    match c.to_ascii_lowercase() {
        'o' => Some('0'),
        'i' | 'l' => Some('1'),
        'u' => None,
        c if c.is_ascii_alphanumeric() => Some(c),
        c => ascii_digit(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    fn six(typed: &str) -> Result<String, Malformed> {
        digits(typed, 6).map(|code| code.0.expose_secret().to_owned())
    }

    #[test]
    fn e03_every_way_to_type_a_code_is_one_code() {
        for typed in [
            "012345",
            "012 345",
            "012-345",
            " 012\u{a0}345\n",
            "０１２３４５",
            "٠١٢٣٤٥",
            "०१२३४५",
            "𝟎𝟏𝟐𝟑𝟒𝟓",
            "012–345",
        ] {
            assert_eq!(six(typed).as_deref(), Ok("012345"), "{typed}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_the_shape() {
        assert_eq!(six(" - "), Err(Malformed::Length { expected: 6, got: 0 }));
        assert_eq!(six("01234"), Err(Malformed::Length { expected: 6, got: 5 }));
        assert_eq!(six(&"0".repeat(300)), Err(Malformed::Length { expected: 6, got: 300 }));
        for typed in ["01234x", "01234.", "+12345", "01234²", "01234Ⅴ"] {
            assert_eq!(six(typed), Err(Malformed::NotDigits), "{typed}");
        }
    }

    #[test]
    fn recovery_codes_forgive_what_looks_alike() {
        let one = |typed| crockford(typed, 4).map(|code| code.0.expose_secret().to_owned());
        for typed in ["10ab", "IOAB", "lo-ab", "１０ＡＢ"] {
            assert_eq!(one(typed).as_deref(), Ok("10ab"), "{typed}");
        }
        assert_eq!(one("10au"), Err(Malformed::NotDigits));
        assert_eq!(one("10a!"), Err(Malformed::NotDigits));
    }

    proptest! {
        #[test]
        fn what_passes_is_ascii_digits_and_stable(typed in "\\PC{0,12}") {
            if let Ok(code) = six(&typed) {
                prop_assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));
                prop_assert_eq!(six(&code), Ok(code));
            }
        }
    }
}
