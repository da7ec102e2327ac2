//! The sign-in to an app through its own form: paths that are the app's, selectors that can be read.

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::node::Node;
use super::super::settings::{FormLogin, FormValue, IdentityKind, IdentitySource, SourceSet, Success};
use super::Build;

/// `None` where there is none, or where it was wrong, which is reported.
pub(super) fn form_login(build: &mut Build<'_>, route: &Node) -> Option<FormLogin> {
    let node = route.get("form_login")?;
    if route.get("upstream").is_none() {
        build.report(
            Diagnostic::error(Code::Combination, "`form_login`, but no app to sign in to")
                .at(node.pointer(), "it works where stepgate itself forwards: give the route an `upstream`"),
        );
    }
    let fields = fields(node.get("fields")?);
    for (value, name) in [(FormValue::Username, "user"), (FormValue::Password, "password")] {
        if !fields.iter().any(|(_, field)| *field == value) {
            build.report(
                Diagnostic::error(Code::MissingKey, format!("no field gets the credential's {name}"))
                    .at(node.get("fields")?.pointer(), format!("write it as `\"{{credential.{name}}}\"`")),
            );
        }
    }
    let success = node.get("success")?;
    Some(FormLogin {
        page: node.text_of("page")?.to_owned(),
        post: node.text_of("post").map(str::to_owned),
        fields,
        success: Success {
            statuses: success.texts_of("status").iter().filter_map(|text| text.parse().ok()).collect(),
            cookie: success.text_of("cookie").map(str::to_owned),
        },
    })
}

/// The app's session is either ours to begin or a source of who somebody is.
pub(super) fn not_beside_app_sessions(
    build: &mut Build<'_>,
    route: &Node,
    (sources, accepted): (&[IdentitySource], SourceSet),
) {
    let Some(entry) = route.entry("form_login") else {
        return;
    };
    let reads_session = |(at, source): (usize, &IdentitySource)| {
        accepted.contains(at) && matches!(source.kind, IdentityKind::AppSession(_))
    };
    if sources.iter().enumerate().any(reads_session) {
        build.report(
            Diagnostic::error(
                Code::Combination,
                "an app's session cannot say who somebody is and be begun here",
            )
            .at(
                entry.key_span,
                "name the sources that count on this route in `identity`, without the app's session",
            ),
        );
    }
}

fn fields(node: &Node) -> Vec<(String, FormValue)> {
    let value = |node: &Node| match node.text() {
        Some("{credential.user}") => Some(FormValue::Username),
        Some("{credential.password}") => Some(FormValue::Password),
        Some(text) => Some(FormValue::Text(text.to_owned())),
        None => Some(FormValue::From(node.text_of("from")?.to_owned())),
    };
    let entries = node.entries().iter();
    entries
        .filter_map(|entry| Some((entry.key.clone(), value(&entry.value)?)))
        .collect()
}
