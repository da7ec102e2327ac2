//! What a response may look like, and what becomes of the connection after it.

use std::future::poll_fn;
use std::task::Waker;

use http::header::{CONTENT_LENGTH, HeaderName};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

const ASKED: &[u8] = b"GET / HTTP/1.1\r\nhost: app\r\n\r\n";

/// What came of one exchange.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    status: u16,
    body: Vec<u8>,
    trailers: Vec<(String, String)>,
    /// The body did not end as it should have.
    broken: bool,
    /// Another exchange may follow.
    idle: bool,
}

fn seen(status: u16, body: &str, idle: bool) -> Seen {
    Seen { status, body: body.into(), idle, ..Seen::default() }
}

/// Asks once; the app answers in pieces and then closes, if it is to.
async fn exchange(pieces: &[&[u8]], closes: bool, head: bool) -> Result<Seen, NoResponse> {
    let (mut app, ours) = duplex(16);
    let mut wire = Wire::new(ours);
    wire.begin(head).extend_from_slice(ASKED);
    let answer = async {
        let mut asked = vec![0; ASKED.len()];
        app.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked, ASKED);
        for piece in pieces {
            app.write_all(piece).await.ok();
            tokio::task::yield_now().await;
        }
        (!closes).then_some(app)
    };
    let read = async move { read(&mut wire).await };
    let (_app, seen) = tokio::join!(answer, read);
    seen
}

async fn read(wire: &mut Wire<DuplexStream>) -> Result<Seen, NoResponse> {
    let head = poll_fn(|cx| wire.poll_head(cx)).await?;
    let mut seen = Seen { status: head.status.as_u16(), ..Seen::default() };
    while let Some(frame) = poll_fn(|cx| wire.poll_frame(cx)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => seen.body.extend_from_slice(&data),
            Ok(Err(frame)) => {
                let trailers = frame.into_trailers().unwrap();
                let text =
                    |(n, v): (&HeaderName, &http::HeaderValue)| (n.to_string(), v.to_str().unwrap().into());
                seen.trailers = trailers.iter().map(text).collect();
            }
            Err(BrokenBody) => {
                seen.broken = true;
                break;
            }
        }
    }
    seen.idle = wire.is_idle();
    Ok(seen)
}

/// The same, however the bytes are cut.
async fn always(answer: &str, closes: bool, head: bool) -> Result<Seen, NoResponse> {
    let bytes = answer.as_bytes();
    let whole = exchange(&[bytes], closes, head).await;
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(exchange(&single, closes, head).await, whole, "{answer}");
    whole
}

async fn open(answer: &str) -> Result<Seen, NoResponse> {
    always(answer, false, false).await
}

async fn closed(answer: &str) -> Result<Seen, NoResponse> {
    always(answer, true, false).await
}

#[tokio::test]
async fn a_length_ends_a_body_and_the_connection_lasts() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour";
    assert_eq!(open(answer).await, Ok(seen(200, "four", true)));
    let last = "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 4\r\n\r\nfour";
    assert_eq!(open(last).await, Ok(seen(200, "four", false)));
    let old = "HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\nfour";
    assert_eq!(open(old).await, Ok(seen(200, "four", false)));
    let kept = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 4\r\n\r\nfour";
    assert_eq!(open(kept).await, Ok(seen(200, "four", true)));
    assert_eq!(open("HTTP/1.1 200 OK\ncontent-length: 2\n\nok").await, Ok(seen(200, "ok", true)));
}

#[tokio::test]
async fn some_responses_have_no_body_whatever_they_say() {
    let not_modified = "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\n";
    assert_eq!(open(not_modified).await, Ok(seen(304, "", true)));
    assert_eq!(open("HTTP/1.1 204 No Content\r\n\r\n").await, Ok(seen(204, "", true)));
    let head = always("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", false, true).await;
    assert_eq!(head, Ok(seen(200, "", true)));
    let head = always("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, true).await;
    assert_eq!(head, Ok(seen(200, "", true)));
}

#[tokio::test]
async fn chunks_and_their_trailers_pass() {
    let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
    let plain = format!("{start}4;ext=\"x\"\r\nfour\r\n0A\r\n0123456789\r\n0\r\n\r\n");
    assert_eq!(open(&plain).await, Ok(seen(200, "four0123456789", true)));
    let trailers = format!("{start}1\r\nx\r\n0\r\nx-sum: 1\r\nx-end: 2\r\n\r\n");
    let expected = [("x-sum", "1"), ("x-end", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(open(&trailers).await, Ok(Seen { trailers: expected.into(), ..seen(200, "x", true) }));
}

#[tokio::test]
async fn without_a_length_the_end_of_the_connection_ends_the_body() {
    assert_eq!(closed("HTTP/1.1 200 OK\r\n\r\nall of it").await, Ok(seen(200, "all of it", false)));
}

#[tokio::test]
async fn r03_an_early_end_is_an_error_and_never_an_end() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfour";
    assert_eq!(closed(short).await, Ok(Seen { broken: true, ..seen(200, "four", false) }));
    for rest in [
        "5\r\nfour",
        "4\r\nfour",
        "4\r\nfour\r\n",
        "4\r\nfour\r\n0\r\n",
        "4\r\nfour\r\n0\r\nx: 1\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{rest}");
        assert_eq!(closed(&answer).await, Ok(Seen { broken: true, ..seen(200, "four", false) }), "{rest}");
    }
}

#[tokio::test]
async fn r04_what_could_be_read_in_two_ways_is_no_response() {
    for fields in [
        "content-length: 4\r\ncontent-length: 4\r\n",
        "content-length: 4\r\nContent-Length: 5\r\n",
        "content-length: 4, 4\r\n",
        "content-length: +4\r\n",
        "content-length: \r\n",
        "content-length: 0x4\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding : chunked\r\n",
        "content-length: 4\r\n folded: 1\r\n",
        "no colon\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\nfour");
        assert_eq!(open(&answer).await, Err(NoResponse::Broken), "{fields}");
    }
    let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(open(old).await, Err(NoResponse::Broken));
    for start in [
        "HTTP/2.0 200 OK",
        "HTTP/1.1 99 X",
        "HTTP/1.1 2000 X",
        "ICY 200 OK",
        "HTTP/1.1 101 X",
    ] {
        assert_eq!(open(&format!("{start}\r\n\r\n")).await, Err(NoResponse::Broken), "{start}");
    }
}

#[tokio::test]
async fn r04_a_broken_chunk_breaks_the_body() {
    for chunk in [
        "-4\r\nfour\r\n",
        "0x4\r\nfour\r\n",
        "\r\nfour\r\n",
        "4 4\r\nfour\r\n",
        "4\nfour\r\n",
        "11111111111111111\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
        let broken = Seen { broken: true, ..seen(200, "", false) };
        assert_eq!(open(&answer).await, Ok(broken), "{chunk:?}");
    }
    let start = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let longer = Seen { broken: true, ..seen(200, "four", false) };
    assert_eq!(open(&format!("{start}4\r\nfour!\r\n0\r\n\r\n")).await, Ok(longer));
    let endless = format!("{start}4;{}", "x".repeat(300));
    assert_eq!(open(&endless).await, Ok(Seen { broken: true, ..seen(200, "", false) }));
}

#[tokio::test]
async fn both_framings_end_the_connection_after_the_chunks() {
    let fields = "transfer-encoding: chunked\r\ncontent-length: 3\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n1\r\nx\r\n0\r\n\r\n");
    assert_eq!(open(&answer).await, Ok(seen(200, "x", false)));
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_end_the_connection() {
    let two = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n";
    let (mut app, ours) = duplex(1024);
    let mut wire = Wire::new(ours);
    wire.begin(false).extend_from_slice(ASKED);
    assert!(poll_fn(|cx| Poll::Ready(wire.poll_head(cx).is_pending())).await);
    app.write_all(two.as_bytes()).await.unwrap();
    assert_eq!(read(&mut wire).await, Ok(seen(200, "x", false)));
}

#[tokio::test]
async fn interim_responses_are_passed_over_within_bounds() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
    let some = format!("{}{last}", early.repeat(3));
    assert_eq!(open(&some).await, Ok(seen(200, "x", true)));
    let flood = format!("{}{last}", early.repeat(usize::from(MAX_INTERIM) + 1));
    assert_eq!(open(&flood).await, Err(NoResponse::Broken));
}

#[tokio::test]
async fn r04_a_header_block_has_bounds() {
    let fields = |count| "x: 1\r\n".repeat(count);
    let most = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", fields(99));
    assert_eq!(exchange(&[most.as_bytes()], false, false).await, Ok(seen(200, "", true)));
    let more = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", fields(100));
    assert_eq!(exchange(&[more.as_bytes()], false, false).await, Err(NoResponse::Broken));
    let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(2 * MAX_HEADER_BYTES));
    assert_eq!(exchange(&[long.as_bytes()], false, false).await, Err(NoResponse::Broken));
}

#[tokio::test]
async fn c12_how_far_a_request_had_come_is_known() {
    assert_eq!(closed("").await, Err(NoResponse::Lost));
    assert_eq!(closed("HTTP/1.1 2").await, Err(NoResponse::Broken));
    assert_eq!(closed("HTTP/1.1 103 X\r\n\r\n").await, Err(NoResponse::Broken));
    let (app, ours) = duplex(16);
    let mut wire = Wire::new(ours);
    drop(app);
    wire.begin(false).extend_from_slice(ASKED);
    assert_eq!(read(&mut wire).await, Err(NoResponse::Unsent));
}

#[tokio::test]
async fn an_idle_connection_shows_its_end_and_stray_bytes() {
    let cx = &mut Context::from_waker(Waker::noop());
    for stray in [None, Some(b"HTTP/1.1 408 Timeout\r\n\r\n")] {
        let (mut app, ours) = duplex(64);
        let mut wire = Wire::new(ours);
        assert!(wire.poll_ended(cx).is_pending() && wire.is_idle());
        match stray {
            Some(stray) => app.write_all(stray).await.unwrap(),
            None => drop(app),
        }
        assert!(wire.poll_ended(cx).is_ready() && !wire.is_idle() && wire.into_io().is_none());
    }
}

#[tokio::test]
async fn a_body_that_is_here_whole_frees_the_connection_at_once() {
    let (mut app, ours) = duplex(1024);
    let mut wire = Wire::new(ours);
    for _ in 0..2 {
        wire.begin(false).extend_from_slice(ASKED);
        assert!(poll_fn(|cx| Poll::Ready(wire.poll_head(cx).is_pending())).await);
        app.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour")
            .await
            .unwrap();
        let head = poll_fn(|cx| wire.poll_head(cx)).await.unwrap();
        assert_eq!(head.headers[CONTENT_LENGTH], "4");
        assert_eq!(wire.size_hint().exact(), Some(4));
        assert_eq!(wire.take_whole().unwrap(), "four");
        assert!(wire.is_idle() && wire.is_end());
    }
    wire.begin(false).extend_from_slice(ASKED);
    assert!(poll_fn(|cx| Poll::Ready(wire.poll_head(cx).is_pending())).await);
    app.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfour")
        .await
        .unwrap();
    poll_fn(|cx| wire.poll_head(cx)).await.unwrap();
    assert_eq!(wire.take_whole(), None);
    assert!(!wire.is_idle());
}
