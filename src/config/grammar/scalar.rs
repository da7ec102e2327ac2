//! The kinds of single value, each with its check and its schema.

use serde_json::{Value, json};

use super::super::codes::Code;
use super::super::factor_kind::FactorKind;
use super::super::pattern;
use super::super::values::identity_template::identity_template;
use super::super::values::{
    BadValue, address, answer_place, app, country, host, pointer, quantity, template, time,
};

/// Kinds of factor that are designed but not built yet.
pub(in super::super) const LATER_FACTORS: [&str; 1] = ["push"];

/// What a single value is.
#[derive(Clone, Copy)]
pub(in super::super) enum Scalar {
    Text,
    /// Never shown; a warning when it is written in the file itself.
    Secret,
    /// Text, or a plain `true`.
    TextOrTrue,
    Bool,
    /// A plain `false`.
    Off,
    Int(u64, u64),
    Duration,
    Size,
    Rate,
    Network,
    /// A network, `unix` or `any`.
    Trusted,
    /// A network, or `unix`.
    Peers,
    /// An address, or `unix:/path`.
    Listener,
    ListenOrOff,
    Host,
    Path,
    Prefix,
    PublicUrl,
    KeyUrl,
    /// Of an ACME server.
    Directory,
    Mail,
    /// A mail address, perhaps with a name.
    Mailbox,
    /// ISO 3166.
    Country,
    /// A service's API.
    ServiceUrl,
    /// The same, with placeholders behind the host.
    UrlTemplate,
    /// Text with placeholders.
    Template,
    /// Text with what is known of a person in it.
    IdentityText,
    /// What goes into a field of an app's form.
    FormText,
    /// A path of an app, perhaps with a query.
    Target,
    /// A place in a JSON answer.
    Pointer,
    /// A place in an answer that may be no JSON.
    AnswerPlace,
    /// US dollars.
    Price,
    Link,
    Upstream,
    /// Host and port of a service.
    HostPort,
    Database,
    /// One of these words; of the second list a message says that they come later.
    Word(&'static [&'static str], &'static [&'static str]),
    /// A name that this file gives.
    Name,
    /// Names of something else in the file; that they exist is checked when it is built.
    Level,
    Condition,
    Factor,
    Sender,
    Method,
    Header,
    Cookie,
    /// A cookie's name, perhaps open at its end.
    CookiePattern,
    /// A request by its path and query.
    Mark,
    /// A path of an app, or a URL on any network.
    ProbeUrl,
    /// CSS.
    Selector,
    TimeOfDay,
    Zone,
    /// A path on disk.
    File,
    /// A path on disk, of a file whose changes matter.
    PemFile,
    /// A name in a certificate.
    ServerName,
    /// An AAGUID.
    Model,
    /// A path on disk, of a file that nobody else may read; `{ file: … }` means the same.
    KeyFile,
}

impl Scalar {
    /// Whether the text is such a value.
    pub fn check(self, text: &str) -> Result<(), BadValue> {
        match self {
            Self::Secret => secret(text),
            Self::Bool => word(text, &["true", "false"], &[]),
            Self::Off => word(text, &["false"], &[]),
            Self::Int(least, most) => integer(text, least, most),
            Self::Duration => quantity::duration(text).map(drop),
            Self::Size => quantity::size(text).map(drop),
            Self::Rate => quantity::rate(text).map(drop),
            Self::Trusted if text == "any" => Ok(()),
            Self::Network => address::network(text).map(drop),
            Self::ListenOrOff if text == "false" => Ok(()),
            Self::Peers | Self::Trusted => address::peers(text).map(drop),
            Self::Listener => address::listener(text).map(drop),
            Self::ListenOrOff => address::listen(text).map(drop),
            Self::Host => host::pattern(text).map(drop),
            Self::Path => pattern::check(text),
            Self::Prefix => prefix(text),
            Self::PublicUrl => address::public_url(text).map(drop),
            Self::KeyUrl => address::key_url(text).map(drop),
            Self::Directory => address::directory_url(text).map(drop),
            Self::Mail => address::mail(text).map(drop),
            Self::Mailbox => address::mailbox(text).map(drop),
            Self::Country => country::country(text).map(drop),
            Self::ServiceUrl => address::service_url(text).map(drop),
            Self::UrlTemplate => address::url_template(text).map(drop),
            Self::Template => not_blank(text).and_then(|()| template::template(text).map(drop)),
            Self::IdentityText => not_blank(text).and_then(|()| identity_template(text).map(drop)),
            Self::FormText => form_text(text),
            Self::Target => target(text),
            Self::Pointer => pointer::pointer(text).map(drop),
            Self::AnswerPlace => answer_place::answer_place(text).map(drop),
            Self::Price => price(text),
            Self::Link => address::link(text).map(drop),
            Self::Upstream => address::upstream(text).map(drop),
            Self::HostPort => address::host_port(text).map(drop),
            Self::Database => database(text),
            Self::Word(words, later) => word(text, words, later),
            Self::Name => name(text),
            Self::Factor => factor(text),
            Self::Method => method(text),
            Self::Header => header(text),
            Self::Cookie => cookie(text),
            Self::CookiePattern => app::cookie_pattern(text).map(drop),
            Self::Mark => app::mark(text).map(drop),
            Self::ProbeUrl => app::probe_url(text).map(drop),
            Self::Selector => app::selector(text).map(drop),
            Self::TimeOfDay => time::time_of_day(text).map(drop),
            Self::Zone => time::zone(text).map(drop),
            Self::ServerName => host::exact(text).map(drop),
            Self::Model => model(text),
            Self::Text
            | Self::TextOrTrue
            | Self::Level
            | Self::Condition
            | Self::Sender
            | Self::File
            | Self::PemFile
            | Self::KeyFile => not_blank(text),
        }
    }

    /// Whether `{ file: … }` and `{ env: … }` may stand for it.
    pub fn is_fetchable(self) -> bool {
        !matches!(
            self,
            Self::TextOrTrue
                | Self::Bool
                | Self::Off
                | Self::Int(..)
                | Self::Word(..)
                | Self::Name
                | Self::Level
                | Self::Condition
                | Self::Factor
                | Self::Sender
                | Self::Method
        )
    }

    /// Whether YAML must read it as something other than text: such a value stands without quotes.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::Bool | Self::Off | Self::Int(..))
    }

    /// Whether `false` or `true` without quotes is meant as such.
    pub fn takes_boolean(self, text: &str) -> bool {
        match self {
            Self::TextOrTrue => text == "true",
            Self::ListenOrOff => text == "false",
            Self::Word(words, _) => text == "false" && words.contains(&"false"),
            other => other.is_plain(),
        }
    }

    /// What it is, for the reference and for messages.
    pub fn describe(self) -> String {
        let text = match self {
            Self::Text => "text",
            Self::Secret => "a secret",
            Self::TextOrTrue => "text, or true for any value",
            Self::Bool => "true or false",
            Self::Off => "false",
            Self::Int(least, most) if least == most => return least.to_string(),
            Self::Int(least, most) => return format!("a whole number from {least} to {most}"),
            Self::Duration => "a duration",
            Self::Size => "a size",
            Self::Rate => "a rate",
            Self::Network => "a network",
            Self::Trusted => "a network, `unix` or `any`",
            Self::Peers => "a network, or `unix`",
            Self::Listener => "an address to listen on, or `unix:/path`",
            Self::ListenOrOff => "an address to listen on, or false",
            Self::Host => "a host",
            Self::Path => "a path pattern",
            Self::Prefix => "a path prefix",
            Self::PublicUrl => "an https origin",
            Self::KeyUrl | Self::Directory | Self::ServiceUrl => "an https URL",
            Self::HostPort => "a host and its port",
            Self::Mail => "a mail address",
            Self::Mailbox => "a mail address, perhaps with a name",
            Self::Country => "a country's ISO 3166 code",
            Self::UrlTemplate => "an https URL, perhaps with placeholders",
            Self::Template => "text, perhaps with placeholders",
            Self::IdentityText => "text with placeholders, in quotes",
            Self::FormText => "text, or a part of the credential",
            Self::Target => "a path",
            Self::Pointer => "a JSON pointer",
            Self::AnswerPlace => "a JSON pointer or a regular expression",
            Self::Price => "an amount of money, in quotes",
            Self::Link => "a link",
            Self::Upstream => "an upstream address",
            Self::Database => "a database",
            Self::Word(words, _) => return either(words),
            Self::Name => "a name",
            Self::Level => "a level",
            Self::Condition => "a condition",
            Self::Factor => "a factor",
            Self::Sender => "a sender",
            Self::Method => "a method",
            Self::Header => "a header's name",
            Self::Cookie => "a cookie's name",
            Self::CookiePattern => "a cookie's name, or its beginning and `*`",
            Self::Mark => "a path, perhaps with a query",
            Self::ProbeUrl => "a path or a URL",
            Self::Selector => "a CSS selector",
            Self::TimeOfDay => "a time of day",
            Self::Zone => "a time zone",
            Self::File => "a file",
            Self::PemFile => "a PEM file",
            Self::ServerName => "a host name",
            Self::Model => "an AAGUID",
            Self::KeyFile => "a key file",
        };
        text.to_owned()
    }

    /// JSON Schema of the value itself.
    pub fn schema(self) -> Value {
        let pattern = |pattern: &str| json!({"type": "string", "pattern": pattern});
        match self {
            Self::Bool => json!({"type": "boolean"}),
            Self::Off => json!({"const": false}),
            Self::Int(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Self::TextOrTrue => json!({"anyOf": [{"type": "string"}, {"const": true}]}),
            Self::ListenOrOff => json!({"anyOf": [{"type": "string"}, {"const": false}]}),
            Self::Word(words, _) => {
                // YAML reads an unquoted `false` as a boolean.
                let unquoted = words.contains(&"false").then_some(Value::Bool(false));
                json!({"enum": words.iter().map(|word| json!(word)).chain(unquoted).collect::<Vec<_>>()})
            }
            Self::Factor => json!({"enum": FactorKind::ALL.map(FactorKind::name)}),
            Self::Duration => pattern("^[0-9]+[smhd]$"),
            Self::Size => pattern("^[0-9]+(B|KiB|MiB|GiB)$"),
            Self::Rate => pattern("^[0-9]+ per [0-9]+[smhd]$"),
            Self::Path | Self::Prefix | Self::Mark | Self::Target => pattern("^/"),
            Self::ProbeUrl => pattern("^(/|https?://)"),
            Self::PublicUrl | Self::KeyUrl | Self::Directory | Self::ServiceUrl | Self::UrlTemplate => {
                pattern("^https?://")
            }
            Self::HostPort => pattern(":[0-9]+$"),
            Self::Upstream => pattern("^(https?://|h2c://|unix:/)"),
            Self::Method => pattern("^[A-Z-]+$"),
            Self::Country => pattern("^[A-Z]{2}$"),
            Self::TimeOfDay => pattern("^[0-9]{2}:[0-9]{2}$"),
            Self::Model => pattern("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
            Self::Name => pattern("^[A-Za-z0-9][A-Za-z0-9._-]*$"),
            _ => json!({"type": "string", "minLength": 1}),
        }
    }
}

/// "`a`, `b` or `c`".
pub(in super::super) fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn not_blank(text: &str) -> Result<(), BadValue> {
    if text.trim().is_empty() {
        return Err(BadValue::new("this is empty", "write something here, or leave the key out"));
    }
    Ok(())
}

fn secret(text: &str) -> Result<(), BadValue> {
    if text.trim().is_empty() {
        return Err(BadValue::coded(Code::WeakSecret, "this secret is empty", "nothing would be secret"));
    }
    Ok(())
}

fn price(text: &str) -> Result<(), BadValue> {
    let digits = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, cents) = text.split_once('.').unwrap_or((text, "0"));
    if digits(whole) && digits(cents) {
        return Ok(());
    }
    Err(BadValue::new("this is no amount of money", "write it as `\"0.10\"`"))
}

fn word(text: &str, words: &[&str], later: &[&str]) -> Result<(), BadValue> {
    if words.contains(&text) {
        return Ok(());
    }
    if later.contains(&text) {
        let message = format!("`{text}` is not available yet");
        return Err(BadValue::coded(Code::NotAvailable, message, format!("write {}", either(words))));
    }
    Err(BadValue::new("this word is not known here", format!("write {}", either(words))))
}

fn integer(text: &str, least: u64, most: u64) -> Result<(), BadValue> {
    let label = if least == most {
        format!("write {least}")
    } else {
        format!("from {least} to {most}")
    };
    let Some(number) = text
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse::<u64>().ok())
        .flatten()
    else {
        return Err(BadValue::coded(Code::WrongKind, "this is no whole number", label));
    };
    if number < least || number > most {
        return Err(BadValue::coded(Code::Bound, "this figure is out of bounds", label));
    }
    Ok(())
}

fn name(text: &str) -> Result<(), BadValue> {
    // No colon: a person is known as `source:subject`, and there must be one way to read that.
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 128 || !text.chars().all(good) || text.starts_with(['.', '-', '_']) {
        return Err(BadValue::new(
            "this is no name",
            "write letters, digits, `-`, `_` and `.`, a letter or digit first",
        ));
    }
    Ok(())
}

fn factor(text: &str) -> Result<(), BadValue> {
    let names = FactorKind::ALL.map(FactorKind::name);
    word(text, &names, &LATER_FACTORS).map_err(|mut bad| {
        if bad.code == Code::Value {
            bad.code = Code::UnknownName;
            bad.message = format!("there is no factor named `{text}`");
            bad.label = format!("factors are: {}", names.join(", "));
        }
        bad
    })
}

fn method(text: &str) -> Result<(), BadValue> {
    if !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
        return Ok(());
    }
    Err(BadValue::new("this is no method", "write it in capitals, such as `GET` or `POST`"))
}

fn header(text: &str) -> Result<(), BadValue> {
    if http::HeaderName::from_bytes(text.as_bytes()).is_err() {
        return Err(BadValue::new("this is no header's name", "write it as `X-Remote-User`"));
    }
    Ok(())
}

fn cookie(text: &str) -> Result<(), BadValue> {
    header(text).map_err(|_| BadValue::new("this is no cookie's name", "letters, digits, `-`, `_` and `.`"))
}

fn form_text(text: &str) -> Result<(), BadValue> {
    let known = matches!(text, "{credential.user}" | "{credential.password}");
    if text.contains("{credential") && !known {
        return Err(BadValue::new(
            "this placeholder is not known",
            "a field gets `{credential.user}` or `{credential.password}` and nothing beside it",
        ));
    }
    Ok(())
}

fn target(text: &str) -> Result<(), BadValue> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'));
    let path = text.starts_with('/') && !text.starts_with("//") && text.len() <= 1024;
    if path && plain && text.parse::<http::uri::PathAndQuery>().is_ok() {
        return Ok(());
    }
    Err(BadValue::new("this is no path of an app", "write it as `/login`"))
}

fn model(text: &str) -> Result<(), BadValue> {
    if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() {
        return Ok(());
    }
    Err(BadValue::new("this is no AAGUID", "write it as `08987058-cadc-4b81-b6e1-30de50dcbe96`"))
}

fn prefix(text: &str) -> Result<(), BadValue> {
    let body = text
        .strip_prefix('/')
        .map(|rest| rest.strip_suffix('/').unwrap_or(rest))
        .unwrap_or_default();
    let plain = |segment: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(good)
    };
    if body.len() <= 64 && body.split('/').all(plain) {
        return Ok(());
    }
    Err(BadValue::new("this is no prefix", "write it as `/.stepgate`"))
}

fn database(text: &str) -> Result<(), BadValue> {
    let remote = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if remote {
        return Err(BadValue::coded(
            Code::NotAvailable,
            "this kind of database is not available yet",
            "only `sqlite:///path` for now",
        ));
    }
    let path = text.strip_prefix("sqlite://").unwrap_or(text);
    if path.contains("://") || path.trim().is_empty() {
        return Err(BadValue::new(
            "this is no database",
            "write it as `sqlite:///var/lib/stepgate/stepgate.db`",
        ));
    }
    Ok(())
}
