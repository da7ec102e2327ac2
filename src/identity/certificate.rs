//! A client certificate that counts: our own TLS has verified it, or a proxy whose word we take.
//!
//! It says which key the client holds; what that means is for the sources and the policy.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::client_certificate::Names;

/// A client certificate that one of the configured authorities has signed and that is valid now. Put
/// into the extensions of every request of its connection, in an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub names: Names,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub public_key: [u8; 32],
    /// SHA-256 of the whole.
    digest: [u8; 32],
}

impl ClientCertificate {
    /// Reads a certificate in DER that was verified already; `None` where it cannot be read.
    #[must_use]
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        Some(Self {
            names: Names::of(der)?,
            public_key: sha256(parsed.public_key().raw),
            digest: sha256(der),
        })
    }

    /// `x5t#S256` of RFC 8705 section 3.1.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        BASE64.encode(self.digest)
    }

    /// What tells this key from every other, as text.
    #[must_use]
    pub fn key_handle(&self) -> String {
        BASE64.encode(self.public_key)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digested = [0; 32];
    digested.copy_from_slice(digest(&SHA256, bytes).as_ref());
    digested
}
