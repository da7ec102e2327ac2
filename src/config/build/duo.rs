//! Duo: the credentials of one application, and what its switches mean for safety.

use std::path::Path;

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Problems};
use super::super::fetch;
use super::super::node::Node;
use super::super::settings::{Duo, DuoApplication};

/// What Duo's own clients insist on.
const CLIENT_ID: usize = 20;
const CLIENT_SECRET: usize = 40;

const UNIVERSAL: [&str; 2] = ["client_id", "client_secret"];
const API: [&str; 2] = ["integration_key", "secret_key"];

/// `None` when it is off or something is wrong, which is reported.
pub(super) fn duo(node: &Node, problems: &mut Problems) -> Option<Duo> {
    if !node.is_true("enabled") {
        return None;
    }
    if node.text_of("on_failure") == Some("open") {
        problems.push(opened(node));
    }
    // All of them first, so that every problem is told at once.
    let (api_host, application) = (api_host(node, problems), application(node, problems));
    let authority = node.get("authority").map(|file| pem(file, problems));
    Some(Duo {
        api_host: api_host?,
        application: application?,
        fails_open: node.text_of("on_failure") == Some("open"),
        normalise_usernames: node.is_true("normalise_usernames"),
        accept_bypass: node.is_true("accept_bypass"),
        automatic: node.is_true("automatic"),
        only_if_sole: node.is_true("only_if_sole"),
        authority: match authority {
            Some(read) => Some(read?),
            None => None,
        },
    })
}

fn opened(node: &Node) -> Diagnostic {
    let at = node.get("on_failure").map_or(node.span, |value| value.span);
    Diagnostic::warning(Code::FailsOpen, "people get through without Duo while it cannot be reached")
        .at(at, "whoever can keep this machine from reaching Duo needs no second factor")
        .fix("leave it out, and let people set up another factor for that day")
}

fn missing(node: &Node, key: &str, what: &str) -> Diagnostic {
    Diagnostic::error(Code::MissingKey, format!("`duo` has no `{key}`")).at(node.pointer(), what)
}

fn api_host(node: &Node, problems: &mut Problems) -> Option<String> {
    let Some(host) = node.get("api_host") else {
        problems.push(missing(
            node,
            "api_host",
            "the API hostname of the application, from Duo's Admin Panel",
        ));
        return None;
    };
    let text = host.text()?;
    let authority: Option<http::uri::Authority> = text.parse().ok();
    let fits = authority.is_some_and(|authority| {
        !text.contains('@') && !authority.host().is_empty() && authority.port().is_none_or(|p| p.as_u16() > 0)
    });
    if !fits {
        problems.push(
            Diagnostic::error(Code::Value, "this is no host")
                .at(host.span, "no scheme and no path belong here")
                .fix("write it as `api-1234abcd.duosecurity.com`"),
        );
        return None;
    }
    Some(text.to_ascii_lowercase())
}

fn application(node: &Node, problems: &mut Problems) -> Option<DuoApplication> {
    let is_universal = node.text_of("mode") != Some("api");
    let (own, other) = if is_universal {
        (UNIVERSAL, API)
    } else {
        (API, UNIVERSAL)
    };
    for entry in other.iter().filter_map(|key| node.entry(key)) {
        problems.push(
            Diagnostic::error(Code::Combination, format!("`{}` belongs to the other mode", entry.key))
                .at(entry.key_span, "each mode has credentials of its own")
                .fix(format!(
                    "leave it out, or write `mode: {}`",
                    if is_universal { "api" } else { "universal" }
                )),
        );
    }
    for key in own.iter().filter(|key| node.get(key).is_none()) {
        problems.push(missing(node, key, "from the application's page in Duo's Admin Panel"));
    }
    let [name, secret] = own.map(|key| node.get(key));
    let (name, secret) = (name?, secret?);
    if is_universal {
        sized(name, CLIENT_ID, "client ID", problems);
        sized(secret, CLIENT_SECRET, "client secret", problems);
    }
    let (name, secret) = (name.text()?.to_owned(), secret.text()?.into());
    Some(if is_universal {
        DuoApplication::Universal { client_id: name, client_secret: secret }
    } else {
        DuoApplication::Api { integration_key: name, secret_key: secret }
    })
}

fn sized(node: &Node, length: usize, what: &str, problems: &mut Problems) {
    let Some(found) = node.text().map(str::len).filter(|found| *found != length) else {
        return;
    };
    problems.push(
        Diagnostic::error(Code::Value, format!("a {what} of Duo has {length} characters"))
            .at(node.span, format!("this has {found}")),
    );
}

fn pem(node: &Node, problems: &mut Problems) -> Option<String> {
    let bad = |why: String| {
        Diagnostic::error(Code::Unfetched, "this certificate cannot be used").at(node.span, why)
    };
    let text = match fetch::file(Path::new(node.text()?), node.span) {
        Ok(text) => text,
        Err(problem) => {
            problems.push(*problem);
            return None;
        }
    };
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Some(text);
    }
    problems.push(bad("there is no certificate in PEM in this file".to_owned()));
    None
}
