//! What a token, or an answer about a token, says of a person, with the types it must say it in.
//!
//! A claim of the wrong type counts as missing, and a missing one refuses (security.md F05, F06);
//! nothing is coerced. Whether the token holds was judged before: nothing here may look at that.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{IdentityError, grammar};
use crate::ambient::UnixTime;
use crate::config::settings::ClaimNames;
use crate::policy::{Binding, Identity, SubjectKey};

/// A JSON object of claims.
pub type Claims = Map<String, Value>;

/// Seconds that the issuer's clock may be ahead (F09).
pub const SKEW: i64 = 60;

/// The person that the claims name; `None` where they name nobody.
///
/// # Errors
/// When a value breaks the grammar of identities or has the wrong type.
pub fn person(
    source: &Arc<str>,
    names: &ClaimNames,
    claims: &Claims,
) -> Result<Option<Identity>, IdentityError> {
    let Some(user) = text(claims, &names.user).filter(|user| !user.is_empty()) else {
        return Ok(None);
    };
    let trusted = is_verified(claims);
    if !trusted && [names.email.as_str(), "email", "/email"].contains(&names.user.as_str()) {
        return Err(IdentityError::Refused("the mail address that names the person is not verified"));
    }
    let subject = grammar::value(user)?;
    let handle = text(claims, &names.session).unwrap_or_default();
    let optional = |name: &str| {
        let said = text(claims, name).filter(|text| !text.is_empty());
        said.map(|text| grammar::value(text).map(Arc::from)).transpose()
    };
    Ok(Some(Identity {
        source: Arc::clone(source),
        key: SubjectKey::new(source, subject),
        groups: groups(claims, &names.groups)?,
        name: optional(&names.name)?,
        email: optional(&names.email)?.filter(|_| trusted),
        attributes: attributes(names, claims)?,
        binding: Binding::new(source, subject, handle),
        authenticated_at: number(claims, "auth_time").map(UnixTime),
        subject: subject.into(),
    }))
}

/// Whether the mail address may be believed: where `email_verified` is said, it must be `true` and nothing like
/// it. Most tokens that a gateway made do not say; their addresses count.
fn is_verified(claims: &Claims) -> bool {
    claims.get("email_verified").is_none_or(|said| *said == Value::Bool(true))
}

/// A claim by its name, or by a JSON pointer (RFC 6901) where the name begins with `/`.
#[must_use]
pub fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    let Some(path) = name.strip_prefix('/') else {
        return claims.get(name);
    };
    let mut steps = path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&steps.next()?)?;
    steps.try_fold(first, |value, step| match value {
        Value::Object(map) => map.get(&step),
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A claim that is text.
#[must_use]
pub fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    find(claims, name)?.as_str()
}

/// A NumericDate (RFC 7519 section 2) in whole seconds.
#[must_use]
pub fn number(claims: &Claims, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "NumericDate may have a fraction; whole seconds are meant"
    )]
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(|f| f.abs() < 1e15).map(|f| f as i64))
}

/// Whether `aud` names one of these. A list must hold nothing but text.
#[must_use]
pub fn is_for(claims: &Claims, audiences: &[String]) -> bool {
    let ours = |one: &str| audiences.iter().any(|audience| audience == one);
    match claims.get("aud") {
        Some(Value::String(one)) => ours(one),
        Some(Value::Array(many)) => {
            many.iter().all(Value::is_string) && many.iter().filter_map(Value::as_str).any(ours)
        }
        _ => false,
    }
}

/// Whether `nbf` and `iat`, where they are, have come. Of another type they have not.
#[must_use]
pub fn has_begun(claims: &Claims, now: UnixTime) -> bool {
    ["iat", "nbf"].into_iter().all(|name| {
        !claims.contains_key(name)
            || number(claims, name).is_some_and(|time| UnixTime(time).since(now) <= SKEW)
    })
}

/// A claim with any number of values, each text; none where it is not there.
///
/// # Errors
/// When it holds something else, or too much.
pub(super) fn many(claims: &Claims, name: &str) -> Result<Vec<String>, IdentityError> {
    let values: Vec<&str> = match find(claims, name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => list
            .iter()
            .map(|v| {
                v.as_str().ok_or(IdentityError::Refused(
                    "a list in the identity token holds something else than text",
                ))
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(IdentityError::Refused("a claim of the identity token has the wrong type")),
    };
    if values.len() > grammar::MOST_GROUPS {
        return Err(IdentityError::Refused("more than 256 groups"));
    }
    values.into_iter().map(|v| grammar::value(v).map(str::to_owned)).collect()
}

/// `None` where the token does not say.
fn groups(claims: &Claims, name: &str) -> Result<Option<Vec<Arc<str>>>, IdentityError> {
    let said = find(claims, name).is_some_and(|value| !value.is_null());
    let groups = many(claims, name)?.into_iter().map(Into::into).collect();
    Ok(said.then_some(groups))
}

fn attributes(names: &ClaimNames, claims: &Claims) -> Result<BTreeMap<String, Vec<String>>, IdentityError> {
    let mut attributes = BTreeMap::new();
    for (attribute, claim) in &names.attributes {
        let values = many(claims, claim)?;
        if !values.is_empty() {
            attributes.insert(attribute.clone(), values);
        }
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_found_by_name_or_by_pointer() {
        let Value::Object(claims) = json!({
            "https://example.com/groups": "a", "realm": { "roles": ["x", "y"], "a/b": "c" }, "/odd": "z",
        }) else {
            unreachable!()
        };
        assert_eq!(text(&claims, "https://example.com/groups"), Some("a"));
        assert_eq!(many(&claims, "/realm/roles").unwrap(), ["x", "y"]);
        assert_eq!(text(&claims, "/realm/roles/1"), Some("y"));
        assert_eq!(text(&claims, "/realm/a~1b"), Some("c"));
        for nothing in ["/realm/none", "/realm/roles/7", "/realm/roles/x", "/", "realm"] {
            assert_eq!(text(&claims, nothing), None, "{nothing}");
        }
    }

    #[test]
    fn an_address_that_is_said_to_be_unverified_is_none_and_names_nobody() {
        let named = |user: &str| ClaimNames {
            user: user.to_owned(),
            groups: "groups".to_owned(),
            email: "email".to_owned(),
            name: "name".to_owned(),
            session: "sid".to_owned(),
            attributes: BTreeMap::new(),
        };
        let source: Arc<str> = "sso".into();
        for (said, counts) in [
            (None, true),
            (Some(json!(true)), true),
            (Some(json!(false)), false),
            (Some(json!("true")), false),
            (Some(json!(1)), false),
            (Some(Value::Null), false),
        ] {
            let mut claims = Claims::new();
            claims.insert("sub".to_owned(), json!("u1"));
            claims.insert("email".to_owned(), json!("a@example.com"));
            if let Some(said) = &said {
                claims.insert("email_verified".to_owned(), said.clone());
            }
            let by_sub = person(&source, &named("sub"), &claims).unwrap().unwrap();
            assert_eq!(by_sub.email.is_some(), counts, "{said:?}");
            for user in ["email", "/email"] {
                assert_eq!(person(&source, &named(user), &claims).is_ok(), counts, "{user} {said:?}");
            }
        }
    }

    #[test]
    fn f05_dates_of_another_type_have_not_come() {
        let now = UnixTime(1000);
        for (claims, begun) in [
            (json!({}), true),
            (json!({ "iat": 1060, "nbf": 1000 }), true),
            (json!({ "iat": 1061 }), false),
            (json!({ "nbf": "1" }), false),
            (json!({ "nbf": null }), false),
        ] {
            assert_eq!(has_begun(claims.as_object().unwrap(), now), begun, "{claims}");
        }
    }
}
