//! The lenient-reading rule: every path that some back end might take a target to mean.
//!
//! A scan passes plain paths at once. Anything else is taken through what back ends are known to
//! do to paths, in every order, until nothing new comes out; what has too many meanings, or one
//! that is never honest, is refused. The target itself is never changed: what is judged here is
//! what is sent (security.md 1.9).

use unicode_normalization::UnicodeNormalization as _;

use crate::config::settings::EncodedSlash;
use crate::policy::text::{hex, is_zero_width, percent_decode};
use crate::policy::{Reading, Readings};

use super::canonical::Refusal;

/// How many distinct readings a path may have.
const MOST_READINGS: usize = 64;

/// How many bytes all readings together may have: bounds the work, and no ordinary path comes near.
const MOST_BYTES: usize = 64 * 1024;

/// How many things back ends may do to a path one after the other.
const DEPTH: usize = 6;

/// What it makes of a path, if that is something else.
type Step = fn(&str) -> Result<Option<String>, Refusal>;

/// What back ends do to paths. Lower-casing is missing because every reading is also judged
/// folded, and backslashes, NULs and controls because no reading may have them.
const STEPS: [Step; 13] = [
    decode_percent,
    decode_unicode_escapes,
    |path| Ok(changed(path, !path.is_ascii(), || path.nfkc().collect())),
    |path| Ok(changed(path, !path.is_ascii(), || path.chars().filter(|c| !is_zero_width(*c)).collect())),
    |path| Ok(changed(path, path.contains("//"), || collapse_slashes(path))),
    |path| Ok(changed(path, path.contains(';'), || drop_parameters(path))),
    |path| Ok(changed(path, path.contains("/."), || remove_dot_segments(path))),
    |path| Ok(cut(path, '#')),
    |path| Ok(cut(path, '?')),
    |path| Ok(cut(path, ';')),
    |path| Ok(changed(path, path.contains(['.', ' ']), || trim_segments(path))),
    |path| Ok(changed(path, path.contains(['.', ' ']), || each_segment(path, trim_end))),
    |path| Ok(changed(path, path.contains(' '), || each_segment(path, str::trim_end))),
];

/// The readings of a path as it was sent.
///
/// # Errors
/// A refusal for what no honest client sends, and for what could mean too much.
pub fn read(path: &str, encoded_slash: EncodedSlash) -> Result<Readings, Refusal> {
    if is_plain(path) {
        return Ok(Readings::Plain);
    }
    let decoded = decode_sent(path, encoded_slash)?;
    // An escape that had to be one means the same decoded or not. One that did not have to be is
    // another path for those who do not decode.
    let literal = (has_needless_escape(path) && decoded != path).then(|| path.to_owned());
    close([decoded].into_iter().chain(literal).collect())
}

/// Whether the path means itself to everyone: printable ASCII without escapes, parameters,
/// empty segments, and dots at the end of a segment.
fn is_plain(path: &str) -> bool {
    let mut before = b' ';
    for byte in path.bytes() {
        let fits = match byte {
            b'/' => before != b'/' && before != b'.',
            b'%' | b';' | b'\\' | b'#' | b'?' => false,
            _ => byte.is_ascii_graphic(),
        };
        if !fits {
            return false;
        }
        before = byte;
    }
    before != b'.'
}

fn decode_sent(path: &str, encoded_slash: EncodedSlash) -> Result<String, Refusal> {
    let bytes = percent_decode(path.as_bytes()).ok_or(BAD_ESCAPE)?;
    let decoded = String::from_utf8(bytes).map_err(|_| NOT_UTF_8)?;
    if encoded_slash == EncodedSlash::Refuse && decoded.matches('/').count() != path.matches('/').count() {
        return Err(ENCODED_SLASH);
    }
    honest(&decoded)?;
    Ok(decoded)
}

/// Whether a character is escaped that a path may contain as it is.
fn has_needless_escape(path: &str) -> bool {
    path.split('%').skip(1).any(|escape| match escape.as_bytes() {
        [high, low, ..] => hex(*high).zip(hex(*low)).is_some_and(|(high, low)| {
            let byte = high << 4 | low;
            byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
        }),
        _ => false,
    })
}

/// Takes every reading through every step until nothing new comes out.
fn close(mut known: Vec<String>) -> Result<Readings, Refusal> {
    let mut newest = 0..known.len();
    let mut bytes = known.iter().map(String::len).sum::<usize>();
    for _ in 0..DEPTH {
        for at in newest.clone() {
            for step in STEPS {
                let Some(reading) = known.get(at).map(|path| step(path)).transpose()?.flatten() else {
                    continue;
                };
                if known.contains(&reading) {
                    continue;
                }
                honest(&reading)?;
                bytes += reading.len();
                known.push(reading);
                if known.len() > MOST_READINGS || bytes > MOST_BYTES {
                    return Err(TOO_MANY);
                }
            }
        }
        newest = newest.end..known.len();
        if newest.is_empty() {
            return Ok(Readings::Several(known.into_iter().map(Reading::new).collect()));
        }
    }
    Err(TOO_MANY)
}

/// No honest reading has a backslash, a NUL or another control in it.
fn honest(path: &str) -> Result<(), Refusal> {
    if path.contains('\\') {
        return Err(BACKSLASH);
    }
    if path.contains(char::is_control) {
        Err(CONTROL)
    } else {
        Ok(())
    }
}

fn changed(path: &str, may_change: bool, change: impl FnOnce() -> String) -> Option<String> {
    may_change.then(change).filter(|changed| changed != path)
}

/// Decodes what is an escape and leaves what is none, as lenient decoders do the second time.
fn decode_percent(path: &str) -> Result<Option<String>, Refusal> {
    let Some((start, escapes)) = path.split_once('%') else {
        return Ok(None);
    };
    let mut bytes = start.as_bytes().to_vec();
    for escape in escapes.split('%') {
        match escape.as_bytes() {
            [high, low, rest @ ..] if let (Some(high), Some(low)) = (hex(*high), hex(*low)) => {
                bytes.push(high << 4 | low);
                bytes.extend_from_slice(rest);
            }
            none => {
                bytes.push(b'%');
                bytes.extend_from_slice(none);
            }
        }
    }
    let decoded = String::from_utf8(bytes).map_err(|_| NOT_UTF_8)?;
    Ok(Some(decoded).filter(|decoded| decoded != path))
}

/// `%uXXXX`, which some Windows back ends know.
fn decode_unicode_escapes(path: &str) -> Result<Option<String>, Refusal> {
    let mut decoded = String::with_capacity(path.len());
    let mut parts = path.split('%');
    decoded.extend(parts.next());
    for part in parts {
        let digits = part.strip_prefix(['u', 'U']).and_then(|part| part.split_at_checked(4));
        let digits = digits.filter(|(digits, _)| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if let Some((digits, rest)) = digits {
            let value = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
            decoded.push(value.ok_or(NOT_UTF_8)?);
            decoded.push_str(rest);
        } else {
            decoded.push('%');
            decoded.push_str(part);
        }
    }
    Ok(Some(decoded).filter(|decoded| decoded != path))
}

fn collapse_slashes(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let mut collapsed: String = segments.flat_map(|segment| ["/", segment]).collect();
    if path.ends_with('/') {
        collapsed.push('/');
    }
    collapsed
}

fn drop_parameters(path: &str) -> String {
    each_segment(path, |segment| segment.split_once(';').map_or(segment, |(name, _)| name))
}

/// As those trim who know dot segments, and take them away in a step of its own; others trim those too.
fn trim_segments(path: &str) -> String {
    each_segment(path, |segment| match segment {
        "." | ".." => segment,
        _ => trim_end(segment),
    })
}

fn trim_end(segment: &str) -> &str {
    segment.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

fn each_segment(path: &str, change: impl Fn(&str) -> &str) -> String {
    path.split('/').map(change).collect::<Vec<_>>().join("/")
}

/// RFC 3986, 5.2.4.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut open = false;
    for segment in path.split('/').skip(1) {
        open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let mut removed: String = kept.iter().flat_map(|segment| ["/", segment]).collect();
    if open || removed.is_empty() {
        removed.push('/');
    }
    removed
}

fn cut(path: &str, at: char) -> Option<String> {
    path.split_once(at).map(|(before, _)| before.to_owned())
}

const BAD_ESCAPE: Refusal =
    Refusal::bad("path_escape", "a % in the path is not followed by two hexadecimal digits");
const NOT_UTF_8: Refusal = Refusal::bad("path_encoding", "the path is not well-formed UTF-8");
const BACKSLASH: Refusal = Refusal::bad("path_backslash", "the path contains a backslash");
const CONTROL: Refusal = Refusal::bad("path_control", "the path contains a control character");
const ENCODED_SLASH: Refusal = Refusal::bad("path_encoded_slash", "the path contains an encoded slash");
const TOO_MANY: Refusal = Refusal::bad("path_ambiguous", "the path could be understood in too many ways");

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
