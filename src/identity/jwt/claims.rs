//! What a verified token says, with the types it must say it in.
//!
//! A claim of the wrong type counts as missing, and a missing one refuses the token (security.md
//! F05, F06); nothing is coerced.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ambient::UnixTime;
use crate::config::settings::Jwt;
use crate::identity::{Established, IdentityError, grammar};
use crate::policy::{Binding, Identity, SubjectKey};

/// Seconds that the issuer's clock may be ahead (F09).
const SKEW: i64 = 60;

/// The header fields that are read. Any that names a key source or must be understood refuses the
/// token, because the field is not listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    #[serde(rename = "alg")]
    _alg: String,
    #[serde(rename = "typ")]
    _typ: Option<String>,
    #[serde(rename = "cty")]
    _cty: Option<String>,
    #[serde(rename = "x5t")]
    _x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    _x5t_s256: Option<String>,
    pub kid: Option<String>,
}

/// The header, if it is one that we read.
pub(super) fn header(token: &str) -> Option<Header> {
    let bytes = BASE64.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The person a token names, if the token is for us and for now.
pub(super) fn established(
    source: &Arc<str>,
    settings: &Jwt,
    claims: &Map<String, Value>,
    now: UnixTime,
) -> Result<Option<Established>, IdentityError> {
    let Some(expires) = dates(claims, now) else {
        return Ok(None);
    };
    if text(claims, "iss") != Some(&settings.issuer) || !for_audience(claims, &settings.audience) {
        return Ok(None);
    }
    let (Some(_), Some(user)) = (text(claims, "sub"), text(claims, &settings.user)) else {
        return Ok(None);
    };
    let subject = grammar::value(user)?;
    let handle = text(claims, &settings.session).unwrap_or_default();
    let optional = |name: &str| text(claims, name).map(|v| grammar::value(v).map(Arc::from)).transpose();
    let identity = Identity {
        source: Arc::clone(source),
        key: SubjectKey::new(source, subject),
        groups: groups(claims, &settings.groups)?,
        name: optional(&settings.name)?,
        email: optional(&settings.email)?,
        attributes: attributes(settings, claims)?,
        binding: Binding::new(source, subject, handle),
        authenticated_at: number(claims, "auth_time").map(UnixTime),
        subject: subject.into(),
    };
    Ok(Some(Established { identity: Arc::new(identity), session: None, live: None, expires }))
}

/// Until when the token holds, if it holds now. `exp` and `iat` are required.
fn dates(claims: &Map<String, Value>, now: UnixTime) -> Option<UnixTime> {
    let expires = UnixTime(number(claims, "exp")?);
    let issued = UnixTime(number(claims, "iat")?);
    let not_before = match claims.get("nbf") {
        Some(_) => UnixTime(number(claims, "nbf")?),
        None => issued,
    };
    let holds = expires > now && issued.since(now) <= SKEW && not_before.since(now) <= SKEW;
    holds.then_some(expires)
}

fn for_audience(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(many)) => {
            many.iter().all(Value::is_string) && many.iter().any(|one| one.as_str() == Some(audience))
        }
        _ => false,
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

fn number(claims: &Map<String, Value>, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "NumericDate may have a fraction; whole seconds are meant"
    )]
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(|f| f.abs() < 1e15).map(|f| f as i64))
}

fn many(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, IdentityError> {
    let values: Vec<&str> = match claims.get(name) {
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
fn groups(claims: &Map<String, Value>, name: &str) -> Result<Option<Vec<Arc<str>>>, IdentityError> {
    let said = claims.get(name).is_some_and(|value| !value.is_null());
    let groups = many(claims, name)?.into_iter().map(Into::into).collect();
    Ok(said.then_some(groups))
}

fn attributes(
    settings: &Jwt,
    claims: &Map<String, Value>,
) -> Result<BTreeMap<String, Vec<String>>, IdentityError> {
    let mut attributes = BTreeMap::new();
    for (attribute, claim) in &settings.attributes {
        let values = many(claims, claim)?;
        if !values.is_empty() {
            attributes.insert(attribute.clone(), values);
        }
    }
    Ok(attributes)
}
