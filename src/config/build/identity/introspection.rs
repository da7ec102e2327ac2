//! Tokens that their issuer is asked about.

use std::time::Duration;

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{ClientAuth, Introspection, JwtPlace};
use super::super::{Build, duration, upstream};
use super::jwt;

/// A token that was revoked must not count for long.
const LONGEST: Duration = Duration::from_secs(300);

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<Introspection> {
    let remember = duration(node, "remember")?;
    if remember > LONGEST
        && let Some(at) = node.get("remember")
    {
        build.report(
            Diagnostic::error(Code::Bound, "an answer would be believed for too long")
                .at(at.span, "at most 5m: so long a token still counts after it was revoked"),
        );
        return None;
    }
    let authority = match node.get("authority") {
        Some(file) => Some(upstream::authority(build, file)?),
        None => None,
    };
    Some(Introspection {
        endpoint: node.text_of("endpoint")?.to_owned(),
        client_id: node.text_of("client_id")?.to_owned(),
        client_secret: node.text_of("client_secret")?.into(),
        client_auth: match node.text_of("client_auth")? {
            "post" => ClientAuth::Post,
            _ => ClientAuth::Basic,
        },
        authority,
        place: JwtPlace::Header(node.text_of("header")?.to_owned()),
        issuer: node.text_of("issuer").map(str::to_owned),
        audiences: node.texts_of("audience"),
        names: jwt::claim_names(node),
        remember,
        dpop: node.text_of("dpop").is_some(),
    })
}
