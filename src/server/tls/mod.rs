//! Our own TLS: one provider, HTTP/2 and HTTP/1.1 by ALPN, certificates by the host that is asked for.
//!
//! A handshake that cannot end well ends here; what a client certificate says is judged after the
//! handshake and never taken from the wire.

mod certificates;
mod devices;
mod resolver;

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::ambient::Clock;
use crate::config::settings::Tls as Settings;
use crate::identity::ClientCertificate;

use super::socket::Socket;
pub use certificates::Certificates;
use devices::Devices;
pub(super) use resolver::Shown;

/// Asked for by an ACME server that validates (RFC 8737), never by a client.
const ACME_ALPN: &[u8] = b"acme-tls/1";

/// What a TLS listener needs. Shared by all workers; certificates can be replaced while it serves.
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    certificates: Certificates,
    devices: Option<Devices>,
    clock: Clock,
}

/// A connection after its handshake.
pub(super) struct Accepted {
    pub stream: TlsStream<Socket>,
    pub http2: bool,
    /// Which certificate was shown, where that limits the hosts that may be asked for.
    pub shown: Option<Shown>,
    pub device: Option<Arc<ClientCertificate>>,
}

impl Tls {
    /// Reads the certificates and prepares the acceptor.
    ///
    /// # Errors
    /// Names the file that is missing, unreadable, or does not hold what it should.
    pub(super) fn open(settings: &Settings) -> io::Result<Self> {
        let clock = Clock::system();
        let certificates =
            Certificates::read(settings).map_err(|error| io::Error::other(format!("server.tls: {error}")))?;
        let devices = settings.device_authority.as_deref().map(Devices::open).transpose()?;
        let versions: &[_] = if settings.only_tls13 {
            &[&TLS13]
        } else {
            &[&TLS13, &TLS12]
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?;
        let builder = match &devices {
            Some(devices) => builder.with_client_cert_verifier(devices.asking()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(certificates.resolver());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), ACME_ALPN.to_vec()];
        // Ours is the better order; all ciphers are good ones.
        config.ignore_client_order = true;
        // Of this listener alone: a ticket never leads to other rules about client certificates.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(io::Error::other)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificates, devices, clock })
    }

    pub(super) const fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The handshake. The caller bounds its time.
    ///
    /// # Errors
    /// When it fails, or was only a validation by an ACME server.
    pub(super) async fn accept(&self, socket: Socket) -> io::Result<Accepted> {
        let stream = self.acceptor.accept(socket).await?;
        let session = stream.get_ref().1;
        let http2 = match session.alpn_protocol() {
            Some(b"h2") => true,
            Some(ACME_ALPN) => return Err(io::Error::other("an ACME validation, which is over")),
            _ => false,
        };
        let shown = session.server_name().and_then(|name| self.certificates.shown(name));
        let device = match (&self.devices, session.peer_certificates()) {
            (Some(devices), Some(chain)) => devices.verify(chain, self.clock.now()).map(Arc::new),
            _ => None,
        };
        Ok(Accepted { stream, http2, shown, device })
    }
}
