//! The authorities whose certificates count, where a proxy passes certificates on.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime as PkiTime};

use crate::ambient::UnixTime;

/// Believes certificates that one of the authorities has signed itself. An intermediate authority is
/// listed like any other, because proxies pass on one certificate alone.
pub(super) struct Authorities(Arc<dyn ClientCertVerifier>);

impl Authorities {
    /// # Errors
    /// When the PEM text cannot be read, or holds no authority.
    pub(super) fn new(pem: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let authority = authority.map_err(|error| format!("`authority`: {error}"))?;
            roots.add(authority).map_err(|error| format!("`authority`: {error}"))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map(Self)
            .map_err(|error| format!("`authority`: {error}"))
    }

    /// Whether one of them has signed this certificate, for clients, and it is valid now.
    pub(super) fn vouch_for(&self, der: &[u8], now: UnixTime) -> bool {
        let Ok(seconds) = u64::try_from(now.0) else {
            return false;
        };
        let now = PkiTime::since_unix_epoch(Duration::from_secs(seconds));
        let verified = self.0.verify_client_cert(&CertificateDer::from_slice(der), &[], now);
        if let Err(error) = &verified {
            tracing::debug!(%error, "a forwarded client certificate does not count");
        }
        verified.is_ok()
    }
}
