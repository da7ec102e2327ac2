//! Which upgrades are relayed: `websocket`, alone, over HTTP/1.1, from the site's own pages.
//!
//! Everything else in `Upgrade` ends at this hop and the request goes on as an ordinary one
//! (security.md C09). The permit has been given for the request as it stands; nothing is tunnelled
//! before the upstream's 101 (C05).

use http::header::{CONNECTION, HeaderMap, HeaderValue, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{Method, StatusCode, Version};

/// Whether this request asks for a WebSocket and for nothing else.
pub(super) fn is_asked_for(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && is_alone(&parts.headers)
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
