//! Whom the signed content names, read by the configured places in it.
//!
//! Text and whole numbers name people; anything else (`null`, `true`, an object) names nobody, because
//! it is what apps write where nobody is signed in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Named, Person};
use crate::ambient::UnixTime;
use crate::config::settings::Pointer;
use crate::config::settings::Signed as Settings;
use crate::identity::{IdentityError, grammar};

/// Where the content says what.
pub(super) struct Says {
    /// `None`: the whole content is the name.
    user: Option<Pointer>,
    session: Option<Pointer>,
    name: Option<Pointer>,
    email: Option<Pointer>,
    groups: Option<Pointer>,
    attributes: BTreeMap<String, Pointer>,
}

impl Says {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            user: settings.user.clone(),
            session: settings.session.clone(),
            name: settings.name.clone(),
            email: settings.email.clone(),
            groups: settings.groups.clone(),
            attributes: settings.attributes.clone(),
        }
    }

    pub(super) fn named(&self, content: &Value, until: UnixTime) -> Result<Option<Named>, IdentityError> {
        let user = match &self.user {
            Some(pointer) => pointer.value(content),
            None => Some(content),
        };
        let Some(user) = user.and_then(word) else {
            return Ok(None);
        };
        let person = Person {
            user,
            name: one(content, self.name.as_ref()),
            email: one(content, self.email.as_ref()),
            groups: self.groups.as_ref().map(|pointer| many(content, pointer)).transpose()?,
            attributes: self.attributes(content)?,
            ..Person::default()
        };
        let handle = self.session.as_ref().and_then(|pointer| pointer.value(content)).and_then(word);
        Ok(Some(Named { person, handle: handle.unwrap_or_default(), until }))
    }

    fn attributes(&self, content: &Value) -> Result<BTreeMap<String, Vec<String>>, IdentityError> {
        let mut found = BTreeMap::new();
        for (name, pointer) in &self.attributes {
            let values = many(content, pointer)?;
            if !values.is_empty() {
                found.insert(name.clone(), values);
            }
        }
        Ok(found)
    }
}

/// Text or a whole number; nothing else, and nothing empty.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn one(content: &Value, pointer: Option<&Pointer>) -> Option<String> {
    pointer.and_then(|pointer| pointer.value(content)).and_then(word)
}

/// A list of words, or words between commas; nothing where there is nothing.
fn many(content: &Value, pointer: &Pointer) -> Result<Vec<String>, IdentityError> {
    const WRONG: IdentityError = IdentityError::Refused("a list that the app has signed holds no words");
    match pointer.value(content) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(grammar::groups(text)?.iter().map(ToString::to_string).collect()),
        Some(Value::Array(list)) if list.len() <= grammar::MOST_GROUPS => {
            list.iter().map(|item| word(item).ok_or(WRONG)).collect()
        }
        Some(_) => Err(WRONG),
    }
}
