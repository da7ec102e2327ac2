//! Our own TLS: versions by ALPN, handshakes under a deadline, files that do not fit.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::Settings;
use crate::config::settings::{CertificateFiles, Tls};

use super::support::{Front, OK, always, get, tuned};

struct Pair {
    directory: tempfile::TempDir,
    roots: RootCertStore,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(vec!["app.example.com".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    Pair { directory, roots }
}

impl Pair {
    fn settings(&self) -> Tls {
        let file = |name| self.directory.path().join(name);
        let files = CertificateFiles { certificate: file("cert.pem"), key: file("key.pem") };
        Tls { certificates: vec![files], only_tls13: false, device_authority: None, acme: None }
    }

    /// TLS with this pair on the one listener.
    fn serve(&self, settings: &mut Settings) {
        settings.server.tls = Some(self.settings());
        settings.server.listen[0].tls = true;
    }

    async fn connect(&self, front: &Front, alpn: &[&str]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("app.example.com").unwrap();
        let socket = TcpStream::connect(front.address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
    }
}

#[tokio::test]
async fn the_version_of_http_follows_alpn() {
    let (address, heard) = always(OK).await;
    let pair = pair();
    let front = tuned(address, |settings| pair.serve(settings)).await;
    for alpn in [&["http/1.1"][..], &[]] {
        let mut stream = pair.connect(&front, alpn).await;
        stream.write_all(get("/").as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{alpn:?}: {answer}");
    }
    let mut stream = pair.connect(&front, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the answer to the preface is SETTINGS");
    assert_eq!(heard.all().len(), 2);
}

#[tokio::test]
async fn d07_a_handshake_that_stalls_ends() {
    let (address, _) = always(OK).await;
    let pair = pair();
    let front = tuned(address, |settings| {
        pair.serve(settings);
        settings.server.timeouts.handshake = Duration::from_millis(300);
    })
    .await;
    for start in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = front.connect().await;
        client.send(start).await;
        client.rest().await;
    }
}

#[test]
fn r31_files_that_do_not_fit_are_named() {
    let pair = pair();
    let with = |change: fn(&mut Tls)| {
        let mut tls = pair.settings();
        change(&mut tls);
        crate::server::tls::Tls::open(&tls).err().unwrap().to_string()
    };
    let swapped = with(|tls| {
        let files = &mut tls.certificates[0];
        std::mem::swap(&mut files.certificate, &mut files.key);
    });
    assert!(swapped.contains("key.pem: no certificate in it"), "{swapped}");
    let missing = with(|tls| tls.certificates[0].key.set_file_name("none.pem"));
    assert!(missing.contains("none.pem"), "{missing}");
    let authority = with(|tls| tls.device_authority = Some("/none.pem".into()));
    assert!(authority.contains("server.tls.device_authority /none.pem"), "{authority}");
}
