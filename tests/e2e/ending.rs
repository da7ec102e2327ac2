//! What the service manager and HTTP/2 clients are told when the process begins, reloads and ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;

use crate::support::{PATIENCE, Setup, Upstream, stepgate, wait_until};

const ROUTES: &str = "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: public }
";

/// What arrives at the service manager's socket, until it contains all of `wanted` in this order.
fn hear(socket: &UnixDatagram, wanted: &[&str]) {
    let mut all = String::new();
    let mut buffer = [0; 4096];
    for word in wanted {
        while !all.contains(word) {
            let length = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("{word} after {all:?}: {e}"));
            all.push_str(&String::from_utf8_lossy(&buffer[..length]));
            all.push('\n');
        }
    }
}

#[test]
fn the_service_manager_is_told() {
    let upstream = Upstream::start();
    let setup = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()));
    let path = setup.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = stepgate(&["run", "-c"])
        .arg(setup.write())
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    hear(&socket, &["READY=1"]);
    hear(&socket, &["WATCHDOG=1"]);
    let signal = |name: &str| {
        std::process::Command::new("kill")
            .args(["-s", name, &child.id().to_string()])
            .status()
            .unwrap();
    };
    signal("HUP");
    hear(&socket, &["RELOADING=1", "MONOTONIC_USEC=", "READY=1"]);
    signal("TERM");
    hear(&socket, &["STOPPING=1"]);
    let status = wait_until("the end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn r15_http2_connections_are_told_to_go_away() {
    let upstream = Upstream::start();
    let mut gate = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url())).start();
    let mut socket = TcpStream::connect(gate.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // `GET http://localhost/`, complete.
    let request = b"\0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x84\x41\x09localhost";
    socket
        .write_all(
            &[
                &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
                request,
            ]
            .concat(),
        )
        .unwrap();
    wait_until("the request to arrive", || (!upstream.requests().is_empty()).then_some(()));
    gate.signal("TERM");
    let mut heard = Vec::new();
    socket.read_to_end(&mut heard).expect("the connection ends");
    let (mut kinds, mut rest) = (Vec::new(), heard.as_slice());
    while rest.len() >= 9 {
        kinds.push(rest[3]);
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    assert!(kinds.contains(&7), "GOAWAY among {kinds:?}");
    assert_eq!(wait_until("the end", || gate.exited()), Some(0));
}
