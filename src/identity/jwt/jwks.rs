//! An issuer's keys, fetched by URL and remembered.
//!
//! The URL comes from configuration only. One fetch at a time, at most once in 30 s for an unknown
//! key (R22), cut at 256 KiB and 3 s (A18), no redirects (H04).

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

const LARGEST: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(3);
const BETWEEN_FETCHES: Duration = Duration::from_secs(30);
/// Known keys are looked up anew after this long, so that a withdrawn key stops counting.
const FRESH: Duration = Duration::from_secs(600);

/// The keys behind one URL.
pub(super) struct Jwks {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<tokio_rustls::TlsConnector>,
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    keys: Vec<Jwk>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

impl Jwks {
    /// Takes an `https:` URL, or `http:` to loopback.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
        let host = uri.host().ok_or_else(|| format!("`{url}` has no host"))?.to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => Some(connector()?),
            Some("http") if matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") => None,
            _ => return Err("keys are fetched over https only (http on loopback)".to_owned()),
        };
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        Ok(Self { uri, host, port, tls, cached: Mutex::default() })
    }

    /// The key that a token names (or the only one), if it is of the algorithm's kind.
    pub(super) async fn key(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Option<DecodingKey>, String> {
        let mut cached = self.cached.lock().await;
        let fresh = cached.fetched.is_some_and(|at| at.elapsed() < FRESH);
        if fresh && let Some(key) = cached.find(kid, algorithm) {
            return Ok(Some(key));
        }
        let may_fetch = cached.tried.is_none_or(|at| at.elapsed() >= BETWEEN_FETCHES);
        if may_fetch {
            cached.tried = Some(Instant::now());
            match timeout(PATIENCE, self.fetch()).await {
                Ok(Ok(keys)) => {
                    cached.keys = keys;
                    cached.fetched = cached.tried;
                }
                Ok(Err(why)) => {
                    tracing::warn!(url = %self.uri, %why, "the identity provider's keys could not be fetched");
                }
                Err(_) => {
                    tracing::warn!(url = %self.uri, "the identity provider's keys did not come within 3 s");
                }
            }
        }
        match cached.fetched {
            // Keys known from before count on while the provider is away.
            Some(_) => Ok(cached.find(kid, algorithm)),
            None => Err(format!("no keys from {}", self.uri)),
        }
    }

    async fn fetch(&self) -> Result<Vec<Jwk>, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let host = self.host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, self.port)).await.map_err(|e| text(&e))?;
        let body = match &self.tls {
            None => self.get(TokioIo::new(stream)).await?,
            Some(connector) => {
                let name = rustls_pki_types::ServerName::try_from(host.to_owned()).map_err(|e| text(&e))?;
                self.get(TokioIo::new(connector.connect(name, stream).await.map_err(|e| text(&e))?))
                    .await?
            }
        };
        let set: JwkSet = serde_json::from_slice(&body).map_err(|e| text(&e))?;
        Ok(set.keys)
    }

    async fn get<T>(&self, io: T) -> Result<Bytes, String>
    where
        T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let text = |error: hyper::Error| error.to_string();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(text)?;
        let driver = tokio::spawn(connection);
        let path = self.uri.path_and_query().map_or("/", |p| p.as_str());
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        let request = Request::get(path)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|e| e.to_string())?;
        let response = sender.send_request(request).await.map_err(text)?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("answered {}", response.status()));
        }
        #[expect(clippy::disallowed_methods, reason = "limited right here")]
        let body = Limited::new(response.into_body(), LARGEST)
            .collect()
            .await
            .map_err(|e| e.to_string())?;
        driver.abort();
        Ok(body.to_bytes())
    }
}

impl Cached {
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| fits(key, algorithm));
        let key = match kid {
            Some(kid) => fitting.find(|key| key.common.key_id.as_deref() == Some(kid))?,
            // Without a kid the key must be unmistakable.
            None => fitting.next().filter(|_| fitting.next().is_none())?,
        };
        DecodingKey::from_jwk(key).ok()
    }
}

/// Whether a key is of the kind that the configured algorithm needs, whatever the token says.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => curve.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(pair), Algorithm::EdDSA) => pair.curve == EllipticCurve::Ed25519,
        _ => false,
    }
}

fn connector() -> Result<tokio_rustls::TlsConnector, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config =
        rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(std::sync::Arc::new(config).into())
}
