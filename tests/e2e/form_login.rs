//! People are signed in to an app through its own form, against an app that has one with a token and a session.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::{Browser, Form, Gate, Setup, text_of};

/// `tests/peers/form_app.py`; ends with the test.
struct App {
    child: Child,
    port: u64,
    attempts: Arc<Mutex<Vec<Value>>>,
}

impl App {
    fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/form_app.py");
        let mut child = Command::new("python3")
            .arg(program)
            .arg("0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first: Value = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&attempts);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                seen.lock().unwrap().extend(serde_json::from_str::<Value>(&line).ok());
            }
        });
        Self { child, port: first["port"].as_u64().expect("a port"), attempts }
    }

    /// What was sent to its form. The app writes before it answers, the reader may be behind: waits for `count`.
    fn attempts(&self, count: usize) -> Vec<Value> {
        crate::support::wait_until("the app to have told of its attempts", || {
            let seen = self.attempts.lock().unwrap();
            (seen.len() >= count).then(|| seen.clone())
        })
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ROUTES: &str = "
  - name: Legacy
    host: legacy.localhost
    upstream: http://127.0.0.1:$APP
    require: standard
    rules: [{ path: /change, require: public }, { path: /strict, require: deny }]
    form_login:
      page: /login
      fields: { login: \"{credential.user}\", pass: \"{credential.password}\", csrf: { from: 'form#login input[name=csrf]' } }
      success: { status: [302, 303], cookie: sid }
";

fn gate(app: &App) -> Gate {
    Setup::new(&ROUTES.replace("$APP", &app.port.to_string()))
        .user("anna", &[])
        .user("ben", &[])
        .start()
}

/// Somebody who has passed, and has the cookies of the app's site.
fn passed(gate: &Gate, user: &str) -> Browser {
    let (mut browser, mut authenticator) = gate.enrolled(user);
    gate.step_up(&mut browser, &mut authenticator);
    browser
}

#[track_caller]
fn give(browser: &mut Browser, page: &str, name: &str, password: &str) -> crate::support::Reply {
    let form = Form::with(page, |field| field.name == "password").expect("a form for the credential");
    let reply = browser.submit(&form.fill("username", name).fill("password", password));
    browser.settle(reply)
}

#[test]
fn somebody_gives_a_credential_once_and_is_signed_in_from_then_on() {
    let app = App::start();
    let gate = gate(&app);
    let mut anna = passed(&gate, "anna");
    let asked = anna.go(&gate.url("legacy.localhost", "/report")).expect(200);
    assert!(text_of(&asked.text()).contains("Legacy"), "{}", text_of(&asked.text()));
    assert!(app.attempts.lock().unwrap().is_empty(), "nothing was tried without a credential");
    let there = give(&mut anna, &asked.text(), "a.smith", "hunter two").expect(200);
    assert_eq!(there.text(), "welcome a.smith");
    assert!(anna.url.ends_with("/report"), "where they were going: {}", anna.url);
    let attempt = &app.attempts(1)[0];
    assert_eq!((&attempt["csrf"], &attempt["right"]), (&true.into(), &true.into()), "{attempt}");
    assert!(!attempt["cookies"].to_string().contains("stepgate"), "{attempt}");
    assert_eq!(attempt["origin"], gate.url("legacy.localhost", ""), "as a browser sends its form");

    // A new browser, the same person: nothing is asked.
    let mut other = gate.signed_in("anna");
    other.cookies = anna.cookies.clone();
    if let Some(cookies) = other.cookies.get_mut("legacy.localhost") {
        cookies.retain(|name, _| name.starts_with("stepgate"));
    }
    let there = other.go(&gate.url("legacy.localhost", "/")).expect(200);
    assert_eq!(there.text(), "welcome a.smith");
    assert_eq!(app.attempts(2).len(), 2);

    // Nobody else is.
    let mut ben = passed(&gate, "ben");
    let asked = ben.go(&gate.url("legacy.localhost", "/")).expect(200);
    assert!(Form::with(&asked.text(), |field| field.name == "password").is_some(), "{}", asked.text());

    let everything = format!("{}{}", gate.log(), gate.sql("SELECT json FROM audit"));
    assert!(!everything.contains("hunter"), "{everything}");
    assert!(!gate.sql("SELECT hex(credential) FROM app_credentials").is_empty());
    assert!(
        !gate
            .sql("SELECT CAST(credential AS TEXT) FROM app_credentials")
            .contains("hunter"),
        "sealed"
    );
    assert_eq!(gate.audit("app_credential.saved").len(), 1);
}

#[test]
fn a_credential_that_the_app_refuses_is_tried_once_and_asked_for_again() {
    let app = App::start();
    let gate = gate(&app);
    let mut anna = passed(&gate, "anna");
    let asked = anna.go(&gate.url("legacy.localhost", "/report")).expect(200);
    let again = give(&mut anna, &asked.text(), "a.smith", "hunter won");
    assert_eq!(app.attempts(1).len(), 1);
    assert!(!again.text().contains("hunter"), "the app's answer repeats it, and is not shown");
    assert!(Form::with(&again.text(), |field| field.name == "password").is_some(), "{}", again.text());
    for _ in 0..3 {
        anna.go(&gate.url("legacy.localhost", "/login"));
    }
    assert_eq!(app.attempts(1).len(), 1, "a wrong one must not lock the person out there");
    let there = give(&mut anna, &again.text(), "a.smith", "hunter two").expect(200);
    assert_eq!(there.text(), "welcome a.smith");

    // The app's password changes: one attempt, and the person is asked.
    anna.go(&gate.url("legacy.localhost", "/change"));
    let asked = anna.go(&gate.url("legacy.localhost", "/")).expect(422);
    let there = give(&mut anna, &asked.text(), "a.smith", "hunter three").expect(200);
    assert_eq!(there.text(), "welcome a.smith");
    assert_eq!(app.attempts(4).len(), 4);
    assert_eq!(gate.audit("app_credential.refused").len(), 2);
}

#[test]
fn nobody_is_signed_in_who_has_not_passed_and_a_forgotten_credential_is_gone() {
    let app = App::start();
    let gate = gate(&app);
    let set = [
        "users",
        "credential",
        "set",
        "anna",
        "--route",
        "Legacy",
        "--username",
        "a.smith",
        "--password-stdin",
    ];
    gate.setup.command(&set, "hunter two\n").expect(0);
    let mut stranger = gate.browser();
    let led = stranger.visit(&gate.url("legacy.localhost", "/login"));
    assert_eq!(led.status, 303);
    assert!(led.location().contains("sign-in"), "{}", led.location());
    let program = stranger.fetch("GET", &gate.url("legacy.localhost", "/login"), None);
    assert_eq!(program.status, 401);
    let mut half = gate.signed_in("anna");
    let led = half.go(&gate.url("legacy.localhost", "/login"));
    assert!(!led.text().contains("welcome"), "a password alone is not enough here");
    assert!(app.attempts.lock().unwrap().is_empty());

    // What an administrator has set serves as well.
    let mut anna = passed(&gate, "anna");
    let there = anna.go(&gate.url("legacy.localhost", "/")).expect(200);
    assert_eq!(there.text(), "welcome a.smith");
    let settings = anna.go(&gate.portal("my-mfa")).expect(200);
    let form = Form::all(&settings.text())
        .into_iter()
        .find(|form| form.action.contains("app-sign-in"))
        .expect("it can be forgotten");
    let reply = anna.submit(&form);
    anna.settle(reply).expect(200);
    assert_eq!(gate.sql("SELECT count(*) FROM app_credentials").trim(), "0");
    assert_eq!(gate.audit("app_credential.removed").len(), 1);
}
