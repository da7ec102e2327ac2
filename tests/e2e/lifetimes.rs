//! What goes on after it was allowed obeys the proof: WebSockets, event streams and downloads end when
//! their request would not be allowed any more, and nobody else's do.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{Authenticator, Browser, Form, Gate, PATIENCE, Raw, Setup, Upstream, poll, wait_until};

const ROUTES: &str = "
  - { name: app, host: app.localhost, upstream: $UPSTREAM, require: standard }
  - { name: brief, host: brief.localhost, upstream: $UPSTREAM, require: brief }
  - { name: patient, host: patient.localhost, upstream: $UPSTREAM, require: brief, long_lived: { grace: 1h } }
  - { name: open, host: open.localhost, upstream: $UPSTREAM, require: public }
";

/// What the client is told: a Close frame of 3000 and a reason.
const UNAUTHORIZED: [u8; 2] = 3000_u16.to_be_bytes();

/// `/ws` echoes frames, `/events` has one event and then waits, `/half` waits in the middle of the second
/// one for as long as `/go` was not asked for, `/download` stops in the middle.
fn app() -> Upstream {
    let (go, gone) = std::sync::mpsc::sync_channel::<()>(1);
    let gone = std::sync::Mutex::new(gone);
    Upstream::scripted(move |request, stream| {
        let wait = |stream: &mut std::net::TcpStream| {
            let mut end = Vec::new();
            stream.read_to_end(&mut end).map(|_| false)
        };
        match request.target().as_str() {
            "/ws" => {
                stream.write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                )?;
                let mut buffer = [0; 4096];
                loop {
                    let n = stream.read(&mut buffer)?;
                    if n == 0 {
                        return Ok(false);
                    }
                    stream.write_all(&buffer[..n])?;
                }
            }
            "/events" => {
                stream.write_all(EVENTS)?;
                stream.write_all(b"9\r\ndata: 1\n\n\r\n")?;
                wait(stream)
            }
            "/half" => {
                stream.write_all(EVENTS)?;
                stream.write_all(b"d\r\ndata: 1\n\ndata\r\n")?;
                let _ = gone.lock().map(|gone| gone.recv_timeout(PATIENCE));
                stream.write_all(b"10\r\n: 2\n\ndata: 3\n\nda\r\n")?;
                wait(stream)
            }
            "/go" => {
                let _ = go.send(());
                stream.write_all(&crate::support::ok("gone"))?;
                Ok(true)
            }
            "/download" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbeginning")?;
                wait(stream)
            }
            _ => {
                stream.write_all(&crate::support::ok("app"))?;
                Ok(true)
            }
        }
    })
}

const EVENTS: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn setup(upstream: &Upstream) -> Setup {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .section("levels", "[{ name: brief, any_of: [totp], valid_for: 8s }]")
        .user("anna", &[])
        .user("ben", &[])
}

fn enter(gate: &Gate, host: &str, user: &str, authenticator: &mut Authenticator) -> Browser {
    let mut browser = gate.browser();
    let page =
        browser.go_through(&gate.url(host, "/start"), user, &Setup::password(user), Some(authenticator));
    assert_eq!(page.text(), "app", "{host}: {}", crate::support::text_of(&page.text()));
    browser
}

fn ask(gate: &Gate, browser: &Browser, host: &str, path: &str, fields: &str) -> Raw {
    let cookies = browser.cookie_header(host).unwrap_or_default();
    gate.raw().send(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{}\r\nCookie: {cookies}\r\n{fields}\r\n",
        gate.setup.port()
    ))
}

/// An open WebSocket through which something has already passed.
fn socket(gate: &Gate, browser: &Browser, host: &str) -> Raw {
    let mut socket = ask(
        gate,
        browser,
        host,
        "/ws",
        &format!(
            "Origin: http://{host}:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            gate.setup.port()
        ),
    );
    socket.reply().expect(101);
    assert!(echoes(&mut socket), "frames pass");
    socket
}

fn echoes(socket: &mut Raw) -> bool {
    let frame = [0x82, 0x83, 1, 2, 3, 4, b'a', b'b', b'c'];
    socket.try_send(frame).is_ok() && socket.read_exact(frame.len()).is_ok_and(|back| back == frame)
}

/// The code and the reason of the Close frame that comes next; then the client closes too, and the
/// connection ends.
#[track_caller]
fn closed(socket: &mut Raw) -> (u16, String) {
    let header = socket.read_exact(2).expect("a frame");
    assert_eq!(header[0], 0x88, "a Close frame");
    let payload = socket.read_exact(usize::from(header[1])).expect("its payload");
    socket.try_send([0x88, 0x82, 0, 0, 0, 0, payload[0], payload[1]]).unwrap();
    assert!(socket.closes_within(PATIENCE), "the connection ends");
    (
        u16::from_be_bytes([payload[0], payload[1]]),
        String::from_utf8(payload[2..].to_vec()).unwrap(),
    )
}

/// An event stream whose first event has arrived.
fn events(gate: &Gate, browser: &Browser, host: &str) -> Raw {
    let mut stream = ask(gate, browser, host, "/events", "");
    until(&mut stream, b"data: 1\n\n\r\n");
    stream
}

fn download(gate: &Gate, browser: &Browser, host: &str) -> Raw {
    let mut stream = ask(gate, browser, host, "/download", "");
    until(&mut stream, b"beginning");
    stream
}

fn until(stream: &mut Raw, end: &[u8]) {
    let mut seen = Vec::new();
    while !seen.ends_with(end) {
        seen.extend(
            stream
                .read_exact(1)
                .unwrap_or_else(|e| panic!("{e} after {:?}", String::from_utf8_lossy(&seen))),
        );
    }
}

/// The stream said when to come back and ended in good order.
#[track_caller]
fn ended_well(stream: &mut Raw) {
    let (rest, closed) = stream.rest(Duration::from_secs(2));
    let rest = String::from_utf8_lossy(&rest).into_owned();
    assert_eq!(rest, "D\r\nretry: 3000\n\n\r\n0\r\n\r\n", "closed: {closed}");
}

/// The rest never came.
#[track_caller]
fn broken_off(stream: &mut Raw) {
    assert_eq!(stream.rest(PATIENCE), (Vec::new(), true));
}

fn counted(gate: &Gate, kind: &str, reason: &str) -> bool {
    let line = format!("stepgate_long_lived_ended_total{{kind=\"{kind}\",reason=\"{reason}\"}} ");
    gate.operations("/metrics").text().contains(&line)
}

#[test]
fn sign_out_ends_what_is_open_everywhere_and_nothing_of_others() {
    let upstream = app();
    let gate = setup(&upstream).start();
    let (_, mut annas) = gate.enrolled("anna");
    let (_, mut bens) = gate.enrolled("ben");
    let mut anna = enter(&gate, "app.localhost", "anna", &mut annas);
    // A second sign-in of the same person is another session.
    let elsewhere = enter(&gate, "app.localhost", "anna", &mut annas);
    let ben = enter(&gate, "app.localhost", "ben", &mut bens);
    let mut mine = socket(&gate, &anna, "app.localhost");
    let mut stream = events(&gate, &anna, "app.localhost");
    let mut file = download(&gate, &anna, "app.localhost");
    let mut open = socket(&gate, &anna, "open.localhost");
    let mut others = [
        socket(&gate, &elsewhere, "app.localhost"),
        socket(&gate, &ben, "app.localhost"),
    ];
    let mut bens_file = events(&gate, &ben, "app.localhost");
    // From another tab: the portal.
    let reply = anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    assert!(reply.status < 400, "{}", reply.text());
    assert_eq!(closed(&mut mine), (3000, "the session has ended".to_owned()));
    ended_well(&mut stream);
    broken_off(&mut file);
    for socket in others.iter_mut().chain([&mut open]) {
        assert!(echoes(socket), "somebody else's goes on");
    }
    assert!(!bens_file.closes_within(Duration::from_millis(300)));
    for kind in ["websocket", "event_stream", "download"] {
        wait_until(kind, || counted(&gate, kind, "session_ended").then_some(()));
    }
    let records =
        wait_until("three records", || Some(gate.audit("long_lived.ended")).filter(|r| r.len() == 3));
    assert!(records.iter().all(|r| r["who"] == "local:anna" && r["route"] == "app"), "{records:?}");
    // And on the site itself.
    let mut browser = elsewhere;
    let page = browser.go(&gate.url("app.localhost", "/.stepgate/sign-out"));
    let reply = browser.submit(&Form::all(&page.text()).remove(0));
    assert!(reply.status < 400, "{} {}", reply.status, reply.text());
    assert_eq!(closed(&mut others[0]).0, 3000);
}

#[test]
fn a_reset_ends_what_is_open() {
    let upstream = app();
    let gate = setup(&upstream).start();
    let (_, mut annas) = gate.enrolled("anna");
    let (_, mut bens) = gate.enrolled("ben");
    let anna = enter(&gate, "app.localhost", "anna", &mut annas);
    let ben = enter(&gate, "app.localhost", "ben", &mut bens);
    let (mut mine, mut bens) = (socket(&gate, &anna, "app.localhost"), socket(&gate, &ben, "app.localhost"));
    let (mut stream, mut file) =
        (events(&gate, &anna, "app.localhost"), download(&gate, &anna, "app.localhost"));
    gate.setup.command(&["users", "reset", "anna"], "").expect(0);
    assert_eq!(closed(&mut mine).0, 3000);
    ended_well(&mut stream);
    broken_off(&mut file);
    assert!(echoes(&mut bens));
}

#[test]
fn a_proof_that_gets_too_old_ends_it_unless_the_route_has_grace() {
    let upstream = app();
    let gate = setup(&upstream).start();
    let (_, mut annas) = gate.enrolled("anna");
    let mut anna = enter(&gate, "brief.localhost", "anna", &mut annas);
    // The hand-off brings the same proof to the other host.
    anna.go(&gate.url("patient.localhost", "/start"));
    let mut brief = socket(&gate, &anna, "brief.localhost");
    let mut patient = socket(&gate, &anna, "patient.localhost");
    let mut stream = events(&gate, &anna, "brief.localhost");
    let mut file = download(&gate, &anna, "brief.localhost");
    assert_eq!(closed(&mut brief), (3000, "the proof is too old".to_owned()));
    ended_well(&mut stream);
    broken_off(&mut file);
    assert!(echoes(&mut patient), "grace");
    assert_eq!(
        anna.fetch("GET", &gate.url("patient.localhost", "/x"), None).status,
        401,
        "for what is open alone"
    );
    wait_until("the count", || counted(&gate, "websocket", "stale").then_some(()));
    // Grace is for what runs out, not for what somebody ends.
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    assert_eq!(closed(&mut patient), (3000, "the session has ended".to_owned()));
}

#[test]
fn a_removed_factor_ends_what_it_proved() {
    let upstream = app();
    let gate = setup(&upstream).start();
    let (_, mut annas) = gate.enrolled("anna");
    let anna = enter(&gate, "app.localhost", "anna", &mut annas);
    let mut mine = socket(&gate, &anna, "app.localhost");
    let mut stream = events(&gate, &anna, "app.localhost");
    let id = gate.sql("SELECT id FROM enrolments WHERE factor = 'totp'").trim().to_owned();
    gate.setup.command(&["enrolments", "remove", "anna", &id], "").expect(0);
    assert_eq!(closed(&mut mine), (3000, "a proof does not count any more".to_owned()));
    ended_well(&mut stream);
}

#[test]
fn what_is_open_keeps_no_session_alive() {
    let upstream = app();
    let gate = setup(&upstream).section("sessions", "{ idle_timeout: 4s }").start();
    let (_, mut annas) = gate.enrolled("anna");
    let anna = enter(&gate, "app.localhost", "anna", &mut annas);
    let mut busy = socket(&gate, &anna, "app.localhost");
    // It says something all the time, and that is no request.
    let ended = poll(PATIENCE, || (!echoes(&mut busy)).then_some(()));
    assert!(ended.is_some(), "a busy socket kept the session alive");
    wait_until("the count", || counted(&gate, "websocket", "idle").then_some(()));
}

#[test]
fn rules_that_ask_for_more_end_what_was_allowed_by_less() {
    let upstream = app();
    let gate = setup(&upstream).start();
    let (_, mut bens) = gate.enrolled("ben");
    let ben = enter(&gate, "app.localhost", "ben", &mut bens);
    let mut bens = socket(&gate, &ben, "app.localhost");
    let (_, mut annas) = gate.enrolled("anna");
    let anna = enter(&gate, "app.localhost", "anna", &mut annas);
    let mut mine = socket(&gate, &anna, "app.localhost");
    let file = gate.setup.write();
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("host: app.localhost,", "host: app.localhost, allow: { users: [ben] },");
    std::fs::write(&file, text).unwrap();
    gate.signal("HUP");
    assert_eq!(closed(&mut mine), (3000, "more must be proved here now".to_owned()));
    assert!(echoes(&mut bens), "who still may goes on");
}

#[test]
fn an_event_stream_never_ends_in_the_middle_of_an_event() {
    let upstream = app();
    let gate = setup(&upstream).start();
    let (_, mut annas) = gate.enrolled("anna");
    let mut anna = enter(&gate, "app.localhost", "anna", &mut annas);
    let mut stream = ask(&gate, &anna, "app.localhost", "/half", "");
    until(&mut stream, b"data: 1\n\ndata\r\n");
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    // Only then does the app go on.
    wait_until("the end to begin", || counted(&gate, "event_stream", "session_ended").then_some(()));
    anna.fetch("GET", &gate.url("open.localhost", "/go"), None).expect(200);
    let (rest, _) = stream.rest(Duration::from_secs(2));
    assert_eq!(String::from_utf8_lossy(&rest), "12\r\n: 2\n\nretry: 3000\n\n\r\n0\r\n\r\n");
}

#[test]
fn who_does_not_answer_the_close_is_cut_off() {
    let upstream = app();
    let gate = setup(&upstream).start();
    let (_, mut annas) = gate.enrolled("anna");
    let mut anna = enter(&gate, "app.localhost", "anna", &mut annas);
    let mut silent = socket(&gate, &anna, "app.localhost");
    // One that stops in the middle of a frame: there is no place for a goodbye.
    let mut half = socket(&gate, &anna, "app.localhost");
    half.try_send([0x82, 0xfe, 0xff]).unwrap();
    half.read_exact(3).unwrap();
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    let (rest, gone) = silent.rest(PATIENCE);
    assert_eq!((rest.get(2..4), gone), (Some(&UNAUTHORIZED[..]), true), "{rest:?}");
    assert_eq!(half.rest(PATIENCE), (Vec::new(), true));
}

/// curl over HTTP/2 without TLS.
fn curl(gate: &Gate, browser: &Browser, path: &str) -> Child {
    let host = "app.localhost";
    Command::new("curl")
        .args([
            "--silent",
            "--no-buffer",
            "--http2-prior-knowledge",
            "--max-time",
            "60",
        ])
        .args(["--header", &format!("Host: {host}:{}", gate.setup.port())])
        .args(["--cookie", &browser.cookie_header(host).unwrap_or_default()])
        .arg(format!("http://127.0.0.1:{}{path}", gate.setup.port()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl runs")
}

#[test]
fn over_http2_a_stream_ends_well_and_a_download_is_reset() {
    let upstream = app();
    let gate = setup(&upstream).start();
    let (_, mut annas) = gate.enrolled("anna");
    let mut anna = enter(&gate, "app.localhost", "anna", &mut annas);
    let (mut stream, mut file) = (curl(&gate, &anna, "/events"), curl(&gate, &anna, "/download"));
    let mut begun = [0; 9];
    stream.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"data: 1\n\n");
    file.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"beginning");
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    let stream = stream.wait_with_output().unwrap();
    assert_eq!((stream.status.code(), &stream.stdout[..]), (Some(0), &b"retry: 3000\n\n"[..]));
    let file = file.wait_with_output().unwrap();
    assert_eq!(file.status.code(), Some(92), "HTTP/2 stream error");
}

#[test]
fn r15_the_end_of_the_process_is_said_to_both_sides() {
    let upstream = app();
    let mut gate = setup(&upstream).server("drain: 20s").start();
    let (_, mut annas) = gate.enrolled("anna");
    let anna = enter(&gate, "app.localhost", "anna", &mut annas);
    let mut sockets = [
        socket(&gate, &anna, "app.localhost"),
        socket(&gate, &anna, "open.localhost"),
    ];
    gate.signal("TERM");
    for socket in &mut sockets {
        assert_eq!(closed(socket).0, 1001);
    }
    let exit = poll(Duration::from_secs(15), || gate.exited());
    assert_eq!(exit, Some(Some(0)), "long before the deadline of the drain");
}
