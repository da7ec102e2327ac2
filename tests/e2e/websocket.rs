//! WebSocket upgrades: judged like any request, relayed byte for byte, cut when they must be.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::support::{Gate, Raw, Setup, Upstream, ok, poll};

const ROUTES: &str = "
  - name: chat
    host: localhost
    upstream: $UPSTREAM
    require: signed-in
    rules: [{ path: /public/**, require: public }]
";

/// Agrees to every upgrade and then echoes bytes; `/refuse` gets a 403; the end of sending is answered with `bye`.
fn echo() -> Upstream {
    Upstream::scripted(|request, stream| {
        if request.target() == "/refuse" || request.header("upgrade").is_none() {
            stream.write_all(&ok("plain"))?;
            return Ok(true);
        }
        stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        )?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let n = stream.read(&mut buffer)?;
            if n == 0 {
                stream.write_all(b"bye")?;
                return Ok(false);
            }
            stream.write_all(&buffer[..n])?;
        }
    })
}

fn gate(upstream: &Upstream) -> Gate {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .user("anna", &[])
        .server("drain: 2s")
        .start()
}

fn upgrade(gate: &Gate, path: &str, fields: &str) -> Raw {
    gate.raw().send(format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\n{fields}Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
        gate.setup.port()
    ))
}

fn with_session(gate: &Gate) -> String {
    let anna = gate.signed_in("anna");
    format!(
        "Cookie: {}\r\nOrigin: http://localhost:{}\r\n",
        anna.cookie_header("localhost").unwrap(),
        gate.setup.port()
    )
}

#[test]
fn bytes_pass_both_ways_unchanged_with_half_close() {
    let upstream = echo();
    let gate = gate(&upstream);
    let mut socket = upgrade(&gate, "/ws?room=1", &with_session(&gate));
    let reply = socket.reply();
    assert_eq!(reply.status, 101, "{}", reply.text());
    assert!(reply.header("upgrade").is_some_and(|u| u.eq_ignore_ascii_case("websocket")));
    let request = upstream.last();
    assert_eq!(request.target(), "/ws?room=1");
    assert_eq!(request.all("remote-user"), ["anna"]);
    assert_eq!(request.all("sec-websocket-protocol"), ["chat"]);
    for size in [1, 125, 126, 65_535, 65_536, 1_000_000] {
        let bytes: Vec<u8> = (0..size).map(|i: u32| u8::try_from(i % 251).unwrap()).collect();
        let mut writer = socket.socket().try_clone().unwrap();
        let sent = bytes.clone();
        let thread = std::thread::spawn(move || writer.write_all(&sent));
        assert_eq!(socket.read_exact(bytes.len()).unwrap(), bytes, "{size} bytes");
        thread.join().unwrap().unwrap();
    }
    socket.finish_sending();
    assert_eq!(
        socket.rest(Duration::from_secs(10)),
        (b"bye".to_vec(), true),
        "each direction ends by itself"
    );
}

#[test]
fn a16_without_a_session_nothing_reaches_the_upstream() {
    let upstream = echo();
    let gate = gate(&upstream);
    let mut socket = upgrade(&gate, "/ws", &format!("Origin: http://localhost:{}\r\n", gate.setup.port()));
    assert_eq!(socket.reply().status, 401);
    assert!(upstream.requests().is_empty());
}

#[test]
fn g09_an_upgrade_from_another_site_is_refused() {
    let upstream = echo();
    let gate = gate(&upstream);
    let cookie = with_session(&gate);
    let cookie = cookie.split("\r\n").next().unwrap();
    for origin in [
        "https://evil.test",
        "null",
        "http://localhost.evil.test",
        "http://evil.localhost",
    ] {
        let mut socket = upgrade(&gate, "/ws", &format!("{cookie}\r\nOrigin: {origin}\r\n"));
        assert_eq!(socket.reply().status, 403, "{origin}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_upstream_that_refuses_is_relayed_as_it_is() {
    let upstream = echo();
    let gate = gate(&upstream);
    let mut socket = upgrade(&gate, "/refuse", &with_session(&gate));
    let reply = socket.reply();
    assert_eq!((reply.status, reply.text().as_str()), (200, "plain"));
}

#[test]
fn a_101_that_nobody_asked_for_is_an_error() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec()
    });
    let gate = gate(&upstream);
    let reply = gate
        .raw()
        .send("GET /public/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .reply();
    assert_eq!(reply.status, 502);
}

#[test]
fn draining_ends_open_sockets_at_the_deadline() {
    let upstream = echo();
    let mut gate = gate(&upstream);
    let mut socket = upgrade(&gate, "/ws", &with_session(&gate));
    assert_eq!(socket.reply().status, 101);
    gate.signal("TERM");
    socket.try_send("still here").unwrap();
    assert_eq!(socket.read_exact(10).unwrap(), b"still here");
    assert!(socket.closes_within(Duration::from_secs(10)));
    let exit = poll(Duration::from_secs(10), || gate.exited());
    assert_eq!(exit, Some(Some(0)));
}
