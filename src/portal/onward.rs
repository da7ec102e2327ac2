//! What a person came for, carried through sign-in, challenge and enrolment in the query.
//!
//! It is never an address: a journey is an opaque id, and `to` names a page of ours by a path that
//! cannot leave the reserved prefix (security.md G01).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use form_urlencoded::Serializer;
use http::request::Parts;

/// The parameters that survive every detour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Onward {
    pub journey: Option<String>,
    /// A page of ours, below the prefix.
    pub to: Option<String>,
    /// A token that lets the first factor be enrolled.
    pub invitation: Option<String>,
}

/// Parameters of one request.
#[derive(Clone, Debug, Default)]
pub struct Params {
    pub onward: Onward,
    /// A return address from another proxy, still to be checked.
    pub rd: Option<String>,
    /// The enrolment that was chosen.
    pub way: Option<String>,
    /// What was just done.
    pub done: Option<String>,
    /// The token of a mailed link.
    pub link: Option<String>,
}

impl Params {
    /// Reads a query. Of a parameter that comes more than once the first counts; what is not
    /// acceptable is as if it were not there.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "j" if is_token(&value) => &mut params.onward.journey,
                "to" if is_own_page(&value) => &mut params.onward.to,
                "invitation" if is_token(&value) => &mut params.onward.invitation,
                "rd" | "return" => &mut params.rd,
                "way" if is_token(&value) => &mut params.way,
                "done" => &mut params.done,
                "link" if is_token(&value) => &mut params.link,
                _ => continue,
            };
            place.get_or_insert_with(|| value.into_owned());
        }
        params
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Onward {
    /// `path` with these parameters.
    #[must_use]
    pub fn on(&self, path: &str) -> String {
        let mut query = Serializer::new(String::new());
        let members = [
            ("j", &self.journey),
            ("to", &self.to),
            ("invitation", &self.invitation),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{query}")
        }
    }

    /// The same, on the way to a page of ours.
    #[must_use]
    pub fn toward(&self, page: &str) -> Self {
        Self { to: Some(page.to_owned()), ..self.clone() }
    }

    /// The journey alone: what was asked on the way is done.
    #[must_use]
    pub fn journey_only(&self) -> Self {
        Self { journey: self.journey.clone(), ..Self::default() }
    }
}

/// An opaque id of ours.
fn is_token(value: &str) -> bool {
    (1..=128).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// `enrol`, `my-mfa` or a page below it.
fn is_own_page(value: &str) -> bool {
    let mut segments = value.split('/');
    matches!(segments.next(), Some("enrol" | "my-mfa")) && segments.all(is_token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_survive_a_round_trip() {
        let onward = Onward {
            journey: Some("j-1".to_owned()),
            to: Some("my-mfa/remove/e_1".to_owned()),
            invitation: Some("abc".to_owned()),
        };
        let url = onward.on("/.stepgate/sign-in");
        assert_eq!(url, "/.stepgate/sign-in?j=j-1&to=my-mfa%2Fremove%2Fe_1&invitation=abc");
        assert_eq!(Params::parse(url.split_once('?').unwrap().1).onward, onward);
        assert_eq!(Onward::default().on("/x"), "/x");
    }

    #[test]
    fn g01_only_pages_of_ours_are_places_to_go_to() {
        for good in ["enrol", "my-mfa", "my-mfa/remove/abc", "my-mfa/recovery-codes"] {
            assert!(is_own_page(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "my-mfa/..",
            "my-mfa//x",
            "https://x",
            "my-mfa\\x",
            "admin",
            "enrol?x",
        ] {
            assert!(!is_own_page(bad), "{bad}");
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        assert_eq!(Params::parse("j=a&j=b").onward.journey.as_deref(), Some("a"));
    }

    proptest! {
        #[test]
        fn g01_no_query_leads_out_of_the_prefix(query in ".{0,80}") {
            if let Some(to) = Params::parse(&query).onward.to {
                prop_assert!(to.starts_with("my-mfa") || to.starts_with("enrol"));
                prop_assert!(!to.contains("..") && !to.contains("//") && !to.contains('\\'));
            }
        }
    }
}
