//! A code counts once, and wrong ones are counted wherever they come from.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::super::Scene;
use crate::support::{Browser, PATIENCE, Reply, Setup, read_reply};

/// Wrong answers before the first wait (security.md 2.3).
const ALLOWED: usize = 5;

/// Used where it counted, a code is worth nothing anywhere else.
pub fn replay(mut scene: Scene) {
    let (mut first, challenge) = scene.challenged("anna");
    let code = scene.code(&mut first, "anna", &challenge);
    let reply = scene.answer(&mut first, &challenge, &code);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(scene.served(&mut first));
    let again = scene.answer(&mut first, &challenge, &code);
    assert_eq!(again.status, 200, "the same answer to the same challenge: {}", again.text());
    let (mut second, other) = scene.challenged("anna");
    if scene.device.is_sent() {
        // What the second challenge needs is begun, so that only the code is old.
        scene.code(&mut second, "anna", &other);
    }
    let reply = scene.answer(&mut second, &other, &code);
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert!(!scene.served(&mut second));
    assert_eq!(scene.passes(), 1);
}

/// A hundred posts of one right code at once, to two processes.
pub fn race(mut scene: Scene) {
    let replica = scene.replica();
    let (mut browser, challenge) = scene.challenged("anna");
    let code = scene.code(&mut browser, "anna", &challenge);
    let request = request(&scene, &browser, &challenge, &code);
    let doors = [scene.gate.address(), replica.address()];
    let replies = at_once(&doors, &vec![request; 100]);
    assert!(replies.iter().any(|reply| reply.status == 200), "{}", replies[0].text());
    for reply in &replies {
        // A service that is asked by the other process a moment later says no, and means a code that is used.
        let late = reply.status == 422 && scene.device.is_judged_elsewhere();
        assert!(late || matches!(reply.status, 200 | 503 | 410), "{} {}", reply.status, reply.text());
    }
    assert_eq!(scene.passes(), 1);
    let (mut next, challenge) = scene.challenged("anna");
    let code = scene.code(&mut next, "anna", &challenge);
    assert_eq!(scene.answer(&mut next, &challenge, &code).status, 200, "nobody is locked");
}

/// New sessions, other addresses, another factor, another door, a restart and a second process do not start
/// over.
pub fn brute_force(mut scene: Scene) {
    let replica = scene.replica();
    let (mut other_way, waiting) = scene.challenged("anna");
    let code = scene.code(&mut other_way, "anna", &waiting);
    let mut judged = 0;
    for n in 0..12_u8 {
        if n == 6 {
            scene.gate.kill();
            scene.gate.start_again();
        }
        let gate = if n % 2 == 0 { &scene.gate } else { &replica };
        let mut browser = scene.gate.browser();
        browser.from = Some([127, 0, 2, n + 1].into());
        let portal = format!("localhost:{}", scene.gate.setup.port());
        browser.others.insert(portal, gate.address());
        let body = json!({ "username": "anna", "password": Setup::password("anna") });
        browser
            .fetch("POST", &scene.gate.portal("api/v1/sign-in"), Some(&body))
            .expect(200);
        // With requests of a program, by this factor and by another one.
        for (factor, code) in [
            (scene.device.factor(), scene.device.wrong(40)),
            ("totp", scene.app.wrong(40)),
        ] {
            let reply = scene.inline(gate, &browser, factor, &code);
            assert!(matches!(reply.status, 401 | 429), "{} {}", reply.status, reply.text());
            judged += usize::from(reply.text().contains("code_wrong"));
        }
        let Some(challenge) = scene.challenge(&mut browser) else {
            continue;
        };
        if scene.device.is_sent() && judged < ALLOWED {
            // What is begun belongs to its challenge: without it nothing would be judged.
            scene.forget_sends();
            scene.start(&mut browser, &challenge);
        }
        for n in 20..29 {
            let reply = scene.answer(&mut browser, &challenge, &scene.device.wrong(n));
            assert!(matches!(reply.status, 422 | 429 | 410), "{} {}", reply.status, reply.text());
            judged += usize::from(reply.status == 422);
        }
        assert!(!scene.served(&mut browser));
    }
    assert!((1..=ALLOWED).contains(&judged), "{judged} guesses were judged");
    let reply = scene.answer(&mut other_way, &waiting, &code);
    assert!(
        matches!(reply.status, 410 | 429),
        "right, and too late: {} {}",
        reply.status,
        reply.text()
    );
    assert!(!scene.served(&mut other_way));
}

/// An answer as bytes, to be sent by many at once.
fn request(scene: &Scene, browser: &Browser, challenge: &Value, code: &str) -> String {
    let id = challenge["id"].as_str().unwrap();
    let body = json!({ "enrolment": scene.way(challenge)["enrolment"], "code": code }).to_string();
    format!(
        "POST /.stepgate/api/v1/challenges/{id}/answer HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        browser.cookie_header("localhost").unwrap_or_default(),
        body.len()
    )
}

/// All but the last byte of each, then the last bytes: as parallel as sockets can be. They take turns at
/// the doors.
fn at_once(doors: &[std::net::SocketAddr], requests: &[String]) -> Vec<Reply> {
    let mut streams: Vec<TcpStream> = requests
        .iter()
        .zip(doors.iter().cycle())
        .map(|(request, door)| {
            let mut stream = TcpStream::connect(door).expect("the gate accepts");
            stream.set_read_timeout(Some(PATIENCE * 3)).unwrap();
            stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
            stream
        })
        .collect();
    for (stream, request) in streams.iter_mut().zip(requests) {
        let _ = stream.write_all(&request.as_bytes()[request.len() - 1..]);
    }
    streams
        .into_iter()
        .map(|stream| read_reply(&mut BufReader::new(stream), "POST").expect("an answer"))
        .collect()
}
