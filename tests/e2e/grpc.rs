//! gRPC through the gate, with the library's own server and client on both ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Setup, peers_python};

/// Runs the peers around a gate and says what happened.
fn calls() -> Value {
    let mut peers = Command::new(peers_python())
        .arg("tests/peers/grpc_calls.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut heard = BufReader::new(peers.stdout.take().expect("piped"));
    let mut port = String::new();
    heard.read_line(&mut port).expect("the server says its port");
    let port: u16 = port.trim().parse().expect("a port: is grpcio installed? tests/run does it");
    let route = |name: &str, require: &str| {
        format!(
            "  - {{ name: {name}, host: {name}.example.com, upstream: \"h2c://127.0.0.1:{port}\", require: {require} }}\n"
        )
    };
    let routes = [
        "\n",
        &route("open", "public"),
        &route("named", "signed-in"),
        &route("closed", "standard"),
    ];
    let gate = Setup::new(&routes.concat())
        .section(
            "identity",
            "[{ name: front, type: trusted-header, from: [127.0.0.1], session: X-Session, attributes: { user: X-User } }]",
        )
        .start();
    let mut input = peers.stdin.take().expect("piped");
    writeln!(input, "{}", gate.address().port()).expect("the peers wait");
    let mut said = String::new();
    heard.read_line(&mut said).expect("the peers say what happened");
    peers.wait().expect("the peers end");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn calls_streams_statuses_deadlines_and_refusals() {
    let said = calls();
    let expected = json!({
        "unary": "echo hello",
        "first": "1",
        // Nobody is told of on a public route.
        "last": "nobody",
        "fails": ["INVALID_ARGUMENT", "100 % wrong: ä"],
        "unknown": "UNIMPLEMENTED",
        "down": 1000,
        "up": "12582912",
        "large": 3 * 1024 * 1024 + 5,
        "both": ["re one", "re two", "re three", "OK"],
        "deadline": "DEADLINE_EXCEEDED",
        // The server hears of both ends at once, not when it next writes.
        "ended": ["cancel", "deadline"],
        "named": "anna",
        "closed": "UNAUTHENTICATED",
        "closed_stream": "UNAUTHENTICATED",
        "seen_of_closed": [],
    });
    assert_eq!(said, expected);
}
