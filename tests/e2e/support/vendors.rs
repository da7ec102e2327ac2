//! Peers that take text messages: our fakes of vendors, moto for SNS, Prism for Twilio's own description.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::tools::stepgate_binary;
use super::{Raw, Reply, Reserved, poll};

/// Starting node or a big Python program on a busy machine.
const STARTING: std::time::Duration = std::time::Duration::from_secs(120);

/// A peer that runs; killed when dropped.
pub struct Vendors {
    child: Child,
    address: SocketAddr,
}

/// A file of the repository's tests.
pub fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

/// A Python that has the vendors' own clients (`tests/peers/vendors.txt`).
pub fn vendors_python() -> PathBuf {
    let target = stepgate_binary();
    let own = target.ancestors().nth(2).map(|target| target.join("tools/vendors/bin/python3"));
    own.filter(|python| python.exists()).unwrap_or_else(|| PathBuf::from("python3"))
}

impl Vendors {
    /// The fakes of `texts.py`.
    ///
    /// # Panics
    /// When they do not start.
    #[track_caller]
    pub fn fakes() -> Self {
        let mut child = Command::new("python3")
            .arg(peer("texts.py"))
            .arg("0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let port = line.strip_prefix("ready ").and_then(|port| port.trim().parse().ok());
        Self {
            child,
            address: ([127, 0, 0, 1], port.unwrap_or_else(|| panic!("{line:?}"))).into(),
        }
    }

    /// Prism, serving Twilio's description of this name.
    pub fn prism(description: &str) -> Self {
        let prism = peer("node/node_modules/.bin/prism");
        Self::listening(|port| {
            let mut command = Command::new(&prism);
            command
                .args(["mock", "-h", "127.0.0.1", "-p", port])
                .arg(peer("twilio").join(description));
            command
        })
    }

    /// moto's server.
    pub fn moto() -> Self {
        Self::listening(|port| {
            let mut command = Command::new(vendors_python());
            command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", port]);
            command
        })
    }

    #[track_caller]
    fn listening(command: impl Fn(&str) -> Command) -> Self {
        let port = Reserved::new().port;
        let mut child = command(&port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the peer starts: tests/run installs it");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listens = poll(STARTING, || std::net::TcpStream::connect(address).ok());
        if listens.is_none() {
            let _ = child.kill();
            panic!("the peer does not listen on {address}");
        }
        Self { child, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What the fakes were sent, oldest first: `path` and `fields`.
    #[track_caller]
    pub fn sent(&self) -> Vec<Value> {
        let reply = Raw::connect(self.address)
            .send(format!("GET /_sent HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
            .reply();
        reply.json().as_array().cloned().expect("a list")
    }

    /// Every message is answered with this from now on; `{}`: as usual.
    #[track_caller]
    pub fn always(&self, answer: &Value) {
        self.post("/_always", &answer.to_string(), &[]).expect(200);
    }

    #[track_caller]
    fn post(&self, path: &str, body: &str, headers: &[(String, String)]) -> Reply {
        post(self.address, &self.address.to_string(), path, body, headers)
    }
}

impl Drop for Vendors {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One `POST` with these headers.
#[track_caller]
pub fn post(to: SocketAddr, host: &str, path: &str, body: &str, headers: &[(String, String)]) -> Reply {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Raw::connect(to)
        .send(format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
            body.len()
        ))
        .reply()
}
