//! A real OpenID provider, npm's `oidc-provider` (`tests/peers/node/provider.mjs`), and a person at its pages.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Browser, Form, Reply, wait_until};

/// Ended when dropped.
pub struct Provider {
    child: Child,
    commands: Option<ChildStdin>,
    issuer: String,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Provider {
    /// For a portal on this port, known there as each of these sources.
    #[track_caller]
    pub fn start(port: u16, sources: &[&str]) -> Self {
        Self::with(port, sources, "RS256")
    }

    /// The same, with ID tokens signed by this algorithm.
    #[track_caller]
    pub fn with(port: u16, sources: &[&str], algorithm: &str) -> Self {
        let clients: Vec<Value> = sources
            .iter()
            .map(|source| {
                json!({
                    "client_id": format!("stepgate-{source}"),
                    "client_secret": "hush-hush-hush-hush-hush-hush-hush",
                    "portal": format!("http://localhost:{port}/.stepgate"),
                    "source": source,
                    "algorithm": algorithm,
                })
            })
            .collect();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/node/provider.mjs");
        // Where the system's Node is too old, `tests/run` has brought another.
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/node/node_modules/node/bin/node");
        let node = if std::path::Path::new(own).exists() {
            own
        } else {
            "node"
        };
        let mut child = Command::new(node)
            .arg(script)
            .arg(Value::from(clients).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is installed");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next().expect("it says its issuer").expect("text");
        let first: Value = serde_json::from_str(&first).expect("JSON");
        let issuer = first["issuer"].as_str().expect("its issuer").to_owned();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().unwrap().push(serde_json::from_str(&line).unwrap_or_default());
            }
        });
        let commands = child.stdin.take();
        Self { child, commands, issuer, told }
    }

    /// An item of `identity:` for it, with further keys as they stand in a flow map.
    pub fn source(&self, name: &str, more: &str) -> String {
        let comma = if more.is_empty() { "" } else { ", " };
        format!(
            "\n  - {{ name: {name}, type: oidc, issuer: \"{}\", client_id: stepgate-{name}, \
             client_secret: hush-hush-hush-hush-hush-hush-hush{comma}{more} }}\n",
            self.issuer
        )
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Lets a browser find it.
    pub fn known_to(&self, mut browser: Browser) -> Browser {
        let authority = self.issuer.trim_start_matches("http://").to_owned();
        let address = authority.parse().expect("an address");
        browser.others.insert(authority, address);
        browser
    }

    /// Changes how it behaves, and waits until it does.
    #[track_caller]
    pub fn command(&mut self, command: &Value) {
        let before = self.told("done").len();
        let mut commands = self.commands.as_ref().expect("running");
        writeln!(commands, "{command}").expect("it listens");
        wait_until("the provider has done as it was told", || {
            (self.told("done").len() > before).then_some(())
        });
    }

    /// What it told that has this key, in order.
    pub fn told(&self, key: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|one| !one[key].is_null()).cloned().collect()
    }

    /// Ends it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether this page is the provider's.
    pub fn shows(&self, browser: &Browser) -> bool {
        browser.url.starts_with(&self.issuer)
    }

    /// Signs in and agrees, on whatever of its pages comes, until the browser is back.
    #[track_caller]
    pub fn sign_in(&self, browser: &mut Browser, reply: Reply, login: &str) -> Reply {
        let mut reply = browser.settle(reply);
        for _ in 0..4 {
            let page = reply.text();
            let form =
                match (Form::with(&page, |field| field.name == "login"), Form::all(&page).into_iter().next())
                {
                    (Some(form), _) => form.fill("login", login).fill("password", "any"),
                    (None, Some(form)) if self.shows(browser) => form,
                    _ => return reply,
                };
            reply = browser.submit(&form);
            reply = browser.settle(reply);
        }
        panic!("the provider asks again and again: {}", reply.text());
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}
