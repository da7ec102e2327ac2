//! How the portal and the apps share hosts.

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::settings::Server;
use super::super::source::Span;
use super::super::values::host;
use super::Build;

pub(super) fn check(build: &mut Build<'_>, server: &Server) {
    let portal = &server.public_url.host;
    if let Some(at) = host_span(build.root, portal) {
        build.report(
            Diagnostic::warning(Code::PortalShared, "the portal shares its origin with an app")
                .at(at, "scripts of this app can act on the portal's pages as the person who is signed in")
                .fix("give the portal a host of its own, or accept it for a single app you trust"),
        );
    }
    warn_of_unasked(build, server);
}

/// A route without an upstream serves only proxies that may ask about it.
fn warn_of_unasked(build: &mut Build<'_>, server: &Server) {
    let routes = build.root.get("routes").map(Node::items).unwrap_or_default();
    let lone = routes.iter().find(|route| route.get("upstream").is_none());
    let Some(route) = lone.filter(|_| server.trusted_proxies.is_empty()) else {
        return;
    };
    let at = route.get("host").map_or_else(|| route.pointer(), Node::pointer);
    build.report(
        Diagnostic::warning(Code::NobodyAsks, "nothing can be done with requests for this route")
            .at(at, "without `upstream` it is for checks by another proxy, and no proxy may ask")
            .fix("give it an `upstream`, or list the proxy's address in `server.trusted_proxies`"),
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
