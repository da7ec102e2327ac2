//! Identity sources as they are configured: one file for each kind.

mod app_session;
mod app_signed;
mod app_watch;
mod client_certificate;
mod introspection;
mod jwt;
mod ldap;
mod oidc;
mod trusted_header;

pub use app_session::{AppSession, AppWay, Basic, Mark, Place, Probe, ProbeUrl, Question};
pub use app_signed::{Digest, HmacContent, HmacShape, Signed, SignedFormat, Written};
pub use app_watch::{LoginName, Watch};
pub use client_certificate::{
    CertificateForm, CertificateName, CertificateOrigin, CertificateSource, ForwardedCertificate,
};
pub use introspection::{ClientAuth, Introspection};
pub use jwt::{ClaimNames, Jwt, JwtAlgorithm, JwtContract, JwtKey, JwtPlace};
pub use ldap::{
    BindName, Ldap, LdapAccount, LdapGroups, LdapGroupsFrom, LdapSearch, LdapSecurity, LdapServer,
};
pub use oidc::{Oidc, Prompt};
pub use trusted_header::TrustedHeader;

#[derive(Debug, Clone)]
pub struct IdentitySource {
    pub name: String,
    pub kind: IdentityKind,
}

#[derive(Debug, Clone)]
pub enum IdentityKind {
    Local,
    TrustedHeader(TrustedHeader),
    Jwt(Jwt),
    Introspection(Introspection),
    ClientCertificate(CertificateSource),
    AppSession(AppSession),
    Oidc(Box<Oidc>),
    Ldap(Box<Ldap>),
}

impl IdentityKind {
    /// Where people sign out of the source itself, as it was configured.
    #[must_use]
    pub fn sign_out_url(&self) -> Option<&str> {
        match self {
            Self::TrustedHeader(header) => header.sign_out_url.as_deref(),
            _ => None,
        }
    }

    /// Whether `Anna` and `anna` are one person to it. Then it knows people by the folded name (security.md B08).
    #[must_use]
    pub fn ignores_case(&self) -> bool {
        match self {
            Self::Local | Self::TrustedHeader(_) | Self::Ldap(_) => true,
            Self::AppSession(app) => app.ignores_case,
            Self::ClientCertificate(certificate) => certificate.user.ignores_case(),
            Self::Jwt(_) | Self::Introspection(_) | Self::Oidc(_) => false,
        }
    }

    /// Whether people sign in to it on our own pages, so that a session of ours says who they are.
    #[must_use]
    pub const fn signs_in(&self) -> bool {
        match self {
            Self::Local | Self::Oidc(_) | Self::Ldap(_) => true,
            Self::AppSession(_)
            | Self::TrustedHeader(_)
            | Self::Jwt(_)
            | Self::Introspection(_)
            | Self::ClientCertificate(_) => false,
        }
    }
}

/// Which of the configured sources count, by their places in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceSet(u64);

impl SourceSet {
    /// More sources than that are refused.
    pub const CAPACITY: usize = 64;
    pub const ALL: Self = Self(u64::MAX);
    pub const NONE: Self = Self(0);

    /// With one more. There is no place beyond [`SourceSet::CAPACITY`]; the configuration sees to that.
    #[must_use]
    pub const fn with(self, index: usize) -> Self {
        if index < Self::CAPACITY {
            Self(self.0 | 1 << index)
        } else {
            self
        }
    }

    /// Whether the two have one in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub const fn contains(self, index: usize) -> bool {
        index < Self::CAPACITY && self.0 & (1 << index) != 0
    }
}
