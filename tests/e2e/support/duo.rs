//! The stand-in for Duo's service (`tests/peers/duo.py`), with a certificate of its own, and the person
//! who stands before Duo's page. `duo_clients.py` proves it with Duo's own clients.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{peers_python, run, write_private};

/// Ended when dropped.
pub struct Duo {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Duo {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (directory.path().join("duo.pem"), directory.path().join("duo.key"));
        std::fs::write(&certificate, made.cert.pem()).expect("the directory is writable");
        write_private(&key, &made.signing_key.serialize_pem());
        let mut child = Command::new(peers_python())
            .arg("tests/peers/duo.py")
            .args([&certificate, &key])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        let mut heard = BufReader::new(child.stdout.take().expect("piped"));
        heard.read_line(&mut line).expect("it says its port");
        let said: Value = serde_json::from_str(&line).expect("as JSON");
        let port = said["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        Self { child, port, directory }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// PEM of the authority that its certificate comes from.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("duo.pem")
    }

    /// The `factors` section for the Universal Prompt, with these keys more.
    pub fn universal(&self, more: &str) -> String {
        self.section(
            "client_id: DIUNIVERSALAAAAAAAAA, client_secret: universal-secret-of-forty-characters-abc",
            more,
        )
    }

    /// The same for the Auth API.
    pub fn api(&self, more: &str) -> String {
        self.section(
            "mode: api, integration_key: DIAUTHAPIAAAAAAAAAAA, secret_key: authapi-secret-of-forty-characters-abcde",
            more,
        )
    }

    fn section(&self, credentials: &str, more: &str) -> String {
        let comma = if more.is_empty() { "" } else { ", " };
        format!(
            " {{ duo: {{ enabled: true, api_host: \"localhost:{}\", authority: \"{}\", {credentials}{comma}{more} }} }}",
            self.port,
            self.authority().display(),
        )
    }

    /// Changes how it behaves; `null` is as usual.
    #[track_caller]
    pub fn set(&self, settings: Value) {
        self.curl(&["--data", &settings.to_string(), &self.url("/fake/set")]);
    }

    /// What the person does with the push or the call that waits for them.
    #[track_caller]
    pub fn decide(&self, user: &str, status: &str) {
        let told = serde_json::json!({ "user": user, "status": status }).to_string();
        self.curl(&["--data", &told, &self.url("/fake/decide")]);
    }

    /// Requests to this path, with their fields.
    #[track_caller]
    pub fn asked(&self, path: &str) -> Vec<Value> {
        let log: Vec<Value> = serde_json::from_str(&self.curl(&[&self.url("/fake/log")])).expect("a list");
        log.into_iter()
            .filter(|one| one["path"] == path)
            .map(|one| one["fields"].clone())
            .collect()
    }

    /// The person at Duo's page presses `button`; gives back where Duo sends them.
    #[track_caller]
    pub fn press(&self, url: &str, button: &str) -> String {
        assert!(url.starts_with(&self.url("/oauth/v1/authorize?")), "{url}");
        let page = self.curl(&[url]);
        let session = page
            .split_once("name=\"session\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .unwrap_or_else(|| panic!("Duo shows no question: {page}"))
            .0;
        let fields = format!("session={session}&result={button}");
        self.curl(&[
            "--data",
            &fields,
            "--output",
            "/dev/null",
            "--write-out",
            "%{redirect_url}",
            &self.url("/prompt"),
        ])
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// A client that is not ours.
    #[track_caller]
    fn curl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--cacert"])
            .arg(self.authority())
            .args(arguments);
        run(&mut command).expect(0).stdout
    }
}

impl Drop for Duo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
