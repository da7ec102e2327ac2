//! The session that an app keeps in a signed cookie.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::settings::Pointer;

/// A signed cookie, and where what it says names the person.
#[derive(Debug, Clone)]
pub struct Signed {
    pub cookie: String,
    pub format: SignedFormat,
    /// The app's secrets, the one that signs first.
    pub secrets: Vec<SecretString>,
    /// `None`: the whole content is the name.
    pub user: Option<Pointer>,
    /// What stays the same for as long as the app's session does.
    pub session: Option<Pointer>,
    pub name: Option<Pointer>,
    pub email: Option<Pointer>,
    pub groups: Option<Pointer>,
    pub attributes: BTreeMap<String, Pointer>,
    /// How old it may become since it was signed, where it says when that was.
    pub max_age: Option<Duration>,
}

/// How it is signed.
#[derive(Debug, Clone)]
pub enum SignedFormat {
    Django { salt: String },
    Flask { salt: String, digest: Digest },
    Rails { encrypted: bool, digest: Digest },
    Hmac(HmacShape),
    Jwt { digest: Digest },
}

/// A value and its HMAC.
#[derive(Debug, Clone)]
pub struct HmacShape {
    pub digest: Digest,
    /// Between the two.
    pub separator: String,
    /// How the HMAC is written.
    pub written: Written,
    pub content: HmacContent,
    /// Where the content says when it ends.
    pub ends: Option<Pointer>,
    /// Where it says when it was signed.
    pub signed: Option<Pointer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Hex,
    Base64,
}

/// What the value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HmacContent {
    Text,
    /// Texts with this between them, read as a list.
    Fields(String),
    Json,
    Base64Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}
