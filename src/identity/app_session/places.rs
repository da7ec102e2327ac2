//! Reading an app's answer: places in JSON, in headers and in HTML.
//!
//! The answer is somebody else's text: what is not of the expected kind says nothing, and nothing is
//! ever coerced or guessed. Bounded by what was fetched.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use scraper::{Html, Selector};
use serde_json::Value;

use super::Person;
use crate::config::settings;

/// Where everything stands.
#[derive(Clone)]
pub(super) struct Places {
    pub user: Option<Place>,
    pub groups: Option<Place>,
    pub name: Option<Place>,
    pub email: Option<Place>,
    pub attributes: BTreeMap<String, Place>,
}

/// One place, ready to be looked at.
#[derive(Clone)]
pub(super) enum Place {
    Json(settings::Pointer),
    Header(http::HeaderName),
    Html(Selector, Option<String>),
}

/// What cannot be looked for.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither a header's name nor a CSS selector")]
pub(super) struct BadPlace(String);

impl Place {
    pub(super) fn new(settings: &settings::Place) -> Result<Self, BadPlace> {
        Ok(match settings {
            settings::Place::Json(pointer) => Self::Json(pointer.clone()),
            settings::Place::Header(name) => {
                Self::Header(http::HeaderName::try_from(name).map_err(|_| BadPlace(name.clone()))?)
            }
            settings::Place::Html { selector, attribute } => {
                let parsed = Selector::parse(selector).map_err(|_| BadPlace(selector.clone()))?;
                Self::Html(parsed, attribute.clone())
            }
        })
    }
}

impl Places {
    pub(super) fn new(
        user: Option<&settings::Place>,
        question: &settings::Question,
    ) -> Result<Self, BadPlace> {
        let optional = |place: Option<&settings::Place>| place.map(Place::new).transpose();
        Ok(Self {
            user: optional(user)?,
            groups: optional(question.groups.as_ref())?,
            name: optional(question.name.as_ref())?,
            email: optional(question.email.as_ref())?,
            attributes: question
                .attributes
                .iter()
                .map(|(name, place)| Ok((name.clone(), Place::new(place)?)))
                .collect::<Result<_, BadPlace>>()?,
        })
    }

    /// Whether reading takes more than a few microseconds.
    pub(super) fn parse_pages(&self) -> bool {
        let all = [&self.user, &self.groups, &self.name, &self.email].into_iter().flatten();
        all.chain(self.attributes.values())
            .any(|place| matches!(place, Place::Html(..)))
    }

    /// The person an answer names: by its place, else by the name that is known already.
    pub(super) fn read(&self, answer: &Response<Bytes>, known: Option<&str>) -> Option<Person> {
        let answer = Answer::new(answer, self.parse_pages());
        let one = |place: &Option<Place>| place.as_ref().and_then(|place| answer.one(place));
        let user = match &self.user {
            Some(place) => answer.one(place)?,
            None => known?.to_owned(),
        };
        let attributes = self.attributes.iter();
        Some(Person {
            user,
            name: one(&self.name),
            email: one(&self.email),
            groups: self.groups.as_ref().and_then(|place| answer.groups(place)),
            attributes: attributes
                .filter_map(|(name, place)| Some((name.clone(), answer.many(place)?)))
                .filter(|(_, values)| !values.is_empty())
                .collect(),
            ..Person::default()
        })
    }
}

/// An answer, parsed once.
struct Answer<'a> {
    whole: &'a Response<Bytes>,
    json: Option<Value>,
    page: Option<Html>,
}

impl<'a> Answer<'a> {
    fn new(whole: &'a Response<Bytes>, page: bool) -> Self {
        Self {
            whole,
            json: serde_json::from_slice(whole.body()).ok(),
            page: page.then(|| Html::parse_document(&String::from_utf8_lossy(whole.body()))),
        }
    }

    /// Every text at a place; `None` where there is something else, or nothing at all.
    fn many(&self, place: &Place) -> Option<Vec<String>> {
        match place {
            Place::Json(pointer) => match pointer.value(self.json.as_ref()?)? {
                Value::String(text) => Some(vec![text.clone()]),
                Value::Array(list) => list.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
                _ => None,
            },
            Place::Header(name) => {
                let values = self.whole.headers().get_all(name).iter();
                let values: Option<Vec<String>> = values
                    .map(|value| Some(std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
                    .collect();
                values.filter(|values| !values.is_empty())
            }
            Place::Html(selector, attribute) => {
                let elements = self.page.as_ref()?.select(selector);
                let texts: Vec<String> = elements
                    .filter_map(|element| match attribute {
                        Some(name) => element.value().attr(name).map(|value| value.trim().to_owned()),
                        None => Some(element.text().collect::<String>().trim().to_owned()),
                    })
                    .collect();
                Some(texts).filter(|texts| !texts.is_empty())
            }
        }
    }

    /// The one text at a place. Two that differ are a page that was not understood.
    fn one(&self, place: &Place) -> Option<String> {
        if let Place::Json(pointer) = place
            && !pointer.value(self.json.as_ref()?)?.is_string()
        {
            return None;
        }
        let texts = self.many(place)?;
        let (first, rest) = texts.split_first()?;
        let header = matches!(place, Place::Header(_));
        let agree = rest.iter().all(|text| text == first) && (rest.is_empty() || !header);
        (agree && !first.is_empty()).then(|| first.clone())
    }

    /// Groups: a list as it is, one text split at its commas.
    fn groups(&self, place: &Place) -> Option<Vec<String>> {
        let texts = self.many(place)?;
        let listed = match place {
            Place::Json(pointer) => pointer.value(self.json.as_ref()?)?.is_array(),
            Place::Html(..) => texts.len() > 1,
            Place::Header(_) => false,
        };
        if listed {
            return Some(texts);
        }
        let parts = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
        Some(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Place {
        Place::Json(settings::Pointer::of(text))
    }

    fn html(selector: &str, attribute: Option<&str>) -> Place {
        Place::Html(Selector::parse(selector).unwrap(), attribute.map(str::to_owned))
    }

    fn read(user: Place, groups: Place, answer: &Response<Bytes>) -> Option<Person> {
        let places = Places {
            user: Some(user),
            groups: Some(groups),
            name: None,
            email: None,
            attributes: BTreeMap::new(),
        };
        places.read(answer, None)
    }

    fn answer(body: &'static str) -> Response<Bytes> {
        Response::builder()
            .header("x-user", "anna")
            .header("x-groups", "hr, finance")
            .header("x-twice", "anna")
            .header("x-twice", "ben")
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap()
    }

    #[test]
    fn json_is_read_by_type() {
        let good =
            answer(r#"{"user":{"login":"anna"},"groups":["hr","a,b"],"id":7,"off":false,"none":null}"#);
        let anna = read(json("/user/login"), json("/groups"), &good).unwrap();
        assert_eq!((anna.user.as_str(), anna.groups.unwrap()), ("anna", vec!["hr".into(), "a,b".into()]));
        for place in ["/id", "/off", "/none", "/user", "/groups", "/missing"] {
            assert!(read(json(place), json("/groups"), &good).is_none(), "{place}");
        }
        assert_eq!(read(json("/user/login"), json("/id"), &good).unwrap().groups, None, "does not say");
        for lie in [
            "",
            "anna",
            "[1,2",
            r#"{"user":{"login":""}}"#,
            r#"{"user":{"login":["anna"]}}"#,
        ] {
            assert!(read(json("/user/login"), json("/groups"), &answer(lie)).is_none(), "{lie}");
        }
    }

    #[test]
    fn headers_count_once() {
        let header = |name: &'static str| Place::Header(http::HeaderName::from_static(name));
        let anna = read(header("x-user"), header("x-groups"), &answer("")).unwrap();
        assert_eq!((anna.user.as_str(), anna.groups.unwrap()), ("anna", vec!["hr".into(), "finance".into()]));
        assert!(read(header("x-twice"), header("x-groups"), &answer("")).is_none());
        assert!(read(header("x-none"), header("x-groups"), &answer("")).is_none());
    }

    #[test]
    fn a_page_names_one_person_or_nobody() {
        let page = answer(
            "<html><body data-user=' anna '><li class=user>Logged in as: <bdi>Anna &amp; Co</bdi> (<bdi>anna</bdi>)\
             <i class=g>hr</i><i class=g>finance</i><u>hr, it</u>",
        );
        let by = |user: Place| read(user, html(".g", None), &page).map(|person| person.user);
        assert_eq!(by(html("body", Some("data-user"))).unwrap(), "anna");
        assert_eq!(by(html(".user bdi:last-of-type", None)).unwrap(), "anna");
        assert_eq!(by(html(".user bdi:first-of-type", None)).unwrap(), "Anna & Co");
        assert_eq!(by(html(".user bdi", None)), None, "two that differ");
        assert_eq!(by(html(".nobody", None)), None);
        assert_eq!(by(html("body", Some("data-none"))), None);
        let groups =
            |place: Place| read(html("body", Some("data-user")), place, &page).unwrap().groups.unwrap();
        assert_eq!(groups(html(".g", None)), ["hr", "finance"]);
        assert_eq!(groups(html("u", None)), ["hr", "it"]);
    }
}
