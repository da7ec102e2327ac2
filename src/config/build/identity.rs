//! Identity sources: who may say who it is, and from where.

use std::collections::BTreeMap;

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::settings::{
    IdentityKind, IdentitySource, Jwt, JwtAlgorithm, JwtKey, JwtPlace, TrustedHeader,
};
use super::super::values::address;
use super::{Build, levels, values};

/// RFC 7518 section 3.2: a key for HS256 is at least as long as its hash.
const SHORTEST_SECRET: usize = 32;

pub(super) fn sources(build: &mut Build<'_>) -> Vec<IdentitySource> {
    let Some(list) = build.root.get("identity") else {
        return vec![IdentitySource { name: "local".to_owned(), kind: IdentityKind::Local }];
    };
    if list.items().is_empty() {
        build.report(
            Diagnostic::error(Code::Value, "there is no identity source")
                .at(list.span, "nobody could ever be known; leave the key out for local users"),
        );
    }
    let mut found: Vec<IdentitySource> = Vec::new();
    let mut local = None;
    for node in list.items() {
        let Some(name) = node.get("name").filter(|name| name.text().is_some()) else {
            continue;
        };
        let text = name.text().unwrap_or_default();
        let first = list
            .items()
            .iter()
            .find(|other| other.text_of("name") == Some(text))
            .and_then(|n| n.get("name"));
        if let Some(first) = first.filter(|first| first.span != name.span) {
            build.report(levels::twice("identity source", text, name.span, first.span));
        }
        let kind = match node.text_of("type") {
            Some("local") => {
                if let Some(first) = local.replace(name.span) {
                    build.report(
                        Diagnostic::error(Code::Combination, "there is one set of local users")
                            .at(name.span, "a second source of type `local`")
                            .and_at(first, "the first"),
                    );
                }
                Some(IdentityKind::Local)
            }
            Some("trusted-header") => trusted_header(build, node).map(IdentityKind::TrustedHeader),
            Some("jwt") => jwt(build, node).map(IdentityKind::Jwt),
            _ => None,
        };
        found.extend(kind.map(|kind| IdentitySource { name: text.to_owned(), kind }));
    }
    found
}

fn trusted_header(build: &mut Build<'_>, node: &Node) -> Option<TrustedHeader> {
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

fn attributes(node: &Node) -> BTreeMap<String, String> {
    let entries = node.get("attributes").map(Node::entries).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned())))
        .collect()
}

fn no_session(node: &Node, fix: &str) -> Diagnostic {
    let name = node.get("name").map_or(node.span, |name| name.span);
    Diagnostic::warning(Code::NoSessionHandle, "this source does not say which session it speaks of")
        .at(name, "a proof stays good after the person has signed out there, until it expires")
        .fix(fix)
}

fn jwt(build: &mut Build<'_>, node: &Node) -> Option<Jwt> {
    let place = match (node.text_of("header"), node.text_of("cookie")) {
        (Some(header), _) => JwtPlace::Header(header.to_owned()),
        (None, Some(cookie)) => JwtPlace::Cookie(cookie.to_owned()),
        (None, None) => return None,
    };
    let algorithm = match node.text_of("algorithm")? {
        "HS256" => JwtAlgorithm::Hs256,
        "RS256" => JwtAlgorithm::Rs256,
        "ES256" => JwtAlgorithm::Es256,
        "EdDSA" => JwtAlgorithm::EdDsa,
        _ => return None,
    };
    let mut names = attributes(node);
    let mut claim = |key: &str, usual: &str| names.remove(key).unwrap_or_else(|| usual.to_owned());
    Some(Jwt {
        place,
        algorithm,
        key: key(build, node, algorithm)?,
        issuer: node.text_of("issuer")?.to_owned(),
        audience: node.text_of("audience")?.to_owned(),
        user: claim("user", "sub"),
        groups: claim("groups", "groups"),
        email: claim("email", "email"),
        name: claim("name", "name"),
        session: node.text_of("session")?.to_owned(),
        attributes: names,
    })
}

fn key(build: &mut Build<'_>, node: &Node, algorithm: JwtAlgorithm) -> Option<JwtKey> {
    let symmetric = algorithm == JwtAlgorithm::Hs256;
    let entry = ["secret", "public_key", "jwks"].into_iter().find_map(|key| node.entry(key))?;
    if symmetric != (entry.key == "secret") {
        // A public key taken for a shared secret lets anyone sign tokens.
        let needs = if symmetric {
            "HS256 takes a `secret`"
        } else {
            "this algorithm takes a `public_key` or `jwks`"
        };
        build.report(
            Diagnostic::error(Code::Combination, "key and algorithm do not fit").at(entry.key_span, needs),
        );
        return None;
    }
    let text = entry.value.text()?;
    let weak = |label: &str| {
        Diagnostic::error(Code::WeakSecret, "this key cannot be used").at(entry.value.span, label)
    };
    match entry.key.as_str() {
        "secret" if text.len() < SHORTEST_SECRET => {
            build.report(weak("HS256 needs a secret of at least 32 bytes"));
            None
        }
        "secret" => Some(JwtKey::Secret(text.into())),
        "public_key" if !text.contains("-----BEGIN PUBLIC KEY-----") => {
            build.report(weak("a PEM public key begins with -----BEGIN PUBLIC KEY-----"));
            None
        }
        "public_key" => Some(JwtKey::Public(text.to_owned())),
        _ => Some(JwtKey::Jwks(text.to_owned())),
    }
}
