//! HTTP/2 to the app: what it looks like there, and what is sent again when it refuses.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;

use crate::config::settings::{Protocol, Upstream};

use super::support::{Client, Front, Heard, get, upstream};
use super::upstreams::{at, before};

async fn over_http2(app: SocketAddr) -> Front {
    before(Upstream { addresses: vec![at(app)], protocol: Protocol::Http2, tls: None }).await
}

/// An app that speaks HTTP/2 and nothing else, and answers with trailers.
async fn app() -> (SocketAddr, Heard) {
    upstream(|client, _, heard| async move {
        let service = service_fn(move |request: Request<Incoming>| {
            let heard = heard.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap();
                let trailers = body.trailers().cloned();
                heard.note(format!("{} {} {:?} {trailers:?}", parts.method, parts.uri, parts.headers));
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                trailers.insert("set-cookie", HeaderValue::from_static("stepgate=forged"));
                let frames = [Frame::data(body.to_bytes()), Frame::trailers(trailers)];
                let echo = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
                Ok::<_, Infallible>(Response::builder().header("trailer", "grpc-status").body(echo).unwrap())
            }
        });
        let io = TokioIo::new(client.0);
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await;
    })
    .await
}

#[tokio::test]
async fn a_request_becomes_http2_and_its_answer_http1_again() {
    let (address, heard) = app().await;
    let front = over_http2(address).await;
    let request = "POST /a%2e?b HTTP/1.1\r\nhost: app.example.com:8443\r\ncontent-length: 5\r\nte: trailers\r\n\
                   cookie: a=1; b=2\r\nconnection: close, te\r\n\r\nhello";
    let answer = front.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n"), "{answer}");
    assert!(answer.contains("via: 2.0 stepgate\r\n"), "{answer}");
    let said = heard.all().remove(0);
    assert!(said.starts_with("POST http://app.example.com:8443/a%2e?b {"), "{said}");
    for part in [
        r#""te": "trailers""#,
        r#""content-length": "5""#,
        r#""via": "1.1 stepgate""#,
        r#""cookie": "a=1; b=2""#,
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains(r#""host""#) && !said.contains(r#""connection""#), "{said}");
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let (address, heard) = app().await;
    let front = over_http2(address).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = front.connect().await;
        client.send(get("/")).await;
        clients.push(client);
    }
    for client in &mut clients {
        assert!(client.rest().await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!((heard.all().len(), heard.connections()), (20, 1));
}

#[tokio::test]
async fn c11_request_trailers_pass_in_grpc_alone_and_name_nobody() {
    let (address, heard) = app().await;
    let front = over_http2(address).await;
    let io = TokioIo::new(front.connect().await.0);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    for kind in ["application/grpc+proto", "text/plain"] {
        let mut trailers = HeaderMap::new();
        for name in ["x-sum", "remote_user"] {
            trailers.insert(http::HeaderName::from_static(name), HeaderValue::from_static("7"));
        }
        let body = Full::new(Bytes::from_static(b"hi")).with_trailers(std::future::ready(Some(Ok(trailers))));
        let request = Request::post("http://app.example.com/")
            .header("content-type", kind)
            .body(body)
            .unwrap();
        let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
        let trailers = answer.trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert!(!trailers.contains_key("set-cookie"));
    }
    let said = heard.all();
    assert!(said[0].ends_with(r#"Some({"x-sum": "7"})"#), "{}", said[0]);
    assert!(said[1].ends_with(" None"), "{}", said[1]);
}

/// One frame: kind, flags, stream, payload.
type Raw = (u8, u8, u32, Vec<u8>);

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// END_STREAM and END_HEADERS.
const WHOLE: u8 = 5;
/// `:status: 200` in HPACK.
const STATUS_200: &[u8] = &[0x88];

/// An app that writes HTTP/2 frames by hand.
struct Frames(Client);

impl Frames {
    async fn accept(client: Client, settings: &[u8]) -> Self {
        let mut frames = Self(client);
        frames.0.0.read_exact(&mut [0; 24]).await.unwrap();
        frames.send((SETTINGS, 0, 0, settings.to_vec())).await;
        frames
    }

    async fn send(&mut self, (kind, flags, stream, payload): Raw) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        self.0.send(bytes).await;
    }

    /// The stream of the next request; settings are acknowledged on the way. `None` at the end.
    async fn request(&mut self) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            self.0.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            self.0.0.read_exact(&mut payload).await.ok()?;
            match (head[3], head[4]) {
                (HEADERS, _) => return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]])),
                (SETTINGS, 0) => self.send((SETTINGS, 1, 0, Vec::new())).await,
                _ => {}
            }
        }
    }

    async fn answer(&mut self, stream: u32) {
        self.send((HEADERS, WHOLE, stream, STATUS_200.to_vec())).await;
    }
}

/// Refuses the first request on its first connection in this way, and answers all others.
async fn refusing(how: fn(u32) -> Vec<Raw>) -> (SocketAddr, Heard) {
    upstream(move |client, number, heard| async move {
        let mut frames = Frames::accept(client, &[]).await;
        while let Some(stream) = frames.request().await {
            heard.note(format!("{number}:{stream}"));
            if number > 0 {
                frames.answer(stream).await;
                continue;
            }
            let refusal = how(stream);
            let ends = refusal.iter().any(|frame| frame.0 == GOAWAY);
            for frame in refusal {
                frames.send(frame).await;
            }
            if ends {
                return;
            }
        }
    })
    .await
}

const POST: &str =
    "POST / HTTP/1.1\r\nhost: app.example.com\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn what_was_refused_unseen_is_sent_again_on_another_connection() {
    let ways: [fn(u32) -> Vec<Raw>; 2] = [
        |stream| vec![(RST_STREAM, 0, stream, vec![0, 0, 0, 7])],
        // The last stream looked at is 0, and no error.
        |_| vec![(GOAWAY, 0, 0, vec![0; 8])],
    ];
    for how in ways {
        let (address, heard) = refusing(how).await;
        let answer = over_http2(address).await.exchange(POST).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(heard.all(), ["0:1", "1:1"]);
    }
}

#[tokio::test]
async fn c12_what_may_have_been_looked_at_is_not_sent_again() {
    let ways: [fn(u32) -> Vec<Raw>; 3] = [
        // Cancelled, not refused.
        |stream| vec![(RST_STREAM, 0, stream, vec![0, 0, 0, 8])],
        // The last stream looked at is ours; then the connection ends.
        |stream| vec![(GOAWAY, 0, 0, [stream.to_be_bytes(), [0; 4]].concat())],
        // It ends without a word.
        |_| vec![(GOAWAY, 0, 0, [[0x7f, 0xff, 0xff, 0xff], [0; 4]].concat())],
    ];
    for how in ways {
        let (address, heard) = refusing(how).await;
        let answer = over_http2(address).await.exchange(POST).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert_eq!(heard.all(), ["0:1"]);
    }
}

#[tokio::test]
async fn another_connection_is_opened_when_the_streams_of_one_are_used_up() {
    // SETTINGS_MAX_CONCURRENT_STREAMS is 1.
    let one_at_a_time = &[0, 3, 0, 0, 0, 1];
    let (address, heard) = upstream(move |client, number, heard| async move {
        let mut frames = Frames::accept(client, one_at_a_time).await;
        while let Some(stream) = frames.request().await {
            heard.note(format!("{number}:{stream}"));
            if (number, stream) != (0, 3) {
                frames.answer(stream).await;
            }
        }
    })
    .await;
    let front = over_http2(address).await;
    assert!(front.exchange(&get("/")).await.starts_with("HTTP/1.1 200 "));
    let mut waiting = front.connect().await;
    waiting.send(get("/waits")).await;
    while heard.all().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(front.exchange(&get("/")).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(heard.all(), ["0:1", "0:3", "1:1"]);
}
