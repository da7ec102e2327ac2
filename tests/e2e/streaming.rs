//! Bodies stream in both directions: nothing waits for an end, nothing is kept whole in memory.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::support::{Gate, Setup, Upstream};

fn gate(upstream: &Upstream) -> Gate {
    Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: public }}\n",
        upstream.url()
    ))
    .start()
}

/// Resident memory of the gate, in KiB.
fn memory(gate: &Gate) -> u64 {
    std::fs::read_to_string(format!("/proc/{}/status", gate.process()))
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok())
        .expect("a running process has memory")
}

#[test]
fn the_first_bytes_of_an_answer_arrive_before_the_last_are_made() {
    let middle = Arc::new(Barrier::new(2));
    let here = middle.clone();
    let upstream = Upstream::scripted(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n")?;
        here.wait();
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n")?;
        Ok(true)
    });
    let gate = gate(&upstream);
    let mut raw = gate.raw().send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut seen = Vec::new();
    while !seen.ends_with(b"first \r\n") {
        seen.extend(raw.read_exact(1).expect("the first part comes while the second is held back"));
    }
    middle.wait();
    while !seen.ends_with(b"0\r\n\r\n") {
        seen.extend(raw.read_exact(1).unwrap());
    }
    assert!(String::from_utf8_lossy(&seen).contains("last"));
}

#[test]
fn a_request_body_flows_while_it_is_being_sent() {
    let upstream = Upstream::scripted(|_, _| Ok(true));
    // A listener of its own: it must see the first part before the client has sent the last.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    drop(upstream);
    let gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"http://{}\", require: public }}\n",
        listener.local_addr().unwrap()
    ))
    .start();
    let mut raw = gate
        .raw()
        .send("POST /up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !seen.windows(5).any(|w| w == b"first") {
        let n = stream
            .read(&mut buffer)
            .expect("the first part comes while the client holds back the second");
        assert_ne!(n, 0);
        seen.extend_from_slice(&buffer[..n]);
    }
    raw.try_send("4\r\nlast\r\n0\r\n\r\n").unwrap();
    while !seen.ends_with(b"0\r\n\r\n") {
        let n = stream.read(&mut buffer).unwrap();
        assert_ne!(n, 0);
        seen.extend_from_slice(&buffer[..n]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    assert_eq!(raw.reply().text(), "ok");
}

#[test]
fn large_bodies_do_not_grow_the_gate() {
    const SIZE: usize = 128 * 1024 * 1024;
    let upstream = Upstream::scripted(|_, stream| {
        let block = vec![b'x'; 256 * 1024];
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes())?;
        for _ in 0..SIZE / block.len() {
            stream.write_all(&block)?;
        }
        Ok(true)
    });
    let gate = gate(&upstream);
    let mut raw = gate
        .raw()
        .send("GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let before = memory(&gate);
    // A reader that stops: the gate must not take the rest into memory meanwhile.
    raw.read_exact(4096).unwrap();
    crate::support::poll(Duration::from_millis(1500), || None::<()>);
    let stalled = memory(&gate);
    assert!(
        stalled < before + 16 * 1024,
        "{before} KiB before, {stalled} KiB while the client does not read"
    );
    let mut read = 0;
    while read < SIZE - 8192 {
        read += raw
            .read_exact((64 * 1024).min(SIZE - 8192 - read))
            .expect("the rest comes")
            .len();
    }
    let after = memory(&gate);
    assert!(after < before + 24 * 1024, "{before} KiB before, {after} KiB after {SIZE} bytes");
}

#[test]
fn an_upload_of_sixty_megabytes_arrives_whole() {
    const SIZE: usize = 60 * 1024 * 1024;
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut raw = gate.raw().send(format!(
        "PUT /big HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n"
    ));
    let block: Vec<u8> = (0..=255).cycle().take(1024 * 1024).collect();
    for _ in 0..SIZE / block.len() {
        raw.try_send(&block).expect("the gate takes it");
    }
    raw.reply().expect(200);
    let body = upstream.last().body;
    assert_eq!(body.len(), SIZE);
    assert!(body.chunks(block.len()).all(|chunk| chunk == block));
}

/// An app that takes so many bytes and gives as many back, and keeps none.
fn mirror(size: usize) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let mut block = vec![b'x'; 256 * 1024];
        let mut left = size;
        while left > 0 {
            let most = block.len().min(left);
            left -= stream.read(&mut block[..most]).unwrap();
        }
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes())
            .unwrap();
        for _ in 0..size / block.len() {
            stream.write_all(&block).unwrap();
        }
    });
    address
}

fn passes_both_ways_at_constant_memory(size: usize) {
    let gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"http://{}\", require: public }}\n",
        mirror(size)
    ))
    .start();
    let mut raw = gate.raw().send(format!(
        "POST /big HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    ));
    let before = memory(&gate);
    let block = vec![b'y'; 256 * 1024];
    let mut most = 0;
    for number in 0..size / block.len() {
        raw.try_send(&block).expect("the gate takes it");
        if number % 64 == 0 {
            most = most.max(memory(&gate));
        }
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(raw.read_exact(1).expect("an answer"));
    }
    for number in 0..size / block.len() {
        raw.read_exact(block.len()).expect("all of it");
        if number % 64 == 0 {
            most = most.max(memory(&gate));
        }
    }
    assert!(
        most < before + 16 * 1024,
        "{before} KiB before, {most} KiB at most while {size} bytes passed"
    );
}

#[test]
fn r18_bodies_pass_both_ways_at_constant_memory() {
    passes_both_ways_at_constant_memory(96 << 20);
}

#[test]
#[ignore = "slow: two gibibytes up and down"]
fn r18_two_gibibytes_pass_both_ways_at_constant_memory() {
    passes_both_ways_at_constant_memory(2 << 30);
}
