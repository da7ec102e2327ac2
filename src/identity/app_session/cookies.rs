//! The app's own cookies, as one reading that the app cannot contradict.
//!
//! Apps take the first of two cookies of one name, or the last, split where others do not, or mangle
//! names. So that nobody can show one session to us and another to the app, a cookie that speaks of a
//! session must come once, under exactly its name, with nothing beside it that any app could take for it.

use http::HeaderMap;
use http::header::COOKIE;
use percent_encoding::percent_decode;

use super::Names;
use crate::identity::IdentityError;

const TWICE: IdentityError = IdentityError::Refused("a cookie that says who it is came twice");
const UNCLEAR: IdentityError =
    IdentityError::Refused("the cookies of the app's session could be read in two ways");

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
        alike += names(field).filter(|other| folds(other).contains(&like)).count();
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

/// That no app can find other cookies of these names in a request than we do. The same pair may come
/// twice: whichever counts, it says the same.
///
/// # Errors
/// When something else could be read as one of them.
pub fn plain(headers: &HeaderMap, listed: &Names) -> Result<(), IdentityError> {
    if listed.has_no_cookies() {
        return Ok(());
    }
    let pairs = listed.pairs(headers);
    let mut ours: Vec<&[u8]> = pairs.iter().map(|pair| before(pair, b'=')).collect();
    let fields = headers.get_all(COOKIE).iter();
    if headers.get_all(COOKIE).iter().any(|field| has_open_quote(field.as_bytes())) {
        return Err(UNCLEAR);
    }
    let mut theirs: Vec<&[u8]> = fields
        .flat_map(|field| names(field.as_bytes()))
        .filter(|name| listed.has_alike(name))
        .collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    if ours != theirs {
        return Err(UNCLEAR);
    }
    let mut read: Vec<(Vec<u8>, &[u8])> = Vec::with_capacity(2 * pairs.len());
    for pair in pairs {
        read.extend(folds(before(pair, b'=')).map(|fold| (fold, pair)));
    }
    read.sort_unstable();
    let differ =
        |two: &[(Vec<u8>, &[u8])]| matches!(two, [one, other] if one.0 == other.0 && one.1 != other.1);
    if read.windows(2).any(differ) {
        return Err(UNCLEAR);
    }
    Ok(())
}

/// Whether a value begins with a quote that it does not end with: to some parsers the value goes on over
/// the next separator, and what stands there is no cookie.
fn has_open_quote(field: &[u8]) -> bool {
    field.split(|byte| *byte == b';').any(|pair| {
        let at = memchr::memchr(b'=', pair).map_or(pair.len(), |at| at.saturating_add(1));
        let value = pair.get(at..).unwrap_or_default().trim_ascii();
        value.starts_with(b"\"") && !(value.len() > 1 && value.ends_with(b"\""))
    })
}

fn before(text: &[u8], end: u8) -> &[u8] {
    text.split(|byte| *byte == end).next().unwrap_or_default()
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

/// A name without what apps drop or change in it: escapes, case, and PHP's `.` and blanks.
pub(super) fn folded(name: &[u8]) -> Vec<u8> {
    letters(&percent_decode(name).collect::<Vec<u8>>())
}

fn letters(plain: &[u8]) -> Vec<u8> {
    let letters = plain.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.map(u8::to_ascii_lowercase).collect()
}

/// The two that a name may be folded to: for PHP an index `[…]` is none of it, but a `[` that nothing
/// closes is. Whatever comes after a NUL is lost where names are C's.
fn folds(name: &[u8]) -> [Vec<u8>; 2] {
    let plain: Vec<u8> = percent_decode(name).collect();
    let whole = before(&plain, 0);
    [letters(whole), letters(before(whole, b'['))]
}

/// A name as apps may spell its beginning: each byte that they change is `_`, and none is dropped.
pub(super) fn respelled(name: &[u8]) -> Vec<u8> {
    let plain = percent_decode(name).skip_while(|byte| *byte == b' ');
    plain
        .map(|byte| match byte {
            b'-' => byte,
            _ if byte.is_ascii_alphanumeric() => byte.to_ascii_lowercase(),
            _ => b'_',
        })
        .collect()
}

/// Whether apps may fold a name to this.
pub(super) fn is_folded_to(name: &[u8], like: &[u8]) -> bool {
    folds(name).iter().any(|fold| fold == like)
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
            "PHPSESSID=a; PHPSESS[ID=b",
            "PHPSESSID=a; PHPSESSID%00x=b",
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

    fn reads(field: &'static str) -> bool {
        let listed = Names::new(&["laravel_session".to_owned(), "wp_in_*".to_owned()], Vec::new());
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static(field));
        plain(&headers, &listed).is_ok()
    }

    #[test]
    fn cookies_that_an_app_is_asked_with_have_one_reading() {
        for good in [
            "theme=dark; a=x, y=\"z\"",
            "laravel_session=a=b; theme=dark",
            "laravel_session=a; laravel_session=a",
            "wp_in_1=a; wp_in_2=b; laravel_session=\"c\"; wp-inside=1; wpinner=2",
        ] {
            assert!(reads(good), "{good}");
        }
        for bad in [
            "laravel.session=v; laravel_session=a",
            "laravel_session=a; laravel.session=v",
            "laravel_session=v; laravel_session=a",
            "laravel[session=v; laravel_session=a",
            "LARAVEL_SESSION=v",
            "x=\"; laravel_session=v\"; y=1",
            "x=1,laravel_session=v; laravel_session=a",
            "x=1 laravel_session=v",
            "wp.in_1=v; wp_in_1=a",
            "wp[in_1=v",
            "%77p_in_1=v",
            "wp_in_1=a; wp_in_1[x]=v",
            "wp_in_1=a; wp_in_.1=v",
            "wp_in_1=a; wp_in_ x=1; y=1,wp_in_1=v",
        ] {
            assert!(!reads(bad), "{bad}");
        }
    }
}
