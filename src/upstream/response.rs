//! What becomes of a response's headers between the app and the client.

use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    TRANSFER_ENCODING, UPGRADE,
};

use super::cookies;
use super::error::{Fault, UpstreamError};
use super::request::nominated;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// Removes what ends at this hop and what an app may not say.
///
/// # Errors
/// When the response is framed in a way that cannot be passed on without changing what it means.
pub(super) fn clean(headers: &mut HeaderMap) -> Result<(), UpstreamError> {
    if headers.contains_key(CONNECTION) {
        for name in nominated(headers) {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
        if !codings.next().is_some_and(chunked) || codings.next().is_some() {
            return Err(UpstreamError::sent(Fault::Broken));
        }
        headers.remove(TRANSFER_ENCODING);
        // Both: chunked wins, and the length is a lie from here on.
        headers.remove(CONTENT_LENGTH);
    }
    // `Trailer` stays: without it the trailers themselves would be dropped on the way out.
    for name in [KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHENTICATE, UPGRADE] {
        headers.remove(name);
    }
    cookies::strip_response(headers);
    Ok(())
}

/// Keeps what one person was allowed to see out of shared caches (security.md G08).
pub(super) fn make_private(headers: &mut HeaderMap) {
    // These speak to shared caches over the head of `Cache-Control` (RFC 9213).
    headers.remove(CDN_CACHE_CONTROL);
    headers.remove(SURROGATE_CONTROL);
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        return;
    }
    let directives = || {
        headers
            .get_all(CACHE_CONTROL)
            .iter()
            .flat_map(|field| directives(field.as_bytes()))
    };
    let is = |directive: &[u8], name: &[u8]| directive.eq_ignore_ascii_case(name);
    if directives().any(|d| is(d, b"private") || is(d, b"no-store")) && !directives().any(is_shared) {
        return;
    }
    let mut value = b"private".to_vec();
    for directive in directives().filter(|d| !d.is_empty() && !is(d, b"private") && !is_shared(d)) {
        value.extend_from_slice(b", ");
        value.extend_from_slice(directive);
    }
    let value = HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static("private, no-store"));
    headers.insert(CACHE_CONTROL, value);
}

/// Whether a directive invites shared caches.
fn is_shared(directive: &[u8]) -> bool {
    let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(b"public") || name.eq_ignore_ascii_case(b"s-maxage")
}

/// The directives of one field. Commas inside quotes separate nothing.
fn directives(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    field
        .split(move |byte| {
            quoted ^= *byte == b'"';
            *byte == b',' && !quoted
        })
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privately(fields: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(field));
        }
        make_private(&mut headers);
        let values: Vec<_> = headers.get_all(CACHE_CONTROL).iter().map(|v| v.to_str().unwrap()).collect();
        values.join(" | ")
    }

    #[test]
    fn g08_a_protected_answer_is_private() {
        assert_eq!(privately(&[]), "private");
        assert_eq!(privately(&["max-age=60"]), "private, max-age=60");
        assert_eq!(privately(&["public, max-age=60, s-maxage=600"]), "private, max-age=60");
        assert_eq!(privately(&["no-store"]), "no-store");
        assert_eq!(privately(&["private, max-age=5"]), "private, max-age=5");
        assert_eq!(privately(&["no-cache", "s-maxage=5"]), "private, no-cache");
        assert_eq!(privately(&["private=\"set-cookie, x\""]), "private, private=\"set-cookie, x\"");
        assert_eq!(privately(&["private, public"]), "private");
    }

    #[test]
    fn g08_headers_that_speak_to_shared_caches_alone_go() {
        let mut headers = HeaderMap::new();
        headers.insert(CDN_CACHE_CONTROL, HeaderValue::from_static("max-age=600"));
        headers.insert(SURROGATE_CONTROL, HeaderValue::from_static("max-age=600"));
        make_private(&mut headers);
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn what_ends_at_this_hop_ends() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "x-hop, close"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "Chunked"),
            ("content-length", "3"),
            ("trailer", "x-sum"),
            ("etag", "\"1\""),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        clean(&mut headers).unwrap();
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["etag", "trailer"]);
    }

    #[test]
    fn a_coding_that_cannot_be_passed_on_is_an_error() {
        let mut headers = HeaderMap::new();
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("gzip, chunked"));
        assert!(clean(&mut headers).is_err());
    }
}
