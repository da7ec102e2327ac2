//! Places in a text that look like secrets, whatever the grammar says of them.
//!
//! A file that is broken shows its lines in messages before anyone knows what they mean: a key may
//! be misspelt, there twice, or the text no YAML at all. Masking too much is harmless here.

use std::ops::Range;

const WORDS: [&str; 5] = ["secret", "password", "passwd", "token", "encryption_key"];

/// Whether a key's name is, or nearly is, one that a secret belongs to.
pub(super) fn is_suspicious(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    WORDS
        .iter()
        .any(|word| key.contains(word) || strsim::damerau_levenshtein(word, &key) <= 2)
        || strsim::damerau_levenshtein("encryption_keys", &key) <= 3
}

/// What follows such a key on its line, and the plain items of a list below it.
pub(super) fn likely(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut start, mut in_list) = (0, false);
    for line in text.split_inclusive('\n') {
        let item = line.trim_start();
        if in_list && item.starts_with('-') {
            push_value(&mut found, start, line, line.len() - item.len() + 1);
        } else if !item.trim().is_empty() {
            in_list = false;
        }
        // ASCII case folding keeps every byte in its place.
        let folded = line.to_ascii_lowercase();
        for (at, word) in WORDS.iter().flat_map(|word| folded.match_indices(word)) {
            let Some(value) = value_of_key(line, at + word.len()) else {
                continue;
            };
            in_list |= line.get(value..).is_some_and(|rest| rest.trim().is_empty());
            push_value(&mut found, start, line, value);
        }
        start += line.len();
    }
    found
}

/// Where the value begins, if what goes on at `at` is the rest of a key.
fn value_of_key(line: &str, at: usize) -> Option<usize> {
    let rest = line.get(at..)?;
    let name =
        rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"' | '\''));
    let value = name.trim_start_matches(' ').strip_prefix(':')?;
    Some(line.len() - value.len())
}

fn push_value(found: &mut Vec<Range<usize>>, start: usize, line: &str, from: usize) {
    let rest = line.get(from..).unwrap_or_default();
    let value = rest.trim_start();
    let begin = from + rest.len() - value.len();
    // `{ file: … }` is where a secret lies, not the secret.
    if value.is_empty() || value.starts_with('{') {
        return;
    }
    let ends: &[char] = if value.starts_with('[') {
        &[']', '\n']
    } else {
        &[',', '}', '\n']
    };
    let length = value.find(ends).unwrap_or(value.len());
    found.push(start + begin..start + begin + length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for range in likely(text) {
            bytes[range].iter_mut().for_each(|byte| *byte = b'*');
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn what_looks_like_a_secret_is_found() {
        assert_eq!(masked("secret: hunter2, issuer: i"), "secret: *******, issuer: i");
        assert_eq!(masked("  \"Client_Secret\" : hunter2\n"), "  \"Client_Secret\" : *******\n");
        assert_eq!(
            masked("encryption_keys:\n  - one\n\n  - two\nx: y\n"),
            "encryption_keys:\n  - ***\n\n  - ***\nx: y\n"
        );
        assert_eq!(masked("encryption_keys: [a, b], x: y"), "encryption_keys: *****], x: y");
        assert_eq!(masked("secret: { file: /run/x }"), "secret: { file: /run/x }");
        assert_eq!(masked("cookie: token, algorithm: HS256"), "cookie: token, algorithm: HS256");
        assert!(is_suspicious("secert") && is_suspicious("encription_keys") && !is_suspicious("requires"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(secret|é|:|,|\\[|-|\n| |\\{){0,12}") {
            for range in likely(&text) {
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}
