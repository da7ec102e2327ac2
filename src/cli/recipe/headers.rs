//! The headers of a recipe: those that tell the app who it is, and all others that clients may not send to it.

use super::Refused;
use super::plan::Plan;
use crate::config::Settings;
use crate::config::settings::{CertificateOrigin, IdentityKind, IdentitySource, Preset};

/// Names in one pattern at most: Envoy bounds what a pattern compiles to.
const PATTERN: usize = 3;

/// An identity header.
#[derive(Debug)]
pub(super) struct Header {
    pub name: String,
}

impl Header {
    pub(super) fn lower(&self) -> String {
        self.name.to_ascii_lowercase()
    }
}

impl Plan {
    /// Names that clients may not send to the app: the identity headers, and what apps that fold
    /// `_` and `-` take for them; those of other conventions as they are and with `_` alone.
    pub(super) fn forbidden(&self) -> Vec<String> {
        let told = self.headers.iter().flat_map(|header| spellings(&header.name));
        let both = |header: &Header| [header.name.clone(), header.name.replace('-', "_")];
        told.chain(self.others.iter().flat_map(both)).collect()
    }

    /// A regular expression for them and for the headers of the sign-in, with anything between the
    /// words, in lower case.
    pub(super) fn forbidden_pattern(&self) -> String {
        self.forbidden_words().join("|")
    }

    /// The same in parts, for proxies that bound the size of one.
    pub(super) fn forbidden_patterns(&self) -> Vec<String> {
        let words = self.forbidden_words();
        words.chunks(PATTERN).map(|some| some.join("|")).collect()
    }

    fn forbidden_words(&self) -> Vec<String> {
        self.headers
            .iter()
            .chain(&self.others)
            .map(|header| &header.name)
            .chain(&self.sources)
            .map(|name| name.to_ascii_lowercase().replace(['-', '_'], "[^a-z0-9]"))
            .collect()
    }
}

/// The headers that tell the app who it is.
pub(super) fn told(settings: &Settings) -> Result<Vec<Header>, Refused> {
    settings
        .told()
        .into_iter()
        .map(|name| Ok(Header { name: plain(name)? }))
        .collect()
}

/// The headers of all presets that are neither told nor read here.
pub(super) fn others(settings: &Settings, sources: &[String]) -> Vec<Header> {
    let told = settings.told();
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    Preset::every_header()
        .filter(|name| !told.iter().any(|told| is(told, name)))
        .filter(|name| !sources.iter().any(|source| is(source, name)))
        .map(|name| Header { name: name.to_owned() })
        .collect()
}

/// Headers of trusted-header sources, and headers with tokens.
pub(super) fn identity_headers(settings: &Settings) -> Result<(Vec<String>, Vec<String>), Refused> {
    let (mut sources, mut tokens) = (Vec::new(), Vec::new());
    for source in &settings.identity {
        match &source.kind {
            IdentityKind::TrustedHeader(read) => {
                let optional = [&read.groups, &read.email, &read.name, &read.session];
                let some = optional.into_iter().flatten();
                for name in std::iter::once(&read.user).chain(some).chain(read.attributes.values()) {
                    sources.push(plain(name)?);
                }
            }
            IdentityKind::Jwt(jwt) => {
                if let Some(name) = jwt.place.own_header() {
                    tokens.push(plain(name)?);
                }
            }
            IdentityKind::Introspection(asked) => {
                if let Some(name) = asked.place.own_header() {
                    tokens.push(plain(name)?);
                }
            }
            IdentityKind::ClientCertificate(shown) => {
                if let CertificateOrigin::Forwarded(forwarded) = &shown.origin {
                    for name in forwarded.headers() {
                        sources.push(plain(name)?);
                    }
                }
            }
            IdentityKind::Local
            | IdentityKind::Oidc(_)
            | IdentityKind::AppSession(_)
            | IdentityKind::Ldap(_) => {}
        }
    }
    let proofs = |source: &IdentitySource| {
        matches!(source.kind, IdentityKind::Jwt(_) | IdentityKind::Introspection(_))
    };
    if settings.identity.iter().any(proofs) {
        // Tokens may be bound to a key, whose proof comes beside them (RFC 9449).
        tokens.push("DPoP".to_owned());
    }
    Ok((sources, tokens))
}

/// A header's name that every proxy's configuration can hold.
fn plain(name: &str) -> Result<String, Refused> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.bytes().all(good) {
        return Ok(name.to_owned());
    }
    Err(Refused(format!(
        "the header `{name}` cannot stand in a recipe; use letters, digits and `-`"
    )))
}

/// A name in every mix of `-` and `_`, as it is first.
fn spellings(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split(['-', '_']).collect();
    let (first, rest) = words.split_first().unwrap_or((&name, &[]));
    rest.iter().fold(vec![(*first).to_owned()], |begun, word| {
        begun
            .iter()
            .flat_map(|start| [format!("{start}-{word}"), format!("{start}_{word}")])
            .collect()
    })
}
