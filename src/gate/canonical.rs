//! One reading of a request: host, target, method and client address, each derived once.
//!
//! Whatever is ambiguous is refused here and reaches neither policy nor upstream. No header but
//! `Host` (and what trusted proxies say, `forwarded.rs`) takes part: a client cannot name another
//! path, method or host to us (security.md A01, A10, B05).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, StatusCode, Version};
use ipnet::IpNet;

use crate::config::settings::EncodedSlash;
use crate::identity::ClientCertificate;
use crate::policy::{CanonicalRequest, Device, Door, Policy};
use crate::upstream::Peer;

use super::{Gate, forwarded, readings};

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
    framing(parts)?;
    let host = host(parts)?;
    let host = policy.known_host(&host).cloned().unwrap_or_else(|| Arc::from(&*host));
    let target = parts.uri.path_and_query().ok_or(NOT_ORIGIN_FORM)?;
    let client = forwarded::client(peer, &parts.headers, trusted_proxies)?;
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
    let route = policy.route_for(&host);
    let most = route.map_or(policy.settings().server.max_target, |route| route.max_target);
    if target.as_str().len() > most {
        return Err(TOO_LONG);
    }
    if !target.as_str().starts_with('/') {
        return Err(NOT_ORIGIN_FORM);
    }
    let encoded_slash = route.map_or(EncodedSlash::Refuse, |route| route.encoded_slash);
    let readings = readings::read(target.path(), encoded_slash)?;
    Ok(CanonicalRequest {
        method,
        host,
        target,
        readings,
        client,
        door: Door::Proxy,
        device: Device::Unknown,
    })
}

impl Gate {
    /// With what the client's own connection says of its device. A proxy's connection says nothing of it.
    pub(super) fn with_device(
        &self,
        mut request: CanonicalRequest,
        parts: &Parts,
        peer: Peer,
    ) -> CanonicalRequest {
        let shown = parts.extensions.get::<Arc<ClientCertificate>>();
        request.device = match shown {
            _ if self.trusts(peer.ip()) => Device::Unknown,
            Some(shown) => Device::CertifiedBy(Arc::clone(&shown.names.issuer)),
            None => Device::Without,
        };
        request
    }
}

/// Bytes of all names and values.
pub(super) fn header_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// `Transfer-Encoding` is `chunked`, once, or absent: whatever else it says, somebody on the way could
/// find another end of the body (security.md C01).
fn framing(parts: &Parts) -> Result<(), Refusal> {
    let mut lines = parts.headers.get_all(TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(()),
        (Some(line), None) if line.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(FRAMING),
    }
}

/// The one host: the target's own authority, else the `Host` header.
pub(super) fn host(parts: &Parts) -> Result<Cow<'_, str>, Refusal> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(TWO_HOSTS);
    }
    let header = line
        .map(|line| str::from_utf8(line.as_bytes()).map_err(|_| BAD_HOST).and_then(canonical_host))
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
    let end = end_of_name(written.as_bytes()).ok_or(BAD_HOST)?;
    let (name, port) = written.split_at_checked(end).ok_or(BAD_HOST)?;
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(BAD_HOST);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 {
        return Err(BAD_HOST);
    }
    Ok(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    })
}

/// Where a name of labels ends: at its port or with the last byte. One trailing dot belongs to it.
fn end_of_name(written: &[u8]) -> Option<usize> {
    let mut label = 0;
    let mut end = written.len();
    for (at, byte) in written.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'A'..=b'Z' => label += 1,
            b'.' if (1..=63).contains(&label) => label = 0,
            b':' => {
                end = at;
                break;
            }
            _ => return None,
        }
    }
    // Nothing after the last dot is the root's name, which is no host by itself.
    let whole = label <= 63 && (label > 0 || end > 0);
    whole.then_some(end)
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// The client's address for a request that has been [`read`] already.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    forwarded::client(peer, headers, trusted).unwrap_or_else(|_| peer.to_canonical())
}

/// An address, with or without a port and brackets.
pub(super) fn address(token: &str) -> Option<IpAddr> {
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

const FRAMING: Refusal = Refusal::bad("framing", "the transfer coding is not plainly chunked");
const BAD_HOST: Refusal = Refusal::bad("host_invalid", "the host is not a host name");
const NO_HOST: Refusal = Refusal::bad("host_missing", "the request names no host");
const TWO_HOSTS: Refusal = Refusal::bad("host_twice", "the request names more than one host");
const NOT_ORIGIN_FORM: Refusal = Refusal::bad("target_form", "the target is not a path");
const TOO_LONG: Refusal = Refusal {
    status: StatusCode::URI_TOO_LONG,
    code: "target_too_long",
    why: "the target is longer than `max_target`",
};
pub(super) const HEADERS_TOO_LARGE: Refusal = Refusal {
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    code: "headers_too_large",
    why: "the header block is larger than this route's `max_header`",
};
const METHOD: Refusal = Refusal {
    status: StatusCode::METHOD_NOT_ALLOWED,
    code: "method_refused",
    why: "this method is never passed on",
};

#[cfg(test)]
mod tests;
