//! Passkeys: the domain they are made for must cover the portal's address, or no browser will
//! ever offer one.

use std::path::Path;

use super::super::certificate;
use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Problems};
use super::super::node::Node;
use super::super::settings::{Passkey, PublicUrl, UserVerification};
use super::super::source::Span;
use super::super::values::{address, host};
use super::{value, values};

/// `None` where passkeys cannot be: they are off, or the portal has no name.
pub(super) fn passkey(root: &Node, node: Option<&Node>, problems: &mut Problems) -> Option<Passkey> {
    let node = node.filter(|node| node.is_true("enabled"))?;
    let portal = value(root.get("server")?, "public_url", address::public_url)?;
    if is_address(&portal.host) {
        if let Some(enabled) = node.get("enabled").filter(|enabled| !enabled.is_default()) {
            problems.push(
                Diagnostic::warning(Code::NoPasskeys, "browsers know no passkeys for an IP address")
                    .at(enabled.span, "they stay off")
                    .fix("give `server.public_url` a host name, such as `http://localhost:8080`"),
            );
        }
        return None;
    }
    let related: Vec<PublicUrl> = values(node, "related_origins", address::public_url);
    let relying_party = relying_party(node, &portal, &related, problems);
    let related_origins: Vec<String> = related.iter().map(PublicUrl::origin).collect();
    if let Some(span) = node.get("related_origins").map(|node| node.span)
        && !related_origins.is_empty()
        && relying_party != portal.host
        && !is_site(root, &relying_party)
    {
        problems.push(asked_elsewhere(&relying_party, &related_origins, span));
    }
    let mut origins = vec![portal.origin()];
    origins.extend(related_origins.iter().filter(|one| **one != portal.origin()).cloned());
    let name = root.get("branding").and_then(|branding| branding.text_of("name"));
    Some(Passkey {
        relying_party,
        name: name.unwrap_or_default().to_owned(),
        origins,
        related_origins,
        user_verification: match node.text_of("user_verification") {
            Some("preferred") => UserVerification::Preferred,
            _ => UserVerification::Required,
        },
        models: node
            .texts_of("models")
            .iter()
            .filter_map(|one| uuid::Uuid::try_parse(one).ok())
            .collect(),
        attestation_roots: roots(node, problems),
    })
}

fn is_address(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

fn relying_party(node: &Node, portal: &PublicUrl, related: &[PublicUrl], problems: &mut Problems) -> String {
    let Some(domain) = value(node, "relying_party", host::exact) else {
        return portal.host.clone();
    };
    let covers =
        |host: &str| host == domain || (domain.contains('.') && host.ends_with(&format!(".{domain}")));
    let is_related = related.iter().any(|one| one.origin() == portal.origin());
    if !covers(&portal.host) && !is_related {
        let span = node.get("relying_party").map_or(node.span, |node| node.span);
        problems.push(
            Diagnostic::error(
                Code::RelyingParty,
                format!("a passkey for `{domain}` cannot be used at {}", portal.origin()),
            )
            .at(span, "this is neither the portal's host nor a parent of it")
            .fix(format!("leave the key out, or write `{}` or a parent of it", portal.host))
            .note("changing this later makes every registered passkey useless: choose once"),
        );
    }
    domain
}

/// Whether a route has this host.
fn is_site(root: &Node, host: &str) -> bool {
    let routes = root.get("routes").map(Node::items).unwrap_or_default();
    routes
        .iter()
        .flat_map(|route| route.texts_of("host"))
        .any(|pattern| match pattern.strip_prefix('*') {
            Some(rest) => host.ends_with(rest),
            None => pattern.eq_ignore_ascii_case(host),
        })
}

/// Browsers ask the relying party's host whether the origins are meant, and it is none of ours.
fn asked_elsewhere(relying_party: &str, origins: &[String], span: Span) -> Diagnostic {
    let told = serde_json::json!({ "origins": origins });
    Diagnostic::warning(
        Code::NoPasskeys,
        format!("browsers ask https://{relying_party}/.well-known/webauthn, and no route here has that host"),
    )
    .at(span, "without that file no browser uses the passkeys at these origins")
    .fix(format!("let that host answer `{told}` as application/json, or add a route for it"))
}

/// The makers' certificates, without which a make is only what an authenticator says of itself.
fn roots(node: &Node, problems: &mut Problems) -> Vec<Vec<u8>> {
    let span = |key: &str| node.get(key).map_or(node.span, |node| node.span);
    let (models, file) = (node.get("models"), node.text_of("attestation_roots"));
    match (models, file) {
        (None, None) => {}
        (Some(_), None) => problems.push(unproved(span("models"))),
        (None, Some(_)) => problems.push(
            Diagnostic::error(Code::Combination, "`attestation_roots` prove makes, and no make is named")
                .at(span("attestation_roots"), "add `models`, the AAGUIDs that are accepted"),
        ),
        (Some(_), Some(file)) => match certificate::chain(Path::new(file)) {
            Ok(roots) => return roots.iter().map(|root| root.to_vec()).collect(),
            Err(error) => problems.push(
                Diagnostic::error(Code::Certificate, error.to_string())
                    .at(span("attestation_roots"), "no authenticator could be accepted"),
            ),
        },
    }
    Vec::new()
}

fn unproved(span: Span) -> Diagnostic {
    Diagnostic::warning(Code::NoPasskeys, "without `attestation_roots` a make is what an authenticator says")
        .at(span, "a program can claim to be any of these")
}
