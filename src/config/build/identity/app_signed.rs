//! An app's signed cookie: the framework's own defaults, and what does not fit the format.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{Digest, HmacContent, HmacShape, Pointer, Signed, SignedFormat, Written};
use super::super::super::values::pointer::pointer;
use super::super::{Build, duration, value};

/// A secret that can be guessed makes everyone anyone.
const SHORTEST_SECRET: usize = 16;
const DAY: u64 = 24 * 60 * 60;
const DJANGO_SALT: &str = "django.contrib.sessions.backends.signed_cookies";

/// Keys that only some formats have.
const OF_FORMATS: [(&str, &[&str]); 9] = [
    ("digest", &["flask", "rails", "hmac", "jwt"]),
    ("salt", &["django", "flask"]),
    ("encrypted", &["rails"]),
    ("separator", &["hmac"]),
    ("signature", &["hmac"]),
    ("content", &["hmac"]),
    ("fields", &["hmac"]),
    ("ends_at", &["hmac"]),
    ("signed_at", &["hmac"]),
];

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<Signed> {
    let name = node.text_of("format")?;
    foreign(build, node, name);
    let secrets = secrets(build, node);
    let digest = match node.text_of("digest") {
        Some("sha1") => Digest::Sha1,
        Some("sha384") => Digest::Sha384,
        Some("sha512") => Digest::Sha512,
        None if name == "flask" => Digest::Sha1,
        _ => Digest::Sha256,
    };
    let salt = |usual: &str| node.text_of("salt").unwrap_or(usual).to_owned();
    let encrypted = node.text_of("encrypted") != Some("false");
    let format = match name {
        "django" => SignedFormat::Django { salt: salt(DJANGO_SALT) },
        "flask" => SignedFormat::Flask { salt: salt("cookie-session"), digest },
        "rails" => SignedFormat::Rails { encrypted, digest },
        "jwt" if digest == Digest::Sha1 => {
            let at = node.get("digest")?.span;
            build.report(
                Diagnostic::error(Code::Value, "no JWT is signed so")
                    .at(at, "`sha256`, `sha384` or `sha512`"),
            );
            return None;
        }
        "jwt" => SignedFormat::Jwt { digest },
        _ => SignedFormat::Hmac(shape(build, node, digest)?),
    };
    let at = |key: &str| value(node, key, pointer);
    let usual = |text: Option<&str>| text.and_then(|text| pointer(text).ok());
    let user = at("user").or_else(|| usual(usual_user(name)));
    if user.is_none() && name == "rails" && encrypted {
        build.report(
            Diagnostic::error(Code::MissingKey, "it is not said where this session names the person")
                .at(node.span, "`user` is needed")
                .fix("add `user: /user_id`, or for Devise `user: /warden.user.user.key/0/0`"),
        );
        return None;
    }
    Some(Signed {
        cookie: node.text_of("cookie")?.to_owned(),
        format,
        secrets,
        user,
        session: at("session").or_else(|| usual(usual_session(name))),
        name: at("name"),
        email: at("email"),
        groups: at("groups"),
        attributes: attributes(node),
        max_age: duration(node, "max_age").or_else(|| usual_age(name)),
    })
}

fn usual_user(format: &str) -> Option<&'static str> {
    match format {
        "django" => Some("/_auth_user_id"),
        "flask" => Some("/_user_id"),
        "jwt" => Some("/sub"),
        _ => None,
    }
}

fn usual_session(format: &str) -> Option<&'static str> {
    match format {
        "django" => Some("/_auth_user_hash"),
        "flask" => Some("/_id"),
        "rails" => Some("/session_id"),
        "jwt" => Some("/sid"),
        _ => None,
    }
}

/// `SESSION_COOKIE_AGE` and `PERMANENT_SESSION_LIFETIME`, where nobody has changed them.
fn usual_age(format: &str) -> Option<Duration> {
    match format {
        "django" => Some(Duration::from_secs(14 * DAY)),
        "flask" => Some(Duration::from_secs(31 * DAY)),
        _ => None,
    }
}

fn foreign(build: &mut Build<'_>, node: &Node, format: &str) {
    for (key, formats) in OF_FORMATS {
        if let Some(entry) = node.entry(key).filter(|_| !formats.contains(&format)) {
            build.report(
                Diagnostic::error(Code::Combination, format!("`{key}` means nothing for `{format}`"))
                    .at(entry.key_span, format!("it is for `{}`", formats.join("`, `"))),
            );
        }
    }
}

fn secrets(build: &mut Build<'_>, node: &Node) -> Vec<SecretString> {
    let items = node.get("secrets").map(Node::items).unwrap_or_default();
    let mut secrets = Vec::new();
    for item in items {
        let Some(text) = item.text() else { continue };
        if text.len() < SHORTEST_SECRET {
            build.report(
                Diagnostic::error(Code::WeakSecret, "this secret cannot be used")
                    .at(item.span, "at least 16 bytes: whoever guesses it is everyone")
                    .fix("give the app a longer one"),
            );
        }
        secrets.push(text.into());
    }
    secrets
}

fn shape(build: &mut Build<'_>, node: &Node, digest: Digest) -> Option<HmacShape> {
    let separator = node.text_of("separator").unwrap_or(".").to_owned();
    let content = match (node.text_of("content"), node.text_of("fields")) {
        (None | Some("text"), None) => HmacContent::Text,
        (None | Some("text"), Some(fields)) if !fields.is_empty() => HmacContent::Fields(fields.to_owned()),
        (Some("json"), None) => HmacContent::Json,
        (Some("base64-json"), None) => HmacContent::Base64Json,
        _ => {
            let at = node.entry("fields").map_or(node.span, |entry| entry.key_span);
            build.report(
                Diagnostic::error(Code::Combination, "only text has fields")
                    .at(at, "JSON has places of its own"),
            );
            return None;
        }
    };
    if separator.is_empty() {
        let at = node.get("separator").map_or(node.span, |node| node.span);
        build.report(
            Diagnostic::error(Code::Value, "nothing would separate them")
                .at(at, "the app's own, such as `.`"),
        );
        return None;
    }
    let at = |key: &str| value(node, key, pointer);
    let (ends, signed) = (at("ends_at"), at("signed_at"));
    if ends.is_none() && (signed.is_none() || node.get("max_age").is_none()) {
        build.report(
            Diagnostic::warning(Code::LooseSession, "a cookie of this kind is good for ever")
                .at(node.span, "whoever finds an old one is that person")
                .fix("let the app sign a time beside the name, and say where: `ends_at`, or `signed_at` and `max_age`"),
        );
    }
    let written = if node.text_of("signature") == Some("base64") {
        Written::Base64
    } else {
        Written::Hex
    };
    Some(HmacShape { digest, separator, written, content, ends, signed })
}

fn attributes(node: &Node) -> BTreeMap<String, Pointer> {
    let entries = node.get("attributes").map(Node::entries).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), pointer(entry.value.text()?).ok()?)))
        .collect()
}
