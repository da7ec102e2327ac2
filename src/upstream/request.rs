//! What becomes of a request's headers between the client and the app.
//!
//! The client's map is kept and changed in place. What ends at this hop goes first, then whatever a
//! client may not say; only then are our own headers set, so that no `Connection` token and no twin
//! can touch them (security.md B03). Method, host and target are never read from here.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE};
use http::uri::Authority;

use super::cookies::{self, AppCookie};
use super::outgoing::Outgoing;
use super::twins::Twins;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Facts that our own headers are made of. All of them are judged or configured, none is copied.
pub(super) struct Setting<'a> {
    /// As judged.
    pub host: &'a str,
    /// `Host` for the app where the route names one.
    pub host_header: Option<&'a HeaderValue>,
    /// The client's address.
    pub client: Option<HeaderValue>,
    pub proto: &'static str,
    /// Whether the client takes trailers.
    pub trailers: bool,
}

/// Client addresses as header values: most requests come from an address seen a moment ago.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    recent: Mutex<[Option<(IpAddr, HeaderValue)>; 32]>,
}

impl Addresses {
    pub(super) fn value(&self, address: IpAddr) -> Option<HeaderValue> {
        let last = match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = recent.get_mut(usize::from(last) % 32)?;
        if let Some((known, value)) = place
            && *known == address
        {
            return Some(value.clone());
        }
        let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(address.to_string())).ok()?;
        *place = Some((address, value.clone()));
        Some(value)
    }
}

/// Removes everything a client may not say, in one pass over the names. Says whether the client
/// takes trailers, which is told onwards by [`set_ours`].
pub(super) fn clean(headers: &mut HeaderMap, twins: &Twins, cookie: Option<&AppCookie>) -> bool {
    let mut doomed = nominated(headers);
    doomed.extend(headers.keys().filter(|name| twins.contains(name)).cloned());
    let trailers = doomed.contains(&TE) && takes_trailers(headers);
    for name in doomed {
        headers.remove(name);
    }
    match cookie {
        Some(prepared) => prepared.clone().replace(headers),
        None => cookies::strip_request(headers),
    }
    trailers
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(TE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Names that any of the `Connection` fields declares to end here.
pub(super) fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for field in headers.get_all(CONNECTION) {
        for token in field.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close") {
                continue;
            }
            names.extend(HeaderName::from_bytes(token));
        }
    }
    names
}

/// Sets our own headers, after [`clean`].
///
/// `sent` is the authority as the client wrote it, for its port.
pub(super) fn set_ours(
    headers: &mut HeaderMap,
    setting: &Setting<'_>,
    sent: Option<&Authority>,
    outgoing: &Outgoing,
) {
    if outgoing.is_authorization_ours() {
        headers.remove(AUTHORIZATION);
    }
    // Room for all at once: a map that grows hashes every name again.
    headers.reserve(outgoing.count() + 5);
    let host = host_value(headers.get(HOST), sent, setting.host);
    headers.insert(HOST, setting.host_header.unwrap_or(&host).clone());
    headers.insert(FORWARDED_HOST, host);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(setting.proto));
    if let Some(client) = &setting.client {
        headers.insert(FORWARDED_FOR, client.clone());
    }
    if setting.trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    for (name, value) in outgoing.iter() {
        headers.insert(name.clone(), value.clone());
    }
}

/// The judged host with the port the client wrote. Bytes are reused where they already say that.
pub(super) fn host_value(field: Option<&HeaderValue>, sent: Option<&Authority>, judged: &str) -> HeaderValue {
    let port = match (sent, field) {
        (Some(authority), _) => port_of(authority.as_str().as_bytes()),
        (None, Some(field)) => {
            let port = port_of(field.as_bytes());
            let host = field.as_bytes().strip_suffix(port).unwrap_or_default();
            if host == judged.as_bytes() {
                return field.clone();
            }
            port
        }
        (None, None) => b"",
    };
    let mut value = Vec::with_capacity(judged.len() + port.len());
    value.extend_from_slice(judged.as_bytes());
    value.extend_from_slice(port);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// `:port` at the end of an authority, or nothing.
fn port_of(authority: &[u8]) -> &[u8] {
    let digits = authority.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let at = authority.len() - digits;
    match at.checked_sub(1).and_then(|colon| authority.get(colon)) {
        Some(b':') if digits > 0 => authority.get(at - 1..).unwrap_or_default(),
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(fields: &[(&'static str, &'static str)], outgoing: &Outgoing) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        clean(&mut headers, &Twins::new(["remote-user", "remote-groups"]), None);
        let setting = Setting {
            host: "app.example",
            host_header: None,
            client: Addresses::default().value("192.0.2.7".parse().unwrap()),
            proto: "https",
            trailers: false,
        };
        set_ours(&mut headers, &setting, None, outgoing);
        headers
    }

    fn ada() -> Outgoing {
        let mut outgoing = Outgoing::none();
        outgoing.set(HeaderName::from_static("remote-user"), HeaderValue::from_static("ada"));
        outgoing
    }

    fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn b01_a_client_cannot_say_who_it_is() {
        let fields = [
            ("Remote-User", "root"),
            ("Remote_User", "root"),
            ("remote-user", "toor"),
            ("accept", "*/*"),
        ];
        let headers = cleaned(&fields, &Outgoing::none());
        assert!(!headers.contains_key("remote-user") && !headers.contains_key("remote_user"));
        assert_eq!(values(&headers, "accept"), ["*/*"]);
        assert_eq!(values(&cleaned(&fields, &ada()), "remote-user"), ["ada"]);
    }

    #[test]
    fn b03_no_connection_token_removes_a_header_of_ours() {
        let fields = [
            ("connection", "close, Remote-User, x-forwarded-for"),
            ("connection", "host, X-Custom"),
            ("x-custom", "1"),
            ("x-kept", "2"),
        ];
        let headers = cleaned(&fields, &ada());
        assert_eq!(values(&headers, "remote-user"), ["ada"]);
        assert_eq!(values(&headers, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(values(&headers, "host"), ["app.example"]);
        assert!(!headers.contains_key("x-custom") && !headers.contains_key("connection"));
        assert_eq!(values(&headers, "x-kept"), ["2"]);
    }

    #[test]
    fn addresses_that_share_a_place_are_told_apart() {
        let addresses = Addresses::default();
        for text in ["192.0.2.7", "198.51.100.7", "2001:db8::7", "192.0.2.7"] {
            assert_eq!(addresses.value(text.parse().unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn b05_forwarding_headers_are_written_anew() {
        let fields = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("host", "app.example:8443"),
        ];
        let headers = cleaned(&fields, &Outgoing::none());
        assert_eq!(values(&headers, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(values(&headers, "x-forwarded-proto"), ["https"]);
        assert_eq!(values(&headers, "x-forwarded-host"), ["app.example:8443"]);
        assert!(!headers.contains_key("forwarded") && !headers.contains_key("x-real-ip"));
    }

    #[test]
    fn c01_framing_fields_are_never_copied() {
        let fields = [
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("te", "trailers"),
            ("trailer", "x"),
        ];
        let headers = cleaned(&fields, &Outgoing::none());
        for name in ["transfer-encoding", "content-length", "te", "trailer"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }

    #[test]
    fn of_te_only_trailers_is_told_onwards() {
        let mut headers = HeaderMap::new();
        headers.insert(TE, HeaderValue::from_static("gzip;q=0.5,\tTrailers"));
        assert!(clean(&mut headers, &Twins::new([]), None) && headers.is_empty());
        headers.insert(TE, HeaderValue::from_static("gzip, x-trailers"));
        assert!(!clean(&mut headers, &Twins::new([]), None) && headers.is_empty());
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
        assert!(!clean(&mut headers, &Twins::new([]), None));
    }

    #[test]
    fn a10_the_host_that_was_judged_is_the_host_that_is_sent() {
        let sent =
            |field: &'static str| host_value(Some(&HeaderValue::from_static(field)), None, "app.example");
        assert_eq!(sent("app.example"), "app.example");
        assert_eq!(sent("APP.example.:8080"), "app.example:8080");
        assert_eq!(sent("other.example:1"), "app.example:1");
        let authority = Authority::from_static("App.Example:8443");
        let value = host_value(Some(&HeaderValue::from_static("evil")), Some(&authority), "app.example");
        assert_eq!(value, "app.example:8443");
        assert_eq!(host_value(None, None, "[2001:db8::1]"), "[2001:db8::1]");
        assert_eq!(port_of(b"[2001:db8::1]"), b"");
        assert_eq!(port_of(b"[2001:db8::1]:80"), b":80");
    }
}
