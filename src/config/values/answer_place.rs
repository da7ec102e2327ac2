//! A place in an answer: a JSON pointer, or, for answers that are no JSON, a regular expression.

use regex_automata::meta::Regex;
use serde_json::Value;

use super::BadValue;
use super::pointer::{Pointer, pointer};

/// Bytes of an expression.
const LONGEST: usize = 512;

/// Where an answer says something.
#[derive(Debug, Clone)]
pub enum AnswerPlace {
    Json(Pointer),
    /// What the first group matches, or the whole where there is none. It takes time in proportion to the
    /// answer, whatever the expression.
    Text(Box<Regex>),
}

/// Reads a place: what begins with a slash is a pointer.
pub(in super::super) fn answer_place(text: &str) -> Result<AnswerPlace, BadValue> {
    if text.starts_with('/') {
        return pointer(text).map(AnswerPlace::Json);
    }
    let bad = |message: &str| {
        Err(BadValue::new(
            message,
            "write a JSON pointer such as `/result/code`, or a regular expression such as `'code=([0-9]+)'`",
        ))
    };
    if text.len() > LONGEST {
        return bad("this expression is too long");
    }
    match Regex::new(text) {
        Ok(regex) if regex.captures_len() > 2 => bad("more than one group"),
        Ok(regex) => Ok(AnswerPlace::Text(Box::new(regex))),
        Err(_) => bad("this is neither a JSON pointer nor a regular expression"),
    }
}

impl AnswerPlace {
    /// One that is known to be good.
    ///
    /// # Panics
    /// Where it is not.
    #[cfg(test)]
    #[must_use]
    pub fn of(text: &str) -> Self {
        answer_place(text).unwrap()
    }

    /// What an answer says there. `document` is the body as JSON, `Null` where it is none.
    #[must_use]
    pub fn text(&self, body: &[u8], document: &Value) -> Option<String> {
        match self {
            Self::Json(pointer) => pointer.text(document),
            Self::Text(regex) => {
                let text = String::from_utf8_lossy(body);
                let mut found = regex.create_captures();
                regex.captures(&*text, &mut found);
                let span = found.get_group(1).or_else(|| found.get_group(0))?;
                text.get(span.range()).map(str::to_owned)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_json_of_lines_and_of_xml() {
        let at = |place: &str, body: &str| {
            let document = serde_json::from_str(body).unwrap_or_default();
            AnswerPlace::of(place).text(body.as_bytes(), &document)
        };
        assert_eq!(at("/a/0", r#"{"a":[7]}"#).as_deref(), Some("7"));
        assert_eq!(at("/a/0", "OK 7"), None);
        assert_eq!(at("^OK ([0-9]+)", "OK 7\n").as_deref(), Some("7"));
        assert_eq!(at("^[0-9]+", "100\nID 7").as_deref(), Some("100"));
        assert_eq!(at("(?m)^ID (.+)$", "100\nID 7").as_deref(), Some("7"));
        assert_eq!(at("<status>(.*?)</status>", "<a><status>sent</status></a>").as_deref(), Some("sent"));
        assert_eq!(at("^OK", "ERROR"), None);
        let body = b"\xff 5";
        assert_eq!(AnswerPlace::of("[0-9]").text(body, &Value::Null).as_deref(), Some("5"));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for wrong in ["(", "a(b)(c)", "/a~2", &"x".repeat(LONGEST + 1)] {
            assert!(answer_place(wrong).is_err(), "{wrong}");
        }
    }
}
