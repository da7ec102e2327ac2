//! What the policy sees of a request: one canonical reading, and every lenient one.
//!
//! Values are built by `gate/canonical.rs`. Nothing here parses the wire, and nothing here may
//! change [`CanonicalRequest::target`]: the upstream gets exactly the bytes that were judged.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use http::uri::PathAndQuery;

use super::text;

/// Through which entrance a request came. For records and for what the app is told; no rule looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The reverse proxy: an allowed request is sent on from here.
    Proxy,
    /// A check for Traefik, Caddy or HAProxy.
    Forward,
    /// A check for nginx's `auth_request`.
    Nginx,
    /// A check for Envoy's `ext_authz` over HTTP.
    EnvoyHttp,
    /// The same over gRPC.
    EnvoyGrpc,
}

impl Door {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// Stable name for metrics and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Forward => "forward",
            Self::Nginx => "nginx",
            Self::EnvoyHttp => "envoy_http",
            Self::EnvoyGrpc => "envoy_grpc",
        }
    }
}

/// A request that has exactly one meaning, or whose every meaning is known.
#[derive(Clone, Debug)]
pub struct CanonicalRequest {
    pub method: Method,
    /// Lower case, without port or trailing dot; an IPv6 literal keeps its brackets.
    pub host: Arc<str>,
    /// Exactly the bytes that are judged and then sent.
    pub target: PathAndQuery,
    pub readings: Readings,
    /// The client, as far as trusted proxies say so; never an IPv4-mapped IPv6 address.
    pub client: IpAddr,
    pub door: Door,
    pub device: Device,
}

/// What the connection's client certificate says of the client's device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// There is no connection of the client's own to look at.
    #[default]
    Unknown,
    /// It showed none that counts.
    Without,
    /// One that was verified, by this issuer: a distinguished name as text.
    CertifiedBy(Arc<str>),
}

impl CanonicalRequest {
    /// The query as sent, without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// How the path stands to a reserved prefix such as `/.stepgate` (security.md A12).
    #[must_use]
    pub fn reserved(&self, prefix: &str) -> Reserved {
        let path = self.target.path();
        match &self.readings {
            Readings::Plain if !is_below(path, prefix) => Reserved::Outside,
            Readings::Plain if path.starts_with(prefix) => Reserved::Inside,
            Readings::Several(readings)
                if !readings.iter().any(|reading| is_below(reading.folded(), prefix)) =>
            {
                Reserved::Outside
            }
            _ => Reserved::Ambiguous,
        }
    }
}

/// Whether a path is the prefix or lies below it, whatever its case.
fn is_below(path: &str, prefix: &str) -> bool {
    path.split_at_checked(prefix.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))
    })
}

/// How a path stands to a reserved prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Plainly the prefix or below it: ours to answer.
    Inside,
    /// No reading touches it.
    Outside,
    /// Some back end could read it as the prefix: refuse, neither answer nor forward.
    Ambiguous,
}

/// Every path that some back end might understand the target to mean.
#[derive(Clone, Debug)]
pub enum Readings {
    /// The path means itself, to everyone: no copy is made of it.
    Plain,
    /// The distinct readings, the plainest first.
    Several(Box<[Reading]>),
}

impl Readings {
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }
}

/// One path that a back end might see, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    path: Box<str>,
    folded: Box<str>,
}

impl Reading {
    #[must_use]
    pub fn new(path: String) -> Self {
        Self { folded: text::fold(&path).into(), path: path.into() }
    }

    /// As a back end that minds case sees it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// As a back end that folds case and compatible characters sees it.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests_support::get;

    fn reserved(target: &str, readings: &[&str]) -> Reserved {
        let mut request = get(target);
        if !readings.is_empty() {
            request.readings =
                Readings::Several(readings.iter().map(|path| Reading::new((*path).to_owned())).collect());
        }
        request.reserved("/.stepgate")
    }

    #[test]
    fn a12_the_reserved_prefix_is_plain_or_nothing() {
        assert_eq!(reserved("/.stepgate/challenge?x=/", &[]), Reserved::Inside);
        assert_eq!(reserved("/.stepgate", &[]), Reserved::Inside);
        for target in ["/", "/.stepgater", "/x/.stepgate/", "/?/.stepgate/", "/.step"] {
            assert_eq!(reserved(target, &[]), Reserved::Outside, "{target}");
        }
        assert_eq!(reserved("/.Stepgate/x", &[]), Reserved::Ambiguous);
        assert_eq!(reserved("/x/..;/.stepgate/", &["/x/..;/.stepgate/", "/.stepgate/"]), Reserved::Ambiguous);
        assert_eq!(reserved("/%2estepgate", &["/.stepgate"]), Reserved::Ambiguous);
        assert_eq!(reserved("/a%20b", &["/a b"]), Reserved::Outside);
    }
}
