//! An app's own session: what may be sent to the app, and whether its pages can be reached.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::pattern;
use super::super::super::settings::{
    AppSession, AppWay, Basic, Endpoint, IdentityKind, IdentitySource, Place, Probe, ProbeUrl, Protocol,
    PublicUrl, Question, Require, Route, Rule,
};
use super::super::super::values::{app, pointer::pointer};
use super::super::{Build, duration, upstream, value};
use super::{app_signed, app_watch};

/// Longer than that nobody waits for a page.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_RECHECK: Duration = Duration::from_secs(3600);

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<AppSession> {
    let way = if let Some(probe) = node.get("probe") {
        AppWay::Probe(self::probe(build, probe)?)
    } else if let Some(watch) = node.get("watch") {
        AppWay::Watch(app_watch::read(build, watch)?)
    } else if let Some(signed) = node.get("signed") {
        AppWay::Signed(app_signed::read(build, signed)?)
    } else {
        AppWay::Basic(basic(build, node.get("basic")?)?)
    };
    let recheck = at_most(build, node, "recheck", LONGEST_RECHECK)?;
    let sign_in = match node.get("sign_in") {
        Some(page) => Some(sign_in(build, page)?),
        None => None,
    };
    let marks = node.get("sign_out").map(Node::items).unwrap_or_default();
    let sign_out: Vec<_> = marks.iter().filter_map(|item| app::mark(item.text()?).ok()).collect();
    if sign_out.is_empty() && !matches!(way, AppWay::Basic(_)) {
        let at = node.get("name").map_or(node.span, |name| name.span);
        build.report(
            Diagnostic::warning(Code::NoSignOut, "it is not said how people sign out at this app")
                .at(at, "unless the app clears its cookie then, a proof outlives the sign-out until the app is asked again")
                .fix("add `sign_out: /logout`, the path that the app's own link leads to"),
        );
    }
    Some(AppSession {
        way,
        recheck,
        sign_in,
        sign_out,
        ignores_case: node.text_of("case") != Some("exact"),
        keeps_authorization: node.text_of("keeps_authorization") == Some("true"),
    })
}

fn probe(build: &mut Build<'_>, node: &Node) -> Option<Probe> {
    let headers = node.get("headers").map(Node::items).unwrap_or_default();
    for item in headers {
        if item.text().is_some_and(is_not_for_probes) {
            build.report(Diagnostic::error(Code::Value, "this header cannot go with the question").at(
                item.span,
                "cookies are named in `cookies`; what frames or addresses a request is set here",
            ));
        }
    }
    Some(Probe {
        question: question(build, node)?,
        cookies: node.texts_of("cookies"),
        headers: node.texts_of("headers"),
        user: place(node.get("user")?)?,
    })
}

/// Headers that are set here, or that say how a message is framed.
fn is_not_for_probes(name: &str) -> bool {
    const NOT: [&str; 11] = [
        "connection",
        "content-length",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let name = name.to_ascii_lowercase();
    NOT.contains(&name.as_str()) || name.starts_with("x-forwarded-") || name.starts_with("stepgate")
}

fn basic(build: &mut Build<'_>, node: &Node) -> Option<Basic> {
    let realm = node.get("realm")?;
    let text = realm.text()?;
    if !text.chars().all(|c| (' '..='~').contains(&c) && c != '"' && c != '\\') {
        build.report(
            Diagnostic::error(Code::Value, "this cannot stand in a header")
                .at(realm.span, "plain letters, digits and blanks"),
        );
        return None;
    }
    Some(Basic {
        question: question(build, node)?,
        realm: text.to_owned(),
        user: node.get("user").and_then(place),
    })
}

fn question(build: &mut Build<'_>, node: &Node) -> Option<Question> {
    let timeout = at_most(build, node, "timeout", LONGEST_TIMEOUT)?;
    let authority = match node.get("authority") {
        Some(node) => Some(upstream::authority(build, node)?),
        None => None,
    };
    let attributes = node.get("attributes").map(Node::entries).unwrap_or_default();
    let attributes: BTreeMap<String, Place> = attributes
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), place(&entry.value)?)))
        .collect();
    let optional = |key: &str| node.get(key).and_then(place);
    Some(Question {
        url: value(node, "url", app::probe_url)?,
        signed_in_status: node.text_of("signed_in_status")?.parse().ok()?,
        timeout,
        authority,
        groups: optional("groups"),
        name: optional("name"),
        email: optional("email"),
        attributes,
    })
}

fn place(node: &Node) -> Option<Place> {
    if let Some(selector) = node.text_of("html") {
        let attribute = node.text_of("attribute").map(str::to_owned);
        return Some(Place::Html { selector: selector.to_owned(), attribute });
    }
    match node.text_of("header") {
        Some(header) => Some(Place::Header(header.to_owned())),
        None => value(node, "json", pointer).map(Place::Json),
    }
}

fn at_most(build: &mut Build<'_>, node: &Node, key: &str, most: Duration) -> Option<Duration> {
    let read = duration(node, key)?;
    if !read.is_zero() && read <= most {
        return Some(read);
    }
    let at = node.get(key).map_or(node.span, |value| value.span);
    build.report(
        Diagnostic::error(Code::Bound, "this figure is out of bounds")
            .at(at, format!("more than `0s`, at most `{}s`", most.as_secs())),
    );
    None
}

/// A path on the app's own site, which cannot lead anywhere else.
fn sign_in(build: &mut Build<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    let filled = text.replace(AppSession::TARGET, "%2F");
    let local = filled.starts_with('/')
        && !filled.starts_with("//")
        && !filled.contains(['\\', '#', '{', '}'])
        && filled.parse::<http::uri::PathAndQuery>().is_ok();
    let in_query = text.split('?').next().is_none_or(|path| !path.contains(AppSession::TARGET));
    if local && in_query {
        return Some(text.to_owned());
    }
    build.report(
        Diagnostic::error(Code::Value, "this is no page of the app")
            .at(node.span, "write its path: `/login`, or `/login?next={target}`"),
    );
    None
}

/// What sources and routes mean together: whether the app can be asked, and whether people can sign in.
pub(in super::super) fn check(
    build: &mut Build<'_>,
    public: &PublicUrl,
    identity: &[IdentitySource],
    routes: &[Route],
) {
    let nodes: Vec<&Node> = build.root.get("identity").map(Node::items).unwrap_or_default().iter().collect();
    for (index, source) in identity.iter().enumerate() {
        let IdentityKind::AppSession(app) = &source.kind else {
            continue;
        };
        let Some(node) = nodes.iter().find(|node| node.text_of("name") == Some(&source.name)).copied() else {
            continue;
        };
        let used: Vec<&Route> = routes.iter().filter(|route| route.identity.contains(index)).collect();
        asked(build, node, app, &used);
        if let AppWay::Watch(watch) = &app.way {
            app_watch::seen(build, node, watch, &used);
        }
        not_ourselves(build, node, app, (public, routes));
        if let Some(page) = &app.sign_in {
            reachable(build, node, page, &used);
        }
    }
}

const fn question_of(app: &AppSession) -> Option<&Question> {
    match &app.way {
        AppWay::Probe(probe) => Some(&probe.question),
        AppWay::Basic(basic) => Some(&basic.question),
        AppWay::Watch(_) | AppWay::Signed(_) => None,
    }
}

fn url_node(node: &Node) -> &Node {
    let way = node.get("probe").or_else(|| node.get("basic"));
    way.and_then(|way| way.get("url")).unwrap_or(node)
}

/// A path is asked at the upstream, so there must be one that this question can go to.
fn asked(build: &mut Build<'_>, node: &Node, app: &AppSession, routes: &[&Route]) {
    let Some(Question { url: ProbeUrl::Path(_), .. }) = question_of(app) else {
        return;
    };
    let at = url_node(node).span;
    for route in routes {
        let why = match &route.upstream {
            None => "has no upstream",
            Some(upstream) if upstream.protocol == Protocol::Http2 && upstream.tls.is_none() => {
                "speaks HTTP/2 without TLS"
            }
            Some(upstream) if upstream.tls.as_ref().is_some_and(|tls| tls.client.is_some()) => {
                "asks for a client certificate"
            }
            Some(upstream) if upstream.tls.as_ref().is_some_and(|tls| tls.server_name.is_some()) => {
                "has a `server_name` of its own"
            }
            Some(upstream) if upstream.addresses.iter().any(|a| matches!(a.endpoint, Endpoint::Unix(_))) => {
                "listens on a unix socket"
            }
            Some(_) => continue,
        };
        build.report(
            Diagnostic::error(Code::Combination, format!("the app of route `{}` cannot be asked", route.name))
                .at(at, format!("its upstream {why}"))
                .fix("write the whole URL, `http://127.0.0.1:8080/me`, or name this source in `identity` of other routes only"),
        );
    }
}

/// A question that comes back here would be asked for ever.
fn not_ourselves(
    build: &mut Build<'_>,
    node: &Node,
    app: &AppSession,
    (public, routes): (&PublicUrl, &[Route]),
) {
    let Some(Question { url: ProbeUrl::Absolute(url), .. }) = question_of(app) else {
        return;
    };
    let Some(asked) = url.parse::<Uri>().ok() else {
        return;
    };
    let host = asked.host().unwrap_or_default().to_ascii_lowercase();
    let sites = routes.iter().flat_map(|route| &route.hosts).any(|site| *site == host);
    let usual = |https| if https { 443 } else { 80 };
    let port = asked.port_u16().unwrap_or_else(|| usual(asked.scheme_str() == Some("https")));
    let same_port = port == public.port.unwrap_or_else(|| usual(public.https));
    if (sites || public.host == host) && same_port {
        build.report(
            Diagnostic::error(Code::Combination, "this question would come back to stepgate")
                .at(url_node(node).span, "the app is asked at its own address, or by a path"),
        );
    }
}

/// Whoever is led to the sign-in page must get to see it.
fn reachable(build: &mut Build<'_>, node: &Node, page: &str, routes: &[&Route]) {
    let path = page.split('?').next().unwrap_or(page);
    for route in routes {
        if is_public(route, path) {
            continue;
        }
        let at = node.get("sign_in").map_or(node.span, |page| page.span);
        build.report(
            Diagnostic::warning(Code::SignInClosed, format!("nobody can sign in at route `{}`", route.name))
                .at(at, "the rules let nobody see this page who is not known yet")
                .fix(format!("add `{{ path: {path}, require: public }}` to the rules of the route, and what the page itself needs (styles, the address that its form is sent to)")),
        );
    }
}

fn is_public(route: &Route, path: &str) -> bool {
    let covers =
        |rule: &Rule| rule.path.is_empty() || rule.path.iter().any(|outer| pattern::covers(outer, path));
    let get = |rule: &Rule| rule.method.is_empty() || rule.method.iter().any(|method| method == "GET");
    let decides = route
        .rules
        .iter()
        .find(|rule| rule.when.is_none() && rule.query.is_empty() && get(rule) && covers(rule));
    let require = decides.map_or(&route.requirement.require, |rule| &rule.requirement.require);
    *require == Require::Public
}
