//! Headers of a proxy in front, and from where they count.

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::TrustedHeader;
use super::super::super::values::address;
use super::super::{Build, values};
use super::{attributes, no_session};

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<TrustedHeader> {
    let from = node.get("from")?;
    anyone(build, node, from);
    let mut attributes = attributes(node);
    let Some(user) = attributes.remove("user") else {
        if let Some(at) = node.entry("attributes") {
            build.report(
                Diagnostic::error(Code::MissingKey, "`attributes` has no `user`")
                    .at(at.key_span, "the header that names the person"),
            );
        }
        return None;
    };
    let session = node.text_of("session").map(str::to_owned);
    if session.is_none() {
        build.report(no_session(node, "session: X-Session-Id"));
    }
    let everywhere = || {
        [
            std::net::Ipv4Addr::UNSPECIFIED.into(),
            std::net::Ipv6Addr::UNSPECIFIED.into(),
        ]
    };
    let any = from.items().iter().any(|item| item.text() == Some("any"));
    Some(TrustedHeader {
        from: if any {
            everywhere()
                .into_iter()
                .filter_map(|ip: std::net::IpAddr| ipnet::IpNet::new(ip, 0).ok())
                .collect()
        } else {
            values(node, "from", address::peers)
        },
        user,
        groups: attributes.remove("groups"),
        email: attributes.remove("email"),
        name: attributes.remove("name"),
        session,
        sign_out_url: node.text_of("sign_out_url").map(str::to_owned),
        attributes,
    })
}

/// Identity headers that count from everywhere make everyone anyone.
fn anyone(build: &mut Build<'_>, node: &Node, from: &Node) {
    let understood = node.text_of("i_understand") == Some("header-spoofing");
    for item in from.items() {
        let Some(text) = item.text() else { continue };
        let all = address::network(text).is_ok_and(|network| network.prefix_len() == 0);
        if all || (text == "any" && !understood) {
            build.report(
                Diagnostic::error(Code::AnyoneTrusted, "anyone on the network could claim to be any user")
                    .at(item.span, "identity headers would be trusted from every address")
                    .fix("list the proxy's own addresses. If a network policy already guarantees it, write `from: [any]` and `i_understand: header-spoofing`"),
            );
        }
    }
}
