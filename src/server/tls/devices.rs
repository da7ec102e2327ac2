//! Client certificates: asked for, never required.
//!
//! The handshake takes any certificate whose key the client holds, because refusing an expired one
//! there would lock its person out without a word. Whether it counts is judged afterwards, on every
//! connection and also on resumed ones; one that does not count is as if there were none.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime as PkiTime};

use crate::ambient::UnixTime;
use crate::config::certificate;
use crate::identity::ClientCertificate;

/// The authorities whose certificates count.
#[derive(Debug)]
pub(super) struct Devices {
    strict: Arc<dyn ClientCertVerifier>,
}

impl Devices {
    /// # Errors
    /// Names the file when it cannot be read or holds no authority.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let named = |why: &dyn std::fmt::Display| {
            io::Error::other(format!("server.tls.device_authority {}: {why}", path.display()))
        };
        let mut roots = RootCertStore::empty();
        for authority in certificate::chain(path).map_err(|error| named(&error))? {
            roots.add(authority).map_err(|error| named(&error))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let strict = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| named(&error))?;
        Ok(Self { strict })
    }

    /// For the handshake: asks, and puts off the judgement.
    pub(super) fn asking(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Asking(Arc::clone(&self.strict)))
    }

    /// What a client has shown, if it counts now.
    pub(super) fn verify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Option<ClientCertificate> {
        let (leaf, others) = chain.split_first()?;
        let now = PkiTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).ok()?));
        if let Err(error) = self.strict.verify_client_cert(leaf, others, now) {
            tracing::debug!(%error, "a client certificate does not count");
            return None;
        }
        ClientCertificate::of(leaf)
    }
}

#[derive(Debug)]
struct Asking(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: PkiTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
