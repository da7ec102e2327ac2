//! The spawned binary: a configuration in a directory of its own, people, and the running gate.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::http::Reply;
use super::tools::{Finished, pipe_into, run, stepgate};
use super::{Authenticator, Browser, Raw};

/// What a gate is started with. The sections not set are those of a small portal on `localhost` with local
/// users, open enrolment and generous limits per network.
pub struct Setup {
    sections: BTreeMap<String, String>,
    directory: tempfile::TempDir,
    /// Held without listening, so that nobody else gets the port before, during or after restarts.
    reserved: socket2::Socket,
    port: u16,
    /// The port that clients come to, if another proxy stands there.
    front: Option<u16>,
    secure: bool,
}

/// A gate that runs; killed when dropped.
pub struct Gate {
    pub setup: Setup,
    child: Option<Child>,
    operations: Option<SocketAddr>,
}

impl Setup {
    /// Routes as YAML, the list alone. `$PORT`, `$DIR` and whatever `replace` adds are filled in.
    pub fn new(routes: &str) -> Self {
        let reserved =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        reserved.set_reuse_address(true).expect("SO_REUSEADDR");
        reserved.set_reuse_port(true).expect("SO_REUSEPORT");
        reserved
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .expect("a free port");
        let port = reserved.local_addr().ok().and_then(|a| a.as_socket()).expect("bound").port();
        let mut setup = Self {
            sections: BTreeMap::new(),
            directory: tempfile::tempdir().expect("a temporary directory"),
            reserved,
            port,
            front: None,
            secure: false,
        };
        for (section, text) in [
            ("version", " 1"),
            (
                "server",
                " { listen: \"127.0.0.1:$PORT\", public_url: \"http://localhost:$PORT\", operations: \"127.0.0.1:0\" }",
            ),
            ("storage", " { state_directory: \"$DIR/state\" }"),
            ("enrolment", " { first_factor: open }"),
            ("limits", " { per_network: 100000 per 1m }"),
            ("logging", " { format: json, level: info }"),
        ] {
            setup = setup.section(section, text);
        }
        setup.section("routes", &format!("\n{routes}"))
    }

    /// Replaces a top-level section; the text is what follows `NAME:`.
    #[must_use]
    pub fn section(mut self, name: &str, text: &str) -> Self {
        let text = if text.starts_with([' ', '\n']) {
            text.to_owned()
        } else {
            format!(" {text}")
        };
        self.sections.insert(name.to_owned(), text);
        self
    }

    /// Keys added to the `server` section, as they stand in a flow map: `drain: 1s`.
    #[must_use]
    pub fn server(mut self, keys: &str) -> Self {
        if let Some(server) = self.sections.get_mut("server") {
            let end = server.rfind('}').expect("a flow map");
            server.insert_str(end, &format!(", {keys} "));
        }
        self
    }

    /// Serves TLS with a certificate made for this test, on `https://localhost`.
    #[must_use]
    pub fn tls(mut self, hosts: &[&str]) -> Self {
        let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        fs::write(self.path("tls.crt"), made.cert.pem()).expect("the directory is writable");
        write_private(&self.path("tls.key"), &made.signing_key.serialize_pem());
        self.secure = true;
        if let Some(server) = self.sections.get_mut("server") {
            *server = server.replace("http://localhost", "https://localhost");
        }
        self.server("tls: { certificate: \"$DIR/tls.crt\", key: { file: \"$DIR/tls.key\" } }")
    }

    /// Another proxy listens on `port` and asks this gate; clients come to it, and so does everything below.
    #[must_use]
    pub fn behind(mut self, port: u16) -> Self {
        self.front = Some(port);
        if let Some(server) = self.sections.get_mut("server") {
            *server = server.replace("http://localhost:$PORT", &format!("http://localhost:{port}"));
        }
        self.server("trusted_proxies: [127.0.0.1]")
    }

    /// The text of a section, as it stands behind its name.
    pub fn text_of(&self, section: &str) -> Option<String> {
        self.sections.get(section).cloned()
    }

    /// As [`Setup::section`], for one that is in use already; written by [`Setup::write`].
    pub fn set(&mut self, name: &str, text: &str) {
        self.sections
            .insert(name.to_owned(), format!(" {}", text.trim_start_matches(' ')));
    }

    /// A second process of the same: on the same store, for the same portal, at an address of its own.
    #[must_use]
    pub fn replica(&self) -> Self {
        let directory = self.directory.path().to_string_lossy();
        let mut replica = Self::new("");
        for (name, section) in &self.sections {
            let own = section.replace("listen: \"127.0.0.1:$PORT\"", "listen: \"127.0.0.1:$OWN\"");
            let text = own.replace("$PORT", &self.port.to_string()).replace("$DIR", &directory);
            replica
                .sections
                .insert(name.clone(), text.replace("$OWN", &replica.port.to_string()));
        }
        replica.secure = self.secure;
        replica
    }

    /// A file in the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The configuration as it stands now, written to the file it is run from.
    pub fn write(&self) -> PathBuf {
        let directory = self.directory.path().to_string_lossy();
        let mut text = String::new();
        for (name, section) in &self.sections {
            text.push_str(&format!("{name}:{section}\n"));
        }
        let text = text.replace("$PORT", &self.port.to_string()).replace("$DIR", &directory);
        let file = self.path("stepgate.yaml");
        fs::write(&file, text).expect("the directory is writable");
        file
    }

    /// Runs a command that takes `-c FILE`.
    #[track_caller]
    pub fn command(&self, arguments: &[&str], input: &str) -> Finished {
        let file = self.write();
        let mut command = stepgate(arguments);
        command.arg("-c").arg(file);
        pipe_into(&mut command, input)
    }

    /// Adds a local user; the password is [`Self::password`].
    #[must_use]
    #[track_caller]
    pub fn user(self, name: &str, options: &[&str]) -> Self {
        let arguments: Vec<&str> = ["users", "add", name, "--password-stdin"]
            .iter()
            .chain(options)
            .copied()
            .collect();
        self.command(&arguments, &format!("{}\n", Self::password(name))).expect(0);
        self
    }

    /// The password of a test's user.
    pub fn password(name: &str) -> String {
        format!("correct horse {name} staple")
    }

    /// Starts the gate and waits until it is ready.
    #[track_caller]
    pub fn start(self) -> Gate {
        let mut gate = Gate { setup: self, child: None, operations: None };
        gate.start_again();
        gate
    }
}

impl Gate {
    /// A gate with these routes and users `anna` and `ben`.
    #[track_caller]
    pub fn with(routes: &str) -> Self {
        Setup::new(routes).user("anna", &[]).user("ben", &[]).start()
    }

    /// Starts (again) with the setup as it stands now.
    ///
    /// # Panics
    /// When the gate does not say that it is ready; the message has its log.
    #[track_caller]
    pub fn start_again(&mut self) {
        let file = self.setup.write();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.setup.path("log"))
            .expect("the directory is writable");
        let mut command = stepgate(&["run", "--ready-json", "-c"]);
        command.arg(file);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().expect("a file"))
            .spawn()
            .expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        let _ = stdout.read_line(&mut line);
        self.child = Some(child);
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|e| panic!("not ready ({e}): {line:?}\n{}", self.log()));
        self.operations = ready["operations"].as_str().and_then(|a| a.parse().ok());
        // What it writes to standard output later belongs to its log.
        std::thread::spawn(move || {
            let mut log = log;
            let _ = std::io::copy(&mut stdout, &mut log);
        });
    }

    /// Ends it the hard way, as a power cut would, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("running").id().to_string();
        run(std::process::Command::new("kill").args(["-s", name, &id])).expect(0);
    }

    /// The exit code, if the gate has ended by itself.
    pub fn exited(&mut self) -> Option<Option<i32>> {
        let status = self.child.as_mut().and_then(|c| c.try_wait().ok().flatten())?;
        self.child = None;
        Some(status.code())
    }

    pub fn process(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.setup.front.unwrap_or(self.setup.port))
    }

    /// `http://HOST:PORT/path`.
    pub fn url(&self, host: &str, path: &str) -> String {
        let scheme = if self.setup.secure { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.address().port())
    }

    /// A page or an API path of the portal.
    pub fn portal(&self, path: &str) -> String {
        self.url("localhost", &format!("/.stepgate/{path}"))
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self.address())
    }

    pub fn raw(&self) -> Raw {
        Raw::connect(self.address())
    }

    /// Asks the operations listener.
    #[track_caller]
    pub fn operations(&self, path: &str) -> Reply {
        let address = self.operations.expect("the operations listener is on");
        Raw::connect(address)
            .send(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
            .reply()
    }

    pub fn operations_address(&self) -> Option<SocketAddr> {
        self.operations
    }

    /// Everything it wrote to its standard streams.
    pub fn log(&self) -> String {
        fs::read_to_string(self.setup.path("log")).unwrap_or_default()
    }

    /// The database, opened by a program that is not ours.
    #[track_caller]
    pub fn sql(&self, query: &str) -> String {
        let database = self.setup.path("state/stepgate.db");
        run(std::process::Command::new("sqlite3")
            .args(["-cmd", ".timeout 5000"])
            .arg(database)
            .arg(query))
        .expect(0)
        .stdout
    }

    /// Audit records whose `what` contains this.
    pub fn audit(&self, what: &str) -> Vec<Value> {
        self.sql("SELECT json FROM audit ORDER BY n")
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|record| record["what"].as_str().is_some_and(|w| w.contains(what)))
            .collect()
    }

    /// Signs in through the API and enrols an authenticator app through the API.
    #[track_caller]
    pub fn enrolled(&self, user: &str) -> (Browser, Authenticator) {
        let mut browser = self.signed_in(user);
        let authenticator = self.enrol(&mut browser);
        (browser, authenticator)
    }

    /// Signs in through the API; the browser holds the cookie of the portal.
    #[track_caller]
    pub fn signed_in(&self, user: &str) -> Browser {
        let mut browser = self.browser();
        let body = json!({ "username": user, "password": Setup::password(user) });
        let reply = browser.fetch("POST", &self.portal("api/v1/sign-in"), Some(&body));
        assert!(reply.status < 300, "sign-in: {} {}", reply.status, reply.text());
        browser
    }

    /// Enrols an authenticator app through the API with a first code.
    #[track_caller]
    pub fn enrol(&self, browser: &mut Browser) -> Authenticator {
        self.enrol_as(browser, "Phone")
    }

    /// The same under another name than "Phone".
    #[track_caller]
    pub fn enrol_as(&self, browser: &mut Browser, name: &str) -> Authenticator {
        let body = json!({ "factor": "totp" });
        let begun = browser.fetch("POST", &self.portal("api/v1/enrolments"), Some(&body));
        assert!(begun.status < 300, "enrolment: {} {}", begun.status, begun.text());
        let begun = begun.json();
        let key = begun["setup"]["key"].as_str().unwrap_or_else(|| panic!("no key in {begun}"));
        let mut authenticator = Authenticator::new(key);
        let id = begun["id"].as_str().unwrap_or_else(|| panic!("no id in {begun}"));
        let body = json!({ "code": authenticator.code(), "name": name });
        let done =
            browser.fetch("POST", &self.portal(&format!("api/v1/enrolments/{id}/confirm")), Some(&body));
        assert!(done.status < 300, "confirm: {} {}", done.status, done.text());
        authenticator
    }

    /// Opens a challenge through the API.
    #[track_caller]
    pub fn challenge(&self, browser: &mut Browser) -> Value {
        let reply = browser.fetch("POST", &self.portal("api/v1/challenges"), Some(&json!({})));
        assert!(reply.status < 300, "challenge: {} {}", reply.status, reply.text());
        reply.json()
    }

    /// Answers a challenge through the API.
    pub fn answer(&self, browser: &mut Browser, challenge: &Value, factor: &str, code: &str) -> Reply {
        let id = challenge["id"].as_str().unwrap_or_else(|| panic!("no id in {challenge}"));
        let body = json!({ "factor": factor, "code": code });
        browser.fetch("POST", &self.portal(&format!("api/v1/challenges/{id}/answer")), Some(&body))
    }

    /// Opens a challenge and answers it with a right code.
    #[track_caller]
    pub fn step_up(&self, browser: &mut Browser, authenticator: &mut Authenticator) -> Reply {
        let challenge = self.challenge(browser);
        let reply = self.answer(browser, &challenge, "totp", &authenticator.code());
        assert!(reply.status < 300, "answer: {} {}", reply.status, reply.text());
        reply
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = &self.setup.reserved;
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the gate ---\n{}", self.log());
        }
    }
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).expect("the directory is writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
}
