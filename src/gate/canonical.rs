//! One reading of a request: host, target, method and client address, each derived once.
//!
//! Whatever is ambiguous is refused here and reaches neither policy nor upstream. No header but
//! `Host` (and `X-Forwarded-For` from trusted proxies) takes part: a client cannot name another
//! path, method or host to us (security.md A01, A10, B05).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, StatusCode, Version};
use ipnet::IpNet;

use crate::config::settings::EncodedSlash;
use crate::policy::{CanonicalRequest, Policy};

use super::readings;

/// Longest target in bytes (security.md D08).
const MOST_TARGET: usize = 8 * 1024;

/// Why a request is not looked at any further. No upstream hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    pub status: StatusCode,
    /// Stable name for logs and answers.
    pub code: &'static str,
    pub why: &'static str,
}

impl Refusal {
    /// Some back end could take the path for one of ours ([`crate::policy::Reserved::Ambiguous`]).
    pub const RESERVED: Self = Self::bad("path_reserved", "the path could be understood as a reserved one");

    pub(super) const fn bad(code: &'static str, why: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, why }
    }
}

/// Reads a request as it came from `peer`.
///
/// # Errors
/// A refusal for whatever has no single meaning.
pub fn read(
    parts: &Parts,
    peer: IpAddr,
    trusted_proxies: &[IpNet],
    policy: &Policy,
) -> Result<CanonicalRequest, Refusal> {
    let host = host(parts)?;
    let host = policy.known_host(&host).cloned().unwrap_or_else(|| Arc::from(&*host));
    let target = parts.uri.path_and_query().ok_or(NOT_ORIGIN_FORM)?;
    let client = client(peer, &parts.headers, trusted_proxies);
    judge(parts.method.clone(), host, target.clone(), client, policy)
}

/// A request from its parts, as for one that was kept while its person proved more. `host` is
/// canonical already.
///
/// # Errors
/// A refusal for whatever has no single meaning.
pub fn judge(
    method: Method,
    host: Arc<str>,
    target: PathAndQuery,
    client: IpAddr,
    policy: &Policy,
) -> Result<CanonicalRequest, Refusal> {
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(METHOD);
    }
    if target.as_str().len() > MOST_TARGET {
        return Err(TOO_LONG);
    }
    if !target.as_str().starts_with('/') {
        return Err(NOT_ORIGIN_FORM);
    }
    let encoded_slash = policy
        .route_for(&host)
        .map_or(EncodedSlash::Refuse, |route| route.encoded_slash);
    let readings = readings::read(target.path(), encoded_slash)?;
    Ok(CanonicalRequest { method, host, target, readings, client })
}

/// The one host: the target's own authority, else the `Host` header.
fn host(parts: &Parts) -> Result<Cow<'_, str>, Refusal> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(TWO_HOSTS);
    }
    let header = line
        .map(|line| line.to_str().map_err(|_| BAD_HOST).and_then(canonical_host))
        .transpose()?;
    let Some(authority) = parts.uri.authority() else {
        return header.ok_or(NO_HOST);
    };
    let named = canonical_host(target_authority(parts, authority)?)?;
    match header {
        // An absolute target overrides `Host` on HTTP/1 (RFC 9112, 3.2.2) but does not replace it.
        None if parts.version == Version::HTTP_11 => Err(NO_HOST),
        Some(header) if parts.version == Version::HTTP_2 && header != named => Err(TWO_HOSTS),
        _ => Ok(named),
    }
}

/// The authority of an absolute target or of HTTP/2's pseudo-header.
fn target_authority<'a>(parts: &Parts, authority: &'a Authority) -> Result<&'a str, Refusal> {
    match parts.uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => Ok(authority.as_str()),
        // `GET admin` and `GET host:80`: hyper takes these for an authority alone.
        _ => Err(NOT_ORIGIN_FORM),
    }
}

/// Lower case, without port and without one trailing dot. Borrows where nothing changes.
pub(super) fn canonical_host(written: &str) -> Result<Cow<'_, str>, Refusal> {
    if let Some(literal) = written.strip_prefix('[') {
        let (address, port) = literal.split_once(']').ok_or(BAD_HOST)?;
        let address: Ipv6Addr = address.parse().map_err(|_| BAD_HOST)?;
        return if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
            Ok(Cow::Owned(format!("[{address}]")))
        } else {
            Err(BAD_HOST)
        };
    }
    let name = match written.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return Err(BAD_HOST),
        None => written,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(fits)
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(BAD_HOST);
    }
    let lower = |byte: u8| !byte.is_ascii_uppercase();
    Ok(if name.bytes().all(lower) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_ascii_lowercase())
    })
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// The right-most address that no trusted proxy has. Lists from others count for nothing, and
/// what is no address ends the walk.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(line) = line.to_str() else { return client };
        for token in line.rsplit(',') {
            if !is_trusted(&client) {
                return client;
            }
            let Some(address) = address(token.trim_matches([' ', '\t'])) else {
                return client;
            };
            client = address;
        }
    }
    client
}

/// An address, with or without a port and brackets.
fn address(token: &str) -> Option<IpAddr> {
    let bare = || {
        token
            .strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
            .map(IpAddr::V6)
    };
    let with_port = || token.parse::<SocketAddr>().ok().map(|address| address.ip());
    token
        .parse()
        .ok()
        .or_else(with_port)
        .or_else(bare)
        .map(|address: IpAddr| address.to_canonical())
}

const BAD_HOST: Refusal = Refusal::bad("host_invalid", "the host is not a host name");
const NO_HOST: Refusal = Refusal::bad("host_missing", "the request names no host");
const TWO_HOSTS: Refusal = Refusal::bad("host_twice", "the request names more than one host");
const NOT_ORIGIN_FORM: Refusal = Refusal::bad("target_form", "the target is not a path");
const TOO_LONG: Refusal = Refusal {
    status: StatusCode::URI_TOO_LONG,
    code: "target_too_long",
    why: "the target is longer than 8 KiB",
};
const METHOD: Refusal = Refusal {
    status: StatusCode::METHOD_NOT_ALLOWED,
    code: "method_refused",
    why: "this method is never passed on",
};

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::policy::tests_support::{SIGNED_IN, asks, route, settings};

    fn policy() -> Policy {
        Policy::compile(&Arc::new(settings(vec![route(asks(&[SIGNED_IN]))]))).unwrap()
    }

    fn trusted() -> Vec<IpNet> {
        vec!["10.0.0.0/24".parse().unwrap(), "2001:db8::1/128".parse().unwrap()]
    }

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)], version: Version) -> Parts {
        let mut builder = Request::builder().method(method).uri(uri).version(version);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn read_from(peer: &str, parts: &Parts) -> Result<CanonicalRequest, &'static str> {
        read(parts, peer.parse().unwrap(), &trusted(), &policy()).map_err(|refusal| refusal.code)
    }

    fn http1(uri: &str, headers: &[(&str, &str)]) -> Result<CanonicalRequest, &'static str> {
        read_from("192.0.2.1", &parts("GET", uri, headers, Version::HTTP_11))
    }

    fn host_of(host: &str) -> Result<String, &'static str> {
        http1("/", &[("host", host)]).map(|request| request.host.to_string())
    }

    #[test]
    fn a01_only_the_request_line_names_path_and_method() {
        let headers = [
            ("host", "app.example.com"),
            ("x-original-url", "/free"),
            ("x-rewrite-url", "/free"),
            ("x-forwarded-uri", "/free"),
            ("x-forwarded-method", "HEAD"),
            ("x-forwarded-host", "other.example.com"),
            ("x-http-method-override", "PUT"),
        ];
        let request = http1("/admin?x=1", &headers).unwrap();
        assert_eq!(request.target.as_str(), "/admin?x=1");
        assert_eq!((request.method, &*request.host), (Method::GET, "app.example.com"));
    }

    #[test]
    fn a10_one_canonical_host() {
        for written in [
            "app.example.com",
            "APP.Example.com",
            "app.example.com.",
            "app.example.com:8443",
            "App.example.com.:80",
        ] {
            assert_eq!(host_of(written).as_deref(), Ok("app.example.com"), "{written}");
        }
        assert_eq!(host_of("[2001:DB8::0:1]:80").as_deref(), Ok("[2001:db8::1]"));
        for written in [
            "",
            ".",
            "a..b",
            "a.b..",
            "a b",
            "a,b",
            "a/b",
            "a@b",
            "a:b",
            "a:",
            "a:80:80",
            "a:+80",
            "a:99999",
            "ä.example",
            "%61pp.example.com",
            "[::1",
            "[::1]x",
            "[::1%25eth0]",
            "::1",
        ] {
            assert_eq!(host_of(written), Err("host_invalid"), "{written}");
        }
        assert_eq!(host_of(&"a.".repeat(127)), Ok("a.".repeat(127).trim_end_matches('.').to_owned()));
        assert_eq!(host_of(&"a.".repeat(128)), Err("host_invalid"));
        assert_eq!(host_of(&"a".repeat(64)), Err("host_invalid"));
    }

    #[test]
    fn a10_no_host_and_two_hosts_are_refused() {
        assert_eq!(http1("/", &[]).err(), Some("host_missing"));
        for second in ["app.example.com", "other.example.com"] {
            let twice = [("host", "app.example.com"), ("host", second)];
            assert_eq!(http1("/", &twice).err(), Some("host_twice"));
        }
    }

    #[test]
    fn a10_an_absolute_target_overrides_the_host_header() {
        let request = http1("http://APP.example.com:80/x", &[("host", "other.example.com")]).unwrap();
        assert_eq!((&*request.host, request.target.as_str()), ("app.example.com", "/x"));
        assert_eq!(http1("http://app.example.com/", &[]).err(), Some("host_missing"));
        assert_eq!(http1("http://anna@app.example.com/", &[("host", "a")]).err(), Some("host_invalid"));
        assert_eq!(http1("ftp://app.example.com/", &[("host", "a")]).err(), Some("target_form"));
        let bare = http1("http://app.example.com", &[("host", "a")]).unwrap();
        assert_eq!(bare.target.as_str(), "/");
    }

    #[test]
    fn a10_http2_authority_and_host_must_agree() {
        let http2 = |host: &[(&str, &str)]| {
            let parts = parts("GET", "https://app.example.com/x", host, Version::HTTP_2);
            read_from("192.0.2.1", &parts).map(|request| request.host.to_string())
        };
        assert_eq!(http2(&[]).as_deref(), Ok("app.example.com"));
        assert_eq!(http2(&[("host", "App.example.com:443")]).as_deref(), Ok("app.example.com"));
        assert_eq!(http2(&[("host", "other.example.com")]), Err("host_twice"));
    }

    #[test]
    fn a10_targets_that_are_no_path_are_refused() {
        for target in ["admin", "app.example.com:80", "*"] {
            assert_eq!(http1(target, &[("host", "app.example.com")]).err(), Some("target_form"), "{target}");
        }
    }

    #[test]
    fn a14_connect_and_trace_are_refused() {
        for method in ["CONNECT", "TRACE"] {
            let parts = parts(method, "/", &[("host", "app.example.com")], Version::HTTP_11);
            assert_eq!(read_from("192.0.2.1", &parts).err(), Some("method_refused"), "{method}");
        }
    }

    #[test]
    fn d08_a_target_above_8_kib_is_too_long() {
        let target = |length: usize| format!("/{}?{}", "a".repeat(10), "b".repeat(length - 12));
        assert!(http1(&target(8192), &[("host", "app.example.com")]).is_ok());
        let refused = http1(&target(8193), &[("host", "app.example.com")]);
        assert_eq!(refused.err(), Some("target_too_long"));
    }

    fn client_of(peer: &str, lists: &[&str]) -> String {
        let headers: Vec<_> = [("host", "app.example.com")]
            .into_iter()
            .chain(lists.iter().map(|list| ("x-forwarded-for", *list)))
            .collect();
        read_from(peer, &parts("GET", "/", &headers, Version::HTTP_11))
            .unwrap()
            .client
            .to_string()
    }

    #[test]
    fn b05_only_trusted_proxies_name_the_client() {
        assert_eq!(client_of("192.0.2.1", &["10.0.0.9"]), "192.0.2.1");
        assert_eq!(client_of("10.0.0.9", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client_of("::ffff:10.0.0.9", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client_of("10.0.0.9", &[]), "10.0.0.9");
        let real_ip = [
            ("host", "a"),
            ("x-real-ip", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
        ];
        let request = read_from("192.0.2.1", &parts("GET", "/", &real_ip, Version::HTTP_11)).unwrap();
        assert_eq!(request.client.to_string(), "192.0.2.1");
    }

    #[test]
    fn b05_the_list_is_walked_from_the_right() {
        assert_eq!(client_of("10.0.0.9", &["10.0.0.1, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client_of("10.0.0.9", &["1.1.1.1", "198.51.100.1 ,\t10.0.0.2"]), "198.51.100.1");
        assert_eq!(client_of("10.0.0.9", &["10.0.0.1, 10.0.0.2"]), "10.0.0.1");
        assert_eq!(client_of("10.0.0.9", &["[2001:db8::5]:80, 2001:db8::1"]), "2001:db8::5");
        assert_eq!(client_of("10.0.0.9", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client_of("10.0.0.9", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn b05_what_is_no_address_ends_the_walk() {
        assert_eq!(client_of("10.0.0.9", &["198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client_of("10.0.0.9", &["198.51.100.1,"]), "10.0.0.9");
        assert_eq!(client_of("10.0.0.9", &["010.0.0.1"]), "10.0.0.9");
    }

    #[test]
    fn a_known_host_is_not_copied() {
        let policy = policy();
        let parts = parts("GET", "/x", &[("host", "app.example.com")], Version::HTTP_11);
        let request = read(&parts, "192.0.2.1".parse().unwrap(), &[], &policy).unwrap();
        assert!(Arc::ptr_eq(&request.host, policy.known_host("app.example.com").unwrap()));
    }
}
