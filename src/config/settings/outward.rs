//! What apps are told about the person, and how a person is signed in to an app that wants its own credential.

use secrecy::{ExposeSecret as _, SecretString};

pub use super::super::values::identity_template::IdentityTemplate;
use super::IdentityKind;

/// One thing that is said about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    User,
    Groups,
    Name,
    Email,
    /// Names of the levels that were met.
    Acr,
    /// How it was proved, in the words of RFC 8176.
    Amr,
    /// When, in seconds since 1970.
    AuthTime,
}

/// A convention for the names of identity headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Stepgate,
    Remote,
    /// What oauth2-proxy sends to apps.
    XForwarded,
    /// What oauth2-proxy tells other proxies.
    XAuthRequest,
    Pomerium,
    None,
}

use Said::{Acr, Amr, AuthTime, Email, Groups, Name, User};

const ACR: (&str, Said) = ("Stepgate-Acr", Acr);
const AMR: (&str, Said) = ("Stepgate-Amr", Amr);
const AUTH_TIME: (&str, Said) = ("Stepgate-Auth-Time", AuthTime);

impl Preset {
    /// Each, with its name in the configuration.
    pub const ALL: [(&'static str, Self); 6] = [
        ("remote", Self::Remote),
        ("stepgate", Self::Stepgate),
        ("x-forwarded", Self::XForwarded),
        ("x-auth-request", Self::XAuthRequest),
        ("pomerium", Self::Pomerium),
        ("none", Self::None),
    ];

    /// The headers, and what each says.
    #[must_use]
    pub const fn headers(self) -> &'static [(&'static str, Said)] {
        match self {
            Self::Remote => &[
                ("Remote-User", User),
                ("Remote-Groups", Groups),
                ("Remote-Name", Name),
                ("Remote-Email", Email),
                ACR,
                AMR,
                AUTH_TIME,
            ],
            Self::Stepgate => &[
                ("Stepgate-User", User),
                ("Stepgate-Groups", Groups),
                ("Stepgate-Name", Name),
                ("Stepgate-Email", Email),
                ACR,
                AMR,
                AUTH_TIME,
            ],
            Self::XForwarded => &[
                ("X-Forwarded-User", User),
                ("X-Forwarded-Groups", Groups),
                ("X-Forwarded-Preferred-Username", User),
                ("X-Forwarded-Email", Email),
                ACR,
                AMR,
                AUTH_TIME,
            ],
            Self::XAuthRequest => &[
                ("X-Auth-Request-User", User),
                ("X-Auth-Request-Groups", Groups),
                ("X-Auth-Request-Preferred-Username", User),
                ("X-Auth-Request-Email", Email),
                ACR,
                AMR,
                AUTH_TIME,
            ],
            Self::Pomerium => &[
                ("X-Pomerium-Claim-User", User),
                ("X-Pomerium-Claim-Groups", Groups),
                ("X-Pomerium-Claim-Name", Name),
                ("X-Pomerium-Claim-Email", Email),
                ACR,
                AMR,
                AUTH_TIME,
            ],
            Self::None => &[],
        }
    }

    /// Where the signed assertion goes unless the file says otherwise.
    #[must_use]
    pub const fn assertion(self) -> &'static str {
        match self {
            Self::Pomerium => POMERIUM_ASSERTION,
            _ => "Stepgate-Assertion",
        }
    }

    /// Every header of every preset, each once: no client may send any of them, whatever is configured.
    pub fn every_header() -> impl Iterator<Item = &'static str> {
        let names = Self::ALL.into_iter().flat_map(|(_, preset)| preset.headers());
        let own = [ACR.0, AMR.0, AUTH_TIME.0];
        names
            .map(|(name, _)| *name)
            .filter(move |name| !own.contains(name))
            .chain(own)
            .chain(["Stepgate-Assertion", POMERIUM_ASSERTION])
    }
}

impl IdentityKind {
    /// The attributes that such a source can say beyond groups, name and address. `None`: more than the
    /// configuration knows.
    #[must_use]
    pub fn attributes(&self) -> Option<Vec<&str>> {
        let names = match self {
            Self::Local => return Some(Vec::new()),
            Self::TrustedHeader(read) => &read.attributes,
            Self::Jwt(read) => &read.names.attributes,
            Self::Introspection(read) => &read.names.attributes,
            Self::Oidc(read) => &read.attributes,
            Self::Ldap(read) => &read.attributes,
            _ => return None,
        };
        Some(names.keys().map(String::as_str).collect())
    }
}

const POMERIUM_ASSERTION: &str = "X-Pomerium-Jwt-Assertion";

/// What the app behind one route is told, and given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToUpstream {
    pub preset: Preset,
    /// Headers of the file's own, beside the preset's.
    pub headers: Vec<(String, IdentityTemplate)>,
    /// Header of the signed assertion; `None`: off.
    pub assertion: Option<String>,
    /// A credential of the app's own, in the place of the client's `Authorization`.
    pub inject: Option<Inject>,
}

impl Default for ToUpstream {
    fn default() -> Self {
        let preset = Preset::Remote;
        let assertion = Some(preset.assertion().to_owned());
        Self { preset, headers: Vec::new(), assertion, inject: None }
    }
}

impl ToUpstream {
    /// Every header that says something about a person.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let preset = self.preset.headers().iter().map(|(name, _)| *name);
        let own = self.headers.iter().map(|(name, _)| name.as_str());
        preset.chain(own).chain(self.assertion.as_deref())
    }
}

/// What the app takes as the credential of a person who has passed.
#[derive(Debug, Clone)]
pub enum Inject {
    /// RFC 7617.
    Basic { username: IdentityTemplate, password: SecretString },
    /// RFC 6750.
    Bearer(SecretString),
}

impl PartialEq for Inject {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Basic { username, password },
                Self::Basic { username: other_name, password: other_password },
            ) => username == other_name && password.expose_secret() == other_password.expose_secret(),
            (Self::Bearer(token), Self::Bearer(other)) => token.expose_secret() == other.expose_secret(),
            _ => false,
        }
    }
}

impl Eq for Inject {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_there_once() {
        let all: Vec<_> = Preset::every_header().collect();
        for (_, preset) in Preset::ALL {
            for name in preset.headers().iter().map(|(name, _)| *name).chain([preset.assertion()]) {
                assert_eq!(all.iter().filter(|other| **other == name).count(), 1, "{name}");
            }
        }
    }
}
