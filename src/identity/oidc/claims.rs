//! A person out of what the provider says: the claims of the ID token, completed by its userinfo.
//!
//! One grammar for all values, and nothing is coerced. An address that nobody has verified is not an
//! address: codes may be sent to it, and apps may take it for a name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::settings::Oidc;
use crate::identity::claims::{Claims, find, many};
use crate::identity::{IdentityError, grammar};
use crate::session::NewPerson;

/// The claims that the configuration speaks of.
fn wanted(settings: &Oidc) -> impl Iterator<Item = &str> {
    let usual = [&settings.user, &settings.groups, &settings.name, &settings.email];
    usual.into_iter().chain(settings.attributes.values()).map(String::as_str)
}

/// Whether something that is wanted is not in the ID token.
pub(super) fn are_incomplete(settings: &Oidc, claims: &Claims) -> bool {
    wanted(settings).any(|name| find(claims, name).is_none())
}

/// Takes over what the ID token did not say. What it did say stands: it is signed.
pub(super) fn complete(claims: &mut Claims, further: Claims) {
    for (name, value) in further {
        claims.entry(name).or_insert(value);
    }
}

/// The person whom these claims describe.
pub(super) fn person(source: &str, settings: &Oidc, claims: &Claims) -> Result<NewPerson, IdentityError> {
    let verified = settings.emails_are_verified || claims.get("email_verified") == Some(&Value::Bool(true));
    let user = text(claims, &settings.user)?
        .filter(|_| verified || settings.user != settings.email)
        .ok_or(IdentityError::Refused("the claim that names the person is not there"))?;
    let mut attributes = BTreeMap::new();
    for (attribute, claim) in &settings.attributes {
        if let Some(values) = values(claims, claim)?.filter(|values| !values.is_empty()) {
            attributes.insert(attribute.clone(), values);
        }
    }
    let name = match text(claims, &settings.name)? {
        Some(name) => Some(name),
        None => text(claims, "preferred_username")?,
    };
    Ok(NewPerson {
        name: name.map(str::to_owned),
        email: text(claims, &settings.email)?.filter(|_| verified).map(str::to_owned),
        groups: values(claims, &settings.groups)?,
        attributes,
        ..NewPerson::new(source, user)
    })
}

/// A claim that is text; an empty one is none.
fn text<'a>(claims: &'a Claims, name: &str) -> Result<Option<&'a str>, IdentityError> {
    match find(claims, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => grammar::value(text).map(Some),
        Some(_) => Err(IdentityError::Refused("a claim of the identity provider has the wrong type")),
    }
}

/// A claim with any number of values; `None` where the provider does not say.
fn values(claims: &Claims, name: &str) -> Result<Option<Vec<String>>, IdentityError> {
    let said = find(claims, name).is_some_and(|value| !value.is_null());
    let values = many(claims, name)?;
    Ok(said.then_some(values))
}
