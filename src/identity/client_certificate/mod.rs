//! Identity from a client certificate: our own listener's, or one that a listed proxy passes on.
//!
//! From any other peer a forwarded certificate does not exist (and is removed before forwarding). A
//! certificate names a person by exactly one name of the configured kind; with two of that kind it
//! names nobody. A claim is bound to the certificate's key, so it is of no use with another.

mod authority;
mod forwarded;
mod names;
pub mod spiffe;

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderName;
use ipnet::IpNet;

use self::authority::Authorities;
pub use self::names::Names;
use super::certificate::ClientCertificate;
use super::{
    Credentials, Established, Establishing, IdentityError, IdentitySource, Recall, SourceError, grammar,
};
use crate::ambient::UnixTime;
use crate::config::settings::{self, CertificateName, CertificateOrigin};
use crate::policy::{Binding, Identity, SubjectKey};

/// What the header of a proxy says when it has verified the certificate (nginx `$ssl_client_verify`).
const VERIFIED: &[u8] = b"SUCCESS";

/// People and workloads with certificates.
pub struct Certificates {
    source: Arc<str>,
    user: CertificateName,
    issuers: Vec<String>,
    trust_domains: Vec<String>,
    origin: Origin,
}

enum Origin {
    /// Our own TLS, which has verified it; not that of these peers.
    Own {
        except: Vec<IpNet>,
    },
    Forwarded(Forwarded),
}

struct Forwarded {
    settings: settings::ForwardedCertificate,
    header: HeaderName,
    verified: Option<HeaderName>,
    authorities: Option<Authorities>,
}

impl Certificates {
    /// # Errors
    /// When a header's name or the authority cannot be used.
    pub fn new(source: &str, settings: &settings::CertificateSource) -> Result<Self, SourceError> {
        let bad = |why: String| SourceError { name: source.to_owned(), why };
        let origin = match &settings.origin {
            CertificateOrigin::Own { except } => Origin::Own { except: except.clone() },
            CertificateOrigin::Forwarded(forwarded) => {
                Origin::Forwarded(Forwarded::new(forwarded).map_err(bad)?)
            }
        };
        Ok(Self {
            source: source.into(),
            user: settings.user,
            issuers: settings.issuers.clone(),
            trust_domains: settings.trust_domains.clone(),
            origin,
        })
    }

    fn read(
        &self,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Result<Option<Established>, IdentityError> {
        let shown = match &self.origin {
            Origin::Own { except } => {
                let proxy = except.iter().any(|net| net.contains(&credentials.peer));
                credentials.certificate.filter(|_| !proxy).map(Cow::Borrowed)
            }
            Origin::Forwarded(forwarded) => forwarded.read(credentials, now)?.map(Cow::Owned),
        };
        let Some(shown) = shown.filter(|shown| self.accepts(shown, now)) else {
            return Ok(None);
        };
        let Some(subject) = self.subject(&shown.names)? else {
            return Ok(None);
        };
        let handle = shown.key_handle();
        let email = match shown.names.emails.as_slice() {
            [email] => Some(grammar::value(email)?.into()),
            _ => None,
        };
        let identity = Identity {
            source: Arc::clone(&self.source),
            key: SubjectKey::new(&self.source, &subject),
            groups: None,
            name: None,
            email,
            attributes: std::collections::BTreeMap::new(),
            binding: Binding::new(&self.source, &subject, &handle),
            authenticated_at: None,
            subject: subject.into(),
        };
        let expires = shown.names.not_after;
        Ok(Some(Established {
            identity: Arc::new(identity),
            session: None,
            live: None,
            expires,
            until: expires,
        }))
    }

    fn accepts(&self, shown: &ClientCertificate, now: UnixTime) -> bool {
        let names = &shown.names;
        let by_ours = self.issuers.is_empty() || self.issuers.iter().any(|issuer| **issuer == *names.issuer);
        by_ours && !names.is_authority && names.not_before <= now && now < names.not_after
    }

    /// The one name that counts here.
    fn subject(&self, names: &Names) -> Result<Option<String>, IdentityError> {
        let only = |all: &[String]| match all {
            [one] if !one.is_empty() => Some(one.clone()),
            _ => None,
        };
        let name = match self.user {
            CertificateName::CommonName => only(&names.common_names),
            CertificateName::Email => only(&names.emails),
            CertificateName::PrincipalName => only(&names.principals),
            CertificateName::Host => only(&names.hosts),
            CertificateName::Uri => only(&names.uris),
            CertificateName::Subject => Some(names.subject.clone()),
            CertificateName::Spiffe => spiffe::id(names, &self.trust_domains).map(str::to_owned),
        };
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let name = if self.user.ignores_case() {
            grammar::fold(grammar::value(&name)?)
        } else {
            name
        };
        // Folding can make of an acceptable value one that is not.
        grammar::value(&name)?;
        Ok(Some(name))
    }
}

impl Forwarded {
    fn new(settings: &settings::ForwardedCertificate) -> Result<Self, String> {
        let header =
            |name: &str| HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a header name"));
        Ok(Self {
            header: header(&settings.header)?,
            verified: settings.verified.as_deref().map(header).transpose()?,
            authorities: settings.authority.as_deref().map(Authorities::new).transpose()?,
            settings: settings.clone(),
        })
    }

    fn read(
        &self,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Result<Option<ClientCertificate>, IdentityError> {
        if !self.settings.from.iter().any(|net| net.contains(&credentials.peer)) {
            return Ok(None);
        }
        let form = self.settings.form;
        let Some(der) = forwarded::certificate(credentials.headers, &self.header, form)? else {
            return Ok(None);
        };
        if let Some(verified) = &self.verified {
            let mut said = credentials.headers.get_all(verified).iter();
            let good = said.next().is_some_and(|value| value.as_bytes() == VERIFIED);
            if !good || said.next().is_some() {
                return Ok(None);
            }
        }
        if self
            .authorities
            .as_ref()
            .is_some_and(|authorities| !authorities.vouch_for(&der, now))
        {
            return Ok(None);
        }
        ClientCertificate::of(&der)
            .ok_or(IdentityError::Refused("the forwarded client certificate cannot be read"))
            .map(Some)
    }
}

impl IdentitySource for Certificates {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        Ok(self.read(credentials, now)?.map_or(Recall::Nothing, Recall::Known))
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(std::future::ready(self.read(&credentials, now)))
    }
}

#[cfg(test)]
mod tests;
