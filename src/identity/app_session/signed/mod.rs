//! The session that the app keeps in a signed cookie, read with the app's own key: nobody is asked.
//!
//! Each format is one file that turns a cookie's value into what the app has signed, or nothing. It
//! checks the signature first, in constant time, over the bytes as they came, and only then looks at
//! what they say; it reads JSON and never anything that could become code (pickle, Marshal,
//! `unserialize`). The key of an app makes people: it is never logged, and a cookie never is either.

mod django;
mod flask;
mod hmac;
mod jwt;
mod keys;
mod person;
mod rails;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use self::person::Says;
use super::{Asking, Credential, Finding, Names, Person, Way, cookies};
use crate::ambient::UnixTime;
use crate::config::settings::{Signed as Settings, SignedFormat};
use crate::identity::{Credentials, IdentityError};

/// Longer values are nobody's session: browsers keep 4 KiB a cookie.
const LONGEST: usize = 8 * 1024;
/// Bytes of what was signed, once unpacked (security.md A18 has 256 KiB for whole answers).
const LARGEST: usize = 64 * 1024;
/// Seconds that the app's clock may be ahead of ours (security.md F09).
const SKEW: i64 = 60;

/// What a cookie said that one of the keys has signed.
#[derive(Debug)]
struct Opened {
    content: Value,
    /// When it was signed, where the format says so.
    signed: Option<UnixTime>,
    /// When it ends, where it says so itself.
    ends: Option<UnixTime>,
}

/// One way to sign.
trait Format: Send + Sync {
    /// What was signed, if one of our keys did. Says nothing about age.
    fn open(&self, value: &str) -> Option<Opened>;
}

/// The signed cookie of one app.
pub struct Signed {
    cookie: Box<str>,
    format: Box<dyn Format>,
    /// Values come as the framework has escaped them for a cookie.
    escaped: bool,
    says: Says,
    max_age: Option<i64>,
    names: Names,
}

/// Whom a cookie names.
pub struct Named {
    pub person: Person,
    /// What stays the same for as long as the app's session does, though the cookie changes with
    /// every answer; empty where the app signs nothing of that kind.
    pub handle: String,
    /// When this cookie ends.
    pub until: UnixTime,
}

impl Signed {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let secrets = &settings.secrets;
        let (format, escaped): (Box<dyn Format>, bool) = match &settings.format {
            SignedFormat::Django { salt } => (Box::new(django::Django::new(secrets, salt)), false),
            SignedFormat::Flask { salt, digest } => {
                (Box::new(flask::Flask::new(secrets, salt, *digest)), false)
            }
            SignedFormat::Rails { encrypted, digest } => {
                (rails::jar(secrets, &settings.cookie, *encrypted, *digest), true)
            }
            SignedFormat::Hmac(shape) => (Box::new(hmac::Hmac::new(secrets, shape)), true),
            SignedFormat::Jwt { digest } => (Box::new(jwt::Token::new(secrets, *digest)), false),
        };
        Self {
            cookie: settings.cookie.as_str().into(),
            format,
            escaped,
            says: Says::new(settings),
            max_age: settings.max_age.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX)),
            names: Names::new(std::slice::from_ref(&settings.cookie), Vec::new()),
        }
    }

    /// Whom the request's cookie names. `None`: there is none, or it is not signed by our keys, or too
    /// old, or nobody is signed in.
    ///
    /// # Errors
    /// When the cookie came twice, or what is signed breaks the grammar of identities.
    pub fn read(&self, headers: &http::HeaderMap, now: UnixTime) -> Result<Option<Named>, IdentityError> {
        let Some(value) = cookies::single(headers, &self.cookie)? else {
            return Ok(None);
        };
        let Some((opened, until)) = self.open(value, now) else {
            return Ok(None);
        };
        self.says.named(&opened.content, until)
    }

    /// What was signed, if it holds now, and until when it does.
    fn open(&self, value: &str, now: UnixTime) -> Option<(Opened, UnixTime)> {
        if value.len() > LONGEST {
            return None;
        }
        let opened = if self.escaped {
            self.format.open(&percent_decode_str(value).decode_utf8().ok()?)?
        } else {
            self.format.open(value)?
        };
        let until = self.until(&opened, now)?;
        Some((opened, until))
    }

    /// Until when it holds, if it holds now: an end must be known, from the cookie or by its age.
    fn until(&self, opened: &Opened, now: UnixTime) -> Option<UnixTime> {
        if opened.signed.is_some_and(|signed| signed.since(now) > SKEW) {
            return None;
        }
        let by_age = match (self.max_age, opened.signed) {
            (Some(age), Some(signed)) => signed.plus(age),
            _ => UnixTime::NEVER,
        };
        let until = opened.ends.unwrap_or(UnixTime::NEVER).min(by_age);
        (until > now).then_some(until)
    }
}

impl Way for Signed {
    fn credential(
        &self,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Result<Option<Credential>, IdentityError> {
        let named = self.read(credentials.headers, now)?;
        Ok(named.map(|named| {
            // Not the cookie, which changes with every answer of the app: what stays.
            Credential::new(&[named.person.user.as_bytes(), named.handle.as_bytes()], named.until)
        }))
    }

    fn who<'a>(&'a self, asking: Asking<'a>) -> Finding<'a> {
        let named = self.read(asking.credentials.headers, asking.now);
        Box::pin(std::future::ready(named.map(|named| named.map(|named| named.person))))
    }

    fn changes_hands(&self) -> bool {
        false
    }

    fn names(&self) -> &Names {
        &self.names
    }
}

/// JSON that was signed.
fn json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// Unpacks what zlib has packed, to a bound.
fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(bytes, LARGEST).ok()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
