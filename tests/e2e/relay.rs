//! WebSockets between two libraries that are not ours, through the gate, over both versions of HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{Gate, Setup, Upstream, ok, poll, run};

const ROUTES: &str = "
  - { name: chat, host: localhost, upstream: $UPSTREAM, require: signed-in, rules: [{ path: /open, require: public }] }
";

/// The script with both libraries, on the interpreter that `tests/run` has installed them for.
fn peer(arguments: &[&str]) -> Command {
    let target = Path::new(env!("CARGO_BIN_EXE_stepgate")).ancestors().nth(2).map(Path::to_owned);
    let installed: Option<PathBuf> = target.map(|target| target.join("tools/python/bin/python3"));
    let python = installed.filter(|python| python.exists()).unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/websocket.py"))
        .args(arguments);
    command
}

/// An echo server made with one of them; ends with the test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(library: &str) -> Self {
        let mut child = peer(&["serve", library]).stdout(Stdio::piped()).spawn().expect("python3 runs");
        let mut port = String::new();
        let _ = BufReader::new(child.stdout.take().expect("piped")).read_line(&mut port);
        Self { child, url: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gate(upstream: &str) -> Gate {
    Setup::new(&ROUTES.replace("$UPSTREAM", upstream)).user("anna", &[]).start()
}

#[track_caller]
fn ask(gate: &Gate, library: &str, cookies: &str, mebibytes: u32) -> String {
    let port = gate.setup.port().to_string();
    // Bounded by the peer's own patience with every step.
    let mut command = peer(&[
        "ask",
        library,
        &port,
        "localhost",
        cookies,
        &mebibytes.to_string(),
    ]);
    let finished = command.output().expect("python3 runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(finished.status.success(), "{library}: {}", text(&finished.stderr));
    text(&finished.stdout)
        .strip_prefix("ok ")
        .expect("all messages came back")
        .to_owned()
}

fn everything_arrives(mebibytes: u32) {
    for (server, clients) in [
        ("websockets", ["wsproto", "h2"]),
        ("wsproto", ["websockets", "h2"]),
    ] {
        let upstream = Server::start(server);
        let gate = gate(&upstream.url);
        let cookies = gate.signed_in("anna").cookie_header("localhost").unwrap();
        for client in clients {
            let negotiated = ask(&gate, client, &cookies, mebibytes);
            let compressed = negotiated.contains("permessage-deflate");
            assert_eq!(compressed, server == "websockets", "{client} to {server}: {negotiated}");
        }
    }
}

#[test]
fn two_libraries_understand_each_other_through_the_gate() {
    everything_arrives(1);
}

#[test]
#[ignore = "slow: messages of 64 MiB"]
fn two_libraries_exchange_the_largest_messages() {
    everything_arrives(64);
}

/// The status of an extended CONNECT.
fn refused(gate: &Gate, cookies: &str, protocol: &str) -> String {
    let port = gate.setup.port().to_string();
    let mut command = peer(&["ask", "h2", &port, "localhost", cookies]);
    let finished = run(command.env("REFUSED", "1").env("PROTOCOL", protocol)).expect(0);
    finished.stdout.trim().to_owned()
}

#[test]
fn over_http2_only_an_allowed_websocket_opens() {
    let upstream = Upstream::answering(|_| ok("no WebSocket"));
    let gate = gate(&upstream.url());
    let cookies = gate.signed_in("anna").cookie_header("localhost").unwrap();
    assert_eq!(refused(&gate, "", "websocket"), "ok 401");
    assert_eq!(refused(&gate, &cookies, "connect-udp"), "ok 405");
    assert!(upstream.requests().is_empty(), "nothing of these");
    // Success would tell the client that it is open.
    assert_eq!(refused(&gate, &cookies, "websocket"), "ok 502");
    let request = upstream.last();
    assert_eq!(request.line(), "GET /ws HTTP/1.1");
    assert_eq!(request.all("upgrade"), ["websocket"]);
    assert_eq!(request.all("sec-websocket-key").len(), 1);
    assert_eq!(request.all("remote-user"), ["anna"]);
}

#[test]
fn over_http2_an_accept_that_is_not_for_our_key_is_no_agreement() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            .to_vec()
    });
    let gate = gate(&upstream.url());
    let cookies = gate.signed_in("anna").cookie_header("localhost").unwrap();
    assert_eq!(refused(&gate, &cookies, "websocket"), "ok 502");
}

#[test]
fn over_http2_a_websocket_stays_open_and_ends_with_its_session() {
    let upstream = Server::start("websockets");
    let gate = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url))
        .user("anna", &[])
        .server("timeouts: { idle: 1s }")
        .start();
    let mut anna = gate.signed_in("anna");
    let cookies = anna.cookie_header("localhost").unwrap();
    let port = gate.setup.port().to_string();
    let mut client = peer(&["ask", "h2", &port, "localhost", &cookies])
        .env("HELD", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut said = BufReader::new(client.stdout.take().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "hello\n");
    // Far longer than a connection may be idle.
    poll(Duration::from_secs(4), || client.try_wait().unwrap().map(|_| ()));
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    line.clear();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "ok 200 3000 the session has ended\n");
    client.wait().unwrap();
}

/// Agrees to every upgrade and keeps the sockets.
fn agreeing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        let mut open: Vec<TcpStream> = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if !matches!(stream.read(&mut byte), Ok(1)) {
                    break;
                }
                head.push(byte[0]);
            }
            let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n");
            open.push(stream);
        }
    });
    url
}

fn memory(gate: &Gate) -> u64 {
    std::fs::read_to_string(format!("/proc/{}/status", gate.process()))
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok())
        .expect("a running process has memory")
}

/// KiB for each of so many idle WebSockets of one person.
fn idle(count: u32) -> u64 {
    let gate = gate(&agreeing());
    let cookies = gate.signed_in("anna").cookie_header("localhost").unwrap();
    let open = || {
        let mut socket = gate.raw().send(format!(
            "GET /ws HTTP/1.1\r\nHost: localhost:{0}\r\nOrigin: http://localhost:{0}\r\nCookie: {cookies}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            gate.setup.port()
        ));
        socket.reply().expect(101);
        socket.socket().try_clone().expect("a descriptor")
    };
    let mut sockets: Vec<TcpStream> = (0..200).map(|_| open()).collect();
    let before = memory(&gate);
    sockets.extend((0..count).map(|_| open()));
    (memory(&gate) - before) / u64::from(count)
}

#[test]
fn an_idle_websocket_costs_little_memory() {
    let each = idle(1000);
    // Without optimisation it is twice what it is with it. A buffer kept by mistake costs 8 KiB.
    assert!(each <= 8, "{each} KiB each");
}
