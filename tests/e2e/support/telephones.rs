//! The fakes of vendors that call (`tests/peers/calls.py`), and whoever picks up.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{Raw, peer, post, run};

/// Ended when dropped.
pub struct Telephones {
    child: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

/// What somebody heard who picked up, and what the vendor asked meanwhile.
pub struct Call {
    /// Language and words, in order.
    pub heard: Vec<(String, String)>,
    /// Requests to the gate: `url`, `headers`, `body`, `status` and `said`.
    pub asked: Vec<Value>,
}

impl Telephones {
    /// # Panics
    /// When the fakes do not start.
    #[track_caller]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let key = key_in(directory.path());
        let modulus =
            run(Command::new("openssl").args(["rsa", "-noout", "-modulus", "-in"]).arg(&key)).expect(0);
        let modulus = modulus.stdout.trim().trim_start_matches("Modulus=").to_owned();
        let mut child = Command::new("python3")
            .arg(peer("calls.py"))
            .arg(modulus)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        let mut heard = BufReader::new(child.stdout.take().expect("piped"));
        heard.read_line(&mut line).expect("a line");
        let port = line.strip_prefix("ready ").and_then(|port| port.trim().parse().ok());
        let address = ([127, 0, 0, 1], port.unwrap_or_else(|| panic!("{line:?}"))).into();
        Self { child, address, directory }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// PEM of the key that Vonage's application has.
    pub fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    /// What was asked for, oldest first: `vendor`, `to`, `keys`, `fields`.
    #[track_caller]
    pub fn calls(&self) -> Vec<Value> {
        let ask = format!("GET /_calls HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        let reply = Raw::connect(self.address).send(ask).reply();
        reply.json().as_array().cloned().expect("a list")
    }

    /// Somebody picks up the newest call and presses `key` when it is asked for the `at`-th time; `None`: a
    /// mailbox.
    #[track_caller]
    pub fn pick_up(&self, key: Option<&str>, at: u32) -> Call {
        let told = json!({ "key": key, "at": at }).to_string();
        let reply = post(self.address, &self.address.to_string(), "/_pick_up", &told, &[])
            .expect(200)
            .json();
        let list = |name: &str| reply[name].as_array().cloned().expect("a list");
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let heard = list("heard");
        let heard = heard.iter().map(|one| (text(one, "language"), text(one, "text"))).collect();
        Call { heard, asked: list("asked") }
    }
}

impl Call {
    /// The code, which has to be said twice and digit by digit; `None` if no digit was said.
    #[track_caller]
    pub fn code(&self) -> Option<String> {
        let digits = |text: &String| text.chars().next().is_some_and(|c| c.is_ascii_digit());
        let said: Vec<&String> =
            self.heard.iter().map(|(_, text)| text).filter(|text| digits(text)).collect();
        let first = *said.first()?;
        assert_eq!(said, [first, first], "said twice: {:?}", self.heard);
        Some(first.trim_end_matches('.').split(", ").collect())
    }
}

impl Drop for Telephones {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A new RSA key in this directory.
#[track_caller]
fn key_in(directory: &Path) -> PathBuf {
    let key = directory.join("key.pem");
    run(Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048")).expect(0);
    key
}
