//! Watching the app's own login: who signed in, and which cookie now stands for them.
//!
//! The reverse proxy sees the login go by: the name in its body, and the answer that says whether it
//! worked. A name counts only where no parser could read another one out of the same request; a login
//! that worked without such a name ends what its cookie stood for and binds nobody. Only the name is
//! ever copied out of a login: its body goes on byte for byte and is looked at nowhere else.

mod answer;
mod form;
mod json;
mod multipart;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};
use unicode_normalization::UnicodeNormalization as _;

use self::answer::{Success, Verdict};
use super::{Asking, Credential, Finding, Names, Way, cookies};
use crate::ambient::UnixTime;
use crate::config::settings::{LoginName, Watch as Settings};
use crate::identity::{Credentials, IdentityError};

/// Longer names are nobody's.
const LONGEST_NAME: usize = 256;

/// The login of one app.
pub struct Watch {
    path: Box<str>,
    /// What every spelling of that path has in it: its last segment without its ending, [`plain`].
    stem: Box<str>,
    method: Method,
    name: Name,
    success: Success,
    cookie: Box<str>,
    keeps_cookie: bool,
    names: Names,
}

/// Where the name stands in the login's body.
enum Name {
    Form(form::Field),
    Json(Box<[String]>),
}

/// What the body of a login says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// No name: it is no login.
    Nothing,
    /// The name as it was typed.
    Name(String),
    /// Apps could read different names in it, or one that we do not find.
    Unclear,
}

/// A login that is about to be sent, or has been and is not yet answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Attempt {
    /// As it was typed; `None`: it cannot be told for certain.
    pub name: Option<String>,
    /// The cookie that it comes with.
    pub before: Option<String>,
}

/// What the app's answer to a login means.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did not work: nothing changes.
    Nothing,
    /// From now on `cookie` stands for this name.
    SignedIn { name: String, cookie: String },
    /// It worked, but for whom cannot be told: what these cookies stood for is over.
    Unclear { cookies: Vec<String> },
}

impl Watch {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            path: settings.path.as_str().into(),
            stem: stem(&settings.path),
            method: settings.method.clone(),
            name: match &settings.user {
                LoginName::Form(field) => Name::Form(form::Field::new(field)),
                LoginName::Json(pointer) => Name::Json(pointer.parts()),
            },
            success: Success::new(settings),
            cookie: settings.cookie.as_str().into(),
            keeps_cookie: settings.keeps_cookie,
            names: Names::new(std::slice::from_ref(&settings.cookie), Vec::new()),
        }
    }

    /// Whether the app's cookie may stay the same while somebody else signs in.
    #[must_use]
    pub const fn keeps_cookie(&self) -> bool {
        self.keeps_cookie
    }

    /// Whether a request has to be looked at closely: the login, by exactly its path and method. Where the
    /// app's cookie stays the same, also whatever a lenient app could take for it.
    #[must_use]
    pub fn may_be_login(&self, method: &Method, target: &PathAndQuery) -> bool {
        self.is_login(method, target) || (self.keeps_cookie && self.resembles(target.path()))
    }

    fn is_login(&self, method: &Method, target: &PathAndQuery) -> bool {
        *method == self.method && *target.path() == *self.path
    }

    fn resembles(&self, path: &str) -> bool {
        plain(path).is_none_or(|plain| plain.contains(&*self.stem))
    }

    /// What a login says, before it is sent. `body`: all of it; `None` where it was too large to keep.
    /// Nothing where no name is in it, so that it is no login.
    ///
    /// # Errors
    /// When its cookies have no single meaning.
    pub fn attempt(
        &self,
        (method, target): (&Method, &PathAndQuery),
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<Option<Attempt>, IdentityError> {
        if !self.may_be_login(method, target) {
            return Ok(None);
        }
        let said = match body {
            Some(body) if self.is_login(method, target) => self.said(target.query(), headers, body),
            // To show the form is no login, unless the address has a name in it.
            _ if method.is_safe() && !self.is_named_in(target.query()) => Said::Nothing,
            _ => Said::Unclear,
        };
        let name = match said {
            Said::Nothing => return Ok(None),
            Said::Name(name) => Some(name.trim().to_owned()),
            Said::Unclear => None,
        };
        let name = name.filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME);
        let before = cookies::single(headers, &self.cookie)?.map(str::to_owned);
        Ok(Some(Attempt { name, before }))
    }

    fn is_named_in(&self, query: Option<&str>) -> bool {
        match &self.name {
            Name::Form(field) => field.is_in_query(query),
            Name::Json(_) => false,
        }
    }

    /// What stands for the session that this cookie is of.
    #[must_use]
    pub fn credential_of(&self, cookie: &str) -> Credential {
        Credential::new(&[self.cookie.as_bytes(), cookie.as_bytes()], UnixTime::NEVER)
    }

    fn said(&self, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Said {
        let Some(kind) = Kind::of(headers).filter(|_| !headers.contains_key(CONTENT_ENCODING)) else {
            return Said::Unclear;
        };
        match (&self.name, &kind) {
            (Name::Form(field), Kind::Urlencoded) => field.in_urlencoded(body, query),
            (Name::Form(field), Kind::Multipart(boundary)) => multipart::said(field, boundary, body, query),
            (Name::Json(path), Kind::Json) => json::said(body, path),
            _ => Said::Unclear,
        }
    }

    /// What the app's answer makes of a login.
    #[must_use]
    pub fn outcome(&self, attempt: &Attempt, status: StatusCode, headers: &HeaderMap) -> Outcome {
        let before = attempt.before.as_deref();
        let cookie = match self.success.verdict(&self.path, before, (status, headers)) {
            Verdict::Failed => return Outcome::Nothing,
            Verdict::Worked(cookie) => Some(cookie),
            // No name and no cookie: something else that the app does at that path.
            Verdict::Unclear if attempt.name.is_none() => return Outcome::Nothing,
            Verdict::Unclear => None,
        };
        match (&attempt.name, cookie) {
            (Some(name), Some(cookie)) => Outcome::SignedIn { name: name.clone(), cookie },
            (_, cookie) => {
                Outcome::Unclear { cookies: attempt.before.clone().into_iter().chain(cookie).collect() }
            }
        }
    }
}

impl Way for Watch {
    fn credential(
        &self,
        credentials: &Credentials<'_>,
        _now: UnixTime,
    ) -> Result<Option<Credential>, IdentityError> {
        let cookie = cookies::single(credentials.headers, &self.cookie)?;
        Ok(cookie.map(|cookie| self.credential_of(cookie)))
    }

    fn who<'a>(&'a self, _asking: Asking<'a>) -> Finding<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn can_be_asked(&self) -> bool {
        false
    }

    fn names(&self) -> &Names {
        &self.names
    }

    fn watch(&self) -> Option<&Self> {
        Some(self)
    }
}

/// How often a path may be decoded before it is said to be anything.
const MOST_DECODINGS: usize = 4;

/// A path as the most lenient app may read it: without escapes, however often escaped, without case, or
/// anything but letters and digits; so that dots, parameters and what apps put before or behind it change
/// nothing of what it has in it. `None`: it could be anything.
fn plain(path: &str) -> Option<String> {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..MOST_DECODINGS {
        let decoded: Vec<u8> = percent_encoding::percent_decode(&bytes).collect();
        if decoded == bytes {
            // An escape of another kind is left.
            let text = String::from_utf8(bytes).ok().filter(|text| !text.contains(['%', '\\']))?;
            // Upper case first: some letters have only one of the two in ASCII.
            let folded = text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
            return Some(folded.filter(char::is_ascii_alphanumeric).collect());
        }
        bytes = decoded;
    }
    None
}

fn stem(path: &str) -> Box<str> {
    let last = path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or_default();
    let name = last.rsplit_once('.').map_or(last, |(name, _)| name);
    let name = if name.is_empty() { last } else { name };
    plain(name).unwrap_or_default().into()
}

/// What a body says it is.
enum Kind {
    Urlencoded,
    Multipart(String),
    Json,
}

impl Kind {
    /// `None` where it is something else, said twice, or in another character set.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(CONTENT_TYPE).iter();
        let text = fields.next()?.to_str().ok().filter(|_| fields.next().is_none())?;
        let mut parts = text.split(';').map(str::trim);
        let essence = parts.next()?.to_ascii_lowercase();
        let (mut boundary, mut utf8) = (None, true);
        for part in parts.filter(|part| !part.is_empty()) {
            match part.split_once('=').map(|(key, value)| (key.to_ascii_lowercase(), value)) {
                Some((key, value)) if key == "boundary" && boundary.is_none() => boundary = Some(value),
                Some((key, value)) if key == "charset" => utf8 &= value.eq_ignore_ascii_case("utf-8"),
                _ => return None,
            }
        }
        match (essence.as_str(), boundary) {
            _ if !utf8 => None,
            ("application/x-www-form-urlencoded", None) => Some(Self::Urlencoded),
            ("multipart/form-data", Some(boundary)) => Some(Self::Multipart(boundary.to_owned())),
            ("application/json", None) => Some(Self::Json),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
