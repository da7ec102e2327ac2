//! The grammar of `Forwarded` (RFC 7239, 4), read strictly.
//!
//! A line is a list of elements, one per hop; inside quotes nothing separates. What does not keep to the
//! grammar could hide a hop from one reader and show it to another, so it is never skipped over.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{FORWARDED, HeaderMap};

use crate::gate::canonical::Refusal;

/// Hops that are read at most.
pub(super) const MOST_HOPS: usize = 64;

pub(super) const MALFORMED: Refusal =
    Refusal::bad("forwarded_invalid", "a forwarding header breaks its grammar");

/// One hop of a `Forwarded` list, as far as it matters here.
pub(super) struct Hop {
    /// Who asked this proxy; `None`: it says so in no address.
    pub from: Option<IpAddr>,
    /// Which host that one asked for.
    pub host: Option<String>,
}

/// The hops of all `Forwarded` lines, the first first.
pub(super) fn hops(headers: &HeaderMap) -> Result<Vec<Hop>, Refusal> {
    let mut hops = Vec::new();
    for line in headers.get_all(FORWARDED) {
        let mut rest = line.to_str().map_err(|_| MALFORMED)?;
        loop {
            let (hop, after) = hop(rest)?;
            // Empty elements of a list say nothing (RFC 9110, 5.6.1).
            hops.extend(hop);
            if hops.len() > MOST_HOPS {
                return Err(MALFORMED);
            }
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
    }
    Ok(hops)
}

/// One element of a list, and what follows its comma.
fn hop(text: &str) -> Result<(Option<Hop>, Option<&str>), Refusal> {
    let mut hop = Element::default();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if let Some((name, value, after)) = pair(rest)? {
            hop.take(name, value)?;
            rest = after.trim_start_matches([' ', '\t']);
        }
        match rest.split_at_checked(1) {
            None => return Ok((hop.read(), None)),
            Some((",", after)) => return Ok((hop.read(), Some(after))),
            Some((";", after)) => rest = after,
            Some(_) => return Err(MALFORMED),
        }
    }
}

/// One element while it is read.
#[derive(Default)]
struct Element {
    from: Option<String>,
    host: Option<String>,
    says_something: bool,
}

impl Element {
    /// No parameter may stand twice (RFC 7239, 4).
    fn take(&mut self, name: &str, value: String) -> Result<(), Refusal> {
        self.says_something = true;
        let place = match name {
            _ if name.eq_ignore_ascii_case("for") => &mut self.from,
            _ if name.eq_ignore_ascii_case("host") => &mut self.host,
            _ => return Ok(()),
        };
        if place.replace(value).is_some() {
            Err(MALFORMED)
        } else {
            Ok(())
        }
    }

    fn read(self) -> Option<Hop> {
        let from = self.from.as_deref().and_then(node);
        self.says_something.then_some(Hop { from, host: self.host })
    }
}

/// `name=value` at the beginning, and what follows; `None`: there is none before the next separator.
fn pair(text: &str) -> Result<Option<(&str, String, &str)>, Refusal> {
    let end = text.find(['=', ';', ',', ' ', '\t', '"']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(rest) = rest.strip_prefix('=') else {
        return if name.is_empty() { Ok(None) } else { Err(MALFORMED) };
    };
    if name.is_empty() {
        return Err(MALFORMED);
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let (value, rest) = quoted_string(quoted)?;
        return Ok(Some((name, value, rest)));
    }
    let end = rest.find([';', ',', ' ', '\t', '"', '=']).unwrap_or(rest.len());
    let (value, rest) = rest.split_at(end);
    if value.is_empty() {
        Err(MALFORMED)
    } else {
        Ok(Some((name, value.to_owned(), rest)))
    }
}

/// The inside of a quoted string after its opening quote, and what follows.
fn quoted_string(text: &str) -> Result<(String, &str), Refusal> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or(MALFORMED)? {
            '"' => return Ok((value, chars.as_str())),
            '\\' => value.push(chars.next().ok_or(MALFORMED)?),
            other => value.push(other),
        }
    }
}

/// The address of a node. `unknown` and obfuscated names (`_hidden`) are none; ports, obfuscated ones
/// included, say nothing.
fn node(text: &str) -> Option<IpAddr> {
    let (address, port) = if let Some(literal) = text.strip_prefix('[') {
        let (address, port) = literal.split_once(']')?;
        (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), port)
    } else {
        let end = text.find(':').unwrap_or(text.len());
        let (address, port) = text.split_at(end);
        (IpAddr::V4(address.parse().ok()?), port)
    };
    let obfuscated = |port: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        port.strip_prefix('_')
            .is_some_and(|name| !name.is_empty() && name.bytes().all(fits))
    };
    let is_port = |port: &str| {
        obfuscated(port) || ((1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then(|| address.to_canonical())
}
