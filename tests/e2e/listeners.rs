//! Where connections come in: unix sockets, PROXY protocol, bounds by address.

use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use crate::support::{Gate, PATIENCE, Raw, Reply, Setup, Upstream, poll, read_reply, wait_until};

/// A gate with these keys in its `server` section beside the portal, before a recording upstream.
fn gate(upstream: &Upstream, server: &str) -> Gate {
    let routes = "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: public }
";
    Setup::new(&routes.replace("$UPSTREAM", &upstream.url()))
        .section(
            "server",
            &format!("{{ public_url: \"http://localhost:$PORT\", operations: \"127.0.0.1:0\", {server} }}"),
        )
        .start()
}

fn ask_unix(path: &std::path::Path, fields: &str) -> Reply {
    let mut stream = UnixStream::connect(path).expect("the socket answers");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /x HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n").unwrap();
    read_reply(&mut BufReader::new(stream), "GET").expect("an answer")
}

#[test]
fn a_unix_socket_serves_its_group_and_is_gone_at_the_end() {
    let upstream = Upstream::start();
    let mut gate = gate(&upstream, "listen: [\"127.0.0.1:$PORT\", \"unix:$DIR/gate.sock\"], workers: 2");
    let socket = gate.setup.path("gate.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    for _ in 0..4 {
        assert_eq!(ask_unix(&socket, "X-Forwarded-For: 203.0.113.9\r\n").text(), "upstream");
    }
    gate.raw()
        .send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .reply()
        .expect(200);
    // Nobody was trusted: what the peer says of others counts for nothing.
    assert!(
        upstream
            .requests()
            .iter()
            .all(|r| r.header("x-forwarded-for").as_deref() != Some("203.0.113.9"))
    );
    // A power cut leaves the file behind; the next start takes its place.
    gate.kill();
    assert!(socket.exists());
    gate.start_again();
    ask_unix(&socket, "").expect(200);
    gate.signal("TERM");
    assert_eq!(wait_until("the end", || gate.exited()), Some(0));
    assert!(!socket.exists());
}

#[test]
fn b05_peers_on_a_unix_socket_are_proxies_only_where_the_configuration_says_so() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "listen: \"unix:$DIR/gate.sock\", trusted_proxies: [unix]");
    ask_unix(&gate.setup.path("gate.sock"), "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n").expect(200);
    assert_eq!(upstream.requests()[0].header("x-forwarded-for").as_deref(), Some("203.0.113.9"));
}

/// The signature of version 2 and a TCP4 connection from 203.0.113.9, with one extension.
const SECOND: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xcb\0\x71\x09\x0a\0\0\x01\x12\x34\x01\xbb\x04\0\x01\x2a";

const GET: &str =
    "GET /x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n";

#[test]
fn a_balancer_that_is_trusted_says_whose_connection_it_is() {
    let upstream = Upstream::start();
    let listen = "listen: { address: \"127.0.0.1:$PORT\", proxy_protocol: true }";
    let gate = gate(&upstream, &format!("{listen}, trusted_proxies: [127.0.0.1, 10.0.0.9]"));
    let from = |header: &[u8]| {
        upstream.requests().clear();
        let before = upstream.requests().len();
        gate.raw().send(header).send(GET).reply().expect(200);
        upstream.requests()[before].header("x-forwarded-for").unwrap_or_default()
    };
    // The announced client's own list counts for nothing…
    assert_eq!(from(b"PROXY TCP4 203.0.113.9 10.0.0.1 4660 443\r\n"), "203.0.113.9");
    assert_eq!(from(SECOND), "203.0.113.9");
    assert_eq!(from(b"PROXY TCP6 2001:db8::9 ::1 4660 443\r\n"), "2001:db8::9");
    // …a proxy behind the balancer may speak for its clients…
    assert_eq!(from(b"PROXY TCP4 10.0.0.9 10.0.0.1 4660 443\r\n"), "198.51.100.7");
    // …and so may the balancer itself.
    assert_eq!(from(b"PROXY UNKNOWN\r\n"), "198.51.100.7");
    assert_eq!(from(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"), "198.51.100.7");
    // Without a header, or with a broken one, there is no answer at all.
    let before = upstream.requests().len();
    for bytes in [
        &b""[..],
        b"PROXY TCP4 999.0.0.1 10.0.0.1 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ] {
        let (answer, closed) = gate.raw().send(bytes).send(GET).rest(PATIENCE);
        assert!(closed && answer.is_empty(), "{bytes:?}: {}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(upstream.requests().len(), before);
}

#[test]
fn b05_a_proxy_header_from_anybody_else_closes_the_connection() {
    let upstream = Upstream::start();
    let listen = "listen: { address: \"127.0.0.1:$PORT\", proxy_protocol: true }";
    let gate = gate(&upstream, &format!("{listen}, trusted_proxies: [10.0.0.9]"));
    for _ in 0..5 {
        let (answer, closed) = gate.raw().send(SECOND).send(GET).rest(PATIENCE);
        assert!(closed && answer.is_empty());
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(gate.log().matches("server.trusted_proxies").count(), 1, "one warning, not one each");
}

#[test]
fn one_address_cannot_take_all_connections() {
    let upstream = Upstream::start();
    let listen =
        "listen: { address: \"127.0.0.1:$PORT\", proxy_protocol: true }, connections: { per_address: 3 }";
    let gate = gate(&upstream, &format!("{listen}, trusted_proxies: [127.0.0.1]"));
    let keep = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let open = |address: &str| {
        let mut raw = gate.raw().send(format!("PROXY TCP4 {address} 10.0.0.1 1 2\r\n{keep}"));
        raw.reply_to("GET").ok().map(|reply| {
            assert_eq!(reply.status, 200);
            raw
        })
    };
    let held: Vec<Option<Raw>> = (0..3).map(|_| open("203.0.113.9")).collect();
    assert!(held.iter().all(Option::is_some));
    assert!(open("203.0.113.9").is_none(), "a fourth is closed");
    assert!(open("203.0.113.10").is_some(), "others are served");
    drop(held);
    wait_until("room again", || open("203.0.113.9"));
    let metrics = gate.operations("/metrics").text();
    assert!(metrics.contains("stepgate_limited_total{limit=\"connections_per_address\"}"), "{metrics}");
}

#[test]
fn r19_without_descriptors_it_waits_and_recovers() {
    let upstream = Upstream::start();
    let mut gate = gate(&upstream, "listen: \"127.0.0.1:$PORT\", workers: 1");
    crate::support::run(std::process::Command::new("prlimit").args([
        "--nofile=128",
        "--pid",
        &gate.process().to_string(),
    ]))
    .expect(0);
    let held: Vec<_> = (0..500)
        .filter_map(|_| std::net::TcpStream::connect(gate.address()).ok())
        .collect();
    assert!(held.len() > 128, "the system's queue takes them");
    // Those that were accepted are served.
    let mut first = held[0].try_clone().unwrap();
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    let before = processor_time(gate.process());
    first
        .write_all(b"GET /.stepgate/jwks.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert!(first.read(&mut [0; 64]).unwrap() > 0);
    wait_until("a complaint", || gate.log().contains("cannot accept connections").then_some(()));
    let _ = poll(std::time::Duration::from_secs(1), || None::<()>);
    let spent = processor_time(gate.process()) - before;
    assert!(spent < 60, "no spinning: {spent} hundredths of a second");
    assert!(gate.log().matches("cannot accept connections").count() < 5, "it does not fill the log");
    drop((held, first));
    wait_until("service again", || {
        let mut raw = Raw::connect(gate.address()).send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        raw.reply_to("GET").ok().filter(|reply| reply.status == 200)
    });
    assert!(gate.exited().is_none());
}

/// User and system time of a process, in hundredths of a second.
fn processor_time(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
