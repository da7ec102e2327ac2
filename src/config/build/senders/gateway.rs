//! A described gateway: one body, placeholders where they can stand, and parts that go together.

use http::{HeaderName, HeaderValue, Method};

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{
    Accepted, Context, HttpAuth, HttpBody, HttpErrors, HttpGateway, HttpReceipts, Login, Placeholder,
    Template,
};
use super::super::super::values::{answer_place::answer_place, template::template};
use super::super::{Build, value};

pub(super) fn gateway(build: &mut Build<'_>, node: &Node) -> Option<HttpGateway> {
    let method = Method::from_bytes(node.text_of("method")?.as_bytes()).ok()?;
    let body = body(build, node, &method);
    let auth = auth(build, node);
    let accepted = accepted(build, node);
    let headers = headers(build, node);
    let gateway = HttpGateway {
        calls: node.text_of("carries") == Some("voice"),
        url: value(node, "url", template)?,
        method,
        headers,
        auth: auth?,
        body: body?,
        accepted: accepted?,
        reference: value(node, "reference", answer_place),
        errors: errors(node),
        receipts: receipts(node),
    };
    says_enough(build, node, &gateway);
    Some(gateway)
}

fn report(build: &mut Build<'_>, at: &Node, message: &str, label: &str) {
    build.report(Diagnostic::error(Code::Combination, message).at(at.pointer(), label));
}

fn body(build: &mut Build<'_>, node: &Node, method: &Method) -> Option<HttpBody> {
    const KINDS: [(&str, Context, &str); 3] = [
        ("json", Context::Json, "application/json"),
        ("xml", Context::Xml, "application/xml"),
        ("plain", Context::Plain, "text/plain; charset=utf-8"),
    ];
    let there: Vec<&Node> = ["form", "json", "xml", "plain"]
        .into_iter()
        .filter_map(|key| node.get(key))
        .collect();
    if let Some(second) = there.get(1) {
        report(build, second, "two bodies", "one of `form`, `json`, `xml` and `plain`");
        return None;
    }
    if let Some(body) = there.first().filter(|_| *method == Method::GET) {
        report(build, body, "GET has no body", "put the placeholders into `url`, or write `method: POST`");
        return None;
    }
    if let Some(form) = node.get("form") {
        return Some(HttpBody::Form(templates(form)));
    }
    let kind = KINDS
        .into_iter()
        .find_map(|(key, context, usual)| Some((node.get(key)?, context, usual)));
    let Some((text, context, usual)) = kind else {
        return Some(HttpBody::None);
    };
    let template = template(text.text()?).ok()?;
    if context == Context::Json {
        // What stands inside strings survives any value; a placeholder outside of them would not.
        let filled = template.fill(context, |_| "a\"b");
        if serde_json::from_str::<serde_json::Value>(&filled).is_err() {
            report(
                build,
                text,
                "this is no JSON",
                "placeholders stand inside quotes: `\"to\": \"{{ to }}\"`",
            );
            return None;
        }
    }
    let content_type = HeaderValue::try_from(node.text_of("content_type").unwrap_or(usual)).ok()?;
    Some(HttpBody::Text { template, context, content_type })
}

fn templates(table: &Node) -> Vec<(String, Template)> {
    let entries = table.entries().iter();
    entries
        .filter_map(|entry| Some((entry.key.clone(), template(entry.value.text()?).ok()?)))
        .collect()
}

fn headers(build: &mut Build<'_>, node: &Node) -> Vec<(HeaderName, Template)> {
    let entries = node.get("headers").map(Node::entries).unwrap_or_default();
    let mut found = Vec::new();
    for entry in entries {
        let Ok(name) = HeaderName::from_bytes(entry.key.as_bytes()) else {
            build.report(
                Diagnostic::error(Code::Value, "this is no header's name")
                    .at(entry.key_span, "write it as `X-Api-Key`"),
            );
            continue;
        };
        found.extend(
            entry
                .value
                .text()
                .and_then(|text| template(text).ok())
                .map(|value| (name, value)),
        );
    }
    found
}

fn auth(build: &mut Build<'_>, node: &Node) -> Option<HttpAuth> {
    let Some(auth) = node.get("auth") else {
        return Some(HttpAuth::None);
    };
    if let Some(bearer) = auth.text_of("bearer") {
        return Some(HttpAuth::Bearer(bearer.into()));
    }
    if let (Some(user), Some(password)) = (auth.text_of("username"), auth.text_of("password")) {
        return Some(HttpAuth::Basic(Login { user: user.to_owned(), password: password.into() }));
    }
    report(build, auth, "half of the credentials", "`username` and `password` go together");
    None
}

fn accepted(build: &mut Build<'_>, node: &Node) -> Option<Accepted> {
    let Some(accepted) = node.get("accepted") else {
        return Some(Accepted { status: Vec::new(), value: None });
    };
    let status = accepted
        .texts_of("status")
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let value = match (value(accepted, "at", answer_place), accepted.get("values")) {
        (Some(at), Some(values)) => Some((at, values.texts())),
        (None, None) => None,
        _ => {
            report(
                build,
                accepted,
                "a place without values, or values without a place",
                "`at` and `values` go together",
            );
            return None;
        }
    };
    Some(Accepted { status, value })
}

fn errors(node: &Node) -> Option<HttpErrors> {
    let errors = node.get("errors")?;
    let reasons = errors.get("reasons")?.entries().iter();
    let reasons = reasons.filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned())));
    Some(HttpErrors { at: value(errors, "at", answer_place)?, reasons: reasons.collect() })
}

fn receipts(node: &Node) -> Option<HttpReceipts> {
    let receipts = node.get("receipts")?;
    Some(HttpReceipts {
        secret: receipts.text_of("secret")?.into(),
        header: HeaderName::from_bytes(receipts.text_of("header")?.as_bytes()).ok()?,
        reference: value(receipts, "reference", answer_place)?,
        status: value(receipts, "status", answer_place)?,
        delivered: receipts.texts_of("delivered"),
        failed: receipts.texts_of("failed"),
    })
}

/// A message that names nobody, or says nothing, is a mistake in the description.
fn says_enough(build: &mut Build<'_>, node: &Node, gateway: &HttpGateway) {
    let mentions = |wanted: &[Placeholder]| {
        let body = match &gateway.body {
            HttpBody::None => false,
            HttpBody::Form(fields) => fields.iter().any(|(_, value)| value.mentions(wanted)),
            HttpBody::Text { template, .. } => template.mentions(wanted),
        };
        let headers = gateway.headers.iter().any(|(_, value)| value.mentions(wanted));
        body || headers || gateway.url.mentions(wanted)
    };
    if !mentions(&[Placeholder::To, Placeholder::Digits]) {
        report(
            build,
            node,
            "the gateway is not told whom to write to",
            "`{{ to }}` or `{{ digits }}` stands nowhere",
        );
    }
    if !mentions(&[Placeholder::Text, Placeholder::Code]) {
        report(
            build,
            node,
            "the gateway is not told what to write",
            "`{{ text }}` or `{{ code }}` stands nowhere",
        );
    }
}
