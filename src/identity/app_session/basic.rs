//! HTTP Basic that the app checks: its own name and password are the first factor.
//!
//! The password is in the request anyway and goes to nobody but the app. What is kept is a keyed hash of
//! name and password together, under which the app's answer is remembered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{AUTHORIZATION, HeaderMap};
use zeroize::Zeroizing;

use super::question::Question;
use super::{Asking, Credential, Finding, Names, Way};
use crate::ambient::UnixTime;
use crate::config::settings;
use crate::identity::{Building, Credentials, IdentityError};

/// Bytes of a name and a password together.
const LONGEST: usize = 2048;

/// An app that takes HTTP Basic.
pub(super) struct Basic {
    question: Question,
    realm: Box<str>,
    names: Names,
}

impl Basic {
    pub(super) fn new(
        source: &str,
        settings: &settings::Basic,
        building: &Building<'_>,
    ) -> Result<Self, String> {
        Ok(Self {
            question: Question::new(source, settings.user.as_ref(), &settings.question, building)?,
            realm: settings.realm.as_str().into(),
            names: Names::new(&[], vec![AUTHORIZATION]),
        })
    }
}

/// Name and password, decoded: `name:password`. `None` where it is nothing that could be right.
fn decoded(headers: &HeaderMap) -> Result<Option<Zeroizing<String>>, IdentityError> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(IdentityError::Refused("two `Authorization` fields"));
    }
    let Some((scheme, rest)) = field.as_bytes().split_at_checked(6) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case(b"basic ") || rest.len() > LONGEST {
        return Ok(None);
    }
    let Ok(bytes) = BASE64.decode(rest.trim_ascii()).map(Zeroizing::new) else {
        return Ok(None);
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Ok(None);
    };
    // RFC 7617: no controls; some apps take an empty password for "not asked".
    let good = text.split_once(':').is_some_and(|(name, password)| {
        !name.is_empty() && !password.is_empty() && !text.chars().any(char::is_control)
    });
    Ok(good.then(|| Zeroizing::new(text.to_owned())))
}

impl Way for Basic {
    fn credential(
        &self,
        credentials: &Credentials<'_>,
        _now: UnixTime,
    ) -> Result<Option<Credential>, IdentityError> {
        let pair = decoded(credentials.headers)?;
        Ok(pair.map(|pair| Credential::new(&[b"basic", pair.as_bytes()], UnixTime::NEVER)))
    }

    fn who<'a>(&'a self, asking: Asking<'a>) -> Finding<'a> {
        Box::pin(async move {
            let Some(pair) = decoded(asking.credentials.headers)? else {
                return Ok(None);
            };
            let (name, _) = pair.split_once(':').unwrap_or_default();
            let mut along = HeaderMap::new();
            if let Some(value) = asking.credentials.headers.get(AUTHORIZATION) {
                along.insert(AUTHORIZATION, value.clone());
            }
            self.question.ask(&asking, along, Some(name)).await
        })
    }

    fn changes_hands(&self) -> bool {
        false
    }

    fn names(&self) -> &Names {
        &self.names
    }

    fn guessed(&self, credentials: &Credentials<'_>) -> Option<Zeroizing<String>> {
        let pair = decoded(credentials.headers).ok().flatten()?;
        Some(Zeroizing::new(pair.split_once(':')?.0.to_owned()))
    }

    fn realm(&self) -> Option<&str> {
        Some(&self.realm)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(field: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::try_from(field).unwrap());
        decoded(&headers).unwrap().map(|pair| pair.to_string())
    }

    #[test]
    fn h01_names_and_passwords_are_both_there_and_plain() {
        let field = |text: &str| format!("Basic {}", BASE64.encode(text));
        assert_eq!(read(&field("anna:correct: horse")).unwrap(), "anna:correct: horse");
        assert_eq!(read(&field("ünal:pässword").replace("Basic", "bAsIc")).unwrap(), "ünal:pässword");
        for bad in ["anna:", ":secret", "anna", "an\u{0}na:x", "anna:x\r\ny", ""] {
            assert_eq!(read(&field(bad)), None, "{bad:?}");
        }
        assert_eq!(read("Bearer YTpi"), None);
        assert_eq!(read("Basic ***"), None);
        assert_eq!(read(&format!("Basic {}", BASE64.encode(b"a:\xff"))), None);
        assert_eq!(read(&field(&format!("a:{}", "x".repeat(LONGEST)))), None);
    }

    #[test]
    fn two_fields_are_refused() {
        let mut headers = HeaderMap::new();
        for text in ["a:b", "a:c"] {
            let field = format!("Basic {}", BASE64.encode(text));
            headers.append(AUTHORIZATION, HeaderValue::try_from(field).unwrap());
        }
        assert!(decoded(&headers).is_err());
    }
}
