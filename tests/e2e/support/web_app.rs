//! A Flask app with a login of its own (`tests/peers/web_app.py`), or a Django app.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Raw, peer, peers_python};

/// The app, running; killed when dropped.
pub struct WebApp {
    child: Child,
    address: SocketAddr,
}

impl WebApp {
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::run(Command::new(peers_python()).arg(peer("web_app.py")))
    }

    /// Django's own login (`tests/peers/django_app.py`), with its people in this directory.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn django(directory: &Path) -> Self {
        Self::run(Command::new(peers_python()).arg(peer("django_app.py")).arg(directory))
    }

    #[track_caller]
    fn run(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        let _ = BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line);
        let port = line.strip_prefix("ready ").and_then(|port| port.trim().parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            panic!("the app did not start ({line:?}): tests/run installs Flask and Django");
        };
        Self { child, address: ([127, 0, 0, 1], port).into() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The password of one of its people.
    pub fn password(name: &str) -> String {
        format!("app secret {name}")
    }

    /// How often a path was asked for so far.
    #[track_caller]
    pub fn asked(&self, path: &str) -> u64 {
        let reply = Raw::connect(self.address)
            .send(format!("GET /_asked HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
            .reply();
        reply.json()[path].as_u64().unwrap_or(0)
    }
}

impl Drop for WebApp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
