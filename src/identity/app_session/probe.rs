//! Asking the app who is signed in, with the cookies that carry its session.

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

use super::question::Question;
use super::{Asking, Credential, Finding, Names, Way, cookies};
use crate::ambient::UnixTime;
use crate::config::settings;
use crate::identity::{Building, Credentials, IdentityError};

/// Headers that say how a browser likes its answers: they go along, and are no part of the credential.
const HABITS: [&str; 4] = ["user-agent", "accept", "accept-language", "accept-encoding"];
/// Bytes of all that goes along; browsers send less.
const LARGEST: usize = 16 * 1024;

/// A probe, ready to be made.
pub(super) struct Probe {
    question: Question,
    /// What a session is recognised by.
    names: Names,
    habits: Vec<HeaderName>,
}

impl Probe {
    pub(super) fn new(
        source: &str,
        settings: &settings::Probe,
        building: &Building<'_>,
    ) -> Result<Self, String> {
        let headers = settings
            .headers
            .iter()
            .map(|name| HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a header name")));
        let headers = headers.collect::<Result<Vec<_>, _>>()?;
        let (habits, credentials) = headers
            .into_iter()
            .partition(|name: &HeaderName| HABITS.contains(&name.as_str()));
        Ok(Self {
            question: Question::new(source, Some(&settings.user), &settings.question, building)?,
            names: Names::new(&settings.cookies, credentials),
            habits,
        })
    }

    /// What goes along, and nothing else.
    fn along(&self, headers: &HeaderMap) -> HeaderMap {
        let mut along = HeaderMap::new();
        let cookies = self.names.pairs(headers).join(&b"; "[..]);
        if !cookies.is_empty()
            && let Ok(mut value) = HeaderValue::from_bytes(&cookies)
        {
            value.set_sensitive(true);
            along.insert(COOKIE, value);
        }
        for name in self.names.headers().iter().chain(&self.habits) {
            for value in headers.get_all(name) {
                along.append(name, value.clone());
            }
        }
        along
    }
}

impl Way for Probe {
    fn credential(
        &self,
        credentials: &Credentials<'_>,
        _now: UnixTime,
    ) -> Result<Option<Credential>, IdentityError> {
        cookies::plain(credentials.headers, &self.names)?;
        let mut parts = self.names.pairs(credentials.headers);
        // Browsers may change the order of cookies, and it is the same session.
        parts.sort_by_key(|pair| pair.split(|byte| *byte == b'=').next());
        parts.dedup();
        for name in self.names.headers() {
            for value in credentials.headers.get_all(name) {
                parts.extend([name.as_str().as_bytes(), value.as_bytes()]);
            }
        }
        if parts.iter().map(|part| part.len()).sum::<usize>() > LARGEST {
            return Err(IdentityError::Refused("the app's cookies are larger than 16 KiB"));
        }
        Ok((!parts.is_empty()).then(|| Credential::new(&parts, UnixTime::NEVER)))
    }

    fn who<'a>(&'a self, asking: Asking<'a>) -> Finding<'a> {
        Box::pin(async move {
            let along = self.along(asking.credentials.headers);
            self.question.ask(&asking, along, None).await
        })
    }

    fn names(&self) -> &Names {
        &self.names
    }
}
