//! Signed tokens: where they are, and which key they are checked with.

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{ClaimNames, Jwt, JwtAlgorithm, JwtContract, JwtKey, JwtPlace};
use super::super::{Build, upstream};
use super::preset::Preset;
use super::{attributes, missing, no_session};

/// RFC 7518 section 3.2: a key for HS256 is at least as long as its hash.
const SHORTEST_SECRET: usize = 32;

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<Jwt> {
    let preset = match node.text_of("preset") {
        Some(word) => Some(Preset::read(build, node, word)?),
        None => None,
    };
    let preset = preset.as_ref();
    let place = match (node.text_of("header"), node.text_of("cookie")) {
        (Some(header), _) => JwtPlace::Header(header.to_owned()),
        (None, Some(cookie)) => JwtPlace::Cookie(cookie.to_owned()),
        (None, None) => JwtPlace::Header(preset?.header.to_owned()),
    };
    let algorithm = algorithm(build, node, preset)?;
    let authority = match node.get("authority") {
        Some(file) => Some(upstream::authority(build, file)?),
        None => None,
    };
    let usual = preset.map_or_else(standard, |preset| preset.names.clone());
    if node.text_of("session").is_none() && usual.session.is_empty() {
        build.report(no_session(node, "name a claim in `session`, if the tokens have one"));
    }
    let key = key(build, node, algorithm, preset);
    let issuers = texts(build, node, "issuer", preset.map(|preset| &preset.issuers));
    let audiences = texts(build, node, "audience", preset.map(|preset| &preset.audiences));
    Some(Jwt {
        place,
        algorithm,
        key: key?,
        authority,
        issuers: issuers?,
        audiences: audiences?,
        contract: preset.map_or(JwtContract::Standard, |preset| preset.contract.clone()),
        companions: preset.map_or(&[], |preset| preset.companions),
        names: names(node, usual),
        dpop: node.text_of("dpop").is_some(),
    })
}

fn standard() -> ClaimNames {
    ClaimNames {
        user: "sub".to_owned(),
        groups: "groups".to_owned(),
        email: "email".to_owned(),
        name: "name".to_owned(),
        session: "sid".to_owned(),
        attributes: std::collections::BTreeMap::new(),
    }
}

/// The claims that a source names, and the usual ones for the rest.
pub(super) fn claim_names(node: &Node) -> ClaimNames {
    names(node, standard())
}

fn names(node: &Node, usual: ClaimNames) -> ClaimNames {
    let mut named = attributes(node);
    let mut claim = |key: &str, usual: String| named.remove(key).unwrap_or(usual);
    ClaimNames {
        user: claim("user", usual.user),
        groups: claim("groups", usual.groups),
        email: claim("email", usual.email),
        name: claim("name", usual.name),
        session: node.text_of("session").map_or(usual.session, str::to_owned),
        attributes: named,
    }
}

/// What is written, else what the preset knows.
fn texts(build: &mut Build<'_>, node: &Node, key: &str, usual: Option<&Vec<String>>) -> Option<Vec<String>> {
    let written = node.texts_of(key);
    if !written.is_empty() {
        return Some(written);
    }
    let usual = usual.filter(|usual| !usual.is_empty());
    if usual.is_none() && node.get(key).is_none() {
        build.report(missing(node, key));
    }
    usual.cloned()
}

fn algorithm(build: &mut Build<'_>, node: &Node, preset: Option<&Preset>) -> Option<JwtAlgorithm> {
    let Some(entry) = node.entry("algorithm") else {
        let usual = preset.map(|preset| preset.algorithm);
        if usual.is_none() {
            build.report(missing(node, "algorithm"));
        }
        return usual;
    };
    let algorithm = match entry.value.text()? {
        "HS256" => JwtAlgorithm::Hs256,
        "RS256" => JwtAlgorithm::Rs256,
        "RS384" => JwtAlgorithm::Rs384,
        "RS512" => JwtAlgorithm::Rs512,
        "PS256" => JwtAlgorithm::Ps256,
        "ES256" => JwtAlgorithm::Es256,
        "ES384" => JwtAlgorithm::Es384,
        "EdDSA" => JwtAlgorithm::EdDsa,
        _ => return None,
    };
    if preset.is_some_and(|preset| preset.contract != JwtContract::Standard && preset.algorithm != algorithm)
    {
        build.report(
            Diagnostic::error(Code::Combination, "this preset has one algorithm")
                .at(entry.key_span, "leave it out"),
        );
        return None;
    }
    Some(algorithm)
}

fn key(
    build: &mut Build<'_>,
    node: &Node,
    algorithm: JwtAlgorithm,
    preset: Option<&Preset>,
) -> Option<JwtKey> {
    let symmetric = algorithm == JwtAlgorithm::Hs256;
    let mut there = ["secret", "public_key", "jwks"].into_iter().filter_map(|key| node.entry(key));
    let Some(entry) = there.next() else {
        let usual = preset.and_then(|preset| preset.jwks.clone()).filter(|_| !symmetric);
        if usual.is_none() && preset.is_some() {
            build.report(missing(node, if symmetric { "secret" } else { "jwks" }));
        }
        return usual.map(JwtKey::Jwks);
    };
    if let Some(other) = there.next() {
        build.report(
            Diagnostic::error(
                Code::Combination,
                format!("`{}` and `{}` exclude each other", entry.key, other.key),
            )
            .at(other.key_span, "write one of `secret`, `public_key` or `jwks`")
            .and_at(entry.key_span, "the other"),
        );
        return None;
    }
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
