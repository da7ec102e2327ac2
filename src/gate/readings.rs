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

/// What back ends do to paths. Lower-casing is missing because every reading is also judged
/// folded, and backslashes, NULs and controls because no reading may have them.
const STEPS: [fn(&str) -> Result<Option<String>, Refusal>; 11] = [
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
    let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'/').count();
    if encoded_slash == EncodedSlash::Refuse && slashes(&bytes) != slashes(path.as_bytes()) {
        return Err(ENCODED_SLASH);
    }
    let decoded = String::from_utf8(bytes).map_err(|_| NOT_UTF_8)?;
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

fn trim_segments(path: &str) -> String {
    each_segment(path, |segment| segment.trim_end_matches(|c: char| c == '.' || c.is_whitespace()))
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
mod tests {
    use super::*;

    fn readings(path: &str) -> Vec<String> {
        match read(path, EncodedSlash::Refuse).unwrap() {
            Readings::Plain => vec![],
            Readings::Several(readings) => readings.iter().map(|reading| reading.path().to_owned()).collect(),
        }
    }

    fn refused(path: &str) -> Option<&'static str> {
        read(path, EncodedSlash::Refuse).err().map(|refusal| refusal.code)
    }

    #[test]
    fn plain_paths_are_themselves() {
        for path in [
            "/",
            "/a/b.c/d-e_f~g",
            "/a+b@c:d",
            "/.well-known/x",
            "/...a",
            "/a/",
            "/(x)*!$&',=",
            "/Users/X",
            "/{id}|[]^\"",
        ] {
            assert!(readings(path).is_empty(), "{path}");
        }
    }

    #[test]
    fn ordinary_escapes_mean_one_thing() {
        assert_eq!(readings("/my%20files/%C3%A4rzte"), ["/my files/ärzte"]);
        assert_eq!(readings("/ärzte"), ["/ärzte"]);
        assert_eq!(readings("/100%25"), ["/100%"]);
        assert_eq!(readings("/%E6%97%A5%E6%9C%AC"), ["/日本"]);
    }

    #[test]
    fn needless_escapes_mean_two() {
        assert_eq!(readings("/%61dmin"), ["/admin", "/%61dmin"]);
        assert_eq!(readings("/anna%40example.com"), ["/anna@example.com", "/anna%40example.com"]);
    }

    #[test]
    fn a04_dot_segments_are_taken_out_plain_or_encoded() {
        for path in [
            "/x/../admin",
            "/./admin",
            "/x/%2e%2e/admin",
            "/x/%252e%252e/admin",
            "/x/..;/admin",
            "//admin",
        ] {
            assert!(readings(path).iter().any(|reading| reading == "/admin"), "{path}");
        }
    }

    #[test]
    fn a05_encoded_slashes_and_backslashes_are_refused() {
        for path in ["/a%2fb", "/a%2Fb"] {
            assert_eq!(refused(path), Some("path_encoded_slash"), "{path}");
        }
        for path in ["/a\\b", "/a%5cb", "/a%255Cb", "/a%EF%BC%BCb"] {
            assert_eq!(refused(path), Some("path_backslash"), "{path}");
        }
        let judged = read("/a%2fb", EncodedSlash::Judge).unwrap();
        let Readings::Several(judged) = judged else {
            panic!("plain")
        };
        assert_eq!(judged.iter().map(Reading::path).collect::<Vec<_>>(), ["/a/b", "/a%2fb"]);
    }

    #[test]
    fn a06_parameters_hide_nothing() {
        for path in ["/admin;x/y", "/admin/y;a=b", "/admin%3bx/y", "/x;/../admin/y"] {
            assert!(readings(path).iter().any(|reading| reading == "/admin/y"), "{path}");
        }
    }

    #[test]
    fn a07_slashes_collapse() {
        assert!(readings("///admin//x/").contains(&"/admin/x/".to_owned()));
        assert!(readings("//").contains(&"/".to_owned()));
    }

    #[test]
    fn a09_what_cannot_be_read_is_refused() {
        for (path, code) in [
            ("/100%", "path_escape"),
            ("/%zz", "path_escape"),
            ("/%u0061", "path_escape"),
            ("/%c0%ae", "path_encoding"),
            ("/%ff", "path_encoding"),
            ("/a%25ff", "path_encoding"),
            ("/a%25ud800", "path_encoding"),
            ("/a%00", "path_control"),
            ("/a%2500", "path_control"),
            ("/a%0d%0a", "path_control"),
            ("/a%C2%85", "path_control"),
            ("/%252525252525252e", "path_ambiguous"),
        ] {
            assert_eq!(refused(path), Some(code), "{path}");
        }
    }

    #[test]
    fn the_work_is_bounded() {
        let long = format!("/{}", "a%2525;b%20.//%252e./".repeat(400));
        assert_eq!(refused(&long), Some("path_ambiguous"));
        let twisted = "/a;b//%252e/c%253bd/%2523e/%253ff%20./\u{ff41}\u{200b}/%2525";
        assert_eq!(refused(twisted), Some("path_ambiguous"));
    }

    #[test]
    fn compatible_and_invisible_characters_are_read() {
        for path in [
            "/%EF%BD%81dmin",
            "/ad%E2%80%8Bmin",
            "/admin%20",
            "/admin.",
            "/admin%3Fx",
            "/admin%23x",
        ] {
            assert!(readings(path).iter().any(|reading| reading == "/admin"), "{path}");
        }
    }
}
