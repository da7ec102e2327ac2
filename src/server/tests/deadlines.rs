//! Silent, slow and stuck peers: security.md D05 to D07, R17.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::support::{OK, PATIENCE, always, get, public, tuned, upstream};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn d06_a_silent_connection_ends() {
    let (address, _) = always(OK).await;
    let front = tuned(address, |settings| settings.server.timeouts.handshake = SHORT).await;
    for start in ["", "P", "PRI * HTTP/2.0\r\n"] {
        assert_eq!(front.exchange(start).await, "", "{start:?}");
    }
}

#[tokio::test]
async fn d06_headers_that_trickle_end_the_connection() {
    let (address, heard) = always(OK).await;
    let front = tuned(address, |settings| settings.server.timeouts.headers = SHORT).await;
    let mut client = front.connect().await;
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n").await;
    while client.0.write_all(b"x: 1\r\n").await.is_ok() && start.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(heard.connections(), 0);
}

#[tokio::test]
async fn d06_the_second_request_has_the_same_deadlines_as_the_first() {
    let (address, _) = always(OK).await;
    let front = tuned(address, |settings| settings.server.timeouts.headers = SHORT).await;
    let mut client = front.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: app.example.com\r\n\r\n").await;
    client.until("ok").await;
    client.send("GET / HTTP/1.1\r\n").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_idle_connection_ends_and_a_busy_one_does_not() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        tokio::time::sleep(SHORT * 3).await;
        app.send(OK).await;
    })
    .await;
    let front = tuned(address, |settings| settings.server.timeouts.idle = SHORT).await;
    let mut client = front.connect().await;
    client.send("GET /slow HTTP/1.1\r\nhost: app.example.com\r\n\r\n").await;
    client.until("ok").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn r17_a_request_body_that_stops_is_408_and_the_upstream_sees_no_end() {
    let (address, heard) = upstream(|mut app, _, heard| async move {
        heard.note(app.rest().await);
    })
    .await;
    let front = tuned(address, |settings| settings.server.timeouts.body_idle = SHORT).await;
    let request = "POST / HTTP/1.1\r\nhost: app.example.com\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
    let answer = front.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(heard.all().iter().all(|bytes| !bytes.ends_with("0\r\n\r\n")));
}

#[tokio::test]
async fn r17_a_client_that_does_not_read_is_cut_and_lets_go_of_the_upstream() {
    let (done, mut ended) = tokio::sync::mpsc::channel(1);
    let (address, _) = upstream(move |mut app, _, _| {
        let done = done.clone();
        async move {
            app.head().await;
            app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            while app.0.write_all(chunk.as_bytes()).await.is_ok() {}
            let _ = done.send(()).await;
        }
    })
    .await;
    let front = tuned(address, |settings| settings.server.timeouts.body_idle = SHORT).await;
    let mut client = front.connect().await;
    client.send(get("/")).await;
    tokio::time::timeout(PATIENCE, ended.recv())
        .await
        .expect("the upstream is let go");
}

#[tokio::test]
async fn a_response_body_that_stops_is_cut() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            .await;
        app.rest().await;
    })
    .await;
    let front = tuned(address, |settings| settings.server.timeouts.body_idle = SHORT).await;
    assert!(front.exchange(&get("/")).await.ends_with("4\r\nhalf\r\n"));
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_upstream() {
    let (tell, mut told) = tokio::sync::mpsc::channel(2);
    let (address, _) = upstream(move |mut app, _, _| {
        let tell = tell.clone();
        async move {
            app.head().await;
            tell.send("began").await.unwrap();
            app.rest().await;
            tell.send("ended").await.unwrap();
        }
    })
    .await;
    let front = public(address).await;
    let mut client = front.connect().await;
    client.send(get("/")).await;
    assert_eq!(told.recv().await, Some("began"));
    drop(client);
    let ended = tokio::time::timeout(PATIENCE, told.recv()).await;
    assert_eq!(ended.expect("the upstream connection is closed"), Some("ended"));
}
