//! Whether the app's answer to a login says that it worked, and which cookie it leaves in the browser.

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use crate::config::settings::Watch as Settings;

/// What an answer must be like.
pub(super) struct Success {
    status: Vec<StatusCode>,
    /// Paths that a redirect leads to when the login did not work.
    location_not: Vec<String>,
    cookie: Box<str>,
    keeps_cookie: bool,
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Failed,
    /// It worked, and this value of the cookie stands for the session.
    Worked(String),
    /// It seems to have worked, and no cookie says for which session.
    Unclear,
}

impl Success {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            status: settings.status.clone(),
            location_not: settings.location_not.clone(),
            cookie: settings.cookie.as_str().into(),
            keeps_cookie: settings.keeps_cookie,
        }
    }

    /// `path`: the login's own; `before`: the cookie that it came with.
    pub(super) fn verdict(
        &self,
        path: &str,
        before: Option<&str>,
        (status, headers): (StatusCode, &HeaderMap),
    ) -> Verdict {
        if !self.status.contains(&status) || self.leads_back(path, headers) {
            return Verdict::Failed;
        }
        match self.set(headers) {
            Some(Set::Gone) => Verdict::Failed,
            Some(Set::To(value)) if self.keeps_cookie || before != Some(value) => {
                Verdict::Worked(value.to_owned())
            }
            None if self.keeps_cookie => {
                before.map_or(Verdict::Failed, |kept| Verdict::Worked(kept.to_owned()))
            }
            Some(Set::To(_)) | None => Verdict::Unclear,
        }
    }

    fn leads_back(&self, path: &str, headers: &HeaderMap) -> bool {
        let mut places = headers.get_all(LOCATION).iter();
        let Some(place) = places.next() else {
            return false;
        };
        let target = place.to_str().ok().and_then(|place| {
            let base = Url::parse("http://app.invalid/").ok()?.join(path).ok()?;
            base.join(place).ok()
        });
        // What cannot be read may lead anywhere.
        places.next().is_some()
            || target.is_none_or(|target| self.location_not.iter().any(|not| *not == target.path()))
    }

    /// What becomes of the browser's cookie: the last word about it counts.
    fn set<'a>(&self, headers: &'a HeaderMap) -> Option<Set<'a>> {
        let mut found = None;
        for field in headers.get_all(SET_COOKIE) {
            if let Some(value) = value(field, &self.cookie) {
                found = Some(value);
            }
        }
        found
    }
}

/// What an answer does to a cookie.
enum Set<'a> {
    To(&'a str),
    Gone,
}

/// What a field does to the cookie of this name.
fn value<'a>(field: &'a HeaderValue, name: &str) -> Option<Set<'a>> {
    let text = std::str::from_utf8(field.as_bytes()).ok()?;
    let mut parts = text.split(';').map(str::trim);
    let value = parts.next()?.strip_prefix(name)?.strip_prefix('=')?;
    let over = parts.filter_map(|part| part.split_once('=')).any(|(key, value)| {
        key.trim().eq_ignore_ascii_case("max-age") && value.trim().parse::<i64>().is_ok_and(|age| age <= 0)
    });
    let gone = over || value.is_empty() || value == "deleted";
    Some(if gone { Set::Gone } else { Set::To(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(
        keeps: bool,
        before: Option<&str>,
        status: u16,
        lines: &[(&'static str, &'static str)],
    ) -> Verdict {
        let success = Success {
            status: vec![StatusCode::FOUND, StatusCode::SEE_OTHER],
            location_not: vec!["/login".to_owned()],
            cookie: "SID".into(),
            keeps_cookie: keeps,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        success.verdict("/login", before, (StatusCode::from_u16(status).unwrap(), &headers))
    }

    #[test]
    fn a_new_cookie_and_a_way_on() {
        let worked = Verdict::Worked("new".to_owned());
        let set = ("set-cookie", "SID=new; Path=/; HttpOnly");
        assert_eq!(verdict(false, Some("old"), 302, &[set, ("location", "/home")]), worked);
        assert_eq!(verdict(false, None, 303, &[("set-cookie", "SID=old"), set]), worked);
        assert_eq!(verdict(false, None, 200, &[set]), Verdict::Failed);
        for back in [
            "/login",
            "/login?failed=1",
            "login",
            "?failed",
            "https://app.example/login#x",
        ] {
            assert_eq!(verdict(false, None, 302, &[set, ("location", back)]), Verdict::Failed, "{back}");
        }
        assert_eq!(
            verdict(false, None, 302, &[set, ("location", "/a"), ("location", "/b")]),
            Verdict::Failed
        );
    }

    #[test]
    fn without_a_new_cookie_nobody_is_bound() {
        for lines in [
            &[("set-cookie", "SID=same")][..],
            &[],
            &[("set-cookie", "OTHER=1")],
        ] {
            assert_eq!(verdict(false, Some("same"), 302, lines), Verdict::Unclear);
        }
        for gone in ["SID=", "SID=deleted; expires=x", "SID=x; Max-Age=0"] {
            assert_eq!(verdict(false, Some("same"), 302, &[("set-cookie", gone)]), Verdict::Failed);
        }
    }

    #[test]
    fn an_app_that_keeps_its_cookie_says_so() {
        assert_eq!(verdict(true, Some("same"), 302, &[]), Verdict::Worked("same".to_owned()));
        assert_eq!(
            verdict(true, Some("old"), 302, &[("set-cookie", "SID=n")]),
            Verdict::Worked("n".to_owned())
        );
        assert_eq!(verdict(true, None, 302, &[]), Verdict::Failed);
    }
}
