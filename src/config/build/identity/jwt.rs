//! Signed tokens: where they are, and which key they are checked with.

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{Jwt, JwtAlgorithm, JwtKey, JwtPlace};
use super::super::Build;
use super::attributes;

/// RFC 7518 section 3.2: a key for HS256 is at least as long as its hash.
const SHORTEST_SECRET: usize = 32;

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<Jwt> {
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
