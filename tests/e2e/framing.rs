//! Message framing (security.md 1.3): one message is one message, for us and for the upstream.

use std::time::Duration;

use crate::support::{Gate, Raw, Recorded, Setup, Upstream, ok};

const ROUTES: &str = "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: public
    rules: [{ path: /closed/**, require: standard }]
  - { name: strict, host: strict.localhost, upstream: $UPSTREAM, require: signed-in }
";

/// Long enough for an answer, short enough to wait for none.
const SOON: Duration = Duration::from_millis(1500);

fn gate(upstream: &Upstream) -> Gate {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .user("anna", &[])
        .start()
}

/// Everything the gate answers to these bytes until it closes.
fn answers(gate: &Gate, bytes: &str) -> String {
    let mut raw = Raw::connect(gate.address()).send(bytes);
    String::from_utf8_lossy(&raw.rest(SOON).0).into_owned()
}

/// Refused, the connection closed, nothing forwarded.
#[track_caller]
fn refused(gate: &Gate, upstream: &Upstream, bytes: &str) {
    upstream.take();
    let mut raw = Raw::connect(gate.address()).send(bytes);
    let (answer, closed) = raw.rest(SOON);
    let reached: Vec<String> = upstream.take().iter().map(Recorded::line).collect();
    assert!(reached.is_empty(), "{bytes:?} reached the upstream as {reached:?}");
    assert!(closed, "{bytes:?}: the connection stays open");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
        "{bytes:?}: {answer}"
    );
    assert!(
        answer.matches("HTTP/1.1 ").count() <= 1,
        "{bytes:?} was read as more than one request: {answer}"
    );
}

#[test]
fn c01_length_and_chunks_at_once_are_never_two_messages() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let smuggled = "GET /closed/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        upstream.take();
        let answer = answers(
            &gate,
            &format!("POST /x HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n0\r\n\r\n{smuggled}"),
        );
        assert!(!upstream.requests().iter().any(|r| r.target().contains("smuggled")), "{answer}");
        for request in upstream.take() {
            assert!(request.body.is_empty(), "{}", String::from_utf8_lossy(&request.body));
            let framings = request.all("content-length").len() + request.all("transfer-encoding").len();
            assert!(framings <= 1, "framing is made anew: {}", String::from_utf8_lossy(&request.head));
        }
    }
    for coding in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \"chunked\"",
    ] {
        refused(
            &gate,
            &upstream,
            &format!("POST /x HTTP/1.1\r\nHost: localhost\r\n{coding}\r\n\r\n0\r\n\r\n"),
        );
    }
}

#[test]
fn c02_lengths_that_are_none() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for length in [
        "+5",
        "-5",
        "5 5",
        "5,6",
        "0x5",
        "5.0",
        "",
        " ",
        "99999999999999999999999",
        "5\u{b}",
        "5\r\nContent-Length: 6",
        "5_0",
        "٥",
    ] {
        refused(
            &gate,
            &upstream,
            &format!("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\nhello"),
        );
    }
}

#[test]
fn c03_chunks_are_read_strictly() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for body in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n0",
        "fffffffffffffffff\r\nhello\r\n",
        "5 \u{0}\r\nhello\r\n0\r\n\r\n",
        "g\r\n",
        "5;\nGET /closed/smuggled HTTP/1.1\r\nhello\r\n0\r\n\r\n",
    ] {
        upstream.take();
        let text = format!(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /closed/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let answer = answers(&gate, &text);
        for request in upstream.take() {
            assert!(!request.target().contains("smuggled"), "{body:?}: {answer}");
            assert!(request.body.is_empty() || request.body == b"hello", "{body:?}: {:?}", request.body);
        }
    }
    let good = "5;name=value\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n";
    let answer = answers(
        &gate,
        &format!(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{good}"
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(upstream.last().body, b"hello!");
}

#[test]
fn c04_names_and_values_that_are_none() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for field in [
        ": x",
        "X Y: 1",
        "X-A : 1",
        "\0: 1",
        "X-\0A: 1",
        "X-A: a\0b",
        "X-A: a\rb",
        "X-A\r\n: 1",
        " X-A: 1",
        "X-A: 1\r\n folded",
        "X-\u{e9}: 1",
        "(x): 1",
        "no-colon",
    ] {
        refused(&gate, &upstream, &format!("GET /x HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n"));
    }
    for line_ends in [
        "GET /x HTTP/1.1\nHost: localhost\n\n",
        "GET /x HTTP/1.1\r\nHost: localhost\nX: 1\r\n\r\n",
    ] {
        upstream.take();
        answers(&gate, line_ends);
        for request in upstream.take() {
            assert!(
                !request.head.windows(2).any(|w| w[1] == b'\n' && w[0] != b'\r'),
                "a bare line feed was passed on"
            );
        }
    }
}

#[test]
fn c05_nothing_is_tunnelled_before_the_upstream_agrees() {
    let upstream = Upstream::answering(|_| ok("no upgrade here"));
    let gate = gate(&upstream);
    let smuggled = "GET /closed/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = answers(
        &gate,
        &format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n{smuggled}"
        ),
    );
    assert!(!upstream.requests().iter().any(|r| r.target().contains("smuggled")), "{answer}");
    for request in upstream.requests() {
        assert!(!String::from_utf8_lossy(&request.body).contains("smuggled"));
    }
}

#[test]
fn c06_the_body_of_a_refused_request_is_not_the_next_request() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let inner = "GET /public-smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for path in [
        "/closed/x",
        "/.stepgate/no-such-page",
        "/.stepgate/api/v1/session",
    ] {
        upstream.take();
        let answer = answers(
            &gate,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{inner}",
                inner.len()
            ),
        );
        assert!(upstream.requests().is_empty(), "{path}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{path}: {answer}");
    }
    // Announced and never sent: the answer comes without waiting for it.
    let mut raw = gate
        .raw()
        .send("POST /closed/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
    raw.reply().expect(401);
    assert!(
        raw.send(inner.repeat(4)).closes_within(Duration::from_secs(15)),
        "and the connection is given up"
    );
    assert!(upstream.requests().is_empty());
}

#[test]
fn c07_a_request_body_never_ends_by_closing() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let answer =
        answers(&gate, "POST /x HTTP/1.0\r\nHost: localhost\r\n\r\nGET /closed/smuggled HTTP/1.1\r\n\r\n");
    for request in upstream.requests() {
        assert!(request.body.is_empty(), "{answer}");
        assert!(!request.target().contains("smuggled"));
    }
}

#[test]
fn c08_http2_fields_cannot_break_into_http1() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let port = gate.setup.port();
    let curl = |arguments: &[&str]| {
        crate::support::run(
            std::process::Command::new("curl")
                .args([
                    "-s",
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_version} %{http_code}",
                    "--http2-prior-knowledge",
                ])
                .args(arguments),
        )
    };
    let good = curl(&[&format!("http://localhost:{port}/x?y")]).expect(0);
    assert_eq!(good.stdout, "2 200", "{}", good.stderr);
    assert_eq!(upstream.last().line(), "GET /x?y HTTP/1.1");
    upstream.take();
    for header in [
        "Transfer-Encoding: chunked",
        "Connection: X-Forwarded-For",
        "X-Bad: a\rb",
        "Content-Length: 5",
    ] {
        curl(&["-H", header, &format!("http://localhost:{port}/x")]);
        for request in upstream.take() {
            assert_eq!(request.twins("transfer-encoding"), Vec::<String>::new(), "{header}");
            assert_eq!(request.twins("x-forwarded-for"), ["127.0.0.1"], "{header}");
            assert!(request.body.is_empty(), "{header}");
        }
    }
    let closed = curl(&[&format!("http://localhost:{port}/closed/x")]).expect(0);
    assert_eq!(closed.stdout, "2 401");
    let other = curl(&[
        "-H",
        "Host: strict.localhost",
        &format!("http://localhost:{port}/x"),
    ]);
    assert!(other.stdout.ends_with("401") || other.stdout.ends_with("400"), "{}", other.stdout);
}

#[test]
fn c09_only_websocket_is_relayed() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for upgrade in ["h2c", "websocket, h2c", "TLS/1.0", "h2c, websocket", "foo"] {
        let mut raw = gate.raw().send(format!(
            "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        ));
        let reply = raw.reply();
        assert_ne!(reply.status, 101, "{upgrade}");
        for request in upstream.take() {
            assert_eq!(request.all("upgrade"), Vec::<String>::new(), "{upgrade}");
            assert_eq!(request.all("http2-settings"), Vec::<String>::new(), "{upgrade}");
        }
    }
}

#[test]
fn c10_every_request_of_a_connection_is_judged_by_itself() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut strict = gate.signed_in("anna");
    strict.go(&gate.url("strict.localhost", "/hello")).expect(200);
    let cookie = strict.cookie_header("strict.localhost").expect("a cookie by hand-off");
    upstream.take();
    let mut raw = gate.raw();
    let mut ask = |host: &str, path: &str, cookie: &str| {
        raw.try_send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\n"))
            .unwrap();
        raw.reply().status
    };
    let cookie = format!("Cookie: {cookie}\r\n");
    assert_eq!(ask("localhost", "/x", ""), 200);
    assert_eq!(ask("strict.localhost", "/x", &cookie), 200);
    assert_eq!(ask("strict.localhost", "/x", ""), 401);
    assert_eq!(ask("localhost", "/closed/x", ""), 401);
    assert_eq!(ask("strict.localhost", "/x", &cookie), 200);
    assert_eq!(ask("localhost", "/closed/x", &cookie), 401);
}

#[test]
fn c11_trailers_do_not_become_headers() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    gate.raw()
        .send(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: Remote-User\r\nConnection: close\r\n\r\n\
             2\r\nhi\r\n0\r\nRemote-User: mallory\r\nX-Late: 1\r\n\r\n",
        )
        .reply()
        .expect(200);
    let request = upstream.last();
    assert_eq!(request.body, b"hi");
    assert_eq!(request.twins("remote-user"), Vec::<String>::new());
    assert_eq!(request.twins("x-late"), Vec::<String>::new());
}

#[test]
fn response_trailers_reach_a_client_that_wants_them() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n2\r\nhi\r\n0\r\nX-Checksum: 42\r\n\r\n".to_vec()
    });
    let gate = gate(&upstream);
    let reply = gate
        .raw()
        .send("GET /x HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
        .reply()
        .expect(200);
    assert_eq!(reply.text(), "hi");
    assert_eq!(reply.trailers, [("x-checksum".to_owned(), "42".to_owned())]);
}

#[test]
fn c12_what_may_have_been_written_is_not_sent_twice() {
    // The second request on a kept connection is read and then the connection dies without an answer.
    let upstream = Upstream::scripted(|request, stream| {
        use std::io::Write as _;
        if request.target() == "/first" {
            stream.write_all(&ok("one"))?;
            return Ok(true);
        }
        Ok(false)
    });
    let gate = gate(&upstream);
    for _ in 0..4 {
        gate.raw()
            .send("GET /first HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .reply()
            .expect(200);
        upstream.take();
        let reply = gate
            .raw()
            .send("POST /pay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            .reply();
        assert_eq!(reply.status, 502, "{}", reply.text());
        let posts = upstream.take().iter().filter(|r| r.method() == "POST").count();
        assert_eq!(posts, 1);
    }
}

#[test]
fn c12_a_kept_connection_that_the_upstream_closed_costs_no_safe_request() {
    // Closes after each answer, without saying so.
    let upstream = Upstream::scripted(|_, stream| {
        use std::io::Write as _;
        stream.write_all(&ok("here"))?;
        Ok(false)
    });
    let gate = gate(&upstream);
    for _ in 0..20 {
        gate.raw()
            .send("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .reply()
            .expect(200);
    }
}

#[test]
fn lengths_of_head_and_304_are_kept() {
    let upstream = Upstream::answering(|request| {
        if request.method() == "HEAD" {
            b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_vec()
        }
    });
    let gate = gate(&upstream);
    let mut raw = gate.raw().send("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let reply = raw.reply_to("HEAD").unwrap();
    assert_eq!(reply.header("content-length"), Some("12345"));
    raw.try_send("GET /x HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"x\"\r\n\r\n")
        .unwrap();
    let reply = raw.reply().expect(304);
    assert_eq!(reply.header("etag"), Some("\"x\""));
}
