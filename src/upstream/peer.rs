//! Who is at the other end of the socket.

use std::net::{IpAddr, SocketAddr};

/// What the listener knows of a connection. Headers of requests never change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The socket's other end, or what a trusted balancer's PROXY header says it is. Unspecified for
    /// peers on a unix socket. An address forwarded in a request's header is the gate's business.
    pub address: SocketAddr,
    /// Whether our own TLS ended here. Cookie modes and links follow `public_url`, not this.
    pub tls: bool,
}

impl Peer {
    /// The address without its port, IPv4 written as IPv4 also on a dual-stack socket, so that
    /// networks in the configuration match either way.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.address.ip().to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_its_ipv4_self() {
        let peer = Peer { address: "[::ffff:192.0.2.7]:4711".parse().unwrap(), tls: false };
        assert_eq!(peer.ip(), "192.0.2.7".parse::<IpAddr>().unwrap());
    }
}
