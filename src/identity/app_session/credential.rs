//! What stands for a session of the app: which parts of a request, and their bytes until they are hashed.

use http::header::{COOKIE, HeaderMap, HeaderName, SET_COOKIE};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::cookies;
use crate::ambient::UnixTime;

/// A credential of the app's, for as long as one request is looked at. Never kept, never shown.
pub struct Credential {
    bytes: SecretSlice<u8>,
    until: UnixTime,
}

impl Credential {
    /// Of parts that are taken as they are, each with its length. `until`: when the app is asked again
    /// at the latest, whatever it said before.
    #[must_use]
    pub fn new(parts: &[&[u8]], until: UnixTime) -> Self {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Self { bytes: bytes.into(), until }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.expose_secret()
    }

    pub(super) const fn until(&self) -> UnixTime {
        self.until
    }
}

/// Names of cookies, perhaps open at their end, and of headers.
pub struct Names {
    cookies: Box<[Pattern]>,
    headers: Box<[HeaderName]>,
}

struct Pattern {
    start: Box<[u8]>,
    /// Whether anything may follow.
    open: bool,
    /// What apps may make of it.
    like: Box<[u8]>,
}

impl Names {
    /// A cookie's name may end in `*`.
    #[must_use]
    pub fn new(names: &[String], headers: Vec<HeaderName>) -> Self {
        let pattern = |name: &String| match name.strip_suffix('*') {
            Some(start) => Pattern {
                start: start.as_bytes().into(),
                open: true,
                like: cookies::respelled(start.as_bytes()).into(),
            },
            None => Pattern {
                start: name.as_bytes().into(),
                open: false,
                like: cookies::folded(name.as_bytes()).into(),
            },
        };
        Self { cookies: names.iter().map(pattern).collect(), headers: headers.into() }
    }

    #[must_use]
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// Whether no header but `Cookie` is read.
    #[must_use]
    pub fn are_cookies_alone(&self) -> bool {
        self.headers.is_empty()
    }

    /// Whether a cookie of this name is one of them. Byte for byte, as browsers compare.
    #[must_use]
    pub fn has_cookie(&self, name: &[u8]) -> bool {
        let is = |pattern: &Pattern| {
            if pattern.open {
                name.starts_with(&pattern.start)
            } else {
                *name == *pattern.start
            }
        };
        self.cookies.iter().any(is)
    }

    #[must_use]
    pub fn has_no_cookies(&self) -> bool {
        self.cookies.is_empty()
    }

    /// Whether some app could take a cookie of this name for one of them.
    #[must_use]
    pub fn has_alike(&self, name: &[u8]) -> bool {
        self.cookies.iter().any(|pattern| {
            if pattern.open {
                cookies::respelled(name).starts_with(&pattern.like)
            } else {
                cookies::is_folded_to(name, &pattern.like)
            }
        })
    }

    /// These cookies of a request, as `name=value`, in the order they came.
    pub fn pairs<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a [u8]> {
        if self.cookies.is_empty() {
            return Vec::new();
        }
        let fields = headers.get_all(COOKIE).iter();
        let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
        pairs
            .map(<[u8]>::trim_ascii)
            .filter(|pair| name_of(pair).is_some_and(|name| self.has_cookie(name)))
            .collect()
    }
}

fn name_of(pair: &[u8]) -> Option<&[u8]> {
    let at = memchr::memchr(b'=', pair)?;
    pair.get(..at)
}

/// What an answer of the app does to one cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Cleared,
    /// The new pair, `name=value`.
    Set(Vec<u8>),
}

/// What an answer does to these cookies; the last word about each name counts.
#[must_use]
pub fn changes(names: &Names, answer: &HeaderMap, now: UnixTime) -> Vec<(Vec<u8>, Change)> {
    let mut changes: Vec<(Vec<u8>, Change)> = Vec::new();
    for field in answer.get_all(SET_COOKIE) {
        let pair = field
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let Some(name) = name_of(pair).filter(|name| names.has_cookie(name)) else {
            continue;
        };
        let empty = pair.len() == name.len() + 1;
        let change = if empty || is_over(field.as_bytes(), now) {
            Change::Cleared
        } else {
            Change::Set(pair.to_vec())
        };
        changes.retain(|(known, _)| known != name);
        changes.push((name.to_vec(), change));
    }
    changes
}

/// Whether a `Set-Cookie` takes the cookie away: `Max-Age` first, as browsers read it.
fn is_over(field: &[u8], now: UnixTime) -> bool {
    let Ok(text) = std::str::from_utf8(field) else {
        return false;
    };
    let Ok(cookie) = cookie::Cookie::parse(text) else {
        return false;
    };
    match (cookie.max_age(), cookie.expires_datetime()) {
        (Some(age), _) => age <= cookie::time::Duration::ZERO,
        (None, Some(at)) => at.unix_timestamp() <= now.0,
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn names() -> Names {
        Names::new(&["sid".to_owned(), "wp_*".to_owned()], Vec::new())
    }

    #[test]
    fn a19_only_named_cookies_are_taken_in_their_order() {
        let mut headers = HeaderMap::new();
        for field in [
            "theme=dark; sid=1;wp_a=2",
            "SID=3; sid=4; wp=5; wp_=6",
            "novalue; sidx=1",
        ] {
            headers.append(COOKIE, HeaderValue::from_static(field));
        }
        let pairs = names().pairs(&headers);
        assert_eq!(pairs, [&b"sid=1"[..], b"wp_a=2", b"sid=4", b"wp_=6"]);
    }

    #[test]
    fn a17_parts_cannot_be_moved_between_neighbours() {
        let of = |parts: &[&[u8]]| Credential::new(parts, UnixTime::NEVER).bytes().to_vec();
        assert_ne!(of(&[b"a", b"bc"]), of(&[b"ab", b"c"]));
        assert_ne!(of(&[b"a"]), of(&[b"a", b""]));
    }

    #[test]
    fn an_answer_sets_replaces_or_clears() {
        let now = UnixTime(1_700_000_000);
        let told = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(SET_COOKIE, HeaderValue::from_static(field));
            }
            changes(&names(), &headers, now)
                .into_iter()
                .map(|(_, change)| change)
                .collect::<Vec<_>>()
        };
        for cleared in [
            "sid=; Path=/",
            "sid=x; Max-Age=0",
            "sid=x; Max-Age=-1; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
            "sid=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/",
            "wp_1=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(told(&[cleared]), [Change::Cleared], "{cleared}");
        }
        assert_eq!(told(&["sid=new; HttpOnly"]), [Change::Set(b"sid=new".to_vec())]);
        assert_eq!(told(&["sid=; Max-Age=0", "sid=new"]), [Change::Set(b"sid=new".to_vec())]);
        assert_eq!(told(&["theme=; Max-Age=0"]), []);
    }
}
