//! A gate with what one factor opens, and two people who have it.

use serde_json::{Value, json};

use super::Device;
use crate::support::{Authenticator, Browser, Form, Gate, Reply, Setup, Upstream};

/// Two sites that only this factor opens, one of them at every request; and anna and ben, who have it
/// beside an authenticator app.
pub struct Scene {
    pub gate: Gate,
    _upstream: Upstream,
    pub device: Box<dyn Device>,
    /// Anna's authenticator app, which she has beside the tested factor, and the session that enrolled both.
    pub app: Authenticator,
    pub at_home: Browser,
}

impl Scene {
    pub fn new(mut device: Box<dyn Device>, log: &str) -> Self {
        let upstream = Upstream::start();
        let routes = format!(
            "\n  - {{ name: app, host: localhost, upstream: \"{url}\", require: tested }}\n  \
               - {{ name: other, host: other.localhost, upstream: \"{url}\", require: each }}\n",
            url = upstream.url()
        );
        let setup = Setup::new(&routes)
            .section("levels", &levels(device.factor()))
            .section("logging", &format!("{{ format: json, level: {log} }}"));
        let setup = device.configure(setup);
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

    /// A second process on the same store, which speaks for the same portal.
    pub fn replica(&self) -> Gate {
        self.gate.setup.replica().start()
    }

    /// A new session, with a challenge for the route.
    #[track_caller]
    pub fn challenged(&mut self, user: &str) -> (Browser, Value) {
        self.device.prepare(&self.gate, user);
        let mut browser = self.gate.signed_in(user);
        let challenge = self.challenge(&mut browser).expect("nobody is locked");
        (browser, challenge)
    }

    /// A challenge for the route; `None` while this person is locked.
    pub fn challenge(&self, browser: &mut Browser) -> Option<Value> {
        self.challenge_for(browser, "localhost")
    }

    /// A challenge for one of the two sites.
    pub fn challenge_for(&self, browser: &mut Browser, site: &str) -> Option<Value> {
        let body = json!({ "return": self.gate.url(site, "/x") });
        let reply = browser.fetch("POST", &self.gate.portal("api/v1/challenges"), Some(&body));
        (reply.status == 201).then(|| reply.json())
    }

    /// A right code for this challenge, begun where it has to be.
    #[track_caller]
    pub fn code(&mut self, browser: &mut Browser, user: &str, challenge: &Value) -> String {
        if self.device.is_sent() {
            self.forget_sends();
            self.start(browser, challenge).expect(200);
        }
        self.device.code(&self.gate, user)
    }

    /// Begins what the tested way needs.
    pub fn start(&self, browser: &mut Browser, challenge: &Value) -> Reply {
        let id = challenge["id"].as_str().expect("an id");
        let body = json!({ "enrolment": self.way(challenge)["enrolment"] });
        browser.fetch("POST", &self.gate.portal(&format!("api/v1/challenges/{id}/start")), Some(&body))
    }

    /// The caps on messages are for another test.
    pub fn forget_sends(&self) {
        self.gate.sql("DELETE FROM sends; UPDATE started SET at = at - 61");
    }

    /// So are the waits, where a case is about something else.
    pub fn forget_wrong_answers(&self) {
        self.gate
            .sql("DELETE FROM counters; UPDATE challenges SET stage = 'open' WHERE stage = 'locked'");
    }

    /// The tested way among those of a challenge: not the app that is there beside it.
    #[track_caller]
    pub fn way<'a>(&self, challenge: &'a Value) -> &'a Value {
        let ways = challenge["ways"].as_array().map(Vec::as_slice).unwrap_or_default();
        let factor = self.device.factor();
        ways.iter()
            .find(|way| way["factor"] == factor && way["name"] != "Phone")
            .unwrap_or_else(|| panic!("no way by {factor} in {challenge:#}"))
    }

    pub fn answer(&self, browser: &mut Browser, challenge: &Value, code: &str) -> Reply {
        let id = challenge["id"].as_str().expect("an id");
        let body = json!({ "enrolment": self.way(challenge)["enrolment"], "code": code });
        browser.fetch("POST", &self.gate.portal(&format!("api/v1/challenges/{id}/answer")), Some(&body))
    }

    /// A request of a program that carries a code of this factor, by the cookies of a browser.
    pub fn inline(&self, gate: &Gate, browser: &Browser, factor: &str, code: &str) -> Reply {
        let request = format!(
            "GET /x HTTP/1.1\r\nHost: localhost:{}\r\nCookie: {}\r\nStepgate-Code: {factor}:{code}\r\n\
             Connection: close\r\n\r\n",
            self.gate.setup.port(),
            browser.cookie_header("localhost").unwrap_or_default(),
        );
        gate.raw().send(request).reply()
    }

    /// The page that asks for the tested way, for somebody who has just signed in by pages.
    #[track_caller]
    pub fn page(&mut self, user: &str) -> (Browser, Reply) {
        self.device.prepare(&self.gate, user);
        let enrolment = {
            let mut browser = self.gate.signed_in(user);
            let challenge = self.challenge(&mut browser).expect("nobody is locked");
            self.way(&challenge)["enrolment"].as_str().expect("an id").to_owned()
        };
        let mut browser = self.gate.browser();
        browser.go_through(&self.gate.url("localhost", "/x"), user, &Setup::password(user), None);
        let url = browser
            .url
            .split(['?', '&'])
            .find(|part| part.starts_with("j="))
            .map(str::to_owned);
        let journey = url.unwrap_or_else(|| panic!("no journey in {}", browser.url));
        let page = browser.go(&self.gate.portal(&format!("challenge?{journey}&way={enrolment}")));
        (browser, page)
    }

    /// Types a right code into the page.
    #[track_caller]
    pub fn submit(&mut self, browser: &mut Browser, page: Reply, user: &str) -> String {
        let mut page = page;
        if self.device.is_sent() {
            self.forget_sends();
            let start = Form::all(&page.text())
                .into_iter()
                .find(|form| form.action.contains("challenge/start"));
            let start = start.unwrap_or_else(|| panic!("nothing to begin: {}", page.text()));
            let begun = browser.submit(&start);
            page = browser.settle(begun);
        }
        let code = self.device.code(&self.gate, user);
        let form = Form::code(&page.text()).unwrap_or_else(|| panic!("no field: {}", page.text()));
        let reply = browser.submit(&form.fill("code", &code));
        browser.settle(reply);
        code
    }

    pub fn served(&self, browser: &mut Browser) -> bool {
        self.served_by(browser, "localhost")
    }

    pub fn served_by(&self, browser: &mut Browser, site: &str) -> bool {
        browser.fetch("GET", &self.gate.url(site, "/x"), None).status == 200
    }

    /// Proofs made, by the audit log.
    pub fn passes(&self) -> usize {
        let records = self.gate.audit(".answered");
        records.iter().filter(|record| record["result"] == "passed").count()
    }
}

/// Two levels that this factor alone meets, for a session and for one request.
pub fn levels(factor: &str) -> String {
    format!("[{{ name: tested, any_of: [{factor}] }}, {{ name: each, any_of: [{factor}], valid_for: 0s }}]")
}
