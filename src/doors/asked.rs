//! What a proxy says about the client's request, read out of a check over HTTP.
//!
//! Each door believes only the headers that its own proxy sets; those of the other doors may be the
//! client's and mean nothing here. What is missing, doubled or contradictory is never guessed
//! (ux.md D-5).

use http::Method;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;

use crate::gate::check::{Asked, Client, Unclear};
use crate::policy::Door;

/// Reads the request that a check is about. `at`: where the check's own path ends.
///
/// # Errors
/// [`Unclear`] when there is not exactly one.
pub(super) fn read(door: Door, at: usize, parts: &Parts) -> Result<Asked, Unclear> {
    match door {
        Door::Nginx => nginx(&parts.headers),
        Door::EnvoyHttp => envoy(parts, at),
        _ => forward(&parts.headers),
    }
}

/// `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`: Traefik, Caddy, HAProxy.
fn forward(headers: &HeaderMap) -> Result<Asked, Unclear> {
    let method = one(headers, "x-forwarded-method", "X-Forwarded-Method")?;
    let proto = one(headers, "x-forwarded-proto", "X-Forwarded-Proto")?;
    let authority = one(headers, "x-forwarded-host", "X-Forwarded-Host")?;
    let uri = one(headers, "x-forwarded-uri", "X-Forwarded-Uri")?;
    if !is_scheme(proto.as_bytes()) {
        return Err(Unclear::unreadable("X-Forwarded-Proto"));
    }
    Ok(Asked {
        method: self::method(method.as_bytes(), "X-Forwarded-Method")?,
        authority: authority.clone(),
        target: target(uri.as_bytes(), "X-Forwarded-Uri")?,
        client: Client::Forwarded,
    })
}

/// `X-Original-Method` and `X-Original-URL`, whole: `https://app.example.com/path?query`.
fn nginx(headers: &HeaderMap) -> Result<Asked, Unclear> {
    const URL: Unclear = Unclear::unreadable("X-Original-URL");
    let method = one(headers, "x-original-method", "X-Original-Method")?;
    let url = one(headers, "x-original-url", "X-Original-URL")?.as_bytes();
    let colon = memchr::memchr(b':', url).ok_or(URL)?;
    let (scheme, rest) = url.split_at_checked(colon).ok_or(URL)?;
    let rest = rest.strip_prefix(b"://").filter(|_| is_scheme(scheme)).ok_or(URL)?;
    let slash = memchr::memchr(b'/', rest).ok_or(URL)?;
    let (authority, path) = rest.split_at_checked(slash).ok_or(URL)?;
    Ok(Asked {
        method: self::method(method.as_bytes(), "X-Original-Method")?,
        authority: HeaderValue::from_bytes(authority).map_err(|_| URL)?,
        target: target(path, "X-Original-URL")?,
        client: Client::Forwarded,
    })
}

/// Method and host of the check itself, and what follows the prefix.
fn envoy(parts: &Parts, at: usize) -> Result<Asked, Unclear> {
    let authority = match (parts.uri.authority(), parts.headers.contains_key(HOST)) {
        (None, _) => one(&parts.headers, HOST, "Host")?.clone(),
        (Some(named), true) if one(&parts.headers, HOST, "Host")? != named.as_str() => {
            return Err(Unclear::contradiction("Host"));
        }
        (Some(named), _) => HeaderValue::from_str(named.as_str()).map_err(|_| Unclear::unreadable("Host"))?,
    };
    if parts.headers.contains_key("x-forwarded-proto") {
        let proto = one(&parts.headers, "x-forwarded-proto", "X-Forwarded-Proto")?;
        if !is_scheme(proto.as_bytes()) {
            return Err(Unclear::unreadable("X-Forwarded-Proto"));
        }
    }
    let whole = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let after = whole.as_bytes().get(at..).unwrap_or_default();
    Ok(Asked {
        method: parts.method.clone(),
        authority,
        target: target(after, "the path")?,
        client: Client::Forwarded,
    })
}

/// The one line of a header.
fn one<'a>(
    headers: &'a HeaderMap,
    name: impl http::header::AsHeaderName,
    what: &'static str,
) -> Result<&'a HeaderValue, Unclear> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().filter(|line| !line.is_empty()).ok_or(Unclear::missing(what))?;
    match lines.next() {
        None => Ok(line),
        Some(_) => Err(Unclear::twice(what)),
    }
}

/// Traefik calls a WebSocket's scheme by its own name.
fn is_scheme(scheme: &[u8]) -> bool {
    [&b"https"[..], b"http", b"wss", b"ws"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
}

pub(super) fn method(method: &[u8], what: &'static str) -> Result<Method, Unclear> {
    Method::from_bytes(method).map_err(|_| Unclear::unreadable(what))
}

/// A path with its query, exactly as it came. The parser would drop what follows a `#`, and the app
/// would not (security.md A03).
pub(super) fn target(target: &[u8], what: &'static str) -> Result<PathAndQuery, Unclear> {
    if target.first() != Some(&b'/') || memchr::memchr(b'#', target).is_some() {
        return Err(Unclear::unreadable(what));
    }
    let parsed = PathAndQuery::try_from(target).map_err(|_| Unclear::unreadable(what))?;
    if parsed.as_str().as_bytes() == target {
        Ok(parsed)
    } else {
        Err(Unclear::unreadable(what))
    }
}
