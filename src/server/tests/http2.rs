//! HTTP/2 in, HTTP/1.1 out.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::support::{Front, OK, always, public, tuned, upstream};

async fn client(front: &Front) -> SendRequest<Full<Bytes>> {
    let io = TokioIo::new(front.connect().await.0);
    let (sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://app.example.com:8443{path}")).version(Version::HTTP_2)
}

async fn body(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn split_cookies_are_joined_and_the_authority_becomes_the_host() {
    let (address, heard) = always(OK).await;
    let front = public(address).await;
    let request = get("/a?b")
        .header("cookie", "a=1")
        .header("cookie", "stepgate=x")
        .header("cookie", "b=2");
    let response = client(&front)
        .await
        .send_request(request.body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(body(response).await, "ok");
    let head = heard.all().remove(0);
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("cookie: a=1; b=2\r\n") && head.matches("cookie").count() == 1, "{head}");
    assert!(head.contains("host: app.example.com:8443\r\n"), "{head}");
}

#[tokio::test]
async fn many_streams_share_a_connection_and_bodies_pass() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.until("hello").await;
        app.send("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok")
            .await;
    })
    .await;
    let front = public(address).await;
    let sender = client(&front).await;
    let posts = (0..20).map(|_| {
        let mut sender = sender.clone();
        async move {
            let request = Request::post("http://app.example.com/").version(Version::HTTP_2);
            let request = request.body(Full::from("hello")).unwrap();
            body(sender.send_request(request).await.unwrap()).await
        }
    });
    for answer in futures_util::future::join_all(posts).await {
        assert_eq!(answer, "ok");
    }
}

#[tokio::test]
async fn trailers_reach_an_http2_client() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let (address, _) = always(answer).await;
    let front = public(address).await;
    let response = client(&front)
        .await
        .send_request(get("/").body(Full::default()).unwrap())
        .await
        .unwrap();
    let trailers: HeaderMap = response.into_body().collect().await.unwrap().trailers().unwrap().clone();
    assert_eq!(trailers["x-sum"], "7");
}

#[tokio::test]
async fn r03_a_response_cut_short_resets_its_stream() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            .await;
    })
    .await;
    let front = public(address).await;
    let request = get("/").body(Full::default()).unwrap();
    let cut = match client(&front).await.send_request(request).await {
        Ok(response) => response.into_body().collect().await.is_err(),
        Err(_) => true,
    };
    assert!(cut);
}

#[tokio::test]
async fn a_body_that_stops_is_408_also_on_http2() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.rest().await;
    })
    .await;
    let short = Duration::from_millis(300);
    let front = tuned(address, |settings| settings.server.timeouts.body_idle = short).await;
    let io = TokioIo::new(front.connect().await.0);
    let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let start =
        futures_util::stream::iter([Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from("hi")))]);
    let stuck = StreamBody::new(futures_util::StreamExt::chain(start, futures_util::stream::pending()));
    let request = Request::post("http://app.example.com/")
        .version(Version::HTTP_2)
        .body(stuck)
        .unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 408);
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn d05_an_unfinished_header_block_ends_the_connection() {
    let (address, _) = always(OK).await;
    let front = tuned(address, |settings| {
        settings.server.timeouts.headers = Duration::from_millis(300);
    })
    .await;
    // HEADERS without END_HEADERS, then silence: `:method: GET`.
    for more in [b"\0\0\x01\x01\0\0\0\0\x01\x82".as_slice(), b""] {
        let mut client = front.connect().await;
        client.send(PREFACE).await;
        client.send(more).await;
        client.rest().await;
    }
}

#[tokio::test]
async fn d05_an_unfinished_block_beside_a_running_request_ends_too() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.rest().await;
    })
    .await;
    let front = tuned(address, |settings| {
        settings.server.timeouts.headers = Duration::from_millis(300);
    })
    .await;
    let mut client = front.connect().await;
    client.send(PREFACE).await;
    // `:method: GET`, `:scheme: http`, `:path: /`, `:authority: a`; complete.
    client.send(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a").await;
    client.send(b"\0\0\x01\x01\x01\0\0\0\x03\x82").await;
    client.rest().await;
}

#[tokio::test]
async fn r17_a_stream_whose_window_stays_shut_ends_its_connection() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        app.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{}", "x".repeat(1_000_000)))
            .await;
    })
    .await;
    let front = tuned(address, |settings| {
        settings.server.timeouts.body_idle = Duration::from_millis(300);
    })
    .await;
    let mut client = front.connect().await;
    client.send(PREFACE).await;
    client.send(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a").await;
    // Reads everything and opens no window.
    client.rest().await;
}

#[tokio::test]
async fn d01_rapid_resets_end_the_connection() {
    let (address, _) = always(OK).await;
    let front = public(address).await;
    let mut client = front.connect().await;
    client.send(PREFACE).await;
    let mut flood = Vec::new();
    for stream in (1u32..20_000).step_by(2) {
        flood.extend(b"\0\0\x06\x01\x05");
        flood.extend(stream.to_be_bytes());
        flood.extend(b"\x82\x86\x84\x41\x01a");
        flood.extend(b"\0\0\x04\x03\0");
        flood.extend(stream.to_be_bytes());
        flood.extend(8u32.to_be_bytes());
    }
    let _ = tokio::io::AsyncWriteExt::write_all(&mut client.0, &flood).await;
    let mut heard = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut client.0, &mut heard);
    let _ = tokio::time::timeout(super::support::PATIENCE, read)
        .await
        .expect("the connection ends");
}
