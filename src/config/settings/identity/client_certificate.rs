//! Client certificates.

use ipnet::IpNet;

#[derive(Debug, Clone)]
pub struct CertificateSource {
    pub user: CertificateName,
    /// For [`CertificateName::Spiffe`]: at least one.
    pub trust_domains: Vec<String>,
    /// Distinguished names as text; empty: every issuer that was verified.
    pub issuers: Vec<String>,
    pub origin: CertificateOrigin,
}

/// What in a certificate names the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName {
    CommonName,
    Email,
    PrincipalName,
    Host,
    Uri,
    Spiffe,
    Subject,
}

impl CertificateName {
    /// Whether `Anna` and `anna` are one person. Directories ignore case, and so do mail addresses in practice
    /// (security.md B08); URIs, workloads and whole subjects are exact.
    #[must_use]
    pub const fn ignores_case(self) -> bool {
        match self {
            Self::CommonName | Self::Email | Self::PrincipalName | Self::Host => true,
            Self::Uri | Self::Spiffe | Self::Subject => false,
        }
    }
}

#[derive(Debug, Clone)]
pub enum CertificateOrigin {
    /// Our own TLS. `except`: a proxy's certificate is its own, and names none of its clients.
    Own {
        except: Vec<IpNet>,
    },
    Forwarded(ForwardedCertificate),
}

#[derive(Debug, Clone)]
pub struct ForwardedCertificate {
    pub from: Vec<IpNet>,
    pub form: CertificateForm,
    pub header: String,
    /// Header that must say `SUCCESS`.
    pub verified: Option<String>,
    /// PEM of the authorities that sign such certificates.
    pub authority: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateForm {
    Rfc9440,
    Nginx,
    Envoy,
}

impl ForwardedCertificate {
    /// Every header that tells something of a certificate. Of an RFC 9440 pair the chain as well,
    /// although it is not read.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let chain = (self.form == CertificateForm::Rfc9440).then_some("client-cert-chain");
        [Some(self.header.as_str()), self.verified.as_deref(), chain]
            .into_iter()
            .flatten()
    }
}
