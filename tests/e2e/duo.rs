//! Duo, against a stand-in that Duo's own clients have proved (not against Duo's service).

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    Browser, Duo, Form, Gate, Reply, Setup, Upstream, peers_python, run, text_of, wait_until,
};

/// What the other tests here rest on: the stand-in does what Duo's own clients expect of Duo.
#[test]
fn duo_s_own_clients_take_the_stand_in_for_duo() {
    let duo = Duo::start();
    let mut clients = Command::new(peers_python());
    clients
        .arg("tests/peers/duo_clients.py")
        .arg(duo.port().to_string())
        .arg(duo.authority());
    assert_eq!(run(&mut clients).expect(0).stdout.trim(), "ok");
}

/// Duo, an app, and a gate whose people have Duo by their names.
struct Scene {
    duo: Duo,
    gate: Gate,
    _upstream: Upstream,
}

const AUTOMATIC: &str = "automatic: true";

impl Scene {
    fn universal(more: &str) -> Self {
        let duo = Duo::start();
        let section = duo.universal(more);
        Self::with(duo, &section)
    }

    fn api(more: &str) -> Self {
        let duo = Duo::start();
        let section = duo.api(more);
        Self::with(duo, &section)
    }

    fn with_limits(more: &str, limits: &str) -> Self {
        let duo = Duo::start();
        let section = duo.api(more);
        Self::of(duo, &section, limits)
    }

    fn with(duo: Duo, factors: &str) -> Self {
        Self::of(duo, factors, "wrong_answers: 40 per 15m")
    }

    fn of(duo: Duo, factors: &str, limits: &str) -> Self {
        let upstream = Upstream::start();
        let routes = format!(
            "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard, rules: [{{ path: /once, require: once }}] }}\n",
            upstream.url()
        );
        let gate = Setup::new(&routes)
            .section("factors", factors)
            .section("levels", "[{ name: once, any_of: [duo, totp], valid_for: 0s }]")
            .section("limits", &format!("{{ per_network: 100000 per 1m, {limits} }}"))
            .user("anna", &[])
            .user("ben", &[])
            .user("cleo", &[])
            .user("dora", &[])
            .user("emil", &[])
            .user("fay", &[])
            .start();
        Self { duo, gate, _upstream: upstream }
    }

    /// A new session of this person, and a challenge in it.
    #[track_caller]
    fn challenged(&self, user: &str) -> (Browser, Value) {
        self.challenged_for(user, "/x")
    }

    #[track_caller]
    fn challenged_for(&self, user: &str, path: &str) -> (Browser, Value) {
        let mut browser = self.gate.signed_in(user);
        let body = json!({ "return": self.gate.url("localhost", path) });
        let reply = browser.fetch("POST", &self.gate.portal("api/v1/challenges"), Some(&body));
        (browser, reply.expect(201).json())
    }

    /// Begins what the person's Duo needs.
    fn start(&self, browser: &mut Browser, challenge: &Value, choice: &str) -> Reply {
        let id = challenge["id"].as_str().expect("an id");
        let body = json!({ "enrolment": duo_way(challenge)["enrolment"], "choice": choice });
        browser.fetch("POST", &self.gate.portal(&format!("api/v1/challenges/{id}/start")), Some(&body))
    }

    /// Where Duo's page is.
    #[track_caller]
    fn prompted(&self, browser: &mut Browser, challenge: &Value) -> String {
        let begun = self.start(browser, challenge, "").expect(200).json();
        begun["started"]["url"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned()
    }

    fn answer(&self, browser: &mut Browser, challenge: &Value, answer: Value) -> Reply {
        let id = challenge["id"].as_str().expect("an id");
        let mut body = answer;
        body["factor"] = json!("duo");
        browser.fetch("POST", &self.gate.portal(&format!("api/v1/challenges/{id}/answer")), Some(&body))
    }

    /// Asks until it is decided.
    #[track_caller]
    fn decided(&self, browser: &mut Browser, challenge: &Value) -> Reply {
        wait_until("Duo's answer", || {
            let reply = self.answer(browser, challenge, json!({ "ask": true }));
            (!reply.text().contains("waiting")).then_some(reply)
        })
    }

    fn served(&self, browser: &mut Browser) -> bool {
        self.serves(browser, "/x")
    }

    fn serves(&self, browser: &mut Browser, path: &str) -> bool {
        browser.fetch("GET", &self.gate.url("localhost", path), None).status == 200
    }
}

#[track_caller]
fn duo_way(challenge: &Value) -> &Value {
    let ways = challenge["ways"].as_array().expect("ways");
    ways.iter()
        .find(|way| way["factor"] == "duo")
        .unwrap_or_else(|| panic!("no Duo in {challenge}"))
}

#[test]
fn a_person_goes_to_duo_s_page_and_lands_where_they_were_going() {
    let scene = Scene::universal("");
    let (duo, gate) = (&scene.duo, &scene.gate);
    let mut anna = gate.signed_in("anna");
    // The first pass is the enrolment.
    let page = anna.go(&gate.portal("enrol"));
    let offer = Form::with(&page.text(), |field| field.value == "duo").expect("Duo can be added");
    let reply = anna.submit_by(&offer, Some("factor"));
    let page = anna.settle(reply);
    let begin = Form::all(&page.text()).into_iter().find(|form| form.action.contains("/start"));
    let begin = begin.unwrap_or_else(|| panic!("no form that begins it: {}", page.text()));
    let leaving = anna.submit(&begin);
    let url = anna.next(&leaving).expect("the page leads to Duo");
    let back = duo.press(&url, "allow");
    anna.go(&back).expect(200);
    assert!(scene.served(&mut anna), "the first pass is a proof");
    assert_eq!(gate.audit("enrolment.confirmed").len(), 1);
    // And later, in another session, at the challenge of a page.
    let mut later = gate.signed_in("anna");
    let page = later.go(&gate.url("localhost", "/deep?x=1")).expect(200);
    assert!(page.text().contains("Continue to Duo"), "{}", page.text());
    let begin = Form::with(&page.text(), |field| field.name == "way").expect("a form that begins it");
    let leaving = later.submit(&begin).expect(200);
    let url = later.next(&leaving).expect("the page leads to Duo");
    let back = duo.press(&url, "allow");
    assert_eq!(later.go(&back).text(), "upstream");
    let asked = duo.asked("/oauth/v1/token");
    assert_eq!(asked.len(), 2);
    assert!(duo.asked("/oauth/v1/health_check").len() >= 2, "asked before each prompt");
}

#[test]
fn whatever_is_wrong_at_the_way_back_nothing_opens() {
    let scene = Scene::universal(AUTOMATIC);
    let duo = &scene.duo;
    for (button, settings) in [
        ("deny", json!({})),
        ("cancel", json!({})),
        ("bypass", json!({})),
        ("remembered", json!({})),
        ("allow", json!({ "id_token": { "preferred_username": "ben" } })),
        ("allow", json!({ "id_token": { "preferred_username": "ANNA" } })),
        ("allow", json!({ "id_token": { "preferred_username": null } })),
        ("allow", json!({ "id_token": { "iss": "https://localhost" } })),
        ("allow", json!({ "id_token": { "aud": "SOMEBODYELSE" } })),
        ("allow", json!({ "id_token": { "exp": 1 } })),
        ("allow", json!({ "id_token": { "iat": null } })),
        ("allow", json!({ "id_token": { "nonce": null } })),
        ("allow", json!({ "id_token": { "nonce": "x" } })),
        ("allow", json!({ "id_token": { "auth_result": null } })),
        ("allow", json!({ "id_token": { "auth_result": { "result": "deny", "status": "fraud" } } })),
        ("allow", json!({ "algorithm": "HS256" })),
        ("allow", json!({ "algorithm": "none" })),
        ("allow", json!({ "id_secret": "x".repeat(40) })),
        ("allow", json!({ "outage": "500", "only": ["/oauth/v1/token"] })),
        ("allow", json!({ "outage": "garbage", "only": ["/oauth/v1/token"] })),
        ("allow", json!({ "outage": "huge", "only": ["/oauth/v1/token"] })),
        ("allow", json!({ "outage": "redirect", "only": ["/oauth/v1/token"] })),
    ] {
        let (mut anna, challenge) = scene.challenged("anna");
        let url = scene.prompted(&mut anna, &challenge);
        duo.set(settings.clone());
        let back = duo.press(&url, button);
        let reply = anna.go(&back);
        assert!(!scene.served(&mut anna), "{button} {settings}: {} {}", reply.status, reply.text());
        assert_ne!(reply.text(), "upstream", "{button} {settings}");
        let reset = ["id_token", "algorithm", "id_secret", "outage", "only"];
        duo.set(reset.into_iter().map(|name| (name.to_owned(), Value::Null)).collect());
    }
    let (mut anna, challenge) = scene.challenged("anna");
    let url = scene.prompted(&mut anna, &challenge);
    anna.go(&duo.press(&url, "allow"));
    assert!(scene.served(&mut anna), "and as it should be, it opens");
    let fraud = scene.gate.audit("challenge.answered");
    assert!(fraud.iter().any(|record| record["result"] == "fraud"), "{fraud:?}");
}

#[test]
fn a_way_back_is_for_one_session_and_one_use() {
    let scene = Scene::universal(AUTOMATIC);
    let (mut anna, challenge) = scene.challenged("anna");
    let first = scene.duo.press(&scene.prompted(&mut anna, &challenge), "allow");
    // A second tab begins the same challenge anew: only the newest way back counts.
    let second = scene.duo.press(&scene.prompted(&mut anna, &challenge), "allow");
    anna.visit(&first).expect(400);
    assert!(!scene.served(&mut anna));
    // Somebody else's session, whoever they are.
    let (mut ben, _) = scene.challenged("ben");
    ben.visit(&second).expect(400);
    let (mut other, _) = scene.challenged("anna");
    other.visit(&second);
    assert!(!scene.served(&mut ben) && !scene.served(&mut other));
    // A made-up code with a right state is a wrong answer, and uses the state up.
    let (state, code) = (field(&second, "state"), field(&second, "code"));
    let place = second.split('?').next().unwrap().to_owned();
    anna.visit(&format!("{place}?state={state}&code=made-up"));
    anna.visit(&second);
    assert!(!scene.served(&mut anna), "used up");
    let third = scene.duo.press(&scene.prompted(&mut anna, &challenge), "allow");
    anna.visit(&format!("{place}?state={}&code={code}", field(&third, "state")));
    assert!(!scene.served(&mut anna), "the code of another prompt has another nonce");
    let fourth = scene.duo.press(&scene.prompted(&mut anna, &challenge), "allow");
    anna.visit(&fourth);
    assert!(scene.served(&mut anna));
    let mut late = scene.gate.signed_in("anna");
    late.visit(&fourth).expect(400);
    assert!(!scene.served(&mut late), "a second time it is nothing");
}

fn field(url: &str, name: &str) -> String {
    let query = url.split_once('?').expect("a query").1;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).expect("the field").1.into_owned()
}

#[test]
fn e26_an_outage_closes_unless_it_was_chosen_otherwise() {
    for (more, opens) in [("", false), ("on_failure: open", true)] {
        let more = format!("{AUTOMATIC}, {more}");
        let scene = Scene::universal(more.trim_end_matches(", "));
        for outage in ["500", "503"] {
            scene.duo.set(json!({ "outage": outage }));
            let (mut anna, challenge) = scene.challenged("anna");
            let reply = scene.start(&mut anna, &challenge, "");
            assert_eq!((reply.status == 200, scene.served(&mut anna)), (opens, opens), "{}", reply.text());
            if opens {
                // What nobody proved permits no change of factors, and no request that wants a proof of its own.
                let body = json!({ "factor": "totp" });
                anna.fetch("POST", &scene.gate.portal("api/v1/enrolments"), Some(&body))
                    .expect(403);
                assert!(!scene.serves(&mut anna, "/once"));
            }
            let (mut anna, challenge) = scene.challenged_for("anna", "/once");
            scene.start(&mut anna, &challenge, "").expect(503);
            assert!(!scene.serves(&mut anna, "/once"));
        }
        let waived = scene.gate.audit("challenge.answered");
        assert_eq!(
            waived.iter().filter(|record| record["result"] == "waived").count(),
            if opens { 2 } else { 0 }
        );
        // That Duo refuses, or something else answers, is no outage.
        for broken in [
            json!({ "skew": 3600 }),
            json!({ "outage": "garbage" }),
            json!({ "outage": "429" }),
        ] {
            scene.duo.set(json!({ "outage": null, "skew": null }));
            scene.duo.set(broken.clone());
            let (mut anna, challenge) = scene.challenged("anna");
            scene.start(&mut anna, &challenge, "").expect(503);
            assert!(!scene.served(&mut anna), "{broken}");
        }
        assert!(scene.gate.log().contains("40002 invalid_client"));
    }
}

#[test]
fn names_and_exceptions_count_as_configured() {
    let scene = Scene::universal("automatic: true, normalise_usernames: true, accept_bypass: true");
    for (button, name, opens) in [
        ("allow", "EXAMPLE\\Anna", true),
        ("allow", "anna@example.com", true),
        ("allow", "ben@example.com", false),
        ("bypass", "anna", true),
        ("deny", "anna", false),
    ] {
        let (mut anna, challenge) = scene.challenged("anna");
        let url = scene.prompted(&mut anna, &challenge);
        scene.duo.set(json!({ "id_token": { "preferred_username": name } }));
        anna.go(&scene.duo.press(&url, button));
        assert_eq!(scene.served(&mut anna), opens, "{button} {name}");
    }
}

#[test]
fn a_push_is_decided_on_the_phone() {
    let scene = Scene::api(AUTOMATIC);
    for (user, status, result) in [
        ("ben", "deny", "denied"),
        ("cleo", "timeout", "lapsed"),
        ("dora", "locked_out", "barred"),
        ("emil", "fraud", "fraud"),
        ("fay", "bypass", "denied"),
    ] {
        let (mut anna, challenge) = scene.challenged(user);
        let begun = scene.start(&mut anna, &challenge, "push").expect(200).json();
        assert_eq!(begun["started"]["device"], "iOS (XXX-XXX-0142)");
        let waiting = scene.answer(&mut anna, &challenge, json!({ "ask": true }));
        assert!(waiting.status >= 200 && !scene.served(&mut anna), "nothing is decided yet");
        scene.duo.decide(user, status);
        scene.decided(&mut anna, &challenge);
        assert!(!scene.served(&mut anna), "{status}");
        let last = scene.gate.audit("challenge.answered").pop().expect("a record");
        assert_eq!(last["result"], result, "{status}");
    }
    let (mut anna, challenge) = scene.challenged("anna");
    scene.start(&mut anna, &challenge, "").expect(200);
    scene.start(&mut anna, &challenge, "").expect(429);
    scene.duo.decide("anna", "allow");
    scene.decided(&mut anna, &challenge).expect(200);
    assert!(scene.served(&mut anna));
    let pushes = scene.duo.asked("/auth/v2/auth");
    assert_eq!(pushes.len(), 6, "a second push within the minute was not sent");
    assert!(pushes.iter().all(|push| push["async"] == "1" && push["ipaddr"] == "127.0.0.1"));
}

#[test]
fn a_push_that_wants_a_number_shows_it() {
    let scene = Scene::api(AUTOMATIC);
    scene.duo.set(json!({ "users": { "anna": { "verified": true } } }));
    let mut anna = scene.gate.signed_in("anna");
    let page = anna.go(&scene.gate.url("localhost", "/x"));
    let mut choose = Form::with(&page.text(), |field| field.name == "choice").expect("ways within the way");
    choose.fields.retain(|field| field.name != "choice" || field.value == "push");
    let reply = anna.submit_by(&choose, Some("choice"));
    let page = anna.settle(reply).expect(200);
    assert!(
        page.text().contains("708") && page.text().contains("iOS (XXX-XXX-0142)"),
        "{}",
        page.text()
    );
    scene.duo.decide("anna", "allow");
    let page = wait_until("the push", || {
        let shown = anna.visit(&anna.url.clone());
        let ask = Form::with(&shown.text(), |field| field.name == "ask")?;
        let reply = anna.submit_by(&ask, Some("ask"));
        let page = anna.settle(reply);
        (page.text() == "upstream").then_some(page)
    });
    assert_eq!(page.status, 200);
}

#[test]
fn a_call_texted_passcodes_and_a_passcode_as_it_stands() {
    let scene = Scene::api(AUTOMATIC);
    let (mut anna, challenge) = scene.challenged("anna");
    scene.start(&mut anna, &challenge, "phone").expect(200);
    scene.duo.decide("anna", "allow");
    scene.decided(&mut anna, &challenge).expect(200);
    assert!(scene.served(&mut anna));
    let (mut anna, challenge) = scene.challenged("cleo");
    let begun = scene.start(&mut anna, &challenge, "text").expect(200).json();
    assert_eq!(begun["started"]["type"], "sent");
    assert!(!scene.served(&mut anna), "that texts were sent is no proof");
    let wrong = scene.answer(&mut anna, &challenge, json!({ "code": "111111" }));
    assert!(wrong.status >= 400 && !scene.served(&mut anna));
    scene.answer(&mut anna, &challenge, json!({ "code": "424 242" })).expect(200);
    assert!(scene.served(&mut anna));
    // Without anything begun, and in a request of its own.
    let (mut anna, challenge) = scene.challenged("anna");
    scene.answer(&mut anna, &challenge, json!({ "code": "424242" })).expect(200);
    assert!(scene.served(&mut anna));
    for (user, wrong) in [("anna", "locked_out"), ("ben", "deny")] {
        scene.duo.set(json!({ "users": { user: { "status": wrong } } }));
        let (mut browser, challenge) = scene.challenged(user);
        scene.answer(&mut browser, &challenge, json!({ "code": "424242" }));
        assert!(!scene.served(&mut browser), "{wrong}");
    }
}

#[test]
fn e05_a_passcode_whose_answer_is_lost_stays_counted() {
    let scene = Scene::with_limits(AUTOMATIC, "wrong_answers: 3 per 15m");
    scene.duo.set(json!({ "outage": "500", "only": ["/auth/v2/auth"] }));
    let (mut anna, challenge) = scene.challenged("anna");
    let statuses = [(); 4].map(|()| scene.answer(&mut anna, &challenge, json!({ "code": "111111" })).status);
    assert_eq!(statuses[0], 503);
    assert_eq!(statuses[3], 429, "Duo may have judged: {statuses:?}");
    // Where nothing has left, nothing can have been judged.
    let gone = Scene::with_limits(AUTOMATIC, "wrong_answers: 3 per 15m");
    let (mut ben, challenge) = gone.challenged("ben");
    let Scene { duo, gate, .. } = gone;
    drop(duo);
    let id = challenge["id"].as_str().unwrap();
    let url = gate.portal(&format!("api/v1/challenges/{id}/answer"));
    for _ in 0..6 {
        let body = json!({ "factor": "duo", "code": "111111" });
        ben.fetch("POST", &url, Some(&body)).expect(503);
    }
}

#[test]
fn e21_after_two_pushes_that_were_declined_nobody_is_asked() {
    let scene = Scene::api(AUTOMATIC);
    for (nth, answer) in ["deny", "timeout"].into_iter().enumerate() {
        scene.gate.sql("UPDATE sends SET at = at - 61; UPDATE started SET at = at - 61");
        let (mut anna, challenge) = scene.challenged("anna");
        scene.start(&mut anna, &challenge, "push").expect(200);
        scene.duo.decide("anna", answer);
        scene.decided(&mut anna, &challenge);
        let told = scene.gate.sql("SELECT count(*) FROM sends WHERE channel = 'declined'");
        assert_eq!(told.trim(), (nth + 1).to_string());
    }
    scene.gate.sql("UPDATE sends SET at = at - 61; UPDATE started SET at = at - 61");
    let (mut anna, challenge) = scene.challenged("anna");
    let held = scene.start(&mut anna, &challenge, "push").expect(429);
    let wait: i64 = held.header("retry-after").unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&wait), "{wait}");
    assert_eq!(scene.duo.asked("/auth/v2/auth").len(), 2);
    // A passcode goes on, and whoever has shown that they are there may be asked again.
    scene.answer(&mut anna, &challenge, json!({ "code": "424242" })).expect(200);
    let (mut anna, challenge) = scene.challenged("anna");
    scene.start(&mut anna, &challenge, "push").expect(200);
}

#[test]
fn whom_duo_does_not_let_be_asked_does_not_pass() {
    let scene = Scene::api(AUTOMATIC);
    for (preauth, status) in [("deny", 503), ("enroll", 422), ("allow", 503)] {
        scene.duo.set(json!({ "users": { "anna": { "preauth": preauth } } }));
        let (mut anna, challenge) = scene.challenged("anna");
        scene.start(&mut anna, &challenge, "").expect(status);
        let reply = scene.answer(&mut anna, &challenge, json!({ "ask": true }));
        assert!(reply.status >= 400 && !scene.served(&mut anna), "{preauth}");
    }
    scene.duo.set(json!({ "users": {}, "skew": 3600 }));
    let (mut anna, challenge) = scene.challenged("ben");
    scene.start(&mut anna, &challenge, "").expect(503);
    assert!(scene.gate.log().contains("40105"), "the log says what to do about it");
    let passing = Scene::api("automatic: true, accept_bypass: true");
    passing.duo.set(json!({ "users": { "anna": { "preauth": "allow" } } }));
    let (mut anna, challenge) = passing.challenged("anna");
    passing.start(&mut anna, &challenge, "").expect(200);
    passing.decided(&mut anna, &challenge).expect(200);
    assert!(passing.served(&mut anna));
}

#[test]
fn only_for_those_who_have_nothing_else() {
    let scene = Scene::universal("automatic: true, only_if_sole: true");
    let (mut anna, challenge) = scene.challenged("anna");
    assert_eq!(duo_way(&challenge)["accepted"], true);
    let url = scene.prompted(&mut anna, &challenge);
    anna.go(&scene.duo.press(&url, "allow"));
    assert!(scene.served(&mut anna));
    scene.gate.enrol(&mut anna);
    let (mut anna, challenge) = scene.challenged("anna");
    assert_eq!(duo_way(&challenge)["accepted"], false, "there is something better now");
    scene.start(&mut anna, &challenge, "").expect(404);
}

#[test]
fn e26_a_service_that_hangs_is_given_up_and_closes() {
    let scene = Scene::universal(AUTOMATIC);
    scene.duo.set(json!({ "outage": "hang" }));
    let (mut anna, challenge) = scene.challenged("anna");
    let reply = scene.start(&mut anna, &challenge, "").expect(503);
    assert!(reply.text().contains("unavailable"), "{}", reply.text());
    assert!(!scene.served(&mut anna));
    assert!(
        scene.gate.audit("challenge.answered").is_empty(),
        "nobody was asked, so nothing is counted"
    );
}

#[test]
fn a_service_that_hangs_opens_only_where_that_was_chosen_and_everybody_can_see_it() {
    let scene = Scene::api("automatic: true, on_failure: open");
    assert!(scene.gate.log().contains("factors.duo.on_failure is open"), "told at the start");
    let check = scene.gate.setup.command(&["check"], "");
    assert!(check.stdout.contains("SG-C050") || check.stderr.contains("SG-C050"), "{check:?}");
    scene.duo.set(json!({ "outage": "hang" }));
    let (mut anna, challenge) = scene.challenged("anna");
    scene.start(&mut anna, &challenge, "").expect(200);
    assert!(scene.served(&mut anna));
    let record = scene.gate.audit("challenge.answered").pop().expect("a record");
    assert_eq!((&record["result"], &record["detail"]["factor"]), (&json!("waived"), &json!("duo")));
    let metrics = scene.gate.operations("/metrics").text();
    assert!(
        metrics.contains(r#"stepgate_challenges_total{factor="duo",outcome="waived"} 1"#),
        "{metrics}"
    );
}

#[test]
fn e26_a_service_that_is_away_after_the_health_check_opens_nothing() {
    let scene = Scene::api("automatic: true, on_failure: open");
    for path in ["/auth/v2/preauth", "/auth/v2/auth"] {
        scene.duo.set(json!({ "outage": "500", "only": [path] }));
        let (mut anna, challenge) = scene.challenged("anna");
        scene.start(&mut anna, &challenge, "").expect(503);
        assert!(!scene.served(&mut anna), "{path}");
        scene.gate.sql("DELETE FROM sends");
    }
    // A passcode that nobody has judged is not right.
    scene.duo.set(json!({ "outage": "500", "only": ["/auth/v2/auth"] }));
    let (mut ben, challenge) = scene.challenged("ben");
    scene.answer(&mut ben, &challenge, json!({ "code": "424242" })).expect(503);
    assert!(!scene.served(&mut ben));
    // Nor does a lie at the poll.
    scene.duo.set(json!({ "outage": null, "only": null }));
    let (mut cleo, challenge) = scene.challenged("cleo");
    scene.start(&mut cleo, &challenge, "push").expect(200);
    scene.duo.set(json!({ "outage": "garbage", "only": ["/auth/v2/auth_status"] }));
    scene.duo.decide("cleo", "allow");
    let reply = wait_until("the end of the poll", || {
        let reply = scene.answer(&mut cleo, &challenge, json!({ "ask": true }));
        (!reply.text().contains("waiting")).then_some(reply)
    });
    assert!(reply.status >= 400 && !scene.served(&mut cleo), "{}", reply.text());
}

/// Wrong answers that are counted against anybody.
fn wrong_answers(gate: &Gate) -> u32 {
    let sum = gate.sql("SELECT COALESCE(SUM(in_a_row), 0) FROM counters WHERE kind = 'factor'");
    sum.trim().parse().expect("a number")
}

#[test]
fn no_phone_rings_because_a_page_is_looked_at() {
    let scene = Scene::api(AUTOMATIC);
    let mut anna = scene.gate.signed_in("anna");
    let page = anna.go(&scene.gate.url("localhost", "/x")).expect(200);
    let (shown, start) = (anna.url.clone(), scene.gate.portal("challenge/start"));
    for method in ["GET", "HEAD"] {
        for purpose in ["prefetch", "prefetch;prerender", ""] {
            anna.extra = vec![("Sec-Purpose".to_owned(), purpose.to_owned())];
            anna.fetch(method, &shown, None);
            anna.fetch(method, &start, None).expect(405);
        }
    }
    anna.extra.clear();
    assert!(scene.duo.asked("/auth/v2/auth").is_empty() && scene.duo.asked("/auth/v2/preauth").is_empty());
    let mut push = Form::with(&page.text(), |field| field.name == "choice").expect("ways within the way");
    push.fields.retain(|field| field.name != "choice" || field.value == "push");
    let reply = anna.submit_by(&push, Some("choice"));
    let waiting = anna.settle(reply).expect(200);
    assert!(waiting.text().contains("Check now"), "{}", waiting.text());
    for _ in 0..3 {
        anna.visit(&anna.url.clone()).expect(200);
    }
    // The form of another tab, and of one who goes Back.
    anna.submit_by(&push, Some("choice"));
    assert_eq!(scene.duo.asked("/auth/v2/auth").len(), 1);
}

#[test]
fn two_tabs_wait_for_one_push_and_end_together() {
    let scene = Scene::api(AUTOMATIC);
    let mut anna = scene.gate.signed_in("anna");
    let page = anna.go(&scene.gate.url("localhost", "/x")).expect(200);
    let mut push = Form::with(&page.text(), |field| field.name == "choice").expect("ways within the way");
    push.fields.retain(|field| field.name != "choice" || field.value == "push");
    let reply = anna.submit_by(&push, Some("choice"));
    let first = anna.settle(reply).expect(200);
    // The same address in a second tab shows the same question.
    let second = anna.visit(&anna.url.clone()).expect(200);
    let asks = |page: &Reply| Form::with(&page.text(), |field| field.name == "ask").expect("Check now");
    let (one, two) = (asks(&first), asks(&second));
    scene.duo.decide("anna", "allow");
    for tab in [one, two] {
        let shown = wait_until("the push", || {
            let reply = anna.submit_by(&tab, Some("ask"));
            let page = anna.settle(reply);
            (page.text() == "upstream").then_some(page)
        });
        assert_eq!(shown.status, 200);
    }
    assert_eq!(scene.gate.audit("challenge.answered").len(), 1, "one push, one proof");
}

#[test]
fn what_nobody_answers_costs_no_try_and_is_said_as_it_is() {
    let scene = Scene::api(AUTOMATIC);
    for (user, status, words) in [
        ("anna", "timeout", "Nobody confirmed it in time"),
        ("ben", "locked_out", "Your account is locked there"),
        ("cleo", "deny", "It was declined"),
        ("dora", "fraud", "You said that it wasn't you"),
    ] {
        let mut browser = scene.gate.signed_in(user);
        let page = browser.go(&scene.gate.url("localhost", "/x")).expect(200);
        let mut push = Form::with(&page.text(), |field| field.name == "choice").expect("ways within the way");
        push.fields.retain(|field| field.name != "choice" || field.value == "push");
        let reply = browser.submit_by(&push, Some("choice"));
        let page = browser.settle(reply).expect(200);
        let before = wrong_answers(&scene.gate);
        let ask = Form::with(&page.text(), |field| field.name == "ask").expect("Check now");
        scene.duo.decide(user, status);
        let told = wait_until("the end", || {
            let page = browser.submit_by(&ask, Some("ask"));
            (page.status != 200).then_some(page)
        });
        assert!(text_of(&told.text()).contains(words), "{status}: {}", text_of(&told.text()));
        let counted = u32::from(matches!(status, "deny" | "fraud"));
        assert_eq!(wrong_answers(&scene.gate) - before, counted, "{status}");
        assert!(told.text().contains("challenge/ways"), "{status}: another way is offered");
    }
}

#[test]
fn who_comes_back_twice_is_told_that_it_is_over_and_where_to_go() {
    let scene = Scene::universal(AUTOMATIC);
    let (mut anna, challenge) = scene.challenged("anna");
    let back = scene.duo.press(&scene.prompted(&mut anna, &challenge), "allow");
    anna.visit(&back);
    assert!(scene.served(&mut anna));
    let again = anna.visit(&back).expect(400);
    let words = text_of(&again.text());
    assert!(
        words.contains("This step is over") && again.text().contains("/.stepgate/my-mfa"),
        "{words}"
    );
    assert!(scene.served(&mut anna), "and nothing has changed");
}
