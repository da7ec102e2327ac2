//! Which way of theirs people are asked for, what they see where it can't be had, and several in a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{
    Authenticator, Browser, Form, Gate, Reply, Setup, SoftPasskey, Upstream, ok, text_of, wait_until,
};

const SENDER: &str =
    "texts: { type: http, url: \"$TEXTS/send\", json: '{ \"to\": \"{{ to }}\", \"code\": \"{{ code }}\" }' }";
const TEXTS_ON: &str = "{ sms: { enabled: true, countries: [GB], sender: texts } }";
const LEVELS: &str = "
  - { name: two, all_of: [totp, [sms, passkey]] }
  - { name: remembered, any_of: [totp], remember_device: 30d }
  - { name: two-remembered, all_of: [totp, sms], remember_device: 30d }
  - { name: never, any_of: [totp, sms], valid_for: 15m }";

/// An app with a host for each level, and a gateway for texts that can be told to be down.
struct Scene {
    _app: Upstream,
    texts: Upstream,
    down: Arc<AtomicBool>,
    gate: Gate,
}

fn scene() -> Scene {
    let app = Upstream::start();
    let down = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&down);
    let texts = Upstream::answering(move |_| {
        if told.load(Ordering::Relaxed) {
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else {
            ok("{}")
        }
    });
    let route = |host: &str, require: &str| {
        format!(
            "\n  - {{ name: {host}, host: {host}.localhost, upstream: \"{}\", require: {require}, \
             rules: [{{ path: /both/**, require: two }}] }}",
            app.url()
        )
    };
    let routes = [
        route("desk", "standard"),
        route("vault", "two"),
        route("wiki", "remembered"),
        route("ledger", "two-remembered"),
        route("mixed", "[remembered, never]"),
    ];
    let gate = Setup::new(&routes.concat())
        .section("senders", &format!("\n  {}", SENDER.replace("$TEXTS", &texts.url())))
        .section("factors", TEXTS_ON)
        .section("levels", LEVELS)
        .user("anna", &[])
        .user("ben", &[])
        .start();
    Scene { _app: app, texts, down, gate }
}

impl Scene {
    /// The code of the newest text, once there are so many.
    #[track_caller]
    fn text(&self, nth: usize) -> String {
        wait_until("a text", || {
            let all = self.texts.requests();
            let sent: Value = serde_json::from_slice(&all.get(nth - 1)?.body).ok()?;
            Some(sent["code"].as_str()?.to_owned())
        })
    }

    /// As if a minute had passed since the last text.
    fn minute(&self) {
        self.gate.sql("UPDATE sends SET at = at - 61; UPDATE started SET at = at - 61");
    }

    /// Adds a number; gives back the enrolment's id.
    #[track_caller]
    fn number(&self, browser: &mut Browser) -> String {
        let nth = self.texts.requests().len() + 1;
        let body = json!({ "factor": "sms", "number": "07400 123456", "country": "GB" });
        let begun = browser
            .fetch("POST", &self.gate.portal("api/v1/enrolments"), Some(&body))
            .expect(201);
        let path = format!("api/v1/enrolments/{}/confirm", begun.json()["id"].as_str().expect("an id"));
        let body = json!({ "code": self.text(nth) });
        browser.fetch("POST", &self.gate.portal(&path), Some(&body)).expect(200);
        self.minute();
        enrolment(&self.gate, browser, "sms")
    }

    /// Anna with an app called "Phone" and a number.
    #[track_caller]
    fn anna(&self) -> (Browser, Authenticator, String) {
        let (mut anna, app) = self.gate.enrolled("anna");
        let number = self.number(&mut anna);
        (anna, app, number)
    }

    /// What a person who has just signed in meets at this host.
    #[track_caller]
    fn meets(&self, browser: &mut Browser, host: &str) -> Reply {
        browser.go(&self.gate.url(&format!("{host}.localhost"), "/x"))
    }

    /// Has the text of the page that asks for one sent, and answers with its code.
    #[track_caller]
    fn by_text(&self, browser: &mut Browser, shown: &Reply) -> Reply {
        let nth = self.texts.requests().len() + 1;
        let form = Form::all(&shown.text())
            .into_iter()
            .find(|form| form.action.contains("/challenge/start"));
        let reply = browser.submit(&form.unwrap_or_else(|| panic!("{}", text_of(&shown.text()))));
        let asked = browser.settle(reply);
        let form = Form::code(&asked.text()).unwrap_or_else(|| panic!("{}", text_of(&asked.text())));
        let reply = browser.submit(&form.fill("code", &self.text(nth)).fill("remember", "yes"));
        self.minute();
        browser.settle(reply)
    }
}

#[track_caller]
fn by_app(browser: &mut Browser, shown: &Reply, app: &mut Authenticator) -> Reply {
    let form = Form::code(&shown.text()).unwrap_or_else(|| panic!("{}", text_of(&shown.text())));
    let reply = browser.submit(&form.fill("code", &app.code()));
    browser.settle(reply)
}

#[track_caller]
fn enrolment(gate: &Gate, browser: &mut Browser, factor: &str) -> String {
    let list = browser.fetch("GET", &gate.portal("api/v1/enrolments"), None).json();
    let all = list["enrolments"].as_array().expect("a list");
    let one = all
        .iter()
        .find(|one| one["factor"] == factor)
        .unwrap_or_else(|| panic!("{list}"));
    one["id"].as_str().expect("an id").to_owned()
}

/// Which way a page asks for.
fn asked(page: &Reply) -> &'static str {
    let text = text_of(&page.text());
    [
        ("fingerprint", "passkey"),
        ("authenticator app", "totp"),
        ("Text me a code", "sms"),
    ]
    .into_iter()
    .find(|(words, _)| text.contains(words))
    .map_or("none", |(_, way)| way)
}

fn said(page: &Reply, words: &str) -> bool {
    text_of(&page.text()).contains(words)
}

#[test]
fn the_strongest_then_the_default_then_what_was_used_last_in_this_browser() {
    let scene = scene();
    let (mut anna, mut app, number) = scene.anna();
    let origin = scene.gate.url("localhost", "");
    let begun = anna
        .fetch("POST", &scene.gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "passkey" })))
        .expect(201)
        .json();
    let credential = SoftPasskey::new(1).create(&begun["setup"]["options"], &origin);
    let path = format!("api/v1/enrolments/{}/confirm", begun["id"].as_str().expect("an id"));
    anna.fetch("POST", &scene.gate.portal(&path), Some(&json!({ "credential": credential })))
        .expect(200);

    // Somewhere she has never been: the strongest.
    let mut elsewhere = scene.gate.signed_in("anna");
    assert_eq!(asked(&scene.meets(&mut elsewhere, "desk")), "passkey");
    // What she chose, on the page as by a program.
    let shown = anna.go(&scene.gate.portal(&format!("my-mfa/first/{number}")));
    let form = Form::all(&shown.text())
        .into_iter()
        .find(|form| form.action.contains("my-mfa/first"));
    let reply = anna.submit(&form.unwrap_or_else(|| panic!("{}", text_of(&shown.text()))));
    let settings = anna.settle(reply);
    assert!(
        said(&settings, "Saved.") && said(&settings, "Asked for first"),
        "{}",
        text_of(&settings.text())
    );
    assert_eq!(scene.gate.audit("enrolment.preferred").len(), 1);
    let shown = scene.meets(&mut elsewhere, "desk");
    assert_eq!(asked(&shown), "sms");
    // Another way is one click away; used here, it is the one that is asked for here from now on.
    let page = text_link(&mut elsewhere, &shown, "challenge/ways");
    assert!(said(&page, "Phone Authenticator app"), "{}", text_of(&page.text()));
    let way = enrolment(&scene.gate, &mut anna, "totp");
    let shown = elsewhere.go(&scene.gate.portal(&format!("challenge?j={}&way={way}", journey(&page))));
    by_app(&mut elsewhere, &shown, &mut app).expect(200);
    elsewhere
        .fetch("POST", &scene.gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    sign_in(&scene.gate, &mut elsewhere, "anna");
    assert_eq!(asked(&scene.meets(&mut elsewhere, "desk")), "totp");
    // Only here: another browser keeps to what she chose.
    let mut third = scene.gate.signed_in("anna");
    assert_eq!(asked(&scene.meets(&mut third, "desk")), "sms");
    // What is not hers cannot be chosen, nor without a fresh proof.
    let url = scene.gate.portal(&format!("api/v1/enrolments/{number}"));
    let mut ben = scene.gate.signed_in("ben");
    scene.gate.enrol(&mut ben);
    ben.fetch("PATCH", &url, Some(&json!({ "is_default": true }))).expect(404);
    third.fetch("PATCH", &url, Some(&json!({ "is_default": true }))).expect(403);
    anna.fetch("PATCH", &url, Some(&json!({ "is_default": true, "name": "Work" })))
        .expect(204);
    let list = anna.fetch("GET", &scene.gate.portal("api/v1/enrolments"), None).json();
    let chosen: Vec<&Value> = list["enrolments"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["is_default"] == json!(true))
        .map(|one| &one["name"])
        .collect();
    assert_eq!(chosen, [&json!("Work")]);
}

/// The journey that the forms of a page go on with.
fn journey(page: &Reply) -> String {
    let form = Form::with(&page.text(), |field| field.name == "j").expect("a journey");
    form.value("j").expect("its id").to_owned()
}

/// Follows the first link to this page of ours.
#[track_caller]
fn text_link(browser: &mut Browser, shown: &Reply, page: &str) -> Reply {
    let html = shown.text();
    let link = html
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .find(|href| href.contains(page))
        .unwrap_or_else(|| panic!("no link to {page}: {}", text_of(&html)));
    let url = browser.absolute(&link.replace("&#38;", "&").replace("&amp;", "&"));
    browser.go(&url)
}

#[track_caller]
fn sign_in(gate: &Gate, browser: &mut Browser, user: &str) {
    let body = json!({ "username": user, "password": Setup::password(user) });
    browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body)).expect(200);
}

#[test]
fn two_in_a_row_are_counted_and_none_is_asked_for_twice() {
    let scene = scene();
    let (_, mut app, _) = scene.anna();
    let mut anna = scene.gate.signed_in("anna");
    let one = scene.meets(&mut anna, "vault");
    assert!(said(&one, "step 1 of 2") && said(&one, "in two ways"), "{}", text_of(&one.text()));
    let two = by_app(&mut anna, &one, &mut app);
    assert!(said(&two, "step 2 of 2") && said(&two, "That was right"), "{}", text_of(&two.text()));
    assert_eq!(asked(&two), "sms", "what was just used here is not the one that is asked for");
    // What it was is shown as done; programs are told what is left.
    let ways = text_link(&mut anna, &two, "challenge/ways");
    assert!(said(&ways, "You've confirmed with this one already."), "{}", text_of(&ways.text()));
    let body = json!({ "return": scene.gate.url("vault.localhost", "/x") });
    let told = anna
        .fetch("POST", &scene.gate.portal("api/v1/challenges"), Some(&body))
        .expect(201)
        .json();
    assert_eq!(told["ways"][0]["factor"], "sms", "{told}");
    let done = told["ways"]
        .as_array()
        .unwrap()
        .iter()
        .find(|way| way["factor"] == "totp")
        .unwrap();
    assert_eq!((&done["accepted"], &done["why_not"]["reason"]), (&json!(false), &json!("done")), "{done}");
    let refused = Form::code(&one.text()).unwrap().fill("code", &app.code());
    let again = anna.submit(&refused);
    assert_ne!(anna.settle(again).text(), "upstream", "the first way once more");

    let two = scene.meets(&mut anna, "vault");
    assert_eq!(scene.by_text(&mut anna, &two).text(), "upstream");
    // Asked once more, by a person who has nothing for the second: they are told before they begin.
    let (_, mut bens) = scene.gate.enrolled("ben");
    let mut ben = scene.gate.signed_in("ben");
    let one = scene.meets(&mut ben, "vault");
    assert!(said(&one, "step 1 of 2"), "{}", text_of(&one.text()));
    let two = by_app(&mut ben, &one, &mut bens);
    assert!(said(&two, "a way to confirm that you haven't set up yet"), "{}", text_of(&two.text()));
    assert!(two.text().contains("/enrol?j="), "and where to set one up");
}

#[test]
fn what_programs_are_told_is_what_is_still_missing() {
    let scene = scene();
    let (_, mut app, _) = scene.anna();
    let mut anna = scene.gate.signed_in("anna");
    let shown = scene.meets(&mut anna, "desk");
    assert_eq!(by_app(&mut anna, &shown, &mut app).text(), "upstream");
    let reply = anna
        .fetch("GET", &scene.gate.url("desk.localhost", "/both/x"), None)
        .expect(401);
    assert_eq!(
        (&reply.json()["factors"], &reply.json()["level"]),
        (&json!(["passkey", "sms"]), &json!("two"))
    );
    let page = scene.gate.url("desk.localhost", "/both/x");
    let explain = |held: &str| {
        let arguments = ["explain", "--url", &page, "--user", "anna", "--has", held];
        let explained = scene.gate.setup.command(&arguments, "");
        assert!(explained.stderr.is_empty(), "{}", explained.stderr);
        explained.stdout
    };
    let before = explain("totp,sms");
    assert!(before.contains("two (factors: totp passkey sms;"), "{before}");
    let between = explain("totp@1m,sms");
    assert!(between.contains("two (factors: passkey sms;"), "{between}");
}

#[test]
fn e25_one_tick_beside_the_last_of_two_stands_for_both() {
    let scene = scene();
    let (_, mut app, _) = scene.anna();
    let mut anna = scene.gate.signed_in("anna");
    let one = scene.meets(&mut anna, "ledger");
    assert!(
        !said(&one, "Don't ask again"),
        "beside the first a tick would say nothing: {}",
        one.text()
    );
    let two = by_app(&mut anna, &one, &mut app);
    let nth = scene.texts.requests().len() + 1;
    let form = Form::all(&two.text())
        .into_iter()
        .find(|form| form.action.contains("/challenge/start"));
    let reply = anna.submit(&form.expect("a button"));
    let shown = anna.settle(reply);
    assert!(said(&shown, "Don't ask again on this browser for 30 days"), "{}", text_of(&shown.text()));
    let form = Form::code(&shown.text()).expect("a field").fill("code", &scene.text(nth));
    let reply = anna.submit(&form.fill("remember", "yes"));
    assert_eq!(anna.settle(reply).text(), "upstream");
    // A new session in the same browser: neither is asked for.
    anna.fetch("POST", &scene.gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    sign_in(&scene.gate, &mut anna, "anna");
    assert_eq!(scene.meets(&mut anna, "ledger").text(), "upstream");
    // Without the tick both are.
    let mut other = scene.gate.signed_in("anna");
    assert!(said(&scene.meets(&mut other, "ledger"), "step 1 of 2"));
}

#[test]
fn e25_the_box_is_offered_where_every_level_that_is_missing_allows_it() {
    let scene = scene();
    scene.anna();
    let mut anna = scene.gate.signed_in("anna");
    assert!(said(&scene.meets(&mut anna, "wiki"), "Don't ask again"));
    let mixed = scene.meets(&mut anna, "mixed");
    assert_eq!(asked(&mixed), "totp", "{}", text_of(&mixed.text()));
    assert!(!said(&mixed, "Don't ask again"), "one of two levels trusts no browser");
}

#[test]
fn a_service_that_is_down_is_said_and_another_way_is_one_click_away() {
    let scene = scene();
    let (mut anna, mut app, number) = scene.anna();
    let url = scene.gate.portal(&format!("api/v1/enrolments/{number}"));
    anna.fetch("PATCH", &url, Some(&json!({ "is_default": true }))).expect(204);
    scene.down.store(true, Ordering::Relaxed);
    let mut elsewhere = scene.gate.signed_in("anna");
    let shown = scene.meets(&mut elsewhere, "desk");
    let start = |shown: &Reply| {
        let form = Form::all(&shown.text())
            .into_iter()
            .find(|form| form.action.contains("/challenge/start"));
        form.unwrap_or_else(|| panic!("{}", text_of(&shown.text())))
    };
    let told = elsewhere.submit(&start(&shown)).expect(422);
    assert!(said(&told, "We couldn't reach the text service"), "{}", text_of(&told.text()));
    assert!(!said(&told, "We sent a text"), "nothing was sent");
    assert!(said(&told, "Use Phone instead"), "{}", text_of(&told.text()));
    let other = text_link(&mut elsewhere, &told, "way=");
    assert_eq!(asked(&other), "totp");
    by_app(&mut elsewhere, &other, &mut app).expect(200);
    // It is back: the same button works, at once.
    scene.down.store(false, Ordering::Relaxed);
    let mut third = scene.gate.signed_in("anna");
    let shown = scene.meets(&mut third, "desk");
    assert_eq!(scene.by_text(&mut third, &shown).text(), "upstream");
}

#[test]
fn who_asks_again_too_soon_is_told_when_and_what_was_sent_late_can_be_used() {
    let scene = scene();
    let (mut anna, _, number) = scene.anna();
    let url = scene.gate.portal(&format!("api/v1/enrolments/{number}"));
    anna.fetch("PATCH", &url, Some(&json!({ "is_default": true }))).expect(204);
    let mut elsewhere = scene.gate.signed_in("anna");
    let shown = scene.meets(&mut elsewhere, "desk");
    // The page was open for a while before she pressed the button.
    scene
        .gate
        .sql("UPDATE challenges SET opened = opened - 240, expires = expires - 240");
    let start = |shown: &Reply| {
        let form = Form::all(&shown.text())
            .into_iter()
            .find(|form| form.action.contains("/challenge/start"));
        form.unwrap_or_else(|| panic!("{}", text_of(&shown.text())))
    };
    let nth = scene.texts.requests().len() + 1;
    let reply = elsewhere.submit(&start(&shown));
    let sent = elsewhere.settle(reply);
    assert!(said(&sent, "It can be used for 4 minutes") || said(&sent, "It can be used for 5 minutes"));
    let code = scene.text(nth);
    let early = elsewhere.submit(&start(&sent));
    assert_eq!(scene.texts.requests().len(), nth, "nothing is sent twice in a minute");
    let left = early
        .text()
        .split("data-again=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next()?.parse::<u64>().ok());
    assert!(left.is_some_and(|left| (1..=60).contains(&left)), "{}", text_of(&early.text()));
    assert!(said(&early, "You can ask for another from"), "{}", text_of(&early.text()));
    // Two minutes on, the first five of the challenge are over, and the code is young.
    scene
        .gate
        .sql("UPDATE challenges SET opened = opened - 120, expires = expires - 120");
    let form = Form::code(&early.text()).expect("a field").fill("code", &code);
    let reply = elsewhere.submit(&form);
    assert_eq!(elsewhere.settle(reply).text(), "upstream");
}

#[test]
fn who_has_only_what_was_switched_off_is_told_so_and_others_go_on_with_the_rest() {
    let mut scene = scene();
    let mut only_texts = scene.gate.signed_in("ben");
    scene.number(&mut only_texts);
    let (mut anna, mut app, number) = scene.anna();
    let url = scene.gate.portal(&format!("api/v1/enrolments/{number}"));
    anna.fetch("PATCH", &url, Some(&json!({ "is_default": true }))).expect(204);
    scene.gate.kill();
    let setup = std::mem::replace(&mut scene.gate.setup, Setup::new(""));
    scene.gate.setup = setup
        .section("factors", "{ totp: { enabled: true }, passkey: { enabled: true } }")
        .section("levels", "\n  - { name: two, all_of: [totp, passkey] }\n  - { name: remembered, any_of: [totp] }\n  - { name: two-remembered, all_of: [totp, passkey] }\n  - { name: never, any_of: [totp] }");
    scene.gate.start_again();

    let mut ben = scene.gate.signed_in("ben");
    let told = scene.meets(&mut ben, "desk").expect(403);
    assert!(said(&told, "You can't confirm right now"), "{}", text_of(&told.text()));
    assert!(
        said(&told, "Text message, ending 56") && said(&told, "invitation"),
        "{}",
        text_of(&told.text())
    );
    let settings = ben.go(&scene.gate.portal("my-mfa")).expect(200);
    assert!(said(&settings, "Switched off here"), "{}", text_of(&settings.text()));
    assert!(said(&settings, "You have no way to confirm yet."), "{}", text_of(&settings.text()));

    let mut anna = scene.gate.signed_in("anna");
    let shown = scene.meets(&mut anna, "desk");
    assert_eq!(asked(&shown), "totp", "{}", text_of(&shown.text()));
    let ways = text_link(&mut anna, &shown, "challenge/ways");
    assert!(said(&ways, "Switched off here, so it can't be used."), "{}", text_of(&ways.text()));
    by_app(&mut anna, &shown, &mut app).expect(200);
}
