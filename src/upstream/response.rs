//! What becomes of a response's headers between the app and the client.

use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};

use super::cookies;
use super::error::{Fault, UpstreamError};
use super::request::nominated;

/// Which of the names that matter here a response has: found in one pass, because looking each of
/// them up would cost more than all the rest.
#[derive(Default)]
struct Found {
    connection: bool,
    coding: bool,
    cookies: bool,
    caching: bool,
    /// What goes in any case.
    doomed: Vec<HeaderName>,
    /// What speaks to shared caches over the head of `Cache-Control` (RFC 9213).
    shared: Vec<HeaderName>,
}

impl Found {
    fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            match name.as_str() {
                "connection" => found.connection = true,
                "transfer-encoding" => found.coding = true,
                "set-cookie" => found.cookies = true,
                "cache-control" => found.caching = true,
                // `Trailer` stays: without it the trailers themselves would be dropped on the way out.
                "keep-alive" | "proxy-connection" | "proxy-authenticate" | "upgrade" => {
                    found.doomed.push(name.clone());
                }
                "cdn-cache-control" | "surrogate-control" => found.shared.push(name.clone()),
                _ => {}
            }
        }
        found
    }
}

/// Removes what ends at this hop and what an app may not say, and keeps what one person was allowed
/// to see out of shared caches where `private` (security.md G08).
///
/// # Errors
/// When the response is framed in a way that cannot be passed on without changing what it means.
pub(super) fn clean(headers: &mut HeaderMap, private: bool) -> Result<(), UpstreamError> {
    let found = Found::of(headers);
    // Before anything can be declared to end here, the framing itself included.
    if found.coding {
        reframe(headers)?;
    }
    if found.connection {
        for name in nominated(headers) {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in found.doomed {
        headers.remove(name);
    }
    if found.cookies {
        cookies::strip_response(headers);
    }
    if private {
        for name in found.shared {
            headers.remove(name);
        }
        make_private(headers, found.caching);
    }
    Ok(())
}

/// Removes from trailers what would change how the message is framed or who the client is: those
/// who join trailers to headers must find nothing there.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    for name in [
        CONNECTION,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        http::header::HOST,
        http::header::SET_COOKIE,
        http::header::TE,
        http::header::TRAILER,
        http::header::UPGRADE,
        http::header::LOCATION,
        http::header::WWW_AUTHENTICATE,
        CACHE_CONTROL,
    ] {
        trailers.remove(name);
    }
}

fn reframe(headers: &mut HeaderMap) -> Result<(), UpstreamError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_some_and(chunked) || codings.next().is_some() {
        return Err(UpstreamError::sent(Fault::Broken));
    }
    headers.remove(TRANSFER_ENCODING);
    // Both: chunked wins, and the length is a lie from here on.
    headers.remove(CONTENT_LENGTH);
    Ok(())
}

fn make_private(headers: &mut HeaderMap, caching: bool) {
    if !caching || !headers.contains_key(CACHE_CONTROL) {
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
        clean(&mut headers, true).unwrap();
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
        headers.insert("cdn-cache-control", HeaderValue::from_static("max-age=600"));
        headers.insert("surrogate-control", HeaderValue::from_static("max-age=600"));
        clean(&mut headers, true).unwrap();
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn what_ends_at_this_hop_ends() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "x-hop, close, transfer-encoding, content-length"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "Chunked"),
            ("content-length", "3"),
            ("trailer", "x-sum"),
            ("etag", "\"1\""),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        clean(&mut headers, false).unwrap();
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["etag", "trailer"]);
    }

    #[test]
    fn a_coding_that_cannot_be_passed_on_is_an_error() {
        let mut headers = HeaderMap::new();
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("gzip, chunked"));
        headers.insert(CONNECTION, HeaderValue::from_static("transfer-encoding"));
        assert!(clean(&mut headers, false).is_err());
    }
}
