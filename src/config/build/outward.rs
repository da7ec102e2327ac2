//! What apps are told: names that are free, attributes that some source knows, a route's own words in the
//! place of everybody's.

use std::collections::BTreeSet;

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::settings::{IdentitySource, Inject, Preset, ToUpstream};
use super::super::values::identity_template::{IdentityTemplate, identity_template};
use super::{Build, value};

/// What every app is told.
pub(super) fn to_upstream(build: &mut Build<'_>) -> ToUpstream {
    let usual = ToUpstream::default();
    match build.root.get("to_upstream") {
        Some(node) => read(build, node, &usual),
        None => usual,
    }
}

/// What the app of this route is told.
pub(super) fn of_route(build: &mut Build<'_>, route: &Node, usual: &ToUpstream) -> ToUpstream {
    let Some(node) = route.get("to_upstream") else {
        return usual.clone();
    };
    let mut told = read(build, node, usual);
    let Some(inject) = node.get("inject") else {
        return told;
    };
    if route.get("upstream").is_none() {
        build.report(Diagnostic::error(Code::Combination, "a credential, but no app to send it to").at(
            inject.pointer(),
            "a route without `upstream` is for checks by another proxy, which is given no credentials",
        ));
    }
    told.inject = self::inject(inject);
    told
}

fn read(build: &mut Build<'_>, node: &Node, usual: &ToUpstream) -> ToUpstream {
    let named = |text: &str| Preset::ALL.into_iter().find(|(name, _)| *name == text);
    let written = node.text_of("preset").and_then(named).map(|(_, preset)| preset);
    let preset = written.unwrap_or(usual.preset);
    // What an assertion is called follows the preset, unless somebody has named it.
    let inherited = match &usual.assertion {
        Some(name) if name == usual.preset.assertion() => Some(preset.assertion().to_owned()),
        other => other.clone(),
    };
    let assertion = match node.get("assertion") {
        None => inherited,
        Some(off) if off.text().is_some() => None,
        Some(section) => {
            let name = section.text_of("header").map(str::to_owned);
            name.or_else(|| inherited.or_else(|| Some(preset.assertion().to_owned())))
        }
    };
    let told = ToUpstream { preset, headers: Vec::new(), assertion, inject: None };
    let headers = match node.get("headers") {
        Some(own) => headers(build, own, &told),
        None => usual.headers.clone(),
    };
    ToUpstream { headers, ..told }
}

fn headers(build: &mut Build<'_>, node: &Node, told: &ToUpstream) -> Vec<(String, IdentityTemplate)> {
    let mut taken: BTreeSet<String> = told.names().map(fold).collect();
    let mut headers = Vec::new();
    for entry in node.entries() {
        let problem = if http::HeaderName::from_bytes(entry.key.as_bytes()).is_err() {
            "write it as `X-User`"
        } else if is_not_for_people(&fold(&entry.key)) {
            "this one speaks of the message or of the client, not of the person; take another"
        } else if !taken.insert(fold(&entry.key)) {
            "it is sent already, by the preset or under a name that apps take for the same"
        } else {
            headers.extend(
                entry
                    .value
                    .text()
                    .and_then(|text| Some((entry.key.clone(), identity_template(text).ok()?))),
            );
            continue;
        };
        build.report(
            Diagnostic::error(Code::Value, format!("`{}` cannot be a header about the person", entry.key))
                .at(entry.key_span, problem),
        );
    }
    headers
}

/// As apps compare names that do not tell `_` from `-`.
fn fold(name: &str) -> String {
    let fold = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    name.chars().map(fold).collect()
}

/// Names that mean something to a server, a browser or a proxy already.
fn is_not_for_people(folded: &str) -> bool {
    const BEGINNINGS: [&str; 9] = [
        "accept",
        "access-control-",
        "connection",
        "content-",
        "if-",
        "proxy-",
        "sec-",
        "transfer-",
        "x-http-",
    ];
    const NAMES: [&str; 28] = [
        "authorization",
        "cache-control",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "location",
        "origin",
        "pragma",
        "range",
        "referer",
        "set-cookie",
        "stepgate-code",
        "te",
        "trailer",
        "upgrade",
        "upgrade-insecure-requests",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-original-url",
        "x-real-ip",
    ];
    NAMES.contains(&folded) || BEGINNINGS.iter().any(|beginning| folded.starts_with(beginning))
}

fn inject(node: &Node) -> Option<Inject> {
    if let Some(basic) = node.get("basic") {
        let username = value(basic, "username", identity_template)?;
        return Some(Inject::Basic { username, password: basic.text_of("password")?.into() });
    }
    let token = node.get("bearer")?.text_of("token")?;
    Some(Inject::Bearer(token.into()))
}

/// Reports attributes that no source ever says: the header would never be sent.
pub(super) fn check(build: &mut Build<'_>, sources: &[IdentitySource]) {
    let mut known = BTreeSet::new();
    for source in sources {
        match source.kind.attributes() {
            Some(names) => known.extend(names),
            None => return,
        }
    }
    let routes = build.root.get("routes").map(Node::items).unwrap_or_default();
    let sections = routes.iter().chain([build.root]).filter_map(|node| node.get("to_upstream"));
    let mut problems = Vec::new();
    for section in sections {
        let headers = section.get("headers").map(Node::entries).unwrap_or_default();
        let basic = section.get("inject").and_then(|inject| inject.get("basic")?.get("username"));
        for node in headers.iter().map(|entry| &entry.value).chain(basic) {
            let template = node.text().and_then(|text| identity_template(text).ok());
            let missing = template
                .iter()
                .flat_map(IdentityTemplate::attributes)
                .find(|name| !known.contains(*name));
            if let Some(name) = missing {
                problems.push(unknown(node, name, &known));
            }
        }
    }
    for problem in problems {
        build.report(problem);
    }
}

fn unknown(node: &Node, name: &str, known: &BTreeSet<&str>) -> Diagnostic {
    let problem =
        Diagnostic::error(Code::UnknownName, format!("no identity source knows an attribute `{name}`"))
            .at(node.span, "name it under `attributes` of a source");
    if known.is_empty() {
        return problem;
    }
    let known: Vec<_> = known.iter().copied().collect();
    problem.note(format!("attributes known: {}", known.join(", ")))
}
