//! JSON pointers (RFC 6901): a place in an answer.

use serde_json::Value;

use super::BadValue;

/// A place in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(String);

/// Reads a pointer: empty for the whole document, else every part after a slash.
pub(in super::super) fn pointer(text: &str) -> Result<Pointer, BadValue> {
    let good = text.starts_with('/')
        && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
        && !text.chars().any(char::is_control);
    if good {
        return Ok(Pointer(text.to_owned()));
    }
    Err(BadValue::new("this is no JSON pointer", "write it as `/messages/0/status`"))
}

impl Pointer {
    /// One that is known to be good.
    ///
    /// # Panics
    /// Where it is not.
    #[cfg(test)]
    #[must_use]
    pub fn of(text: &str) -> Self {
        pointer(text).unwrap()
    }

    /// What is there, whatever its type.
    #[must_use]
    pub fn value<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        document.pointer(&self.0)
    }

    /// The names and numbers on the way there.
    #[must_use]
    pub fn parts(&self) -> Box<[String]> {
        let plain = |part: &str| part.replace("~1", "/").replace("~0", "~");
        self.0.split('/').skip(1).map(plain).collect()
    }

    /// What is there, as text: strings as they are, numbers, `true`, `false` and `null` as JSON writes them.
    #[must_use]
    pub fn text(&self, document: &Value) -> Option<String> {
        match document.pointer(&self.0)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(_) | Value::Object(_) => None,
            plain => Some(plain.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let document = serde_json::json!({ "a": [{ "b/c": "x" }, 7, true, null, {}] });
        let at = |text: &str| pointer(text).unwrap().text(&document);
        assert_eq!(at("/a/0/b~1c").as_deref(), Some("x"));
        assert_eq!((at("/a/1").as_deref(), at("/a/2").as_deref()), (Some("7"), Some("true")));
        assert_eq!((at("/a/3").as_deref(), at("/a/4"), at("/z")), (Some("null"), None, None));
        assert!(pointer("a").is_err() && pointer("").is_err() && pointer("/a~2").is_err());
    }
}
