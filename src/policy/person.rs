//! Who the first factor says this is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;

/// The one canonical spelling of a person, qualified by the identity source: `source:subject`.
///
/// Every enrolment, counter, session and claim uses it (security.md B08).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectKey(Arc<str>);

impl SubjectKey {
    /// Joins a source's name and the subject in the source's canonical spelling.
    #[must_use]
    pub fn new(source: &str, subject: &str) -> Self {
        Self(format!("{source}:{subject}").into())
    }

    /// A key as it was stored.
    #[must_use]
    pub fn from_stored(key: &str) -> Self {
        Self(key.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 over length-prefixed (source, subject, session handle): what ties a claim to the
/// first-factor session it was made in (decision 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Binding(pub [u8; 32]);

impl Binding {
    /// `handle` is the session's id; empty where the source knows no sessions.
    #[must_use]
    pub fn new(source: &str, subject: &str, handle: &str) -> Self {
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in [source, subject, handle] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.finish().as_ref());
        Self(bytes)
    }
}

/// A person as an identity source established them, for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the configured source.
    pub source: Arc<str>,
    /// The source's canonical spelling, without the source.
    pub subject: Arc<str>,
    pub key: SubjectKey,
    /// `None`: the source does not say, and every condition on groups is unknown.
    pub groups: Option<Vec<Arc<str>>>,
    pub name: Option<Arc<str>>,
    pub email: Option<Arc<str>>,
    /// Further attributes, each with one or more values.
    pub attributes: BTreeMap<String, Vec<String>>,
    pub binding: Binding,
    /// When the first factor was proved, where the source says so.
    pub authenticated_at: Option<UnixTime>,
}

impl Identity {
    /// The name to show to the person themselves.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.subject)
    }

    /// The groups the source names; none where it does not say.
    #[must_use]
    pub fn groups(&self) -> &[Arc<str>] {
        self.groups.as_deref().unwrap_or_default()
    }

    /// Values of an attribute; `user`, `groups`, `name` and `email` are attributes too.
    /// `None` when the source does not say: the fact is unknown.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Vec<&str>> {
        match name {
            "user" => Some(vec![&self.subject]),
            "groups" => self.groups.as_ref().map(|groups| groups.iter().map(|g| &**g).collect()),
            "name" => self.name.as_deref().map(|v| vec![v]),
            "email" => self.email.as_deref().map(|v| vec![v]),
            other => self.attributes.get(other).map(|v| v.iter().map(String::as_str).collect()),
        }
    }
}
