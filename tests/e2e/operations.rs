//! The operations listener: alive, ready, and counted; never on the public port.

use crate::support::{Gate, Setup, Upstream};

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let gate = Gate::with(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard, rules: [{{ path: /public/**, require: public }}] }}\n",
        upstream.url()
    ));
    (upstream, gate)
}

#[test]
fn alive_ready_and_nothing_else() {
    let (upstream, gate) = scene();
    for path in ["/livez", "/readyz", "/healthz", "/readyz?verbose"] {
        gate.operations(path).expect(200);
    }
    gate.operations("/no-such-thing").expect(404);
    for path in ["/livez", "/readyz", "/metrics"] {
        gate.browser().fetch("GET", &gate.url("localhost", path), None).expect(401);
    }
    assert!(upstream.requests().is_empty(), "the public port knows no such paths: they are the app's");
}

#[test]
fn what_happens_is_counted_in_openmetrics_with_bounded_labels() {
    let (_upstream, gate) = scene();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    for n in 0..50 {
        gate.browser()
            .fetch("GET", &gate.url("localhost", &format!("/public/{n}")), None)
            .expect(200);
        gate.browser().fetch("GET", &gate.url(&format!("h{n}.localhost"), "/"), None);
    }
    gate.step_up(&mut anna, &mut authenticator);
    gate.browser().fetch("GET", &gate.url("localhost", "/x"), None).expect(401);
    let reply = gate.operations("/metrics").expect(200);
    assert!(
        reply
            .header("content-type")
            .is_some_and(|t| t.starts_with("application/openmetrics-text") || t.starts_with("text/plain"))
    );
    let text = reply.text();
    assert!(text.ends_with("# EOF\n"), "a whole OpenMetrics document");
    assert!(text.lines().any(|l| l.starts_with("stepgate_")), "{text}");
    let decisions: Vec<&str> =
        text.lines().filter(|l| l.contains("decision") && !l.starts_with('#')).collect();
    assert!(decisions.iter().any(|l| l.contains("allow")), "{text}");
    assert!(decisions.iter().any(|l| l.contains("challenge") || l.contains("sign")), "{text}");
    for word in ["/public/", "h7.localhost", "anna", "127.0.0.1"] {
        assert!(!text.contains(word), "{word} in a label grows without bound or names a person");
    }
}

#[test]
fn a_database_that_is_gone_closes_what_needs_it_and_says_so() {
    let (upstream, gate) = scene();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut anna, &mut authenticator);
    anna.fetch("GET", &gate.url("localhost", "/x"), None).expect(200);
    upstream.take();
    // Whoever holds the write lock keeps everybody else from writing, as a full disk would.
    let database = gate.setup.path("state/stepgate.db");
    let mut holder = std::process::Command::new("sqlite3")
        .arg(database)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(holder.stdin.as_mut().unwrap(), b"BEGIN EXCLUSIVE;\n.print held\n").unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.as_mut().unwrap()), &mut line)
        .unwrap();
    let reply = gate.browser().fetch(
        "POST",
        &gate.portal("api/v1/sign-in"),
        Some(&serde_json::json!({ "username": "anna", "password": Setup::password("anna") })),
    );
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(
        gate.browser().fetch("GET", &gate.url("localhost", "/public/x"), None).status,
        200,
        "public goes on"
    );
    let _ = holder.kill();
    let _ = holder.wait();
    let mut again = gate.signed_in("anna");
    gate.step_up(&mut again, &mut authenticator);
    again.fetch("GET", &gate.url("localhost", "/x"), None).expect(200);
}

#[test]
fn readiness_follows_the_listener_and_the_log_is_json() {
    let (_upstream, gate) = scene();
    gate.browser().fetch("GET", &gate.url("localhost", "/x"), None).expect(401);
    // Words about the configuration come first, for whoever started it.
    let lines: Vec<String> = gate
        .log()
        .lines()
        .skip_while(|line| !line.starts_with('{'))
        .map(str::to_owned)
        .collect();
    assert!(!lines.is_empty(), "it says that it started");
    for line in lines {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(record["level"].is_string() && !record["timestamp"].is_null(), "{line}");
    }
}
