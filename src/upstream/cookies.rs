//! Our cookies stay here: none of them reaches the app, and the app can plant none of them.
//!
//! Browsers split `Cookie` on HTTP/2, so all fields are joined first; pairs of others keep their
//! bytes and their order.

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

/// Takes our cookies out of the request, and joins several `Cookie` fields into the one that
/// HTTP/1.1 allows.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(COOKIE).iter();
    let Some(first) = fields.next() else { return };
    if fields.next().is_none() && !pairs(first.as_bytes()).any(is_ours) {
        return;
    }
    AppCookie::of(headers).replace(headers);
}

/// The one `Cookie` field that the app may see, of all that a client sent: nothing of ours, and no field
/// at all if nothing is left.
#[derive(Debug, Clone)]
pub struct AppCookie(Option<HeaderValue>);

impl AppCookie {
    /// What is left of these fields.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self(without_ours(headers))
    }

    /// The field; `None`: the app gets none.
    #[must_use]
    pub const fn field(&self) -> Option<&HeaderValue> {
        self.0.as_ref()
    }

    /// Puts it in the place of the client's.
    pub(super) fn replace(self, headers: &mut HeaderMap) {
        match self.0 {
            Some(field) => headers.insert(COOKIE, field),
            None => headers.remove(COOKIE),
        };
    }
}

fn without_ours(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut kept = Vec::new();
    for pair in headers.get_all(COOKIE).iter().flat_map(|field| pairs(field.as_bytes())) {
        if is_ours(pair) || pair.is_empty() {
            continue;
        }
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(pair);
    }
    // Parts of valid values make a valid value; were it not so, no cookie is the safe reading.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(kept))
        .ok()
        .filter(|value| !value.is_empty())
}

/// Drops every `Set-Cookie` of one of our names from an upstream's response (security.md G10).
pub(super) fn strip_response(headers: &mut HeaderMap) {
    if !headers.get_all(SET_COOKIE).iter().any(|field| is_ours(first_pair(field))) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|field| !is_ours(first_pair(field)))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for field in kept {
        headers.append(SET_COOKIE, field);
    }
}

fn first_pair(field: &HeaderValue) -> &[u8] {
    pairs(field.as_bytes()).next().unwrap_or_default()
}

/// The trimmed pairs of a cookie string.
fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    std::iter::from_fn(move || {
        let all = rest?;
        let (pair, after) = match memchr::memchr(b';', all) {
            Some(at) => (all.get(..at)?, all.get(at + 1..)),
            None => (all, None),
        };
        rest = after;
        Some(pair.trim_ascii())
    })
}

/// Whether a pair's name belongs to us: with or without a prefix, in any case, because what reads
/// it behind us may be lenient about both.
fn is_ours(pair: &[u8]) -> bool {
    // A cookie without a name comes back as its value alone, which can look like a name and a value.
    let start = pair
        .iter()
        .take_while(|byte| **byte == b'=' || byte.is_ascii_whitespace())
        .count();
    let mut name = pair.get(start..).unwrap_or_default();
    for prefix in [b"__host-".as_slice(), b"__secure-"] {
        if let Some((start, rest)) = name.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            name = rest;
        }
    }
    let Some((start, rest)) = name.split_at_checked(b"stepgate".len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(b"stepgate")
        && matches!(rest.trim_ascii_start().first(), None | Some(b'=' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_static(field));
        }
        strip_request(&mut headers);
        assert!(headers.get_all(COOKIE).iter().count() <= 1);
        headers.get(COOKIE).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn others_pass_untouched_and_ours_never() {
        assert_eq!(request(&["a=1; b=\"2\""]).unwrap(), "a=1; b=\"2\"");
        assert_eq!(request(&["a=1; __Host-stepgate=x; b=2"]).unwrap(), "a=1; b=2");
        assert_eq!(request(&["__Host-stepgate=x; __Host-stepgate-id=y"]), None);
        assert_eq!(request(&["stepgate=x;stepgate-browser=y;c=3"]).unwrap(), "c=3");
        assert_eq!(request(&["__host-STEPGATE=x; stepgate = y; stepgatepref=1"]).unwrap(), "stepgatepref=1");
        assert_eq!(request(&["stepgate"]), None);
    }

    #[test]
    fn fields_of_http2_are_joined_in_order() {
        assert_eq!(request(&["a=1", "b=2; stepgate=x", "c=3"]).unwrap(), "a=1; b=2; c=3");
        assert_eq!(request(&["a=1", "__Host-stepgate=x"]).unwrap(), "a=1");
    }

    #[test]
    fn g10_an_upstream_cannot_plant_our_cookies() {
        let mut headers = HeaderMap::new();
        for field in [
            "sid=1; Path=/",
            "__Host-stepgate=forged; Path=/",
            " stepgate-id=x",
            "=stepgate-id=x; Path=/",
            " = __Host-stepgate=x",
            "theme=dark",
        ] {
            headers.append(SET_COOKIE, HeaderValue::from_static(field));
        }
        strip_response(&mut headers);
        let kept: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(kept, ["sid=1; Path=/", "theme=dark"]);
    }
}
