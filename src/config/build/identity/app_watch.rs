//! An app's login that is watched: that what is configured can be told apart, and seen at all.

use http::{Method, StatusCode};

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{LoginName, Route, Watch};
use super::super::super::values::pointer::pointer;
use super::super::{Build, value};

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<Watch> {
    let user = node.get("user")?;
    let user = match user.text_of("form") {
        Some(field) => LoginName::Form(field.to_owned()),
        None => LoginName::Json(value(user, "json", pointer)?),
    };
    let path = plain(build, node.get("path")?)?;
    let success = node.get("success");
    let status = success.map(|success| success.texts_of("status")).unwrap_or_default();
    let status: Vec<StatusCode> = status.iter().filter_map(|text| text.parse().ok()).collect();
    let not = success.and_then(|success| success.get("location_not"));
    let location_not = match not {
        Some(list) => list.items().iter().map(|item| plain(build, item)).collect::<Option<_>>()?,
        None => vec![path.clone()],
    };
    let keeps_cookie = success.and_then(|success| success.text_of("keeps_cookie")) == Some("true");
    if let Some(at) = success.and_then(|success| success.get("keeps_cookie")).filter(|_| keeps_cookie) {
        build.report(
            Diagnostic::warning(Code::LooseSession, "this app's cookie stays the same when somebody else signs in")
                .at(at.span, "by a login that is not watched, a person could become somebody else at the app and keep their proofs")
                .fix("let the app change its cookie at sign-in, or see to it that every login goes by this path"),
        );
    }
    Some(Watch {
        path,
        method: Method::from_bytes(node.text_of("method")?.as_bytes()).ok()?,
        user,
        cookie: node.text_of("cookie")?.to_owned(),
        status: if status.is_empty() {
            vec![StatusCode::FOUND, StatusCode::SEE_OTHER]
        } else {
            status
        },
        location_not,
        keeps_cookie,
    })
}

/// One path, not a pattern of many.
fn plain(build: &mut Build<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    let parsed = text.parse::<http::uri::PathAndQuery>();
    let one = text.starts_with('/') && !text.contains(['*', '{', '#']);
    if one && parsed.is_ok_and(|parsed| parsed.path() == text) {
        return Some(text.to_owned());
    }
    build.report(
        Diagnostic::error(Code::Value, "this is not one path")
            .at(node.span, "write it as the form has it, without a query: `/login.php`"),
    );
    None
}

/// Only the reverse proxy sees a login go by, and only at the site that it goes to.
pub(super) fn seen(build: &mut Build<'_>, node: &Node, watch: &Watch, routes: &[&Route]) {
    let at = node.get("watch").map_or(node.span, |watch| watch.span);
    let hosts: Vec<&String> = routes.iter().flat_map(|route| &route.hosts).collect();
    if watch.keeps_cookie && (hosts.len() > 1 || hosts.iter().any(|host| host.contains('*'))) {
        build.report(
            Diagnostic::error(Code::Combination, "this app's sessions would be known at several sites")
                .at(at, "with `keeps_cookie`, somebody else who signs in at one of them would stay who they were at the others")
                .fix("name this source in `identity` of one route with one host, and give each other site a source of its own"),
        );
    }
    for route in routes.iter().filter(|route| route.upstream.is_none()) {
        build.report(
            Diagnostic::error(Code::Combination, format!("logins at route `{}` are not seen", route.name))
                .at(at, "it has no upstream: another proxy forwards its requests, and their answers do not come by here")
                .fix("give the route its upstream, or use `probe` or `signed`"),
        );
    }
}
