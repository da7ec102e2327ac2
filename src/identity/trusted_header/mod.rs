//! Identity from the headers of a proxy in front, accepted only from listed addresses.
//!
//! From any other peer the headers do not exist (and are removed before forwarding). More than one
//! line of the same name is refused, and a user value is never split (security.md B04).

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AsHeaderName, HeaderName};
use ipnet::IpNet;

use super::{
    Credentials, Established, Establishing, IdentityError, IdentitySource, Recall, SourceError, grammar,
};
use crate::ambient::UnixTime;
use crate::config::settings::TrustedHeader;
use crate::policy::{Binding, Identity, SubjectKey};

/// A proxy in front that has authenticated the person.
pub struct TrustedHeaders {
    source: Arc<str>,
    from: Vec<IpNet>,
    user: HeaderName,
    groups: Option<HeaderName>,
    email: Option<HeaderName>,
    name: Option<HeaderName>,
    session: Option<HeaderName>,
    attributes: BTreeMap<String, HeaderName>,
}

impl TrustedHeaders {
    /// # Errors
    /// When a configured name is not a header name.
    pub fn new(source: &str, settings: &TrustedHeader) -> Result<Self, SourceError> {
        let header = |name: &String| {
            HeaderName::try_from(name).map_err(|_| SourceError {
                name: source.to_owned(),
                why: format!("`{name}` is not a header name"),
            })
        };
        let optional = |name: &Option<String>| name.as_ref().map(header).transpose();
        Ok(Self {
            source: source.into(),
            from: settings.from.clone(),
            user: header(&settings.user)?,
            groups: optional(&settings.groups)?,
            email: optional(&settings.email)?,
            name: optional(&settings.name)?,
            session: optional(&settings.session)?,
            attributes: settings
                .attributes
                .iter()
                .map(|(attribute, name)| Ok((attribute.clone(), header(name)?)))
                .collect::<Result<_, SourceError>>()?,
        })
    }

    fn read(&self, credentials: &Credentials<'_>) -> Result<Option<Identity>, IdentityError> {
        if !self.from.iter().any(|net| net.contains(&credentials.peer)) {
            return Ok(None);
        }
        let Some(user) = single(credentials, &self.user)? else {
            return Ok(None);
        };
        let subject = grammar::fold(grammar::value(user)?);
        // Folding can make of an acceptable value one that is not: a full-width @ becomes an @.
        grammar::value(&subject)?;
        let optional = |header: &Option<HeaderName>| match header {
            Some(name) => single(credentials, name),
            None => Ok(None),
        };
        let checked = |value: Option<&str>| value.map(|v| grammar::value(v).map(Arc::from)).transpose();
        let mut attributes = BTreeMap::new();
        for (attribute, header) in &self.attributes {
            if let Some(value) = single(credentials, header)? {
                attributes.insert(attribute.clone(), vec![grammar::value(value)?.to_owned()]);
            }
        }
        let handle = optional(&self.session)?.unwrap_or_default();
        Ok(Some(Identity {
            source: Arc::clone(&self.source),
            key: SubjectKey::new(&self.source, &subject),
            groups: optional(&self.groups)?.map(grammar::groups).transpose()?,
            name: checked(optional(&self.name)?)?,
            email: checked(optional(&self.email)?)?,
            attributes,
            binding: Binding::new(&self.source, &subject, handle),
            authenticated_at: None,
            subject: subject.into(),
        }))
    }
}

/// The one value of a header; `None` when absent or empty.
fn single<'a>(
    credentials: &Credentials<'a>,
    name: impl AsHeaderName,
) -> Result<Option<&'a str>, IdentityError> {
    let mut values = credentials.headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(IdentityError::Refused("an identity header came twice"));
    }
    let text = std::str::from_utf8(first.as_bytes())
        .map_err(|_| IdentityError::Refused("an identity header is not UTF-8"))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

impl IdentitySource for TrustedHeaders {
    fn recall(&self, credentials: &Credentials<'_>, _now: UnixTime) -> Result<Recall, IdentityError> {
        Ok(match self.read(credentials)? {
            Some(identity) => Recall::Known(Established {
                identity: Arc::new(identity),
                session: None,
                live: None,
                expires: UnixTime::NEVER,
                until: UnixTime::NEVER,
            }),
            None => Recall::Nothing,
        })
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(std::future::ready(self.recall(&credentials, now).map(|recall| match recall {
            Recall::Known(established) => Some(established),
            Recall::Nothing | Recall::Ask => None,
        })))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn source() -> TrustedHeaders {
        TrustedHeaders::new(
            "front",
            &TrustedHeader {
                from: vec!["10.0.0.10/32".parse().unwrap()],
                user: "X-Remote-User".to_owned(),
                groups: Some("X-Remote-Groups".to_owned()),
                email: None,
                name: None,
                sign_out_url: None,
                session: Some("X-Session".to_owned()),
                attributes: BTreeMap::new(),
            },
        )
        .unwrap()
    }

    fn ask(peer: &str, lines: &[(&'static str, &'static str)]) -> Result<Option<Identity>, IdentityError> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let peer = peer.parse().unwrap();
        source().read(&Credentials { peer, ..crate::identity::testing::of(&headers) })
    }

    #[test]
    fn b01_only_listed_peers_can_say_who_it_is() {
        let lines = [("x-remote-user", "Anna"), ("x-remote-groups", "hr, finance")];
        let anna = ask("10.0.0.10", &lines).unwrap().unwrap();
        assert_eq!(anna.key.as_str(), "front:anna");
        assert_eq!(anna.groups().len(), 2);
        assert!(ask("10.0.0.11", &lines).unwrap().is_none());
    }

    #[test]
    fn b04_two_lines_are_refused_and_a_value_is_never_split() {
        assert!(ask("10.0.0.10", &[("x-remote-user", "anna"), ("x-remote-user", "bob")]).is_err());
        let joined = ask("10.0.0.10", &[("x-remote-user", "anna, bob")]).unwrap().unwrap();
        assert_eq!(&*joined.subject, "anna, bob");
    }

    #[test]
    fn b07_what_folding_makes_unacceptable_is_refused() {
        assert!(ask("10.0.0.10", &[("x-remote-user", "anna@corp.example")]).is_ok());
        let mut headers = HeaderMap::new();
        let twice = "anna\u{ff20}corp@evil.example";
        headers.insert("x-remote-user", HeaderValue::from_bytes(twice.as_bytes()).unwrap());
        let credentials =
            Credentials { peer: "10.0.0.10".parse().unwrap(), ..crate::identity::testing::of(&headers) };
        assert!(source().read(&credentials).is_err());
    }

    #[test]
    fn f08_the_session_header_is_part_of_the_binding() {
        let one = ask("10.0.0.10", &[("x-remote-user", "anna"), ("x-session", "1")])
            .unwrap()
            .unwrap();
        let two = ask("10.0.0.10", &[("x-remote-user", "anna"), ("x-session", "2")])
            .unwrap()
            .unwrap();
        assert_ne!(one.binding, two.binding);
    }
}
