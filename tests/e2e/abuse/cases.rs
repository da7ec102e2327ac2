//! What is done to every factor. Each case takes a scene of its own.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::Scene;
use super::devices::begin;
use crate::support::{Browser, PATIENCE, Reply, read_reply};

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
    // Whatever the second challenge needs is begun, so that only the code is old.
    let _fresh = scene.code(&mut second, "anna", &other);
    let reply = scene.answer(&mut second, &other, &code);
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert!(!scene.served(&mut second));
    assert_eq!(scene.passes(), 1);
}

/// A hundred posts of one right code at once.
pub fn race(mut scene: Scene) {
    let (mut browser, challenge) = scene.challenged("anna");
    let code = scene.code(&mut browser, "anna", &challenge);
    let request = request(&scene, &browser, &challenge, &code);
    let replies = at_once(&scene, &vec![request; 100]);
    assert!(replies.iter().any(|reply| reply.status == 200), "{}", replies[0].text());
    for reply in &replies {
        assert!(matches!(reply.status, 200 | 503 | 410), "{} {}", reply.status, reply.text());
    }
    assert_eq!(scene.passes(), 1);
    let (mut next, challenge) = scene.challenged("anna");
    let code = scene.code(&mut next, "anna", &challenge);
    assert_eq!(scene.answer(&mut next, &challenge, &code).status, 200, "nobody is locked");
}

/// New sessions, other addresses, another way and another process do not start over.
pub fn brute_force(mut scene: Scene) {
    let (mut other_way, waiting) = scene.challenged("anna");
    let code = scene.code(&mut other_way, "anna", &waiting);
    let mut judged = 0;
    for n in 0..12 {
        if n == 6 {
            scene.gate.kill();
            scene.gate.start_again();
        }
        let mut browser = scene.gate.signed_in("anna");
        browser.from = Some([127, 0, 2, u8::try_from(n).unwrap() + 1].into());
        let Some(challenge) = scene.challenge(&mut browser) else {
            continue;
        };
        if scene.way(&challenge)["must_start"] == "on_request" && judged == 0 {
            // One message is enough for all guesses: what is begun belongs to its challenge.
            scene.code(&mut browser, "anna", &challenge);
        }
        let reply = scene.answer(&mut browser, &challenge, &scene.device.wrong(n));
        judged += usize::from(reply.status == 422);
        for n in 20..28 {
            let reply = scene.answer(&mut browser, &challenge, &scene.device.wrong(n));
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

/// Ids of others lead nowhere, whoever has which code.
pub fn wrong_person(mut scene: Scene) {
    let (mut anna, hers) = scene.challenged("anna");
    let (mut ben, his) = scene.challenged("ben");
    let her_code = scene.code(&mut anna, "anna", &hers);
    let his_code = scene.code(&mut ben, "ben", &his);
    let foreign = |browser: &mut Browser, challenge: &Value, code: &str| {
        let id = challenge["id"].as_str().unwrap();
        let body = json!({ "enrolment": scene.way(challenge)["enrolment"], "code": code });
        browser.fetch("POST", &scene.gate.portal(&format!("api/v1/challenges/{id}/answer")), Some(&body))
    };
    for code in [&her_code, &his_code] {
        assert_eq!(foreign(&mut ben, &hers, code).status, 404);
    }
    let mut mixed = his.clone();
    mixed["ways"] = hers["ways"].clone();
    assert_eq!(foreign(&mut ben, &mixed, &her_code).status, 404, "her factor at his challenge");
    let reply = scene.answer(&mut ben, &his, &her_code);
    assert_eq!(reply.status, 422, "her code for his factor: {}", reply.text());
    assert!(!scene.served(&mut ben));
    assert_eq!(scene.answer(&mut ben, &his, &his_code).status, 200, "his own goes on");
    assert_eq!(scene.answer(&mut anna, &hers, &her_code).status, 200, "and hers");
}

/// After its five minutes nothing is judged, and where the person was going is still known.
pub fn expired(mut scene: Scene) {
    let (mut browser, challenge) = scene.challenged("anna");
    let code = scene.code(&mut browser, "anna", &challenge);
    scene.gate.sql("UPDATE challenges SET expires = 1");
    let reply = scene.answer(&mut browser, &challenge, &code);
    assert_eq!(reply.status, 410, "{}", reply.text());
    assert!(!scene.served(&mut browser));
    assert_eq!(scene.passes(), 0);
    let fresh = scene.challenge(&mut browser).expect("nobody is locked");
    assert_ne!(fresh["id"], challenge["id"]);
    let code = scene.code(&mut browser, "anna", &fresh);
    assert_eq!(scene.answer(&mut browser, &fresh, &code).status, 200);
}

/// A code that is right for one factor of a person is wrong for another, and what a level does not accept
/// opens nothing there.
pub fn another_factor(mut scene: Scene) {
    let (mut browser, challenge) = scene.challenged("anna");
    let own = scene.code(&mut browser, "anna", &challenge);
    let id = challenge["id"].as_str().unwrap();
    let url = scene.gate.portal(&format!("api/v1/challenges/{id}/answer"));
    let ways = challenge["ways"].as_array().unwrap();
    let tested = ways
        .iter()
        .find(|way| way["factor"] == scene.device.factor() && way["name"] != "Phone");
    let app = ways.iter().find(|way| way["name"] == "Phone").expect("her app is a way");
    let body = json!({ "enrolment": tested.expect("a way")["enrolment"], "code": scene.app.code() });
    assert_eq!(browser.fetch("POST", &url, Some(&body)).status, 422);
    if scene.device.factor() != "totp" {
        let body = json!({ "enrolment": app["enrolment"], "code": scene.app.code() });
        let reply = browser.fetch("POST", &url, Some(&body));
        assert_eq!(reply.status, 404, "the level does not accept the app: {}", reply.text());
    }
    assert!(!scene.served(&mut browser));
    let body = json!({ "enrolment": tested.expect("a way")["enrolment"], "code": own });
    assert_eq!(browser.fetch("POST", &url, Some(&body)).status, 200);
}

/// Neither a stranger's code, nor a code of another factor, nor a stranger's id confirms an enrolment.
pub fn foreign_confirmation(mut scene: Scene) {
    let (mut ben, his) = scene.challenged("ben");
    let his_code = scene.code(&mut ben, "ben", &his);
    let (mut anna, hers) = scene.challenged("anna");
    let her_code = scene.code(&mut anna, "anna", &hers);
    let begun = begin(&scene.gate, &mut scene.at_home, &json!({ "factor": "totp" }));
    let id = begun["id"].as_str().unwrap();
    let url = scene.gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
    let before = scene.gate.sql("SELECT count(*) FROM enrolments");
    for code in [&his_code, &her_code, &scene.app.code()] {
        let body = Some(json!({ "code": code }));
        assert_eq!(ben.fetch("POST", &url, body.as_ref()).status, 404, "not his");
        assert_eq!(anna.fetch("POST", &url, body.as_ref()).status, 404, "not of her other session");
        let reply = scene.at_home.fetch("POST", &url, body.as_ref());
        assert_eq!(reply.status, 422, "{}", reply.text());
    }
    assert_eq!(scene.gate.sql("SELECT count(*) FROM enrolments"), before, "nothing is enrolled");
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

/// All but the last byte of each, then the last bytes: as parallel as sockets can be.
fn at_once(scene: &Scene, requests: &[String]) -> Vec<Reply> {
    let mut streams: Vec<TcpStream> = requests
        .iter()
        .map(|request| {
            let mut stream = TcpStream::connect(scene.gate.address()).expect("the gate accepts");
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
