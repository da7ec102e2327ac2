//! The floor and the routes with their rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::pattern;
use super::super::settings::{
    Allow, Answer, EncodedSlash, Floor, IdentitySource, Raise, Route, Rule, ToUpstream,
};
use super::super::source::Span;
use super::super::values::{host, quantity};
use super::{
    Build, conditions, duration, form_login, front, identity, levels, outward, process, reach, upstream,
    value, values,
};

pub(super) fn floor(build: &mut Build<'_>) -> Option<Floor> {
    let node = build.root.get("floor")?;
    let requirement = levels::requirement(build, node, "require", "the floor")?;
    Some(Floor { requirement, except: node.texts_of("except") })
}

pub(super) fn routes(build: &mut Build<'_>, sources: &[IdentitySource], usual: &ToUpstream) -> Vec<Route> {
    let list = build.root.get("routes").map(Node::items).unwrap_or_default();
    let (mut names, mut hosts) = (BTreeMap::new(), BTreeMap::new());
    let mut routes = Vec::new();
    for node in list {
        let Some(route) = route(build, node, sources, usual) else {
            continue;
        };
        unique(build, node, &route, &mut names, &mut hosts);
        routes.push(route);
    }
    routes
}

fn unique(
    build: &mut Build<'_>,
    node: &Node,
    route: &Route,
    names: &mut BTreeMap<String, Span>,
    hosts: &mut BTreeMap<String, Span>,
) {
    let at = node.get("name").map_or_else(|| node.pointer(), |name| name.span);
    if let Some(first) = names.insert(route.name.clone(), at) {
        build.report(levels::twice("route", &route.name, at, first));
    }
    for item in node.get("host").map(Node::items).unwrap_or_default() {
        let Some(host) = item.text().and_then(|text| host::pattern(text).ok()) else {
            continue;
        };
        if let Some(first) = hosts.insert(host.clone(), item.span) {
            build.report(levels::twice("host", &host, item.span, first));
        }
    }
}

fn route(
    build: &mut Build<'_>,
    node: &Node,
    sources: &[IdentitySource],
    usual: &ToUpstream,
) -> Option<Route> {
    let hosts = values(node, "host", host::pattern);
    let name = node.text_of("name").map(str::to_owned).or_else(|| hosts.first().cloned())?;
    let requirement = levels::requirement(build, node, "require", &name);
    let rules = rules(build, node, &name);
    let raise = raises(build, node, &name);
    let upstream = upstream::upstream(build, node).map(Arc::new);
    host_header(build, node);
    let accepted = identity::of_route(build, node, sources);
    form_login::not_beside_app_sessions(build, node, (sources, accepted));
    Some(Route {
        hosts,
        upstream,
        host_header: node.text_of("host_header").map(str::to_owned),
        timeouts: upstream::timeouts(node),
        to_upstream: outward::of_route(build, node, usual),
        form_login: form_login::form_login(build, node).map(Arc::new),
        allow: node.get("allow").map(allow),
        identity: accepted,
        requirement: requirement?,
        rules,
        raise,
        encoded_slash: match node.text_of("encoded_slash") {
            Some("judge") => EncodedSlash::Judge,
            _ => EncodedSlash::Refuse,
        },
        reason: node.text_of("reason").map(str::to_owned),
        answer: answer(node).unwrap_or(Answer::Auto),
        activity: process::activity(node),
        max_body: value(node, "max_body", quantity::size)
            .or_else(|| value(build.root.get("server")?, "max_body", quantity::size)),
        long_lived_grace: node
            .get("long_lived")
            .and_then(|node| duration(node, "grace"))
            .unwrap_or_default(),
        max_header: front::bounded_size(build, node, "max_header", 1 << 10, 64 << 10),
        max_target: front::bounded_size(build, node, "max_target", 1 << 10, 32 << 10),
        line: build.line(node.pointer()),
        name,
    })
}

fn host_header(build: &mut Build<'_>, node: &Node) {
    let Some(header) = node.get("host_header") else {
        return;
    };
    let authority =
        |text: &str| http::uri::Authority::try_from(text).is_ok_and(|a| !a.as_str().contains('@'));
    if header.text().is_some_and(|text| !authority(text)) {
        build.report(
            Diagnostic::error(Code::Value, "this is no `Host`")
                .at(header.span, "write it as `app.internal:8080`"),
        );
    }
}

fn allow(node: &Node) -> Allow {
    Allow { users: node.texts_of("users"), groups: node.texts_of("groups") }
}

fn answer(node: &Node) -> Option<Answer> {
    match node.text_of("answer")? {
        "status" => Some(Answer::Status),
        _ => Some(Answer::Auto),
    }
}

fn rules(build: &mut Build<'_>, route: &Node, name: &str) -> Vec<Rule> {
    let nodes = route.get("rules").map(Node::items).unwrap_or_default();
    let mut rules = Vec::new();
    let mut places = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        reserved(build, node);
        let user = format!("{name} rule {}", at + 1);
        let when = node.get("when").map(|when| conditions::when(build, when));
        let requirement = levels::requirement(build, node, "require", &user);
        // A rule with a part that cannot be read must not seem to cover more than it says.
        let read = |key| node.get(key).is_none_or(|list| list.texts().len() == list.items().len().max(1));
        if !read("path") || !read("method") {
            continue;
        }
        let (Some(requirement), false) = (requirement, when.as_ref().is_some_and(Option::is_none)) else {
            continue;
        };
        rules.push(Rule {
            path: node.texts_of("path"),
            method: node.texts_of("method"),
            when: when.flatten(),
            query: node.get("query").map(conditions::query).unwrap_or_default(),
            requirement,
            reason: node.text_of("reason").map(str::to_owned),
            answer: answer(node),
            activity: process::activity(node),
            line: build.line(node.pointer()),
        });
        places.push(node);
    }
    reach::check(build, &rules, &places);
    rules
}

/// Requests under the prefix never reach a route.
fn reserved(build: &mut Build<'_>, rule: &Node) {
    let Some(prefix) = build.root.get("server").and_then(|server| server.text_of("prefix")) else {
        return;
    };
    let below = format!("{}/**", prefix.trim_end_matches('/'));
    for item in rule.get("path").map(Node::items).unwrap_or_default() {
        if item.text().is_some_and(|path| pattern::covers(&below, path)) {
            build.report(
                Diagnostic::error(Code::ReservedPath, "this path is stepgate's own")
                    .at(item.span, "requests for it are answered here and never forwarded, on every site")
                    .fix("remove the rule, or choose another `server.prefix`"),
            );
        }
    }
}

fn raises(build: &mut Build<'_>, route: &Node, name: &str) -> Vec<Raise> {
    let nodes = route.get("raise").map(Node::items).unwrap_or_default();
    let mut raises = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let user = format!("{name} raise {}", at + 1);
        let when = node.get("when").and_then(|when| conditions::when(build, when));
        let requirement = levels::requirement(build, node, "to", &user);
        if let (Some(when), Some(requirement)) = (when, requirement) {
            raises.push(Raise { when, requirement, line: build.line(node.pointer()) });
        }
    }
    raises
}
