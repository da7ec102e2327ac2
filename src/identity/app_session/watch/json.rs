//! One place in a JSON login, where no app could read another value for it.
//!
//! RFC 8259 leaves open what two members of one name mean, and some apps ignore case: then the name is
//! not known.

use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Said;

/// The text or whole number at `path` in a document, if there is exactly one.
pub(super) fn said(body: &[u8], path: &[String]) -> Said {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let found = (Place { path }).deserialize(&mut reader);
    match found {
        Ok(found) if reader.end().is_ok() => found.map_or(Said::Nothing, Said::Name),
        _ => Said::Unclear,
    }
}

/// What remains of the path.
struct Place<'a> {
    path: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<String>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name in a login")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut seen) = (None, false);
        while let Some(key) = map.next_key::<String>()? {
            match self.path.split_first() {
                Some((first, rest)) if alike(first, &key) => {
                    if std::mem::replace(&mut seen, true) || *first != key {
                        return Err(de::Error::custom("the name could be read twice"));
                    }
                    found = map.next_value_seed(Place { path: rest })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.path.is_empty().then(|| text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.path.is_empty().then(|| number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.path.is_empty().then(|| number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether an app that is generous about names may take the one for the other.
fn alike(one: &str, other: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(body: &str) -> Said {
        said(body.as_bytes(), &["login".to_owned(), "user".to_owned()])
    }

    #[test]
    fn the_one_place() {
        let deep = r#"{"a":[1,{"user":"x"}],"login":{"user":"anna","password":"x"}}"#;
        assert_eq!(user(deep), Said::Name("anna".to_owned()));
        assert_eq!(user(r#"{"login":{"user":7}}"#), Said::Name("7".to_owned()));
        for none in [
            r#"{"login":{"user":null}}"#,
            r#"{"login":{"user":["anna"]}}"#,
            r#"{"login":"anna"}"#,
            r#"{"user":"anna"}"#,
            r#""anna""#,
        ] {
            assert_eq!(user(none), Said::Nothing, "{none}");
        }
    }

    #[test]
    fn where_two_apps_could_read_two_names_there_is_none() {
        for twice in [
            r#"{"login":{"user":"anna","user":"bob"}}"#,
            r#"{"login":{"user":"anna","User":"bob"}}"#,
            r#"{"login":{"us\u0065r":"bob","user":"anna"}}"#,
            r#"{"login":{"user":"anna"},"login":{"user":"bob"}}"#,
            r#"{"login":{"user":"anna"},"LOGIN":{"user":"bob"}}"#,
            r#"{"login":{"user":"anna"}}{"login":{"user":"bob"}}"#,
            "",
            "{",
        ] {
            assert_eq!(user(twice), Said::Unclear, "{twice}");
        }
    }
}
