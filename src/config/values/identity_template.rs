//! Text with what is known of a person in it: `{user}`, `{groups|;}`, `{attribute:mail}`.
//!
//! What it becomes stands in a header that an app believes. A value that is missing, too long or not fit
//! for a header makes the whole text nothing; it is never shortened, escaped or guessed.

use super::BadValue;

/// Bytes of the result at most.
const LONGEST: usize = 4096;
/// Letters of what stands between several values at most.
const LONGEST_SEPARATOR: usize = 8;

/// A text that was read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value {
        /// As [`crate::policy::Identity::attribute`] knows it.
        attribute: String,
        separator: Option<String>,
    },
}

/// Reads a template.
pub(in super::super) fn identity_template(text: &str) -> Result<IdentityTemplate, BadValue> {
    if text.chars().any(char::is_control) {
        return Err(BadValue::new("there is a control character in it", "a header has one line of text"));
    }
    let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        if let Some(behind) = after.strip_prefix("{{") {
            plain.push('{');
            rest = behind;
        } else if let Some(behind) = after.strip_prefix("}}") {
            plain.push('}');
            rest = behind;
        } else if let Some((inner, behind)) = after.strip_prefix('{').and_then(|after| after.split_once('}'))
        {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(value(inner)?);
            rest = behind;
        } else {
            return Err(BadValue::new(
                "a brace is alone",
                "write placeholders as `{user}`, and a brace of the text twice: `{{`",
            ));
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(IdentityTemplate(pieces))
}

fn value(inner: &str) -> Result<Piece, BadValue> {
    let (name, separator) = match inner.split_once('|') {
        Some((name, separator)) => (name, Some(separator)),
        None => (inner, None),
    };
    let attribute = match name.split_once(':') {
        None if matches!(name, "user" | "groups" | "name" | "email") => name,
        Some(("attribute", attribute)) if !attribute.is_empty() => attribute,
        _ => {
            return Err(BadValue::new(
                "this placeholder is not known",
                "there are `{user}`, `{groups}`, `{groups|;}`, `{name}`, `{email}` and `{attribute:NAME}`",
            ));
        }
    };
    if separator.is_some_and(|text| text.is_empty() || text.chars().count() > LONGEST_SEPARATOR) {
        return Err(BadValue::new(
            "what stands between the values cannot be read",
            "one to eight characters behind `|`, as in `{groups|;}`",
        ));
    }
    Ok(Piece::Value { attribute: attribute.to_owned(), separator: separator.map(str::to_owned) })
}

impl IdentityTemplate {
    /// The text for one person; `None` where a value is missing, or the text would not fit a header.
    ///
    /// Several values are joined, by a comma unless the template says otherwise. One that has the separator
    /// in it would be read as two, and is left out.
    #[must_use]
    pub fn fill<'v>(&self, values: impl Fn(&str) -> Option<Vec<&'v str>>) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value { attribute, separator } => {
                    let text = joined(values(attribute)?, attribute, separator.as_deref());
                    if text.is_empty() {
                        return None;
                    }
                    out.push_str(&text);
                }
            }
            if out.len() > LONGEST {
                return None;
            }
        }
        let fits = !out.is_empty() && !out.chars().any(char::is_control);
        fits.then_some(out)
    }

    /// One that is known to be good.
    ///
    /// # Panics
    /// Where it is not.
    #[cfg(test)]
    #[must_use]
    pub fn of(text: &str) -> Self {
        identity_template(text).unwrap()
    }

    /// The attributes that it names beyond what every source can say.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        let usual = |name: &str| matches!(name, "user" | "groups" | "name" | "email");
        self.0.iter().filter_map(move |piece| match piece {
            Piece::Value { attribute, .. } if !usual(attribute) => Some(attribute.as_str()),
            _ => None,
        })
    }
}

fn joined(values: Vec<&str>, attribute: &str, separator: Option<&str>) -> String {
    let list = values.len() > 1 || attribute == "groups" || separator.is_some();
    if !list {
        return values.concat();
    }
    let separator = separator.unwrap_or(",");
    let fit: Vec<&str> = values
        .into_iter()
        .filter(|value| !value.is_empty() && !value.contains(separator))
        .collect();
    fit.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna(name: &str) -> Option<Vec<&'static str>> {
        match name {
            "user" => Some(vec!["anna"]),
            "groups" => Some(vec!["hr", "cn=x,ou=y", "a;b"]),
            "name" => Some(vec!["Ångström, Anna"]),
            "mail" => Some(vec!["anna@example.test"]),
            "roles" => Some(vec!["r1", "r2"]),
            "bad" => Some(vec!["a\r\nX-Admin: 1"]),
            "none" => Some(vec![]),
            _ => None,
        }
    }

    fn filled(text: &str) -> Option<String> {
        identity_template(text).unwrap().fill(anna)
    }

    #[test]
    fn values_stand_where_their_names_stood() {
        assert_eq!(filled("{user}").unwrap(), "anna");
        assert_eq!(filled("u={user};m={attribute:mail}").unwrap(), "u=anna;m=anna@example.test");
        assert_eq!(filled("{name}").unwrap(), "Ångström, Anna", "one value is one, whatever is in it");
        assert_eq!(filled("{{{user}}}").unwrap(), "{anna}");
        assert_eq!(filled("fixed").unwrap(), "fixed");
        assert_eq!(filled("{attribute:roles}").unwrap(), "r1,r2");
    }

    #[test]
    fn b04_no_value_becomes_two() {
        assert_eq!(filled("{groups}").unwrap(), "hr,a;b");
        assert_eq!(filled("{groups|;}").unwrap(), "hr;cn=x,ou=y");
        assert_eq!(filled("{groups| | }").unwrap(), "hr | cn=x,ou=y | a;b");
        assert_eq!(filled("{name|,}"), None, "nothing is left of it");
    }

    #[test]
    fn g03_what_does_not_fit_a_header_is_nothing() {
        assert_eq!(filled("{attribute:bad}"), None);
        assert_eq!(filled("x {attribute:missing}"), None);
        assert_eq!(filled("x {attribute:none}"), None);
        assert_eq!(filled(&"x".repeat(LONGEST)).map(|text| text.len()), Some(LONGEST));
        assert_eq!(filled(&"x".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn only_what_is_known_and_closed() {
        for bad in [
            "{",
            "{user",
            "user}",
            "{users}",
            "{attribute:}",
            "{groups|}",
            "{groups|123456789}",
            "a\nb",
            "{}",
        ] {
            assert!(identity_template(bad).is_err(), "{bad:?}");
        }
        let names: Vec<_> = identity_template("{user} {attribute:mail}")
            .map(|t| t.attributes().map(str::to_owned).collect::<Vec<_>>())
            .unwrap();
        assert_eq!(names, ["mail"]);
    }
}
