//! Passkeys over the API, with an authenticator in software that can be told to lie; the pages are driven by
//! Chromium in `browser.rs`.

use serde_json::{Value, json};

use crate::support::{Browser, Gate, Maker, Reply, Setup, SoftPasskey, Upstream, write_private};

pub(super) fn gate() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let routes = format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    );
    let setup = Setup::new(&routes).user("anna", &[]).user("bob", &[]);
    (upstream, setup.start())
}

pub(super) fn origin(gate: &Gate) -> String {
    gate.url("localhost", "")
}

/// A new passkey of whoever is signed in here.
pub(super) fn enrol(gate: &Gate, browser: &mut Browser, key: &mut SoftPasskey) -> Reply {
    let begun = browser
        .fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "passkey" })))
        .expect(201)
        .json();
    let credential = key.create(&begun["setup"]["options"], &origin(gate));
    let path = format!("api/v1/enrolments/{}/confirm", begun["id"].as_str().unwrap());
    browser.fetch("POST", &gate.portal(&path), Some(&json!({ "credential": credential })))
}

/// A challenge for the app, and the ceremony of the way that is chosen.
fn challenge(gate: &Gate, browser: &mut Browser) -> (String, Value) {
    challenge_for(gate, browser, &gate.url("localhost", "/report"))
}

/// A challenge on the way to this page.
pub(super) fn challenge_for(gate: &Gate, browser: &mut Browser, page: &str) -> (String, Value) {
    let body = json!({ "return": page });
    let challenge = browser
        .fetch("POST", &gate.portal("api/v1/challenges"), Some(&body))
        .expect(201)
        .json();
    let id = challenge["id"].as_str().unwrap().to_owned();
    let way = challenge["ways"]
        .as_array()
        .unwrap()
        .iter()
        .find(|way| way["factor"] == "passkey")
        .unwrap();
    let started = start(gate, browser, &id, &way["enrolment"]);
    (id, json!({ "enrolment": way["enrolment"], "options": started }))
}

fn start(gate: &Gate, browser: &mut Browser, id: &str, enrolment: &Value) -> Value {
    let path = format!("api/v1/challenges/{id}/start");
    let begun = browser.fetch("POST", &gate.portal(&path), Some(&json!({ "enrolment": enrolment })));
    begun.expect(200).json()["started"]["options"].clone()
}

pub(super) fn answer(gate: &Gate, browser: &mut Browser, id: &str, way: &Value, credential: &Value) -> Reply {
    let body = json!({ "enrolment": way["enrolment"], "credential": credential });
    browser.fetch("POST", &gate.portal(&format!("api/v1/challenges/{id}/answer")), Some(&body))
}

fn begin_sign_in(gate: &Gate, browser: &mut Browser) -> Value {
    browser
        .fetch("POST", &gate.portal("api/v1/sign-in/passkey/start"), Some(&json!({})))
        .expect(200)
        .json()
}

fn sign_in(gate: &Gate, browser: &mut Browser, begun: &Value, credential: &Value) -> Reply {
    let body = json!({ "ceremony": begun["ceremony"], "credential": credential });
    browser.fetch("POST", &gate.portal("api/v1/sign-in/passkey"), Some(&body))
}

#[test]
fn e18_a_passkey_steps_up_by_whichever_is_at_hand_and_each_answer_counts_once() {
    let (_upstream, gate) = gate();
    let mut anna = gate.signed_in("anna");
    let (mut first, mut second) = (SoftPasskey::new(1), SoftPasskey::new(2));
    enrol(&gate, &mut anna, &mut first).expect(200);
    enrol(&gate, &mut anna, &mut second).expect(200);

    let mut laptop = gate.signed_in("anna");
    let (id, way) = challenge(&gate, &mut laptop);
    let allowed = way["options"]["publicKey"]["allowCredentials"].as_array().unwrap().len();
    assert_eq!(allowed, 2, "{way}");
    // Shown again in another tab it is the same question.
    assert_eq!(start(&gate, &mut laptop, &id, &way["enrolment"]), way["options"]);
    // Whichever the way was, the other key will do.
    let mut other = first;
    let by_second = second.get(&way["options"], &origin(&gate));
    let passed = answer(&gate, &mut laptop, &id, &way, &by_second).expect(200);
    assert!(passed.json()["return"].as_str().is_some_and(|to| to.ends_with("/report")));
    assert_eq!(laptop.visit(&gate.url("localhost", "/report")).status, 200);
    // The same answer in another browser's challenge is worth nothing, and is counted.
    let mut thief = gate.signed_in("anna");
    let (id, way) = challenge(&gate, &mut thief);
    assert_eq!(answer(&gate, &mut thief, &id, &way, &by_second).expect(422).json()["code"], "code_wrong");
    // That question is over: it was good for one look.
    let late = other.get(&way["options"], &origin(&gate));
    assert_eq!(answer(&gate, &mut thief, &id, &way, &late).status, 409);
    assert_eq!(gate.audit("challenge.answered").last().unwrap()["result"], "wrong");
}

#[test]
fn a_passkey_is_one_persons_and_one_persons_alone() {
    let (_upstream, gate) = gate();
    let (mut anna, mut bob) = (gate.signed_in("anna"), gate.signed_in("bob"));
    let mut key = SoftPasskey::new(1);
    enrol(&gate, &mut anna, &mut key).expect(200);
    assert_eq!(enrol(&gate, &mut anna, &mut key).status, 422, "excluded");
    let taken = enrol(&gate, &mut bob, &mut SoftPasskey::new(1));
    assert_eq!((taken.status, taken.json()["code"].clone()), (409, json!("taken")));
    assert_eq!(gate.sql("SELECT count(*) FROM enrolments WHERE factor = 'passkey'").trim(), "1");
}

#[test]
fn a_copied_key_is_refused_and_recorded() {
    let (_upstream, gate) = gate();
    let mut anna = gate.signed_in("anna");
    let mut key = SoftPasskey::new(1);
    key.counter = 100;
    enrol(&gate, &mut anna, &mut key).expect(200);
    let mut laptop = gate.signed_in("anna");
    let (id, way) = challenge(&gate, &mut laptop);
    key.counter = 5;
    let copied = key.get(&way["options"], &origin(&gate));
    let refused = answer(&gate, &mut laptop, &id, &way, &copied).expect(422);
    assert_eq!(refused.json()["code"], "copied");
    let record = gate.audit("challenge.answered").pop().unwrap();
    assert_eq!(
        (&record["result"], &record["detail"]["enrolment"]),
        (&json!("cloned"), &way["enrolment"]),
        "the officer has to know which"
    );
    let begun = begin_sign_in(&gate, &mut laptop);
    let copied = key.get(&begun["options"], &origin(&gate));
    assert_eq!(sign_in(&gate, &mut gate.browser(), &begun, &copied).status, 401);
    assert_eq!(sign_in(&gate, &mut laptop, &begun, &copied).status, 401);
    let record = gate.audit("sign_in.passkey").pop().unwrap();
    assert_eq!((&record["result"], &record["detail"]["enrolment"]), (&json!("cloned"), &way["enrolment"]));
}

#[test]
fn e02_a_passkey_alone_signs_in_and_proves_once_of_many_at_a_time() {
    let (_upstream, gate) = gate();
    let mut anna = gate.signed_in("anna");
    let mut key = SoftPasskey::new(1);
    enrol(&gate, &mut anna, &mut key).expect(200);

    let mut laptop = gate.browser();
    let begun = begin_sign_in(&gate, &mut laptop);
    let credential = key.get(&begun["options"], &origin(&gate));
    let posts: Vec<(Browser, Reply)> = std::thread::scope(|scope| {
        let post = || {
            let mut tab = laptop.clone();
            let reply = sign_in(&gate, &mut tab, &begun, &credential);
            (tab, reply)
        };
        let running: Vec<_> = (0..20).map(|_| scope.spawn(post)).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (mut in_now, refused): (Vec<_>, Vec<_>) =
        posts.into_iter().partition(|(_, reply)| reply.status == 200);
    assert_eq!((in_now.len(), refused.len()), (1, 19));
    assert!(refused.iter().all(|(_, reply)| reply.status == 401));
    let (tab, session) = in_now.first_mut().unwrap();
    assert_eq!(session.json()["subject"], "local:anna");
    assert_eq!(session.json()["proofs"][0]["factor"], "passkey");
    assert_eq!(tab.visit(&gate.url("localhost", "/report")).status, 200, "and nothing more is asked");
    assert_eq!(gate.audit("sign_in.passkey").len(), 1);
}

#[test]
fn whoever_signs_in_with_what_is_not_theirs_is_refused_alike() {
    let (_upstream, gate) = gate();
    let mut anna = gate.signed_in("anna");
    let mut key = SoftPasskey::new(1);
    enrol(&gate, &mut anna, &mut key).expect(200);
    let mut refused = |change: &dyn Fn(&mut SoftPasskey), why: &str| {
        let mut browser = gate.browser();
        let begun = begin_sign_in(&gate, &mut browser);
        let user = key.user.clone();
        change(&mut key);
        let reply = sign_in(&gate, &mut browser, &begun, &key.get(&begun["options"], &origin(&gate)));
        assert_eq!((reply.status, reply.json()["code"].clone()), (401, json!("sign_in_failed")), "{why}");
        (key.user, key.bogus, key.verified, key.id) = (user, false, true, vec![1; 32]);
    };
    refused(&|key| key.bogus = true, "another signature");
    refused(&|key| key.verified = false, "nobody verified");
    refused(&|key| key.user = Some(vec![9; 16]), "another person's handle");
    refused(&|key| key.user = None, "no handle");
    refused(&|key| key.id = vec![7; 32], "nobody's key");
    // What was begun in one browser is worth nothing in another, nor when it was changed.
    let mut browser = gate.browser();
    let begun = begin_sign_in(&gate, &mut browser);
    let credential = key.get(&begun["options"], &origin(&gate));
    let mut other = gate.browser();
    begin_sign_in(&gate, &mut other);
    assert_eq!(sign_in(&gate, &mut other, &begun, &credential).status, 401);
    let mut forged = begun.clone();
    let (start, end) = begun["ceremony"].as_str().unwrap().split_at(40);
    forged["ceremony"] =
        json!(format!("{start}{}{}", if end.starts_with('A') { "B" } else { "A" }, &end[1..]));
    assert_eq!(sign_in(&gate, &mut browser, &forged, &credential).status, 401);
    sign_in(&gate, &mut browser, &begun, &credential).expect(200);
}

#[test]
fn e19_a_make_that_is_not_accepted_is_told_from_a_wrong_answer_and_locks_nobody() {
    let (upstream, maker, make) = (Upstream::start(), Maker::new(), [3; 16]);
    let routes = format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    );
    let factors =
        "{ passkey: { models: [03030303-0303-0303-0303-030303030303], attestation_roots: $DIR/maker.pem } }";
    let setup = Setup::new(&routes).section("factors", factors);
    write_private(&setup.path("maker.pem"), &maker.certificate().pem());
    let gate = setup.user("anna", &[]).start();
    let mut anna = gate.signed_in("anna");
    let mut foreign = SoftPasskey {
        aaguid: make,
        attestation: Some(Maker::new().certify(make)),
        ..SoftPasskey::new(1)
    };
    // More than five wrong answers would lock.
    for _ in 0..7 {
        let refused = enrol(&gate, &mut anna, &mut foreign).expect(422);
        assert_eq!(refused.json()["code"], "not_accepted");
    }
    assert!(gate.audit("enrolment.confirmed").iter().all(|one| one["result"] == "unfit"));
    assert!(gate.audit("person.locked").is_empty());
    let mut ours =
        SoftPasskey { aaguid: make, attestation: Some(maker.certify(make)), ..SoftPasskey::new(2) };
    enrol(&gate, &mut anna, &mut ours).expect(200);
}

#[test]
fn browsers_find_out_which_other_origins_may_use_them() {
    let upstream = Upstream::start();
    let (asked, url) = (
        |gate: &Gate, host: &str, path: &str| gate.browser().visit(&gate.url(host, path)),
        upstream.url(),
    );
    let routes =
        |host: &str| format!("\n  - {{ name: app, host: {host}, upstream: \"{url}\", require: standard }}\n");
    let file = "/.well-known/webauthn";
    let none = Setup::new(&routes("app.localhost")).start();
    assert_eq!(asked(&none, "localhost", file).status, 404);
    let related = " { passkey: { related_origins: [https://old.example.com] } }";
    // Whether the portal has a host of its own, or an app is there, which is not asked and need not be public.
    for app in ["app.localhost", "localhost"] {
        let gate = Setup::new(&routes(app)).section("factors", related).start();
        let reply = asked(&gate, "localhost", file).expect(200);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.json(), json!({ "origins": ["https://old.example.com"] }));
        let beside = asked(&gate, "localhost", "/.well-known/webauthn/x").status;
        assert!(beside == 404 || beside == 303, "{app}: {beside}");
    }
    // The portal has moved; browsers ask the host that the passkeys were made for, which has an app of its own.
    let moved =
        " { passkey: { relying_party: old.localhost, related_origins: [\"http://localhost:$PORT\"] } }";
    let gate = Setup::new(&routes("old.localhost")).section("factors", moved).start();
    let reply = asked(&gate, "old.localhost", file).expect(200);
    assert_eq!(reply.json(), json!({ "origins": [gate.url("localhost", "")] }));
    assert_eq!(
        asked(&gate, "old.localhost", "/.stepgate/my-mfa").status,
        404,
        "and nothing else of the portal"
    );
    assert_eq!(asked(&gate, "old.localhost", "/.well-known/webauthn?x=1").status, 303);
    assert!(upstream.requests().is_empty());
}
