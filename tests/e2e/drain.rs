//! Start and stop: ready when ready, and nobody in the middle of a request is cut off.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::support::{Setup, Upstream, ok, poll, stepgate, wait_until};

#[test]
fn a_request_in_flight_ends_well_and_no_new_one_is_taken() {
    let middle = Arc::new(Barrier::new(2));
    let here = middle.clone();
    let upstream = Upstream::scripted(move |request, stream| {
        if request.target() == "/slow" {
            here.wait();
        }
        stream.write_all(&ok("whole"))?;
        Ok(true)
    });
    let mut gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: public }}\n",
        upstream.url()
    ))
    .server("drain: 10s")
    .start();
    let mut slow = gate.raw().send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_until("the request to arrive", || (!upstream.requests().is_empty()).then_some(()));
    let mut idle = gate.raw().send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    idle.reply().expect(200);
    gate.operations("/readyz").expect(200);
    gate.signal("TERM");
    wait_until("readiness to be taken back", || {
        let address = gate.operations_address()?;
        match TcpStream::connect(address) {
            Err(_) => Some(()),
            Ok(_) => (gate.operations("/readyz").status == 503).then_some(()),
        }
    });
    assert!(idle.closes_within(Duration::from_secs(8)), "an idle connection is let go");
    wait_until("the listener to close", || TcpStream::connect(gate.address()).is_err().then_some(()));
    assert_eq!(gate.exited(), None, "it waits for the request in flight");
    middle.wait();
    assert_eq!(slow.reply().text(), "whole");
    assert_eq!(poll(Duration::from_secs(10), || gate.exited()), Some(Some(0)));
}

#[test]
fn the_drain_has_a_deadline_and_a_second_signal_ends_now() {
    let upstream = Upstream::scripted(|_, stream| {
        std::io::Read::read(stream, &mut [0]).ok();
        Ok(false)
    });
    for (drain, second) in [("1s", false), ("60s", true)] {
        let mut gate = Setup::new(&format!(
            "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: public }}\n",
            upstream.url()
        ))
        .server(&format!("drain: {drain}"))
        .start();
        let before = upstream.requests().len();
        let _stuck = gate.raw().send("GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n");
        wait_until("the request to arrive", || (upstream.requests().len() > before).then_some(()));
        gate.signal("TERM");
        if second {
            assert_eq!(poll(Duration::from_secs(2), || gate.exited()), None, "the drain goes on");
            gate.signal("TERM");
        }
        let exit = poll(Duration::from_secs(10), || gate.exited());
        assert!(exit.is_some(), "drain {drain}, second signal {second}");
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_exits_69() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = Setup::new(
        "\n  - { name: app, host: localhost, upstream: \"http://127.0.0.1:1\", require: public }\n",
    );
    let file = setup.write();
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(&format!("127.0.0.1:{}", setup.port()), &taken.local_addr().unwrap().to_string());
    std::fs::write(&file, text).unwrap();
    let finished = crate::support::run(stepgate(&["run", "-c"]).arg(&file));
    assert_eq!(finished.code, Some(69), "{}", finished.stderr);
    assert!(
        finished.stderr.contains(&taken.local_addr().unwrap().port().to_string()),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_wrong_key_is_a_clear_error_at_start() {
    let mut gate = Setup::new(
        "\n  - { name: app, host: localhost, upstream: \"http://127.0.0.1:1\", require: public }\n",
    )
    .user("anna", &[])
    .start();
    gate.kill();
    crate::support::write_private(
        &gate.setup.path("other.key"),
        "an entirely different key, 32 bytes or more",
    );
    let directory = gate.setup.path("other.key");
    let text = format!(
        "{{ state_directory: \"$DIR/state\", encryption_keys: [{{ file: \"{}\" }}] }}",
        directory.display()
    );
    let file = {
        let path = gate.setup.write();
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| {
                if line.starts_with("storage:") {
                    format!("storage: {}", text.replace("$DIR", &path.parent().unwrap().to_string_lossy()))
                } else {
                    line.to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join("\n");
        std::fs::write(&path, text).unwrap();
        path
    };
    let finished = crate::support::run(stepgate(&["run", "-c"]).arg(&file));
    assert_eq!(finished.code, Some(78), "{}", finished.stderr);
    assert!(finished.stderr.contains("encryption_keys"), "{}", finished.stderr);
}
