//! The same scripted responses through this module and through hyper's client.
//!
//! Being stricter is allowed. What is taken here for a whole response must be the same whole response
//! there, and a connection that is used again here must be one that hyper would use again.

use std::future::poll_fn;

use http::Request;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// A response that arrived whole.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    status: u16,
    body: Vec<u8>,
    trailers: usize,
}

/// The app: reads one request, then answers in these pieces, and closes if it is to.
async fn answer(mut app: DuplexStream, pieces: Vec<Vec<u8>>, closes: bool) {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        if app.read_buf(&mut asked).await.unwrap_or(0) == 0 {
            return;
        }
    }
    for piece in pieces {
        if app.write_all(&piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    if !closes {
        // Until the other side has gone.
        let _ = app.read_u8().await;
    }
}

/// What this module makes of it, and whether it would use the connection again.
async fn ours(stream: DuplexStream, head: bool) -> Option<(Whole, bool)> {
    let mut wire = Wire::new(stream);
    let method = if head { "HEAD" } else { "GET" };
    wire.begin(head)
        .extend_from_slice(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
    let head = poll_fn(|cx| wire.poll_head(cx)).await.ok()?;
    let mut whole = Whole { status: head.status.as_u16(), body: Vec::new(), trailers: 0 };
    while let Some(frame) = poll_fn(|cx| wire.poll_frame(cx)).await {
        match frame.ok()?.into_data() {
            Ok(data) => whole.body.extend_from_slice(&data),
            Err(frame) => whole.trailers += frame.trailers_ref().map_or(0, HeaderMap::len),
        }
    }
    Some((whole, wire.is_idle()))
}

/// What hyper makes of it.
async fn hypers(stream: DuplexStream, head: bool) -> Option<(Whole, bool)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let driver = tokio::spawn(connection);
    let method = if head { "HEAD" } else { "GET" };
    let request = Request::builder().method(method).uri("/").header("host", "a");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.ok()?;
    let mut whole = Whole { status: answer.status().as_u16(), body: Vec::new(), trailers: 0 };
    let mut body = answer.into_body();
    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
        match frame.ok()?.into_data() {
            Ok(data) => whole.body.extend_from_slice(&data),
            Err(frame) => whole.trailers += frame.trailers_ref().map_or(0, HeaderMap::len),
        }
    }
    drop(body);
    let again = sender.ready().await.is_ok();
    driver.abort();
    Some((whole, again))
}

fn start() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => Just("HTTP/1.1 200 OK"),
        1 => Just("HTTP/1.0 200 OK"),
        1 => Just("HTTP/1.1 204 No Content"),
        1 => Just("HTTP/1.1 304 Not Modified"),
        1 => Just("HTTP/1.1 404"),
        1 => Just("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK"),
        1 => Just("HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 206 Part"),
    ]
}

fn field() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        3 => Just("content-length: 4\r\n"),
        3 => Just("Transfer-Encoding: chunked\r\n"),
        1 => Just("transfer-encoding: gzip, chunked\r\n"),
        1 => Just("transfer-encoding: identity\r\n"),
        1 => Just("content-length: 0\r\n"),
        1 => Just("content-length: 12\r\n"),
        1 => Just("content-length: 4, 4\r\n"),
        1 => Just("content-length:\t4 \r\n"),
        1 => Just("connection: close\r\n"),
        1 => Just("connection: keep-alive\r\n"),
        1 => Just("connection: x, close\r\n"),
        1 => Just("x: y\n"),
        1 => Just("x:\r\n y\r\n"),
        1 => Just("trailer: t\r\n"),
        1 => Just("x: \u{e9}\r\n"),
        1 => Just("bad name: x\r\n"),
    ]
}

fn body() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        2 => Just("four"),
        2 => Just("4\r\nfour\r\n0\r\n\r\n"),
        1 => Just("4;a=b\r\nfour\r\n1\r\nx\r\n0\r\n\r\n"),
        1 => Just("4\r\nfour\r\n0\r\nt: 1\r\n\r\n"),
        1 => Just("4\r\nfour\r\n00\r\n\r\n"),
        1 => Just("4 \r\nfour\r\n0\r\n\r\n"),
        1 => Just("4\nfour\n0\n\n"),
        1 => Just("4\r\nfours\r\n0\r\n\r\n"),
        1 => Just("4\r\nfour\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        1 => Just(""),
        1 => Just("fourHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ]
}

proptest! {
    #[test]
    fn r04_what_is_whole_here_is_the_same_for_hyper(
        start in start(),
        fields in prop::collection::vec(field(), 0..4),
        body in body(),
        noise in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(1..40_usize, 0..6),
        closes in any::<bool>(),
        head in prop::bool::weighted(0.1),
    ) {
        let mut script = format!("{start}\r\n{}\r\n{body}", fields.concat()).into_bytes();
        if let Some((at, byte)) = noise {
            let at = at.index(script.len());
            script[at] = byte;
        }
        let mut pieces = Vec::new();
        for cut in cuts {
            let rest = script.split_off(cut.min(script.len()));
            pieces.push(std::mem::replace(&mut script, rest));
        }
        pieces.push(script);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (here, there) = runtime.block_on(async {
            // Both wait for ever for what does not come; paused time makes that a moment.
            let patience = std::time::Duration::from_secs(5);
            let (stream, app) = duplex(4096);
            let answering = tokio::spawn(answer(app, pieces.clone(), closes));
            let here = tokio::time::timeout(patience, ours(stream, head)).await.ok().flatten();
            answering.abort();
            let (stream, app) = duplex(4096);
            let answering = tokio::spawn(answer(app, pieces, closes));
            let there = tokio::time::timeout(patience, hypers(stream, head)).await.ok().flatten();
            answering.abort();
            (here, there)
        });
        if let Some((here, again_here)) = here {
            let (there, again_there) = there.expect("whole here, and not for hyper");
            prop_assert_eq!(here, there);
            // Where the app closes, hyper may have seen it already.
            prop_assert!(!again_here || again_there || closes);
        }
    }
}
