//! The app behind a route: where it listens and how it is spoken to.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

/// Where a route's requests go, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// At least one and at most [`MOST_ADDRESSES`], all of them secure or none.
    pub addresses: Vec<Address>,
    pub protocol: Protocol,
    /// Present exactly where the addresses are secure.
    pub tls: Option<UpstreamTls>,
}

/// Addresses of one upstream at most.
pub const MOST_ADDRESSES: usize = 64;

/// One address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    pub secure: bool,
    pub endpoint: Endpoint,
}

/// What is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Tcp {
        /// A name, an IPv4 address, or an IPv6 address in brackets.
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// Which version of HTTP an upstream is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// What TLS agrees on; without TLS HTTP/1.1.
    Auto,
    Http1,
    /// Without TLS by prior knowledge.
    Http2,
}

/// How a secure upstream proves itself, and how we do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// PEM of the authorities that count; `None`: the system's.
    pub authority: Option<String>,
    pub client: Option<ClientCertificate>,
    /// The name the certificate must be for; `None`: the host of the address.
    pub server_name: Option<String>,
}

/// What we show to an upstream that asks who we are.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// PEM, ours first.
    pub chain: String,
    /// PEM.
    pub key: SecretString,
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl Eq for ClientCertificate {}

/// Deadlines of one route; what is absent is the server's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouteTimeouts {
    pub connect: Option<Duration>,
    pub response: Option<Duration>,
    pub body_idle: Option<Duration>,
}

impl Upstream {
    /// A plain one at a single address.
    #[must_use]
    pub fn plain(host: &str, port: u16) -> Self {
        let endpoint = Endpoint::Tcp { host: host.to_owned(), port };
        Self {
            addresses: vec![Address { secure: false, endpoint }],
            protocol: Protocol::Auto,
            tls: None,
        }
    }

    /// What names this upstream as a whole, as in an assertion's audience: its first address.
    #[must_use]
    pub fn audience(&self) -> String {
        self.addresses.first().map(Address::to_string).unwrap_or_default()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Tcp { host, port } => {
                let scheme = if self.secure { "https" } else { "http" };
                write!(f, "{scheme}://{host}:{port}")
            }
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
