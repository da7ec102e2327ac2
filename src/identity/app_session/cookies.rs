//! The app's own cookies, as one reading that the app cannot contradict.
//!
//! Apps take the first of two cookies of one name, or the last, split where others do not, or mangle
//! names. So that nobody can show one session to us and another to the app, a cookie that speaks of a
//! session must come once, under exactly its name, with nothing beside it that any app could take for it.

use http::HeaderMap;
use http::header::COOKIE;
use percent_encoding::percent_decode;

use crate::identity::IdentityError;

const TWICE: IdentityError = IdentityError::Refused("a cookie that says who it is came twice");

/// The value of the one cookie of this name; `None`: there is none, or it is empty.
///
/// # Errors
/// When something else could be read as that cookie.
pub fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, IdentityError> {
    let like = folded(name.as_bytes());
    let mut found = None;
    let mut alike = 0_usize;
    for field in headers.get_all(COOKIE) {
        let field = field.as_bytes();
        for pair in field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            if let Some(value) = value_of(pair, name) {
                found = Some(value);
            }
        }
        alike += names(field).filter(|other| folded(other) == like).count();
    }
    match (found, alike) {
        (None, 0) => Ok(None),
        (Some(value), 1) => {
            let text = std::str::from_utf8(value).map_err(|_| TWICE)?;
            Ok(Some(text).filter(|text| !text.is_empty()))
        }
        _ => Err(TWICE),
    }
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// Everything in a field that some parser may take for a cookie's name: whatever stands before the first
/// `=` after any separator that has ever been one, blanks among them.
fn names(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let chunks = field.split(|byte| matches!(byte, b';' | b',' | b'"'));
    chunks
        .flat_map(|chunk| {
            let words = chunk.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.scan(None, |before, word| {
                let name = match memchr::memchr(b'=', word) {
                    Some(0) => *before,
                    Some(at) => word.get(..at),
                    None => None,
                };
                *before = Some(word);
                Some(name)
            })
        })
        .flatten()
}

/// A name without what apps drop or change in it: escapes, case, `[…]`, and PHP's `.` and blanks.
fn folded(name: &[u8]) -> Vec<u8> {
    let plain: Vec<u8> = percent_decode(name).collect();
    plain
        .split(|byte| *byte == b'[')
        .next()
        .unwrap_or_default()
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn session(fields: &[&'static str]) -> Result<Option<String>, IdentityError> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_static(field));
        }
        single(&headers, "PHPSESSID").map(|value| value.map(str::to_owned))
    }

    #[test]
    fn one_cookie_of_that_name() {
        assert_eq!(session(&["a=1; PHPSESSID=x=y; b=2"]).unwrap().as_deref(), Some("x=y"));
        assert_eq!(session(&["a=1", "PHPSESSID=x"]).unwrap().as_deref(), Some("x"));
        assert_eq!(session(&["a=1; b=PHPSESSID"]).unwrap(), None);
        assert_eq!(session(&["PHPSESSID="]).unwrap(), None);
        assert_eq!(session(&[]).unwrap(), None);
    }

    #[test]
    fn whatever_an_app_could_take_for_it_is_refused() {
        for fields in [
            "PHPSESSID=a; PHPSESSID=b",
            "PHPSESSID=a; phpsessid=b",
            "PHPSESSID=a; PHPSESS.ID=b",
            "PHPSESSID=a; PHPSESSI%44=b",
            "PHPSESSID=a; PHPSESSID[0]=b",
            "PHPSESSID=a; x=1,PHPSESSID=b",
            "PHPSESSID=a; x=\"; PHPSESSID=b\"",
            "PHPSESSID=a; x=1 PHPSESSID=b",
            "PHPSESSID =b",
            "phpsessid=b",
        ] {
            assert!(session(&[fields]).is_err(), "{fields}");
        }
        assert!(session(&["PHPSESSID=a", "PHPSESSID=b"]).is_err());
    }
}
