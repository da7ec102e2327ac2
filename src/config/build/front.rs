//! Listeners, certificates and connection bounds: what their keys mean together.

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::settings::{Acme, CertificateFiles, Connections, Listen, ListenAddress, Tls};
use super::super::values::{address, host, quantity};
use super::{Build, value, values};

/// Every listener; one that cannot be read was reported.
pub(super) fn listen(build: &mut Build<'_>, server: &Node) -> Vec<Listen> {
    let certified = server.get("tls").is_some();
    let items = server.get("listen").map(Node::items).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| listener(build, item, certified, server))
        .collect()
}

fn listener(build: &mut Build<'_>, item: &Node, certified: bool, server: &Node) -> Option<Listen> {
    let place = item.get("address").unwrap_or(item);
    let address = address::listener(place.text()?).ok()?;
    let usual = certified && matches!(address, ListenAddress::Tcp(_));
    let tls = item.text_of("tls").map_or(usual, |text| text == "true");
    if tls && !certified {
        let at = item.get("tls").map_or(item.span, |node| node.span);
        build.report(
            Diagnostic::error(Code::Combination, "this listener asks for TLS, and there is no `server.tls`")
                .at(at, "no certificate could be shown here"),
        );
    }
    let proxy_protocol = item.is_true("proxy_protocol");
    if proxy_protocol && server.get("trusted_proxies").is_none_or(|list| list.items().is_empty()) {
        let at = item.get("proxy_protocol").map_or(item.span, |node| node.span);
        build.report(
            Diagnostic::error(Code::Combination, "nobody may send a PROXY header to this listener")
                .at(at, "every connection would be closed")
                .fix("name the balancer's addresses in `server.trusted_proxies`"),
        );
    }
    Some(Listen { address, tls, proxy_protocol })
}

/// The certificates, the single pair first.
pub(super) fn tls(build: &mut Build<'_>, server: &Node) -> Option<Tls> {
    let node = server.get("tls")?;
    let single = (node.get("certificate"), node.get("key"));
    if let (Some(lonely), None) | (None, Some(lonely)) = single {
        build.report(
            Diagnostic::error(Code::Combination, "a certificate and its key belong together")
                .at(lonely.span, "only one of `certificate` and `key` is here"),
        );
    }
    let several = node.get("certificates").map(Node::items).unwrap_or_default();
    let certificates = std::iter::once(node).chain(several).filter_map(pair).collect();
    Some(Tls {
        certificates,
        only_tls13: node.text_of("minimum") == Some("1.3"),
        device_authority: node.text_of("device_authority").map(Into::into),
        acme: node.get("acme").and_then(|acme| self::acme(build, acme)),
    })
}

fn acme(build: &mut Build<'_>, node: &Node) -> Option<Acme> {
    for item in node.get("hosts").map(Node::items).unwrap_or_default() {
        if item.text().is_some_and(|text| text.contains('*')) {
            build.report(
                Diagnostic::error(Code::Value, "no certificate can be obtained for a wildcard")
                    .at(item.span, "that is proved by DNS alone; write each host, or use a certificate file"),
            );
        }
    }
    Some(Acme {
        contact: values(node, "contact", address::mail),
        directory: value(node, "directory", address::directory_url)?,
        authority: node.text_of("authority").map(Into::into),
        hosts: node.get("hosts").map(|_| values(node, "hosts", host::pattern)),
    })
}

fn pair(node: &Node) -> Option<CertificateFiles> {
    Some(CertificateFiles {
        certificate: node.text_of("certificate")?.into(),
        key: node.text_of("key")?.into(),
    })
}

/// `None` when something in the section was wrong.
pub(super) fn connections(server: &Node) -> Option<Connections> {
    let node = server.get("connections")?;
    Some(Connections {
        most: node.text_of("most")?.parse().ok()?,
        per_address: node.text_of("per_address")?.parse().ok()?,
    })
}

/// A size within bounds; outside them it is reported.
pub(super) fn bounded_size(
    build: &mut Build<'_>,
    node: &Node,
    key: &str,
    least: u64,
    most: u64,
) -> Option<usize> {
    let size = value(node, key, quantity::size)?;
    if size < least || size > most {
        let at = node.get(key).map_or(node.span, |node| node.span);
        let label = format!("from {}KiB to {}KiB", least >> 10, most >> 10);
        build.report(Diagnostic::error(Code::Bound, format!("`{key}` is out of bounds")).at(at, label));
    }
    usize::try_from(size).ok()
}
