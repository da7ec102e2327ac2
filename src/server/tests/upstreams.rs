//! Where requests go: several addresses, unix sockets, TLS, and what happens when one of them fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use crate::config::settings::{
    Address, ClientCertificate, Endpoint, Protocol, RouteTimeouts, Upstream, UpstreamTls,
};

use super::support::{Client, Front, Heard, OK, always, get, tuned, upstream};

/// A plane in front of this upstream.
pub(super) async fn before(app: Upstream) -> Front {
    let nobody = "127.0.0.1:1".parse().unwrap();
    tuned(nobody, |settings| settings.routes[0].upstream = Some(Arc::new(app))).await
}

pub(super) fn at(address: SocketAddr) -> Address {
    let endpoint = Endpoint::Tcp { host: address.ip().to_string(), port: address.port() };
    Address { secure: false, endpoint }
}

fn several(addresses: &[SocketAddr]) -> Upstream {
    let addresses = addresses.iter().copied().map(at).collect();
    Upstream { addresses, protocol: Protocol::Auto, tls: None }
}

/// An address that nobody listens on, kept for as long as the socket.
fn nobody() -> (SocketAddr, socket2::Socket) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}

#[tokio::test]
async fn requests_in_flight_are_spread_over_the_addresses() {
    let slow = || {
        upstream(|mut app, _, heard| async move {
            heard.note(app.head().await);
            app.rest().await;
        })
    };
    let (one, two, three) = (slow().await, slow().await, slow().await);
    let front = before(several(&[one.0, two.0, three.0])).await;
    let mut clients = Vec::new();
    for count in 1..=9 {
        let mut client = front.connect().await;
        client.send(get("/")).await;
        clients.push(client);
        // One after the other: the choice sees the requests before it.
        while one.1.all().len() + two.1.all().len() + three.1.all().len() < count {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!([one.1, two.1, three.1].map(|heard| heard.all().len()), [3, 3, 3]);
}

#[tokio::test]
async fn r01_what_cannot_be_reached_is_replaced_and_left_alone() {
    let (dead, _kept) = nobody();
    let (alive, heard) = always(OK).await;
    let front = before(several(&[dead, alive])).await;
    for _ in 0..6 {
        assert!(front.exchange(&get("/")).await.ends_with("ok"));
    }
    // Also what is not idempotent: nothing of it was written.
    let post = "POST / HTTP/1.1\r\nhost: app.example.com\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for _ in 0..6 {
        assert!(front.exchange(post).await.ends_with("ok"));
    }
    assert_eq!(heard.all().len(), 12);
}

#[tokio::test]
async fn r01_all_addresses_down_is_502_and_the_first_that_returns_is_used() {
    let ((first, one), (second, _two)) = (nobody(), nobody());
    let front = before(several(&[first, second])).await;
    for _ in 0..3 {
        let answer = front.exchange(&get("/")).await;
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("upstream-unreachable"),
            "{answer}"
        );
    }
    one.listen(8).unwrap();
    one.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(one.into()).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut app = Client(stream);
        app.head().await;
        app.send(OK).await;
    });
    // All are left alone, so they are tried anyway.
    assert!(front.exchange(&get("/")).await.ends_with("ok"));
}

#[tokio::test]
async fn r01_an_address_that_keeps_silent_leaves_time_for_the_next() {
    // Nobody accepts, and its queue is full: further connections get no answer.
    let (silent, socket) = nobody();
    socket.listen(0).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let connect = tokio::net::TcpStream::connect(silent);
        waiting.push(tokio::time::timeout(Duration::from_millis(100), connect).await);
    }
    assert!(waiting.last().unwrap().is_err(), "the queue is full");
    let (alive, heard) = always(OK).await;
    let front = tuned(alive, |settings| {
        settings.routes[0].upstream = Some(Arc::new(several(&[silent, alive])));
        settings.server.timeouts.upstream_connect = Duration::from_secs(1);
    })
    .await;
    for _ in 0..4 {
        assert!(front.exchange(&get("/")).await.ends_with("ok"));
    }
    assert_eq!(heard.all().len(), 4);
}

#[tokio::test]
async fn c12_a_request_that_one_address_may_have_acted_on_never_goes_to_another() {
    let dropping = || {
        upstream(|mut app, _, heard| async move {
            heard.note(app.head().await);
        })
    };
    let (one, two) = (dropping().await, dropping().await);
    let front = before(several(&[one.0, two.0])).await;
    for method in ["GET", "POST", "DELETE"] {
        let request = format!("{method} / HTTP/1.1\r\nhost: app.example.com\r\nconnection: close\r\n\r\n");
        assert!(front.exchange(&request).await.starts_with("HTTP/1.1 502 "));
    }
    assert_eq!(one.1.all().len() + two.1.all().len(), 3, "each was sent once");
}

#[tokio::test]
async fn a_unix_socket_is_an_address() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..2 {
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                heard.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    });
    let address = Address { secure: false, endpoint: Endpoint::Unix(path) };
    let front = before(Upstream { addresses: vec![address], protocol: Protocol::Auto, tls: None }).await;
    for _ in 0..2 {
        assert!(front.exchange(&get("/")).await.ends_with("ok"));
    }
}

#[tokio::test]
async fn r02_a_route_has_deadlines_of_its_own() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        app.rest().await;
    })
    .await;
    let front = tuned(address, |settings| {
        let response = Some(Duration::from_millis(100));
        settings.routes[0].timeouts = RouteTimeouts { response, ..RouteTimeouts::default() };
    })
    .await;
    let answer = front.exchange(&get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.ends_with("upstream-timeout"), "{answer}");
}

/// An authority, and certificates by it.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// Certificate and key as PEM.
    fn certify(&self, name: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        roots
    }

    /// An app with a certificate for `name`, which may ask for one of the same authority.
    async fn app(&self, name: &str, asks: bool) -> (SocketAddr, Heard) {
        let (chain, key) = self.certify(name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks {
            let roots = Arc::new(self.roots());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        upstream(move |app, _, heard| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(app.0).await else {
                    return;
                };
                let kind = stream.get_ref().1.handshake_kind();
                heard.note(format!("{kind:?} for {:?}", stream.get_ref().1.server_name()));
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                    .await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    async fn before(&self, app: SocketAddr, client: Option<ClientCertificate>, name: Option<&str>) -> Front {
        let mut address = at(app);
        address.secure = true;
        let server_name = name.map(str::to_owned);
        let tls = Some(UpstreamTls { authority: Some(self.pem.clone()), client, server_name });
        before(Upstream { addresses: vec![address], protocol: Protocol::Auto, tls }).await
    }
}

#[tokio::test]
async fn tls_to_the_app_is_checked_against_the_authority_and_resumed() {
    let authority = Authority::new();
    let (app, heard) = authority.app("app.internal", false).await;
    let front = authority.before(app, None, Some("app.internal")).await;
    for _ in 0..2 {
        let answer = front.exchange(&get("/")).await;
        assert!(answer.ends_with("ok"), "{answer}");
    }
    let all = heard.all();
    assert_eq!(all[0], "Some(Full) for Some(\"app.internal\")");
    assert_eq!(all[1], "Some(Resumed) for Some(\"app.internal\")");
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_502_and_nothing_is_sent() {
    let authority = Authority::new();
    let (app, heard) = authority.app("app.internal", false).await;
    let stranger = Authority::new();
    for front in [
        authority.before(app, None, Some("other.internal")).await,
        authority.before(app, None, None).await,
        stranger.before(app, None, Some("app.internal")).await,
    ] {
        let answer = front.exchange(&get("/")).await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("upstream-untrusted"), "{answer}");
    }
    assert_eq!(heard.all(), [""; 0]);
}

#[tokio::test]
async fn an_app_that_wants_a_certificate_gets_ours() {
    let authority = Authority::new();
    let (app, _) = authority.app("app.internal", true).await;
    let answer = authority
        .before(app, None, Some("app.internal"))
        .await
        .exchange(&get("/"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    let (chain, key) = authority.certify("stepgate");
    let client = Some(ClientCertificate { chain, key: key.into() });
    let answer = authority
        .before(app, client, Some("app.internal"))
        .await
        .exchange(&get("/"))
        .await;
    assert!(answer.ends_with("ok"), "{answer}");
}
