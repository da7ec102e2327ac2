//! Floods over HTTP/2, frame by frame, and silence in the middle of a handshake (security.md 1.4).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Gate, PATIENCE, Raw, Setup, Upstream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `:method: GET`, `:scheme: http`, `:path: /`, `:authority: localhost`.
const GET: &[u8] = b"\x82\x86\x84\x41\x09localhost";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn gate(upstream: &Upstream) -> Gate {
    let routes = "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: public }
";
    Setup::new(&routes.replace("$UPSTREAM", &upstream.url())).start()
}

/// The kinds of all frames until the connection ends; and whether it did.
fn hear(socket: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 16 * 1024];
    let ended = loop {
        match socket.read(&mut buffer) {
            Ok(0) => break true,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => break true,
            Err(_) => break false,
        }
    };
    let (mut kinds, mut rest) = (Vec::new(), bytes.as_slice());
    while rest.len() >= 9 {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        kinds.push(rest[3]);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    (kinds, ended)
}

/// Sends a flood while reading what comes back, and says how the connection ended.
fn flood(gate: &Gate, flood: Vec<u8>) -> (Vec<u8>, bool) {
    let mut socket = TcpStream::connect(gate.address()).unwrap();
    let mut writer = socket.try_clone().unwrap();
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, b""), &flood].concat();
    let writing = std::thread::spawn(move || {
        // It is cut off in the middle: that is the point.
        let _ = writer.write_all(&bytes);
    });
    let heard = hear(&mut socket);
    let _ = writing.join();
    heard
}

/// Others are served as if nothing had happened.
fn still_serves(gate: &Gate) {
    gate.raw()
        .send("GET /after HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .reply()
        .expect(200);
}

#[test]
fn d01_rapid_resets_end_in_goaway() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let flood_of = (1..20_000_u32).step_by(2).flat_map(|stream| {
        let mut both = frame(HEADERS, END_HEADERS | END_STREAM, stream, GET);
        both.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        both
    });
    let (kinds, ended) = flood(&gate, flood_of.collect());
    assert!(ended && kinds.contains(&GOAWAY), "{ended}");
    still_serves(&gate);
    assert!(
        upstream.requests().len() < 1000,
        "most never reach the app: {}",
        upstream.requests().len()
    );
}

#[test]
fn d02_errors_that_make_us_reset_are_counted_too() {
    let upstream = Upstream::answering(|_| crate::support::ok("x".repeat(100_000)));
    let gate = gate(&upstream);
    // A window update of zero is an error of that stream, answered by a reset from our side.
    let flood_of = (1..20_000_u32).step_by(2).flat_map(|stream| {
        let mut both = frame(HEADERS, END_HEADERS | END_STREAM, stream, GET);
        both.extend(frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes()));
        both
    });
    let (kinds, ended) = flood(&gate, flood_of.collect());
    assert!(ended && kinds.contains(&GOAWAY), "{ended}");
    let resets: usize = kinds.iter().map(|kind| usize::from(*kind == RST_STREAM)).sum();
    assert!(resets < 2000, "{resets}");
    still_serves(&gate);
}

#[test]
fn d03_a_header_block_without_end_is_cut_off() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut endless = frame(HEADERS, END_STREAM, 1, GET);
    for number in 0..20_000 {
        // A literal field that is not indexed: `x-NNNNN: …`.
        let name = format!("x-{number:05}");
        let value = "y".repeat(100);
        let field = [&[0, 7][..], name.as_bytes(), &[100], value.as_bytes()].concat();
        endless.extend(frame(CONTINUATION, 0, 1, &field));
    }
    let (_, ended) = flood(&gate, endless);
    assert!(ended);
    assert!(upstream.requests().is_empty());
    still_serves(&gate);
}

#[test]
fn d04_empty_frames_are_not_taken_for_ever() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut empty = frame(HEADERS, END_HEADERS, 1, b"\x83\x86\x84\x41\x09localhost");
    for _ in 0..500_000 {
        empty.extend(frame(DATA, 0, 1, b""));
    }
    let (kinds, ended) = flood(&gate, empty);
    assert!(ended && (kinds.contains(&GOAWAY) || kinds.contains(&RST_STREAM)), "{kinds:?}");
    still_serves(&gate);
}

#[test]
fn d08_headers_have_the_same_bounds_over_http2() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let literal = |number: usize, length: usize| {
        let name = format!("x-{number:05}");
        [
            &[0, 7][..],
            name.as_bytes(),
            &[u8::try_from(length).unwrap()],
            &vec![b'y'; length],
        ]
        .concat()
    };
    // 150 short lines; then 40 KiB in 99.
    let many: Vec<u8> = (0..150).flat_map(|number| literal(number, 1)).collect();
    let long: Vec<u8> = (0..95)
        .flat_map(|number| [literal(number, 120), literal(number, 120)].concat())
        .collect();
    let long = [long.clone(), long].concat();
    for fields in [many, long] {
        let block = [GET, &fields].concat();
        let (first, rest) = block.split_at(block.len().min(16_000));
        let mut bytes = frame(HEADERS, END_STREAM | if rest.is_empty() { END_HEADERS } else { 0 }, 1, first);
        for (index, part) in rest.chunks(16_000).enumerate() {
            let last = (index + 1) * 16_000 >= rest.len();
            bytes.extend(frame(CONTINUATION, if last { END_HEADERS } else { 0 }, 1, part));
        }
        let mut socket = TcpStream::connect(gate.address()).unwrap();
        socket
            .write_all(&[PREFACE, &frame(SETTINGS, 0, 0, b""), &bytes].concat())
            .unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        hear(&mut socket);
    }
    assert!(upstream.requests().is_empty(), "{}", upstream.requests().len());
    still_serves(&gate);
}

#[test]
fn d07_a_handshake_that_stalls_ends_on_every_listener() {
    let upstream = Upstream::start();
    let routes = "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: public }
";
    let gate = Setup::new(&routes.replace("$UPSTREAM", &upstream.url()))
        .tls(&["localhost"])
        .server("timeouts: { handshake: 2s }")
        .start();
    let operations = gate.operations_address().expect("it listens");
    for address in [gate.address(), operations] {
        for start in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
            let closed = Raw::connect(address).send(start).closes_within(Duration::from_secs(15));
            assert!(closed, "{address} after {start:?}");
        }
    }
}
