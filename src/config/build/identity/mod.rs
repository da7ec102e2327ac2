//! Identity sources: who may say who it is, and from where.

pub(super) mod app_session;
mod app_signed;
mod app_watch;
mod client_certificate;
mod introspection;
mod jwt;
mod ldap;
mod oidc;
mod preset;
mod trusted_header;

use std::collections::BTreeMap;

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::settings::{IdentityKind, IdentitySource, SourceSet};
use super::{Build, levels};

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
            Some("trusted-header") => trusted_header::read(build, node).map(IdentityKind::TrustedHeader),
            Some("jwt") => jwt::read(build, node).map(IdentityKind::Jwt),
            Some("app-session") => app_session::read(build, node).map(IdentityKind::AppSession),
            Some("introspection") => introspection::read(build, node).map(IdentityKind::Introspection),
            Some("client-certificate") => {
                client_certificate::read(build, node).map(IdentityKind::ClientCertificate)
            }
            Some("oidc") => oidc::read(build, node).map(Box::new).map(IdentityKind::Oidc),
            Some("ldap") => ldap::read(build, node).map(|ldap| IdentityKind::Ldap(Box::new(ldap))),
            _ => None,
        };
        if found.len() == SourceSet::CAPACITY {
            build.report(
                Diagnostic::error(Code::Value, "there are more than 64 identity sources")
                    .at(name.span, "the 65th"),
            );
            break;
        }
        found.extend(kind.map(|kind| IdentitySource { name: text.to_owned(), kind }));
    }
    found
}

/// The sources that a route names; all of them if it names none.
pub(super) fn of_route(build: &mut Build<'_>, route: &Node, sources: &[IdentitySource]) -> SourceSet {
    let Some(list) = route.get("identity") else {
        return SourceSet::ALL;
    };
    let mut set = SourceSet::NONE;
    for item in list.items() {
        let Some(text) = item.text() else { continue };
        if let Some(index) = sources.iter().position(|source| source.name == text) {
            set = set.with(index);
            continue;
        }
        let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        build.report(
            Diagnostic::error(Code::Value, format!("there is no identity source `{text}`"))
                .at(item.span, format!("there are: {}", known.join(", "))),
        );
    }
    set
}

fn attributes(node: &Node) -> BTreeMap<String, String> {
    let entries = node.get("attributes").map(Node::entries).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned())))
        .collect()
}

/// A key that is needed here, although not by every source of its kind.
fn missing(node: &Node, key: &str) -> Diagnostic {
    let at = node.get("name").map_or_else(|| node.pointer(), |name| name.span);
    Diagnostic::error(Code::MissingKey, format!("this identity source has no `{key}`"))
        .at(at, format!("add `{key}`"))
}

fn no_session(node: &Node, fix: &str) -> Diagnostic {
    let name = node.get("name").map_or(node.span, |name| name.span);
    Diagnostic::warning(Code::NoSessionHandle, "this source does not say which session it speaks of")
        .at(name, "a proof stays good after the person has signed out there, until it expires")
        .fix(fix)
}
