//! OpenID Connect providers: who they are to us, and who we are to them.

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{Oidc, Prompt};
use super::super::{Build, duration, upstream};
use super::attributes;

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<Oidc> {
    let issuer = node.get("issuer")?;
    if issuer.text()?.contains(['?', '#']) {
        build.report(
            Diagnostic::error(Code::Value, "this is no issuer")
                .at(issuer.span, "an issuer has neither a query nor a fragment")
                .fix("take `issuer` out of the provider's /.well-known/openid-configuration"),
        );
        return None;
    }
    if let Some(label) = node
        .get("label")
        .filter(|label| label.text().is_some_and(|text| text.trim().is_empty()))
    {
        build.report(
            Diagnostic::error(Code::Value, "this label is empty")
                .at(label.span, "people choose the provider by it"),
        );
    }
    let authority = match node.get("authority") {
        Some(node) => Some(upstream::authority(build, node)?),
        None => None,
    };
    let scopes = texts(node, "scopes");
    let mut names = attributes(node);
    let mut claim = |key: &str, usual: &str| names.remove(key).unwrap_or_else(|| usual.to_owned());
    Some(Oidc {
        issuer: issuer.text()?.to_owned(),
        client_id: node.text_of("client_id")?.to_owned(),
        client_secret: node.text_of("client_secret").map(Into::into),
        scopes: scopes.unwrap_or_else(|| ["openid", "profile", "email"].map(str::to_owned).to_vec()),
        label: node.text_of("label").map(str::to_owned),
        user: claim("user", "sub"),
        groups: claim("groups", "groups"),
        email: claim("email", "email"),
        name: claim("name", "name"),
        attributes: names,
        emails_are_verified: node.is_true("emails_are_verified"),
        refresh: duration(node, "refresh")?,
        acr_values: texts(node, "acr_values").unwrap_or_default(),
        max_age: duration(node, "max_age"),
        prompt: match node.text_of("prompt") {
            Some("login") => Some(Prompt::Login),
            Some("consent") => Some(Prompt::Consent),
            Some("select_account") => Some(Prompt::SelectAccount),
            _ => None,
        },
        authority,
    })
}

fn texts(node: &Node, key: &str) -> Option<Vec<String>> {
    let list = node.get(key)?;
    Some(list.items().iter().filter_map(Node::text).map(str::to_owned).collect())
}
