//! A code is for one person, one question, one factor, and for as long as all of these are there.

use serde_json::{Value, json};

use super::super::Scene;
use super::super::devices::begin;
use super::super::scene::levels;
use crate::support::{Browser, wait_until};

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
    assert_eq!(scene.start(&mut ben, &hers).status, 404, "nothing is begun for her");
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
    scene.device.prepare(&scene.gate, "anna");
    let fresh = scene.challenge(&mut browser).expect("nobody is locked");
    assert_ne!(fresh["id"], challenge["id"]);
    let code = scene.code(&mut browser, "anna", &fresh);
    assert_eq!(scene.answer(&mut browser, &fresh, &code).status, 200);
}

/// The code of one site's challenge opens nothing at another site, before it was used or after.
pub fn other_site(mut scene: Scene) {
    let (mut browser, here) = scene.challenged("anna");
    let there = scene.challenge_for(&mut browser, "other.localhost").expect("nobody is locked");
    assert_ne!(here["id"], there["id"]);
    let code = scene.code(&mut browser, "anna", &here);
    if scene.device.is_sent() {
        scene.code(&mut browser, "anna", &there);
        assert_eq!(scene.answer(&mut browser, &there, &code).status, 422, "sent for another challenge");
        assert!(!scene.served_by(&mut browser, "other.localhost"));
    }
    assert_eq!(scene.answer(&mut browser, &here, &code).status, 200);
    assert_eq!(scene.answer(&mut browser, &there, &code).status, 422, "it has counted already");
    assert!(scene.served(&mut browser) && !scene.served_by(&mut browser, "other.localhost"));
}

/// A message more means a code more, not before a minute is over; the one before the last counts no more.
pub fn resent(mut scene: Scene) {
    let (mut browser, challenge) = scene.challenged("anna");
    let first = scene.code(&mut browser, "anna", &challenge);
    let early = scene.start(&mut browser, &challenge);
    assert_eq!(early.status, 429, "{}", early.text());
    assert!(
        early
            .header("retry-after")
            .is_some_and(|seconds| seconds.parse::<u32>().is_ok())
    );
    let second = scene.code(&mut browser, "anna", &challenge);
    let third = scene.code(&mut browser, "anna", &challenge);
    assert!(first != second && second != third);
    let reply = scene.answer(&mut browser, &challenge, &first);
    assert_eq!(reply.status, 422, "two were sent after it: {}", reply.text());
    assert!(!scene.served(&mut browser));
    assert_eq!(
        scene.answer(&mut browser, &challenge, &second).status,
        200,
        "messages overtake each other"
    );
    assert_eq!(scene.answer(&mut browser, &challenge, &third).status, 410, "one proof is all there is");
}

/// After a sign-out, while the factor is switched off, and after a reset, nothing that was begun counts.
pub fn ended(mut scene: Scene) {
    let (mut browser, challenge) = scene.challenged("anna");
    let code = scene.code(&mut browser, "anna", &challenge);
    let sessions = browser.fetch("GET", &scene.gate.portal("api/v1/sessions"), None).json();
    let sessions = sessions["sessions"].as_array().expect("sessions");
    let own = sessions.iter().find(|one| one["current"] == true).expect("the current one")["id"].clone();
    let own = scene.gate.portal(&format!("api/v1/sessions/{}", own.as_str().expect("an id")));
    let mut left = browser.clone();
    browser.fetch("DELETE", &own, None).expect(204);
    for browser in [&mut browser, &mut left] {
        assert_eq!(scene.answer(browser, &challenge, &code).status, 401, "signed out");
    }
    let mut again = scene.gate.signed_in("anna");
    assert_eq!(scene.answer(&mut again, &challenge, &code).status, 404, "another session's");

    let (mut browser, challenge) = scene.challenged("anna");
    let code = if scene.device.is_sent() {
        scene.code(&mut browser, "anna", &challenge)
    } else {
        code
    };
    let (on, off) = switches(&scene);
    reload(&mut scene, off);
    wait_until("the factor is off", || {
        (scene.start(&mut browser, &challenge).status == 404).then_some(())
    });
    assert_eq!(scene.answer(&mut browser, &challenge, &code).status, 404, "switched off");
    let inline = scene.inline(&scene.gate, &browser, scene.device.factor(), &code);
    assert_eq!(inline.status, 401, "{}", inline.text());
    if let Some(body) = scene.device.another("anna") {
        let url = scene.gate.portal("api/v1/enrolments");
        let begun = scene.at_home.fetch("POST", &url, Some(&body));
        assert!((400..500).contains(&begun.status), "{} {}", begun.status, begun.text());
    }
    assert!(!scene.served(&mut browser));
    reload(&mut scene, on);
    let passed = wait_until("the factor is on again", || {
        let reply = scene.answer(&mut browser, &challenge, &code);
        (reply.status != 404).then_some(reply)
    });
    assert_eq!(passed.status, 200, "it was right all the time: {}", passed.text());

    let (mut browser, challenge) = scene.challenged("anna");
    let code = scene.code(&mut browser, "anna", &challenge);
    scene.gate.setup.command(&["users", "reset", "anna"], "").expect(0);
    wait_until("the session has ended", || {
        (scene.answer(&mut browser, &challenge, &code).status == 401).then_some(())
    });
    let mut again = scene.gate.signed_in("anna");
    assert_eq!(scene.answer(&mut again, &challenge, &code).status, 404);
    let inline = scene.inline(&scene.gate, &again, scene.device.factor(), &code);
    assert_eq!(inline.status, 401, "{}", inline.text());
    assert!(!scene.served(&mut again));
}

/// Two sections of a configuration, by name.
type Sections = [(String, String); 2];

/// The sections of a configuration in which the factor is on, and off.
fn switches(scene: &Scene) -> (Sections, Sections) {
    let factor = scene.device.factor();
    let section = match factor {
        "recovery_code" | "temporary_code" => format!("{factor}s"),
        other => other.to_owned(),
    };
    let another = if factor == "totp" { "recovery_code" } else { "totp" };
    let named =
        |levels: String, factors: String| [("levels".to_owned(), levels), ("factors".to_owned(), factors)];
    let on = named(levels(factor), scene.gate.setup.text_of("factors").unwrap_or_else(|| " {}".to_owned()));
    let off = named(levels(another), format!("{{ {section}: {{ enabled: false }} }}"));
    (on, off)
}

fn reload(scene: &mut Scene, sections: [(String, String); 2]) {
    for (name, text) in sections {
        scene.gate.setup.set(&name, &text);
    }
    scene.gate.setup.write();
    scene.gate.signal("HUP");
}

/// A code that is right for one factor of a person is wrong for another, and what a level does not accept
/// opens nothing there.
pub fn another_factor(mut scene: Scene) {
    let (mut browser, challenge) = scene.challenged("anna");
    let own = scene.code(&mut browser, "anna", &challenge);
    let id = challenge["id"].as_str().unwrap();
    let url = scene.gate.portal(&format!("api/v1/challenges/{id}/answer"));
    let tested = scene.way(&challenge)["enrolment"].clone();
    let ways = challenge["ways"].as_array().unwrap();
    let app = ways.iter().find(|way| way["name"] == "Phone").expect("her app is a way");
    let codes = scene.app.code();
    let body = json!({ "enrolment": tested, "code": codes });
    let reply = browser.fetch("POST", &url, Some(&body));
    assert_eq!(reply.status, 422, "{}", reply.text());
    if scene.device.factor() != "totp" {
        let body = json!({ "enrolment": app["enrolment"], "code": codes });
        let reply = browser.fetch("POST", &url, Some(&body));
        assert_eq!(reply.status, 404, "the level does not accept the app: {}", reply.text());
        let reply = scene.inline(&scene.gate, &browser, "totp", &codes);
        assert_eq!(reply.status, 401, "nor with a request: {}", reply.text());
    }
    assert!(!scene.served(&mut browser));
    let body = json!({ "enrolment": tested, "code": own });
    assert_eq!(browser.fetch("POST", &url, Some(&body)).status, 200);
}

/// Neither a stranger's code, nor a code of another factor or question, nor a stranger's id confirms an
/// enrolment: of an authenticator app, and of the tested factor.
pub fn foreign_confirmation(mut scene: Scene) {
    let (mut ben, his) = scene.challenged("ben");
    let his_code = scene.code(&mut ben, "ben", &his);
    let (mut anna, hers) = scene.challenged("anna");
    let her_code = scene.code(&mut anna, "anna", &hers);
    let app_code = scene.app.code();
    let before = scene.gate.sql("SELECT count(*) FROM enrolments");
    let own = scene.device.another("anna");
    for (nth, body) in [Some(json!({ "factor": "totp" })), own].into_iter().flatten().enumerate() {
        scene.forget_wrong_answers();
        scene.forget_sends();
        let begun = begin(&scene.gate, &mut scene.at_home, &body);
        let id = begun["id"].as_str().unwrap();
        let url = scene.gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
        for code in [&his_code, &her_code, &app_code] {
            let body = Some(json!({ "code": code }));
            assert_eq!(ben.fetch("POST", &url, body.as_ref()).status, 404, "not his");
            assert_eq!(anna.fetch("POST", &url, body.as_ref()).status, 404, "not of her other session");
            // Whatever she proves there is hers.
            if nth == 1 && code == &her_code && scene.device.is_of_a_name() {
                continue;
            }
            let reply = scene.at_home.fetch("POST", &url, body.as_ref());
            assert!(matches!(reply.status, 422 | 409), "{} {}", reply.status, reply.text());
        }
    }
    assert_eq!(scene.gate.sql("SELECT count(*) FROM enrolments"), before, "nothing is enrolled");
}
