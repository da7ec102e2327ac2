//! Text with placeholders, `{{ name }}`, and the escaping that each place needs.
//!
//! A value is always escaped for where it stands, so that no name and no number can become syntax
//! of a URL, a form, JSON or XML.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::BadValue;

/// What may stand between the braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The number in E.164, with its plus.
    To,
    /// The number's digits alone.
    Digits,
    /// The whole text of the message.
    Text,
    /// The code alone.
    Code,
    /// Our own name for the message.
    Id,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 5] = [
        ("to", Self::To),
        ("digits", Self::Digits),
        ("text", Self::Text),
        ("code", Self::Code),
        ("id", Self::Id),
    ];
}

/// What a template becomes part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    Url,
    /// Inside the quotes of a JSON string.
    Json,
    Xml,
    /// A header's value: control characters are dropped.
    Header,
    /// Plain text, where nothing has a meaning; also form fields, which are encoded as a whole.
    Plain,
}

/// A text that was read once. It may hold a key, so it shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Value(Placeholder),
}

/// Reads a template.
pub(in super::super) fn template(text: &str) -> Result<Template, BadValue> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            return Err(BadValue::new("a placeholder is not closed", "write it as `{{ to }}`"));
        };
        let known = Placeholder::ALL.iter().find(|(known, _)| *known == name.trim());
        let Some((_, value)) = known else {
            return Err(BadValue::new(
                "this placeholder is not known",
                "there are `{{ to }}`, `{{ digits }}`, `{{ text }}`, `{{ code }}` and `{{ id }}`",
            ));
        };
        if !before.is_empty() {
            pieces.push(Piece::Literal(before.to_owned()));
        }
        pieces.push(Piece::Value(*value));
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(Template(pieces))
}

/// Everything but what RFC 3986 calls unreserved.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Template {
    /// The text with its placeholders filled.
    #[must_use]
    pub fn fill<'v>(&self, context: Context, value: impl Fn(Placeholder) -> &'v str) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Value(placeholder) => escape(&mut out, context, value(*placeholder)),
            }
        }
        out
    }

    /// One that is known to be good.
    ///
    /// # Panics
    /// Where it is not.
    #[cfg(test)]
    #[must_use]
    pub fn of(text: &str) -> Self {
        template(text).unwrap()
    }

    /// Whether it mentions one of these.
    #[must_use]
    pub fn mentions(&self, wanted: &[Placeholder]) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Value(found) if wanted.contains(found)))
    }
}

fn escape(out: &mut String, context: Context, value: &str) {
    match context {
        Context::Plain => out.push_str(value),
        Context::Url => out.extend(utf8_percent_encode(value, COMPONENT)),
        Context::Header => out.extend(value.chars().filter(|c| !c.is_control())),
        Context::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            out.push_str(
                quoted
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'))
                    .unwrap_or_default(),
            );
        }
        Context::Xml => value.chars().for_each(|c| match c {
            // Line breaks are data in an element and spaces in an attribute; by reference they are data in both.
            '&' | '<' | '>' | '"' | '\'' | '\n' | '\r' | '\t' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if c.is_control() => {}
            c => out.push(c),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a&b=c\"d\\<e>'\n\u{1}é}}";

    fn filled(text: &str, context: Context) -> String {
        template(text).unwrap().fill(context, |placeholder| match placeholder {
            Placeholder::To => "+15005550006",
            Placeholder::Digits => "15005550006",
            Placeholder::Text => NASTY,
            Placeholder::Code => "12345678",
            Placeholder::Id => "id",
        })
    }

    #[test]
    fn each_context_has_its_escapes() {
        assert_eq!(
            filled("https://x.example/{{to}}?t={{ text }}", Context::Url),
            "https://x.example/%2B15005550006?t=a%26b%3Dc%22d%5C%3Ce%3E%27%0A%01%C3%A9%7D%7D"
        );
        let json: serde_json::Value =
            serde_json::from_str(&filled(r#"{"t":"{{ text }}","n":"{{ digits }}"}"#, Context::Json)).unwrap();
        assert_eq!((json["t"].as_str(), json["n"].as_str()), (Some(NASTY), Some("15005550006")));
        assert_eq!(
            filled("<t>{{ text }}</t>", Context::Xml),
            "<t>a&#38;b=c&#34;d\\&#60;e&#62;&#39;&#10;é}}</t>"
        );
        assert_eq!(filled("x {{ text }}", Context::Header), "x a&b=c\"d\\<e>'é}}");
        assert_eq!(filled("{{ code }}.{{ id }}", Context::Plain), "12345678.id");
    }

    #[test]
    fn only_what_is_known_and_closed() {
        assert!(template("{{ name }}").unwrap_err().label.contains("{{ digits }}"));
        assert!(template("{{ to").is_err());
        assert!(template("{ \"a\": 1 }").is_ok());
        assert!(template("{{to}}").unwrap().mentions(&[Placeholder::To, Placeholder::Digits]));
        assert!(!template("plain").unwrap().mentions(&[Placeholder::Text]));
    }
}
