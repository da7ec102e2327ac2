//! TLS to the app: whom we believe, what we show, which version of HTTP we agree on.
//!
//! A certificate is always checked; there is no switch that skips it, and none may be added.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::settings::{Protocol, UpstreamTls};

use super::error::{Fault, UpstreamError};

/// Sessions remembered per upstream, so that new connections need no full handshake.
const SESSIONS: usize = 64;

/// Why an upstream's TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(
        "this system has no list of trusted authorities: install ca-certificates, or name `tls.authority`"
    )]
    NoAuthorities,
    #[error("`tls.server_name` or the host of an address is no name that a certificate can be for")]
    Name,
    #[error("the PEM files of `tls` cannot be used: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    #[error("the certificates of `tls` cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// The system's authorities, read once where they are needed.
#[derive(Default)]
pub(super) struct SystemRoots(Option<Arc<RootCertStore>>);

impl SystemRoots {
    fn get(&mut self) -> Result<Arc<RootCertStore>, TlsError> {
        if let Some(roots) = &self.0 {
            return Ok(Arc::clone(roots));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
        Ok(Arc::clone(self.0.insert(Arc::new(roots))))
    }
}

/// TLS of one upstream, the same for all its addresses.
#[derive(Clone)]
pub(super) struct Tls {
    /// Offers what the configuration says.
    usual: TlsConnector,
    /// Offers HTTP/1.1 alone: for upgrades.
    http1: TlsConnector,
}

impl Tls {
    pub(super) fn new(
        settings: &UpstreamTls,
        protocol: Protocol,
        system: &mut SystemRoots,
    ) -> Result<Self, TlsError> {
        let roots = match &settings.authority {
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    roots.add(certificate?)?;
                }
                Arc::new(roots)
            }
            None => system.get()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match &settings.client {
            Some(client) => {
                let chain = CertificateDer::pem_slice_iter(client.chain.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(client.key.expose_secret().as_bytes())?;
                builder.with_client_auth_cert(chain.collect::<Result<_, _>>()?, key)?
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        let (h2, h1) = (b"h2".to_vec(), b"http/1.1".to_vec());
        config.alpn_protocols = match protocol {
            Protocol::Auto => vec![h2, h1.clone()],
            Protocol::Http1 => vec![h1.clone()],
            Protocol::Http2 => vec![h2],
        };
        let mut http1 = config.clone();
        http1.alpn_protocols = vec![h1];
        Ok(Self { usual: Arc::new(config).into(), http1: Arc::new(http1).into() })
    }

    /// The handshake. Whether it agreed on HTTP/2 says `alpn_protocol` of the stream's session.
    pub(super) async fn handshake(
        &self,
        name: &ServerName<'static>,
        stream: TcpStream,
        http1: bool,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = if http1 { &self.http1 } else { &self.usual };
        connector.connect(name.clone(), stream).await
    }
}

/// The name a certificate must be for.
pub(super) fn server_name(settings: &UpstreamTls, host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = settings.server_name.as_deref().unwrap_or(host);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name)
}

/// What a failed handshake means, and what to do about it.
pub(super) fn diagnose(error: &io::Error) -> (UpstreamError, &'static str) {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (fault, advice) = match cause {
        Some(rustls::Error::InvalidCertificate(why)) => (Fault::Untrusted, advice(why)),
        Some(rustls::Error::AlertReceived(_)) => (
            Fault::TlsFailed,
            "the app refused us: does it want a client certificate (`tls.certificate`)?",
        ),
        Some(_) => (Fault::TlsFailed, "does the app speak TLS 1.2 or 1.3 at this port?"),
        None => (Fault::TlsFailed, "the app ended the connection during the handshake"),
    };
    (UpstreamError::unsent(fault), advice)
}

fn advice(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::UnknownIssuer => {
            "nobody we trust has signed it: name its authority in `upstream.tls.authority`"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name: set `upstream.tls.server_name` to one that it has"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired: renew it",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet: compare the clocks of both machines"
        }
        _ => "give the app a certificate that can be checked",
    }
}
