//! How the portal and the apps share hosts.

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::settings::{IdentityKind, IdentitySource, Route, Server};
use super::super::source::Span;
use super::super::values::host;
use super::Build;

pub(super) fn check(build: &mut Build<'_>, server: &Server, identity: &[IdentitySource], routes: &[Route]) {
    let portal = &server.public_url.host;
    if let Some(at) = host_span(build.root, portal) {
        build.report(
            Diagnostic::warning(Code::PortalShared, "the portal shares its origin with an app")
                .at(at, "scripts of this app can act on the portal's pages as the person who is signed in")
                .fix("give the portal a host of its own, or accept it for a single app you trust"),
        );
    }
    let local = identity.iter().any(|source| matches!(source.kind, IdentityKind::Local));
    let elsewhere = routes.iter().flat_map(|route| &route.hosts).any(|host| host != portal);
    let (false, true, Some(list)) = (local, elsewhere, build.root.entry("identity")) else {
        return;
    };
    let at = list.key_span;
    build.report(
        Diagnostic::warning(
            Code::PortalUnreached,
            "people are known only by what a proxy adds to their requests",
        )
        .at(
            at,
            format!("requests for {portal} must pass that proxy too, or nobody can reach the challenge"),
        ),
    );
}

/// Where a route names exactly this host.
fn host_span(root: &Node, portal: &str) -> Option<Span> {
    let routes = root.get("routes")?.items();
    let mut hosts = routes.iter().filter_map(|route| route.get("host")).flat_map(Node::items);
    hosts
        .find(|item| item.text().and_then(|text| host::pattern(text).ok()).as_deref() == Some(portal))
        .map(|n| n.span)
}
