//! Everything that waits has a deadline (security.md 1.4), and everything that grows a bound.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use crate::support::{Gate, Raw, Setup, Upstream, ok, poll, timed};

const ROUTES: &str = "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: public, max_body: 64KiB }
  - { name: slow, host: slow.localhost, upstream: \"http://127.0.0.1:1\", require: public }
";

fn gate(upstream: &str) -> Gate {
    Setup::new(&ROUTES.replace("$UPSTREAM", upstream))
        .server("timeouts: { handshake: 2s, headers: 2s, idle: 2s, body_idle: 2s, upstream_connect: 2s, upstream_response: 2s }")
        .start()
}

/// The configured two seconds, and what a busy machine may add.
const ENOUGH: Duration = Duration::from_secs(8);

#[test]
fn d06_a_silent_peer_is_let_go() {
    let upstream = Upstream::start();
    let gate = gate(&upstream.url());
    assert!(gate.raw().closes_within(ENOUGH), "no first byte");
    assert!(
        gate.raw().send("GET /x HTTP/1.1\r\nHost: loc").closes_within(ENOUGH),
        "half a header block"
    );
    assert!(gate.raw().send("PRI * HTTP/2.0\r\n\r\nSM").closes_within(ENOUGH), "half a preface");
    let mut idle = gate.raw().send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    idle.reply().expect(200);
    assert!(idle.closes_within(ENOUGH), "no next request");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn d06_one_byte_at_a_time_does_not_extend_the_deadline_of_headers() {
    let upstream = Upstream::start();
    let gate = gate(&upstream.url());
    let mut raw = gate.raw().send("GET /x HTTP/1.1\r\nX-Slow: ");
    let ended = poll(ENOUGH, || {
        let _ = raw.try_send("y");
        raw.socket().set_nonblocking(true).unwrap();
        let mut byte = [0];
        let peeked = raw.socket().peek(&mut byte);
        raw.socket().set_nonblocking(false).unwrap();
        match peeked {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => None,
            _ => Some(()),
        }
    });
    assert!(ended.is_some(), "the connection lives on");
}

#[test]
fn d05_an_unfinished_http2_header_block_is_ended() {
    let upstream = Upstream::start();
    let gate = gate(&upstream.url());
    // Preface, empty SETTINGS, then HEADERS without END_HEADERS.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]);
    assert!(gate.raw().send(&bytes).closes_within(Duration::from_secs(20)));
}

#[test]
fn d06_a_body_that_stalls_is_ended() {
    let upstream = Upstream::start();
    let gate = gate(&upstream.url());
    let mut raw = gate
        .raw()
        .send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhel");
    assert!(raw.closes_within(ENOUGH));
}

#[test]
fn an_upstream_that_does_not_answer_costs_a_504_and_one_that_is_not_there_a_502() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = gate(&format!("http://{}", silent.local_addr().unwrap()));
    let get = |host: &str| {
        timed(|| {
            gate.raw()
                .send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
                .reply()
        })
    };
    let (reply, took) = get("localhost");
    assert_eq!(reply.status, 504, "{}", reply.text());
    assert!(took < ENOUGH, "{took:?}");
    assert_eq!(get("slow.localhost").0.status, 502);
}

#[test]
fn an_upstream_that_stalls_or_dies_in_the_middle_is_not_made_to_look_complete() {
    let upstream = Upstream::scripted(|request, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        if request.target() == "/stall" {
            std::io::Read::read(stream, &mut [0]).ok();
        }
        Ok(false)
    });
    let gate = gate(&upstream.url());
    for target in ["/die", "/stall"] {
        let mut raw = gate.raw().send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let (answer, closed) = raw.rest(ENOUGH);
        assert!(closed, "{target}: still open");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(target == "/die" || answer.contains("hello"), "{target}: {answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{target}: a cut answer looks complete: {answer}");
    }
}

#[test]
fn a_body_over_the_bound_is_refused_before_and_while_it_is_read() {
    let upstream = Upstream::start();
    let gate = gate(&upstream.url());
    let announced = gate
        .raw()
        .send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n")
        .reply();
    assert_eq!(announced.status, 413);
    assert!(upstream.requests().is_empty());
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let mut raw = gate
        .raw()
        .send("POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..4 {
        let _ = raw.try_send(&chunk);
    }
    let (answer, closed) = raw.rest(ENOUGH);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(closed && !answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    assert!(upstream.requests().is_empty(), "a body that is too long never completes at the upstream");
    let body = "x".repeat(65_536);
    let fits = gate
        .raw()
        .send(format!(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\nConnection: close\r\n\r\n{body}"
        ))
        .reply();
    assert_eq!(fits.status, 200);
}

#[test]
fn a_slow_request_in_flight_is_not_idle() {
    let upstream = Upstream::scripted(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for _ in 0..6 {
            poll(Duration::from_millis(600), || None::<()>);
            stream.write_all(b"1\r\n.\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")?;
        Ok(true)
    });
    let gate = gate(&upstream.url());
    let reply = gate
        .raw()
        .send("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .reply();
    assert_eq!(reply.text(), "......", "longer than every idle limit, never silent for that long");
}

#[test]
fn d07_a_tls_handshake_that_stalls_is_ended() {
    let upstream = Upstream::answering(|_| ok("x"));
    let gate = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .server("timeouts: { handshake: 2s }")
        .tls(&["localhost"])
        .start();
    assert!(Raw::connect(gate.address()).closes_within(ENOUGH), "silence");
    assert!(
        Raw::connect(gate.address()).send([0x16, 3, 1, 2, 0, 1]).closes_within(ENOUGH),
        "half a hello"
    );
}
