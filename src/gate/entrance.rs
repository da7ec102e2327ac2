//! Which way a request goes: an ordinary one, or a check that another proxy asks for.
//!
//! Decided by path and peer alone, before anything of the request is believed. Every request passes here,
//! so it costs an ordinary one a comparison. Nothing is judged here.

use std::net::IpAddr;

use http::request::Parts;
use http::{Method, Version};

use super::{Gate, canonical};
use crate::policy::Door;
use crate::upstream::Peer;

/// What Envoy asks over gRPC, and what asks whether we are there.
const GRPC_CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const GRPC_HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Which way a request goes, decided by its path and its peer alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// An ordinary request.
    Proxy,
    /// A check that this door has to translate; what it asks about begins at this byte of the path,
    /// where the path says it.
    Check(Door, usize),
    /// gRPC's question whether this service is up.
    Health,
    /// A check by somebody who may not ask, or at a place where none is answered.
    Nothing,
}

impl Gate {
    /// Which way a request goes. Its path is compared as it came: what follows a check's prefix is
    /// data, however it may look (decision 4).
    #[must_use]
    pub fn entrance(&self, parts: &Parts, peer: Peer) -> Entrance {
        let path = parts.uri.path();
        let prefix = &*self.policy.settings().server.prefix;
        if let Some(name) = path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix("/authz/")) {
            return match name {
                _ if !self.trusts(peer.ip()) => Entrance::Nothing,
                "forward" => Entrance::Check(Door::Forward, path.len()),
                "nginx" => Entrance::Check(Door::Nginx, path.len()),
                _ => match name.strip_prefix("envoy") {
                    // Envoy's own question has no such header. A proxy before us has written one, and then it
                    // only passes on what its client asked for.
                    Some(rest)
                        if rest.starts_with('/') && !parts.headers.contains_key("x-forwarded-host") =>
                    {
                        Entrance::Check(Door::EnvoyHttp, path.len() - rest.len())
                    }
                    _ => Entrance::Nothing,
                },
            };
        }
        if parts.version != Version::HTTP_2 || parts.method != Method::POST {
            return Entrance::Proxy;
        }
        let entrance = match path {
            GRPC_CHECK => Entrance::Check(Door::EnvoyGrpc, path.len()),
            GRPC_HEALTH => Entrance::Health,
            _ => return Entrance::Proxy,
        };
        if self.trusts(peer.ip()) && !self.is_served_here(parts) {
            entrance
        } else {
            Entrance::Proxy
        }
    }

    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        let trusted = &self.policy.settings().server.trusted_proxies;
        trusted.iter().any(|network| network.contains(&peer))
    }

    /// Whether a request's host is a site or is forwarded from here, or a proxy says that it was another.
    /// Then a client may have written it and a trusted proxy only passed it on: as a check it would be
    /// told whatever it claims to be.
    fn is_served_here(&self, parts: &Parts) -> bool {
        if parts.headers.contains_key("x-forwarded-host") || parts.headers.contains_key("forwarded") {
            return true;
        }
        let Ok(host) = canonical::host(parts) else {
            return true;
        };
        let forwarded = || self.policy.route_for(&host).is_some_and(|route| route.upstream.is_some());
        self.policy.is_site(&host) || forwarded()
    }
}
