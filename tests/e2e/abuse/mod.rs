//! Every code factor against the same abuse (security.md E01 to E17): one table of factors, one list of
//! cases. A new factor joins by one line in [`suite`] and a [`Device`] that knows how to get a right code.

mod cases;
mod devices;

use serde_json::{Value, json};

use crate::support::{Authenticator, Browser, Gate, Reply, Setup, Upstream};

/// What the cases need to know of a factor.
pub trait Device {
    /// Its name in configuration and API.
    fn factor(&self) -> &'static str;

    /// Switches it on, with whatever it needs beside it. Called once, before people are added.
    fn configure(&mut self, setup: Setup) -> Setup {
        setup
    }

    /// Gives it to a person who is signed in.
    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str);

    /// Begins what must begin for this challenge, and gets a right code that was not handed out before.
    fn code(&mut self, gate: &Gate, browser: &mut Browser, user: &str, challenge: &Value) -> String;

    /// A code of the right shape that is right for nobody.
    fn wrong(&self, n: usize) -> String;
}

/// A gate with one route that this factor opens, and two people who have it beside an authenticator app.
struct Scene {
    gate: Gate,
    _upstream: Upstream,
    device: Box<dyn Device>,
    /// Anna's authenticator app, which she has beside the tested factor, and the session that enrolled both.
    app: Authenticator,
    at_home: Browser,
}

impl Scene {
    fn new(mut device: Box<dyn Device>) -> Self {
        let upstream = Upstream::start();
        let routes = format!(
            "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: tested }}\n",
            upstream.url()
        );
        let levels = format!("[{{ name: tested, any_of: [{}] }}]", device.factor());
        let setup = device.configure(Setup::new(&routes).section("levels", &levels));
        let setup = ["anna", "ben"]
            .into_iter()
            .fold(setup, |setup, user| setup.user(user, &["--email", &format!("{user}@example.test")]));
        let gate = setup.start();
        let mut enrol = |user: &str| {
            let (mut browser, app) = gate.enrolled(user);
            device.enrol(&gate, &mut browser, user);
            (browser, app)
        };
        enrol("ben");
        let (at_home, app) = enrol("anna");
        Self { gate, _upstream: upstream, device, app, at_home }
    }

    /// A new session, with a challenge for the route.
    #[track_caller]
    fn challenged(&self, user: &str) -> (Browser, Value) {
        let mut browser = self.gate.signed_in(user);
        let challenge = self.challenge(&mut browser).expect("nobody is locked");
        (browser, challenge)
    }

    /// A challenge for the route; `None` while this person is locked.
    fn challenge(&self, browser: &mut Browser) -> Option<Value> {
        let body = json!({ "return": self.gate.url("localhost", "/x") });
        let reply = browser.fetch("POST", &self.gate.portal("api/v1/challenges"), Some(&body));
        (reply.status == 201).then(|| reply.json())
    }

    fn code(&mut self, browser: &mut Browser, user: &str, challenge: &Value) -> String {
        self.device.code(&self.gate, browser, user, challenge)
    }

    /// The tested way among those of a challenge: not the app that is there beside it.
    fn way<'a>(&self, challenge: &'a Value) -> &'a Value {
        way(challenge, self.device.factor())
    }

    fn answer(&self, browser: &mut Browser, challenge: &Value, code: &str) -> Reply {
        let id = challenge["id"].as_str().expect("an id");
        let body = json!({ "enrolment": self.way(challenge)["enrolment"], "code": code });
        browser.fetch("POST", &self.gate.portal(&format!("api/v1/challenges/{id}/answer")), Some(&body))
    }

    fn served(&self, browser: &mut Browser) -> bool {
        browser.fetch("GET", &self.gate.url("localhost", "/x"), None).status == 200
    }

    /// Proofs made, by the audit log.
    fn passes(&self) -> usize {
        let records = self.gate.audit("challenge.answered");
        records.iter().filter(|record| record["result"] == "passed").count()
    }
}

/// The way of this kind that the person has for a challenge.
fn way<'a>(challenge: &'a Value, factor: &str) -> &'a Value {
    let ways = challenge["ways"].as_array().map(Vec::as_slice).unwrap_or_default();
    ways.iter()
        .find(|way| way["factor"] == factor && way["name"] != "Phone")
        .unwrap_or_else(|| panic!("no way by {factor} in {challenge:#}"))
}

/// One module of tests for each factor: every case, with a device of its own.
macro_rules! suite {
    ($($name:ident: $device:expr;)*) => { $(
        mod $name {
            use super::{cases, devices, Scene};

            fn scene() -> Scene {
                Scene::new(Box::new($device))
            }

            #[test]
            fn e01_a_code_counts_once() {
                cases::replay(scene());
            }

            #[test]
            fn e02_a_race_of_a_hundred_makes_one_proof_and_locks_nobody() {
                cases::race(scene());
            }

            #[test]
            fn e04_guessing_ends_over_sessions_addresses_factors_and_replicas() {
                cases::brute_force(scene());
            }

            #[test]
            fn e15_another_persons_challenge_is_not_there() {
                cases::wrong_person(scene());
            }

            #[test]
            fn e12_an_expired_challenge_takes_no_answer() {
                cases::expired(scene());
            }

            #[test]
            fn e16_another_factors_code_is_wrong_here() {
                cases::another_factor(scene());
            }

            #[test]
            fn e11_an_enrolment_is_confirmed_by_its_own_code_alone() {
                cases::foreign_confirmation(scene());
            }
        }
    )* };
}

suite! {
    totp: devices::App::default();
    recovery_code: devices::Codes::default();
    email: devices::Sent::email();
    sms: devices::Sent::sms();
    hotp: devices::Fob::default();
    yubikey: devices::Key::new();
}
