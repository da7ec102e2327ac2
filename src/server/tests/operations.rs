//! The operations listener as probes and scrapers see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::Client;
use crate::policy::tests_support::settings;
use crate::server::Shutdown;
use crate::server::operations::{Check, Operations};

async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut client = Client(tokio::net::TcpStream::connect(address).await.unwrap());
    client
        .send(format!("{request} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
        .await;
    client.rest().await
}

#[tokio::test]
async fn probes_tell_alive_from_ready() {
    let fine = Arc::new(AtomicBool::new(true));
    let store = Arc::clone(&fine);
    let checks = move || vec![Check { name: "store", fine: store.load(Ordering::SeqCst) }];
    let timeouts = settings(vec![]).server.timeouts;
    let metrics = || "stepgate_up 1\n".to_owned();
    let operations = Operations::bind("127.0.0.1:0".parse().unwrap(), &timeouts, checks, metrics).unwrap();
    let address = operations.local_addr();
    let shutdown = Shutdown::new();
    tokio::spawn(operations.serve(shutdown.clone()));

    for path in ["/livez", "/healthz", "/readyz"] {
        assert!(ask(address, &format!("GET {path}")).await.starts_with("HTTP/1.1 200 "), "{path}");
    }
    assert!(ask(address, "GET /readyz?verbose").await.contains("[+] store ok\n"));
    assert!(ask(address, "GET /metrics").await.ends_with("\r\n\r\nstepgate_up 1\n"));
    assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405 "));
    assert!(ask(address, "GET /admin").await.starts_with("HTTP/1.1 404 "));

    fine.store(false, Ordering::SeqCst);
    let answer = ask(address, "GET /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("[-] store failed\n"), "{answer}");
    fine.store(true, Ordering::SeqCst);

    shutdown.ask();
    let answer = ask(address, "GET /readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("[-] not-draining failed\n"),
        "{answer}"
    );
    assert!(ask(address, "GET /livez").await.starts_with("HTTP/1.1 200 "));
}
