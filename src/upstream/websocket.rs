//! Which upgrades are relayed: `websocket`, alone, from the site's own pages, over either version.
//!
//! Everything else in `Upgrade` ends at this hop and the request goes on as an ordinary one
//! (security.md C09). Over HTTP/2 a WebSocket comes as an extended CONNECT (RFC 8441); it becomes the GET
//! that it means before anything is judged, and any other CONNECT stays what it is and is refused. The
//! permit has been given for the request as it stands; nothing is tunnelled before the upstream's 101
//! (C05).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use hyper::ext::Protocol;

/// What RFC 6455, 1.3 appends to a key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Marks a request that came as an extended CONNECT. Its key is ours, so the app's answer to it is ours
/// to check.
#[derive(Clone, Debug)]
pub struct Extended {
    accept: String,
}

impl Extended {
    /// Turns an extended CONNECT for a WebSocket into a GET, as HTTP/1.1 would say it. Returns whether it
    /// was one. No answer to it may be 2xx but the one that opens it: the client would take it for that.
    pub fn become_get(parts: &mut Parts) -> bool {
        let websocket = |protocol: &Protocol| protocol.as_str().eq_ignore_ascii_case("websocket");
        if parts.method != Method::CONNECT || !parts.extensions.get().is_some_and(websocket) {
            return false;
        }
        let key = BASE64.encode(crate::ambient::random_bytes::<16>());
        let accept = accept_for(&key);
        // Base64 is always a header value.
        let Ok(key) = HeaderValue::try_from(key) else {
            return false;
        };
        parts.method = Method::GET;
        announce(&mut parts.headers);
        parts.headers.insert(SEC_WEBSOCKET_KEY, key);
        parts.extensions.insert(Self { accept });
        true
    }

    /// Whether the app has understood that this is a WebSocket.
    pub(super) fn is_accepted(&self, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
        fields.next().is_some_and(|field| field.as_bytes() == self.accept.as_bytes())
            && fields.next().is_none()
    }
}

fn accept_for(key: &str) -> String {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key.as_bytes());
    digest.update(GUID);
    BASE64.encode(digest.finish())
}

/// Whether this request asks for a WebSocket and for nothing else.
pub(super) fn is_asked_for(parts: &Parts) -> bool {
    parts.method == Method::GET
        && is_alone(&parts.headers)
        && (parts.version == Version::HTTP_11 || parts.extensions.get::<Extended>().is_some())
        && parts
            .headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Whether the upstream agreed.
pub(super) fn is_agreed(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS && is_alone(headers)
}

fn is_alone(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(UPGRADE).iter();
    fields
        .next()
        .is_some_and(|field| field.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && fields.next().is_none()
}

/// Puts back what names the protocol, after hop-by-hop headers have gone.
pub(super) fn announce(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// The answer that opens a WebSocket over HTTP/2 (RFC 8441, 5): 200, and nothing of the handshake.
pub(super) fn opened(head: &mut http::response::Parts) {
    head.status = StatusCode::OK;
    head.headers.remove(SEC_WEBSOCKET_ACCEPT);
    head.headers.remove(http::header::CONTENT_LENGTH);
}

/// Whether a page of this very site opens the WebSocket (security.md G09). Browsers always say
/// `Origin` here; what neither says it nor looks like a browser carries no cookies against
/// anyone's will.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap, scheme: &str, host: &HeaderValue) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return !headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"));
    };
    let own = |origin: &[u8]| {
        let authority = origin.strip_prefix(scheme.as_bytes())?.strip_prefix(b"://")?;
        let port: &[u8] = if scheme == "https" { b":443" } else { b":80" };
        let bare = |authority: &[u8]| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
        Some(bare(authority) == bare(host.as_bytes()))
    };
    origins.next().is_none() && own(origin.as_bytes()) == Some(true)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asked(fields: &[(&str, &str)]) -> bool {
        let mut request = Request::get("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        is_asked_for(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn c09_only_websocket_alone() {
        assert!(asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]));
        assert!(!asked(&[("connection", "upgrade"), ("upgrade", "h2c")]));
        assert!(!asked(&[("connection", "upgrade"), ("upgrade", "websocket, h2c")]));
        assert!(!asked(&[
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("upgrade", "h2c")
        ]));
        assert!(!asked(&[("connection", "close"), ("upgrade", "websocket")]));
        assert!(!asked(&[("connection", "upgrade")]));
    }

    #[test]
    fn only_an_extended_connect_for_a_websocket_becomes_a_get() {
        let connect = |protocol: Option<&'static str>| {
            let mut request = Request::connect("https://app.example/ws?room=1").version(Version::HTTP_2);
            if let Some(protocol) = protocol {
                request = request.extension(Protocol::from_static(protocol));
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            (Extended::become_get(&mut parts), parts)
        };
        let (became, parts) = connect(Some("websocket"));
        assert!(became && parts.method == Method::GET && is_asked_for(&parts));
        assert_eq!(parts.uri.path_and_query().unwrap(), "/ws?room=1");
        let key = parts.headers[SEC_WEBSOCKET_KEY].to_str().unwrap();
        let accepted = |accept: &str| {
            let headers =
                HeaderMap::from_iter([(SEC_WEBSOCKET_ACCEPT, HeaderValue::try_from(accept).unwrap())]);
            parts.extensions.get::<Extended>().unwrap().is_accepted(&headers)
        };
        assert!(accepted(&accept_for(key)) && !accepted("x"));
        for other in [None, Some("connect-udp"), Some("websocket2")] {
            let (became, parts) = connect(other);
            assert!(!became && parts.method == Method::CONNECT && !is_asked_for(&parts), "{other:?}");
        }
    }

    #[test]
    fn the_example_of_the_standard() {
        assert_eq!(accept_for("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn g09_only_from_the_sites_own_pages() {
        let from = |origins: &[&'static str], more: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(ORIGIN, HeaderValue::from_static(origin));
            }
            if let Some(name) = more {
                headers.insert(name, HeaderValue::from_static("websocket"));
            }
            is_same_origin(&headers, "https", &HeaderValue::from_static("app.example"))
        };
        assert!(from(&["https://app.example"], None) && from(&["https://app.example:443"], None));
        for foreign in [
            "https://evil.example",
            "http://app.example",
            "null",
            "https://app.example:8443",
            "",
        ] {
            assert!(!from(&[foreign], None), "{foreign}");
        }
        assert!(!from(&["https://app.example", "https://evil.example"], None));
        assert!(from(&[], None) && !from(&[], Some("sec-fetch-mode")));
    }
}
