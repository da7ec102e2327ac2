//! Path patterns: their syntax, and whether one covers another.
//!
//! `*` stays within one segment (`/files/*.css`), `**` is a whole segment and stands for any number
//! of them, none included, so `/admin/**` covers `/admin`. Matching requests is the policy's; this
//! is only what a file can be told about its patterns.

use std::collections::{BTreeSet, VecDeque};

use super::values::BadValue;

/// Larger searches are given up, and count as "not covered".
const MOST_STATES: usize = 20_000;

/// Whether a pattern is well-formed.
pub(super) fn check(pattern: &str) -> Result<(), BadValue> {
    let bad = |message: &str, label: &str| Err(BadValue::new(message, label));
    let Some(body) = pattern.strip_prefix('/') else {
        return bad("a path begins with a slash", "write it as `/admin/**`");
    };
    if pattern.len() > 1024 {
        return bad("this pattern is too long", "at most 1,024 bytes");
    }
    if pattern.contains(['?', '#']) {
        return bad("a path has no query", "select by `query` instead");
    }
    if pattern.contains('%') {
        return bad("patterns are matched against decoded paths", "write the character itself");
    }
    if pattern.contains('\\') || pattern.chars().any(char::is_control) {
        return bad("no path contains this", "backslashes and control characters are always refused");
    }
    let mut segments = body.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return bad("no canonical path has empty segments", "write a single slash");
        }
        if segment.contains("**") && segment != "**" {
            return bad("`**` stands alone between two slashes", "write `*` for a part of a segment");
        }
        if segment == "." || segment == ".." {
            return bad("no canonical path has dot segments", "write the path they lead to");
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Token {
    Byte(u8),
    /// `*`
    Within,
    /// `/**`: nothing, or a slash and anything after it. Takes two states.
    Deep,
    /// The second state of [`Token::Deep`], after its slash.
    Below,
}

fn compile(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    // One trailing slash makes no difference to the policy, and `/` has no segments.
    for segment in pattern.split('/').filter(|segment| !segment.is_empty()) {
        if segment == "**" {
            tokens.extend([Token::Deep, Token::Below]);
            continue;
        }
        tokens.push(Token::Byte(b'/'));
        tokens.extend(segment.bytes().map(|byte| {
            if byte == b'*' {
                Token::Within
            } else {
                Token::Byte(byte)
            }
        }));
    }
    tokens
}

/// A set of places within a pattern, sorted.
type States = Vec<usize>;

/// Adds every place that is reached without reading anything.
fn close(tokens: &[Token], states: &mut BTreeSet<usize>) {
    let mut waiting: Vec<usize> = states.iter().copied().collect();
    while let Some(at) = waiting.pop() {
        let next = match tokens.get(at) {
            Some(Token::Within | Token::Below) => at + 1,
            Some(Token::Deep) => at + 2,
            Some(Token::Byte(_)) | None => continue,
        };
        if states.insert(next) {
            waiting.push(next);
        }
    }
}

fn start(tokens: &[Token]) -> States {
    let mut states = BTreeSet::from([0]);
    close(tokens, &mut states);
    states.into_iter().collect()
}

fn step(tokens: &[Token], states: &[usize], byte: u8) -> States {
    let mut next = BTreeSet::new();
    for &at in states {
        match tokens.get(at) {
            Some(Token::Byte(expected)) if *expected == byte => next.insert(at + 1),
            Some(Token::Within) if byte != b'/' => next.insert(at),
            Some(Token::Deep) if byte == b'/' => next.insert(at + 1),
            Some(Token::Below) => next.insert(at),
            _ => false,
        };
    }
    close(tokens, &mut next);
    next.into_iter().collect()
}

/// The bytes that every path a pattern matches begins with.
fn literal(tokens: &[Token]) -> impl Iterator<Item = u8> {
    tokens.iter().map_while(|token| match token {
        Token::Byte(byte) => Some(*byte),
        _ => None,
    })
}

/// Whether every path that `inner` matches is matched by `outer` too. `false` also when that could
/// not be found out within bounds.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (compile(outer), compile(inner));
    // Nearly all pairs of a large configuration part ways in what they begin with.
    if literal(&outer).zip(literal(&inner)).any(|(ours, theirs)| ours != theirs) {
        return false;
    }
    // One byte that neither pattern mentions stands for all of those.
    let mut alphabet: BTreeSet<u8> = [b'/', 0].into();
    alphabet.extend(outer.iter().chain(&inner).filter_map(|token| match token {
        Token::Byte(byte) => Some(*byte),
        _ => None,
    }));
    let first = (start(&inner), start(&outer));
    let mut seen = BTreeSet::from([first.clone()]);
    let mut waiting = VecDeque::from([first]);
    while let Some((ours, theirs)) = waiting.pop_front() {
        let inner_ends = ours.last() == Some(&inner.len());
        if inner_ends && theirs.last() != Some(&outer.len()) {
            return false;
        }
        for &byte in &alphabet {
            let next = (step(&inner, &ours, byte), step(&outer, &theirs, byte));
            if next.0.is_empty() {
                continue;
            }
            if next.1.is_empty() || seen.len() >= MOST_STATES {
                return false;
            }
            if seen.insert(next.clone()) {
                waiting.push_back(next);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a pattern means, as plainly as it can be said.
    fn matches(pattern: &str, path: &str) -> bool {
        fn split(text: &str) -> Vec<&str> {
            text.split('/').filter(|segment| !segment.is_empty()).collect()
        }
        fn within(glob: &[u8], text: &[u8]) -> bool {
            match glob {
                [] => text.is_empty(),
                [b'*', rest @ ..] => (0..=text.len()).any(|skip| within(rest, &text[skip..])),
                [byte, rest @ ..] => text.first() == Some(byte) && within(rest, &text[1..]),
            }
        }
        fn whole(pattern: &[&str], path: &[&str]) -> bool {
            match pattern {
                [] => path.is_empty(),
                ["**", rest @ ..] => (0..=path.len()).any(|skip| whole(rest, &path[skip..])),
                [segment, rest @ ..] => {
                    path.first().is_some_and(|text| within(segment.as_bytes(), text.as_bytes()))
                        && whole(rest, &path[1..])
                }
            }
        }
        whole(&split(pattern), &split(path))
    }

    #[test]
    fn deep_covers_the_directory_itself() {
        assert!(
            matches("/admin/**", "/admin")
                && matches("/admin/**", "/admin/")
                && matches("/admin/**", "/admin/a/b")
        );
        assert!(!matches("/admin/**", "/administrator"));
        assert!(matches("/a/**/b", "/a/b") && matches("/a/**/b", "/a/x/y/b") && !matches("/a/**/b", "/a/xb"));
        assert!(matches("/*.css", "/x.css") && !matches("/*.css", "/a/x.css"));
    }

    #[test]
    fn covering() {
        for (outer, inner) in [
            ("/**", "/anything/*"),
            ("/admin/**", "/admin/payments/**"),
            ("/admin/**", "/admin"),
            ("/a/*", "/a/*.css"),
            ("/a/*/c", "/a/b*/c"),
            ("/a/**/z", "/a/*/z"),
            ("/a/**", "/a/**"),
            ("/a/", "/a"),
            ("/**", "/"),
        ] {
            assert!(covers(outer, inner), "{outer} covers {inner}");
        }
        for (outer, inner) in [
            ("/admin/*", "/admin/**"),
            ("/admin/**", "/admin*"),
            ("/a/*.css", "/a/*"),
            ("/a", "/b"),
            ("/a/**/z", "/a/**"),
            ("/a/*", "/a/"),
            ("/**/*", "/**"),
        ] {
            assert!(!covers(outer, inner), "{outer} does not cover {inner}");
        }
    }

    #[test]
    fn odd_patterns_are_refused() {
        for pattern in [
            "", "admin", "/a**", "/**b/c", "/a?b", "/a%2f", "/a/../b", "/a//b", "/a\\b", "/a\u{7}",
        ] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
        assert!(
            ["/", "/**", "/a/*", "/a/*.css", "/ä/", "/a/**/b"]
                .iter()
                .all(|p| check(p).is_ok())
        );
    }

    /// Well-formed patterns over few letters, so that pairs of them often cover each other.
    const ANY: &str = "(/(\\*\\*|\\*|\\*?[ab]{1,2}\\*?|[ab]\\*[ab])){1,3}/?";

    proptest! {
        /// What is said to be covered is covered: no path matches the inner pattern alone.
        #[test]
        fn covering_is_never_wrong(outer in ANY, inner in ANY, path in "(/[abc]{1,3}){1,4}/?") {
            prop_assert!(check(&outer).is_ok());
            if covers(&outer, &inner) && matches(&inner, &path) {
                prop_assert!(matches(&outer, &path));
            }
        }
    }
}
