//! What trusted proxies say about the client: its address, and the host it asked for.
//!
//! `X-Forwarded-For`, `X-Forwarded-Host` and `Forwarded` (RFC 7239) count only when the socket's own peer
//! is a trusted proxy, and lists only as far from the right as every hop is one (security.md B05, D-6).
//! Whoever is not listed is never believed; an empty list trusts nobody. What contradicts itself or
//! breaks its grammar has no safe reading and is refused: a proxy that keeps one header and passes the
//! other through would else let its clients choose.

use std::net::IpAddr;

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Parts as UriParts, Uri};
use ipnet::IpNet;

use super::canonical::{Refusal, address, canonical_host};

use hops::{Hop, MALFORMED, hops};

mod hops;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

const CONTRADICTION: Refusal =
    Refusal::bad("forwarded_contradiction", "the forwarding headers contradict each other");
const BAD_HOST: Refusal = Refusal::bad("forwarded_host", "the forwarded host is not exactly one host name");

/// The right-most address that no trusted proxy has. What is no address ends the walk.
///
/// # Errors
/// When two headers name different clients, or one cannot be read.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Result<IpAddr, Refusal> {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return Ok(peer);
    }
    let listed = headers
        .contains_key(FORWARDED_FOR)
        .then(|| walk(peer, addresses(headers), trusted));
    let hops = hops(headers)?;
    let told = (!hops.is_empty()).then(|| walk(peer, hops.iter().rev().map(|hop| hop.from), trusted));
    match (listed, told) {
        (Some(one), Some(other)) if one != other => Err(CONTRADICTION),
        (one, other) => Ok(one.or(other).unwrap_or(peer)),
    }
}

/// Makes the host that a trusted proxy was asked for the request's own, before anything is read of it.
///
/// # Errors
/// When there are several, or what is no host.
pub(super) fn adopt_host(parts: &mut Parts, peer: IpAddr, trusted: &[IpNet]) -> Result<(), Refusal> {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return Ok(());
    }
    let Some(host) = named_host(peer, &parts.headers, trusted)? else {
        return Ok(());
    };
    // The request must be sound as it stands, too.
    super::canonical::host(parts)?;
    parts.headers.insert(HOST, host);
    if parts.uri.authority().is_some() {
        let mut target = UriParts::default();
        target.path_and_query = parts.uri.path_and_query().cloned();
        parts.uri = Uri::from_parts(target).map_err(|_| MALFORMED)?;
    }
    Ok(())
}

fn named_host(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Result<Option<HeaderValue>, Refusal> {
    let mut fields = headers.get_all(FORWARDED_HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(BAD_HOST);
    }
    let canonical = |value: &HeaderValue| -> Result<String, Refusal> {
        let text = value.to_str().map_err(|_| BAD_HOST)?;
        canonical_host(text).map(std::borrow::Cow::into_owned).map_err(|_| BAD_HOST)
    };
    let listed = field.map(canonical).transpose()?;
    let told = believed_host(peer, hops(headers)?, trusted)
        .map(|host| HeaderValue::try_from(host).map_err(|_| BAD_HOST))
        .transpose()?;
    match (listed, &told) {
        (Some(listed), Some(told)) if listed != canonical(told)? => Err(CONTRADICTION),
        (Some(_), _) => Ok(field.cloned()),
        (None, Some(value)) => canonical(value).map(|_| told),
        (None, None) => Ok(None),
    }
}

/// The host that the first believed proxy was asked for: a later one may have been told another by it.
fn believed_host(peer: IpAddr, hops: Vec<Hop>, trusted: &[IpNet]) -> Option<String> {
    let (mut said_by, mut host) = (Some(peer), None);
    for hop in hops.into_iter().rev() {
        if !said_by.is_some_and(|address| is_trusted(address, trusted)) {
            break;
        }
        (said_by, host) = (hop.from, hop.host.or(host));
    }
    host
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

fn walk(peer: IpAddr, from_the_right: impl Iterator<Item = Option<IpAddr>>, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    for address in from_the_right {
        match address {
            Some(address) if is_trusted(client, trusted) => client = address,
            _ => return client,
        }
    }
    client
}

/// The addresses of `X-Forwarded-For`, the last first.
fn addresses(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers
        .get_all(FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or("unreadable").rsplit(','))
        .map(|token| address(token.trim_matches([' ', '\t'])))
}

#[cfg(test)]
mod tests;
