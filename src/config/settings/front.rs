//! Where stepgate listens, and with which certificates. Values only; what they mean is the server's.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One place to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub address: ListenAddress,
    /// Whether connections begin with a TLS handshake. Only with [`Tls`].
    pub tls: bool,
    /// Whether every connection begins with a PROXY protocol header; from trusted peers alone.
    pub proxy_protocol: bool,
}

/// A socket's own address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    /// Absolute.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The address of a TCP socket.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

/// As it is written in the configuration.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Tls {
    /// The first serves whoever names no host that another one has.
    pub certificates: Vec<CertificateFiles>,
    /// Refuse TLS 1.2.
    pub only_tls13: bool,
    /// PEM file with the authorities of client certificates; `None`: they are not asked for.
    pub device_authority: Option<PathBuf>,
    pub acme: Option<Acme>,
}

/// Certificates that are obtained and renewed by themselves.
#[derive(Debug, Clone)]
pub struct Acme {
    /// Mail addresses of whoever is to hear of trouble.
    pub contact: Vec<String>,
    /// URL of the directory.
    pub directory: String,
    /// PEM file with the authorities of the directory's own certificate; `None`: the system's.
    pub authority: Option<PathBuf>,
    /// `None`: the portal's host and every exact host of the routes.
    pub hosts: Option<Vec<String>>,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the site's own first, then what signed it.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Bounds on client connections, over all listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// At once.
    pub most: usize,
    /// At once from one client address (IPv4) or /64 (IPv6).
    pub per_address: usize,
}
