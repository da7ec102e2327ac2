//! Calls of our own to services: behind senders, factors and identity sources.
//!
//! Addresses come from the configuration only (H04). Certificates are always checked and there is no
//! switch that skips it; plain HTTP goes to this machine alone; redirects are never followed; every
//! phase has a deadline and an answer a bound. This module must never learn what a call is about, and
//! puts neither its headers nor its body into an error.

mod unwell;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::time::timeout;
use tower::Service;

pub use unwell::{Trouble, Unwell};

/// The largest answer that is read.
const LARGEST: usize = 256 * 1024;
/// Name, connection and TLS together. Who does not even get this far is surely not reached, which lets
/// another sender try.
const CONNECT: Duration = Duration::from_secs(4);
/// Shorter than services keep silent connections open.
const IDLE: Duration = Duration::from_secs(20);
const MOST_IDLE: usize = 8;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    #[error("this system has no list of trusted authorities: install ca-certificates, or name `authority`")]
    NoAuthorities,
    #[error("the PEM file of `authority` cannot be used: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    #[error("the certificates of `authority` cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a call had no answer. The texts are for the log.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing of the request has left.
    #[error("not reached: {0}")]
    NotReached(String),
    /// Nothing has left, because whoever is there is not believed to be the service.
    #[error("not believed: {0}")]
    Untrusted(String),
    /// It may have been received and done.
    #[error("no answer within {0:?}")]
    Slow(Duration),
    /// Likewise.
    #[error("the answer broke off: {0}")]
    Broken(String),
    #[error("the answer is longer than 256 KiB")]
    TooLarge,
}

impl CallError {
    /// Whether the service surely knows nothing of the call.
    #[must_use]
    pub const fn is_certain(&self) -> bool {
        matches!(self, Self::NotReached(_) | Self::Untrusted(_))
    }
}

/// A client with a pool of its own. Cheap to clone.
#[derive(Clone)]
pub struct Https {
    client: Client<Hurried<HttpsConnector<HttpConnector>>, Full<Bytes>>,
    /// Whether plain HTTP may leave this machine.
    plain: bool,
}

/// TLS to a service: the system's authorities, or those of this PEM text alone.
///
/// # Errors
/// When there are none, or they cannot be read.
pub fn tls(authority: Option<&str>) -> Result<ClientConfig, HttpsError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(authority)?)
        .with_no_client_auth())
}

impl Https {
    /// Believes the system's authorities, or those of this PEM text alone.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub fn new(authority: Option<&str>) -> Result<Self, HttpsError> {
        Ok(Self::with(tls(authority)?))
    }

    /// For an app that requests are forwarded to anyway, over plain HTTP where its address says so.
    /// `secure`: whether an address of it is https.
    ///
    /// # Errors
    /// As [`Https::new`], for a secure one.
    pub fn to_app(authority: Option<&str>, secure: bool) -> Result<Self, HttpsError> {
        let config = if secure {
            tls(authority)?
        } else {
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        };
        Ok(Self { plain: true, ..Self::with(config) })
    }

    fn with(config: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .build(Hurried(https));
        Self { client, plain: false }
    }

    /// One request and its answer, whatever its status. `patience` is for all of it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(
        &self,
        request: Request<impl Into<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Bytes>, CallError> {
        let mut request = request.map(|body| Full::new(body.into()));
        if !self.plain {
            allowed(request.uri())?;
        }
        if !request.headers().contains_key(header::USER_AGENT) {
            let agent = header::HeaderValue::from_static(concat!("stepgate/", env!("CARGO_PKG_VERSION")));
            request.headers_mut().insert(header::USER_AGENT, agent);
        }
        timeout(patience, self.exchange(request))
            .await
            .map_err(|_| CallError::Slow(patience))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, CallError> {
        let response = self.client.request(request).await.map_err(|error| {
            let text = causes(&error);
            if is_of_tls(&error) {
                CallError::Untrusted(text)
            } else if error.is_connect() {
                CallError::NotReached(text)
            } else {
                CallError::Broken(text)
            }
        })?;
        let (head, body) = response.into_parts();
        #[expect(clippy::disallowed_methods, reason = "limited right here")]
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                CallError::TooLarge
            } else {
                CallError::Broken(error.to_string())
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// Whether the service can be reached: name, connection and TLS, and any answer to a plain GET.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub async fn probe(&self, url: &str, patience: Duration) -> Result<(), Unwell> {
        let request = Request::get(url).body(Bytes::new());
        let request = request.map_err(|error| Unwell::new(Trouble::Odd, error.to_string()))?;
        Ok(self.call(request, patience).await.map(drop)?)
    }
}

/// Whether a URL may be called: https, or http on this machine.
#[must_use]
pub fn is_allowed(uri: &Uri) -> bool {
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]")),
        _ => false,
    }
}

fn allowed(uri: &Uri) -> Result<(), CallError> {
    if is_allowed(uri) {
        return Ok(());
    }
    Err(CallError::NotReached("services are called over https only (http on loopback)".to_owned()))
}

fn roots(authority: Option<&str>) -> Result<RootCertStore, HttpsError> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(certificate?)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(HttpsError::NoAuthorities);
    }
    Ok(roots)
}

/// An error with everything that lies behind it: the outermost alone says "client error".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A connector that is given up after [`CONNECT`].
#[derive(Clone)]
struct Hurried<C>(C);

impl<C> Service<Uri> for Hurried<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = C::Response;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            match timeout(CONNECT, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(format!("no connection within {CONNECT:?}").into()),
            }
        })
    }
}

/// Whether TLS itself refused: its certificate, or what it speaks.
fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // What an I/O error wraps is not its source, and wrapped twice by the layers of a client.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn client() -> Https {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        Https::new(Some(&own.pem())).unwrap()
    }

    /// Answers each connection with `answer` once the request's head has come; `None`: not at all.
    async fn server(answer: Option<Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                        if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    match answer {
                        Some(answer) => stream.write_all(&answer).await.unwrap_or_default(),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        url
    }

    fn post(url: &str) -> Request<&'static str> {
        Request::post(url).body("to=1").unwrap()
    }

    #[tokio::test]
    async fn an_answer_comes_back_whatever_its_status_and_redirects_are_not_followed() {
        let other = server(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno".to_vec())).await;
        let moved = format!("HTTP/1.1 307 See\r\nlocation: {other}\r\ncontent-length: 4\r\n\r\nhere");
        let url = server(Some(moved.into_bytes())).await;
        let answer = client().call(post(&url), PATIENCE).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (307, b"here".as_ref()));
    }

    #[tokio::test]
    async fn what_has_not_left_is_told_from_what_may_have() {
        let https = client();
        let plain = https.call(post("http://service.example/x"), PATIENCE).await.unwrap_err();
        assert!(plain.is_certain() && plain.to_string().contains("https only"), "{plain}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(https.call(post(&closed), PATIENCE).await.unwrap_err().is_certain());
        let cut = server(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno".to_vec())).await;
        assert!(!https.call(post(&cut), PATIENCE).await.unwrap_err().is_certain());
        let silent = server(None).await;
        let slow = https.call(post(&silent), Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(slow, CallError::Slow(_)), "{slow}");
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut() {
        let mut long = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        long.resize(long.len() + LARGEST + 1, b'x');
        let error = client().call(post(&server(Some(long)).await), PATIENCE).await.unwrap_err();
        assert!(matches!(error, CallError::TooLarge), "{error}");
    }

    #[tokio::test]
    async fn a_certificate_of_nobody_we_know_is_refused_before_anything_is_said() {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let server_key = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], server_key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut seen = [0; 16];
                    let _ = stream.read(&mut seen).await;
                    let _ = stream.write_all(b"HTTP/1.1 204 No\r\n\r\n").await;
                }
            }
        });
        let url = format!("https://localhost:{port}/");
        let error = client().call(post(&url), PATIENCE).await.unwrap_err();
        assert!(error.is_certain() && error.to_string().contains("invalid peer certificate"), "{error}");
        let known = Https::new(Some(&own.pem())).unwrap();
        assert_eq!(known.call(post(&url), PATIENCE).await.unwrap().status().as_u16(), 204);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_finishes_its_handshake_is_surely_not_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let error = client().call(post(&url), PATIENCE).await.unwrap_err();
        assert!(error.is_certain() && error.to_string().contains("no connection within 4s"), "{error}");
    }

    #[test]
    fn authorities_must_be_there() {
        assert!(matches!(Https::new(Some("")), Err(HttpsError::NoAuthorities)));
    }
}
