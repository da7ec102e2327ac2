//! The factors that organisations bring along: what belongs to them when they are switched on.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretSlice;

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Problems};
use super::super::node::Node;
use super::super::settings::{Hotp, MessageAuthenticator, Radius, RadiusServer, Yubikey};
use super::super::values::address;
use super::{duration, value, values};

/// Longest wait for one server: a person looking for their phone.
const LONGEST: Duration = Duration::from_mins(1);
/// RFC 2865 3 asks for 16 octets; MD5 makes less than that guessable from one packet.
const SHORTEST_SECRET: usize = 16;

/// The section of a factor that is on.
fn on<'n>(root: &'n Node, key: &str) -> Option<&'n Node> {
    root.get("factors")?.get(key).filter(|node| node.is_true("enabled"))
}

fn missing(problems: &mut Problems, node: &Node, key: &str, why: &str) {
    let at = node.get("enabled").map_or(node.span, |enabled| enabled.span);
    let problem = Diagnostic::error(Code::MissingKey, format!("`{key}` is missing")).at(at, "this is on");
    problems.push(problem.fix(why.to_owned()));
}

pub(super) fn radius(root: &Node, problems: &mut Problems) -> Radius {
    let Some(node) = on(root, "radius") else {
        return Radius::default();
    };
    if node.get("servers").is_none() {
        missing(problems, node, "servers", "list at least one server with `address` and `secret`");
    }
    let timeout = duration(node, "timeout").unwrap_or_default();
    if timeout > LONGEST || timeout.is_zero() {
        let at = node.get("timeout").map_or(node.span, |timeout| timeout.span);
        problems.push(
            Diagnostic::error(Code::Bound, "a person cannot be kept waiting so long").at(at, "1s to 60s"),
        );
    }
    let message_authenticator = match node.text_of("message_authenticator") {
        Some("server-is-old") => MessageAuthenticator::ServerIsOld,
        _ => MessageAuthenticator::Required,
    };
    if message_authenticator == MessageAuthenticator::ServerIsOld {
        problems.push(unprotected(node));
    }
    let servers = node.get("servers").map(Node::items).unwrap_or_default();
    let host = || Some(value(root.get("server")?, "public_url", address::public_url)?.host);
    Radius {
        label: node.text_of("label").unwrap_or_default().to_owned(),
        servers: servers.iter().filter_map(|server| radius_server(server, problems)).collect(),
        message_authenticator,
        nas_identifier: node
            .text_of("nas_identifier")
            .map(str::to_owned)
            .or_else(host)
            .unwrap_or_default(),
        timeout,
    }
}

fn unprotected(node: &Node) -> Diagnostic {
    let at = node.get("message_authenticator").map_or(node.span, |value| value.span);
    Diagnostic::warning(Code::Unprotected, "a no of the RADIUS server can be made a yes on its way")
        .at(at, "CVE-2024-3596: whoever can change packets between the two passes with any code")
        .fix("let the server send Message-Authenticator, and leave this out")
}

fn radius_server(node: &Node, problems: &mut Problems) -> Option<RadiusServer> {
    let secret = node.get("secret")?;
    let text = secret.text()?;
    if text.len() < SHORTEST_SECRET {
        problems.push(
            Diagnostic::error(Code::WeakSecret, "this shared secret is too short")
                .at(secret.span, "at least 16 characters: one packet is enough to try shorter ones"),
        );
    }
    Some(RadiusServer { address: value(node, "address", address::host_port)?, secret: text.into() })
}

pub(super) fn yubikey(root: &Node, problems: &mut Problems) -> Yubikey {
    let Some(node) = on(root, "yubikey") else {
        return Yubikey::default();
    };
    for key in ["client_id", "api_key"] {
        if node.get(key).is_none() {
            missing(problems, node, key, "the validation service gives out a client id and its key");
        }
    }
    Yubikey {
        client_id: node.text_of("client_id").and_then(|text| text.parse().ok()).unwrap_or_default(),
        api_key: api_key(node, problems).unwrap_or_default(),
        servers: values(node, "servers", address::service_url),
    }
}

fn api_key(node: &Node, problems: &mut Problems) -> Option<SecretSlice<u8>> {
    let node = node.get("api_key")?;
    let key = STANDARD
        .decode(node.text()?.trim())
        .ok()
        .filter(|key| key.len() >= SHORTEST_SECRET);
    if key.is_none() {
        problems.push(
            Diagnostic::error(Code::WeakSecret, "this is no API key")
                .at(node.span, "base64 of at least 16 bytes, as the service gave it out"),
        );
    }
    key.map(SecretSlice::from)
}

pub(super) fn hotp(root: &Node) -> Hotp {
    let look_ahead = root
        .get("factors")
        .and_then(|node| node.get("hotp")?.text_of("look_ahead")?.parse().ok());
    look_ahead.map_or_else(Hotp::default, |look_ahead| Hotp { look_ahead })
}
