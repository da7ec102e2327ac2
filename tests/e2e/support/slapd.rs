//! Debian's slapd with the people of `tests/peers/slapd`: TLS, a password policy, groups of groups.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::tools::{pipe_into, run};
use super::wait_until;

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/slapd");
const PATHS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A directory of its own; ends with the test. Passwords are [`super::Setup::password`].
pub struct Slapd {
    child: Child,
    port: u16,
    tls_port: u16,
    directory: tempfile::TempDir,
}

impl Slapd {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(directory.path().join("server.pem"), made.cert.pem()).unwrap();
        std::fs::write(directory.path().join("server.key"), made.signing_key.serialize_pem()).unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        let text = std::fs::read_to_string(format!("{PEERS}/slapd.conf")).unwrap();
        let text = text.replace("$DIR", &directory.path().to_string_lossy());
        std::fs::write(directory.path().join("slapd.conf"), text).unwrap();
        let people = format!("{PEERS}/people.ldif");
        run(Self::tool("slapadd")
            .args(["-l", &people, "-f"])
            .arg(directory.path().join("slapd.conf")))
        .expect(0);
        let (port, tls_port) = (free_port(), free_port());
        let child = Self::spawn(directory.path(), port, tls_port);
        let mut slapd = Self { child, port, tls_port, directory };
        slapd.ready();
        slapd.modify(&std::fs::read_to_string(format!("{PEERS}/states.ldif")).unwrap());
        slapd
    }

    fn tool(name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("PATH", PATHS);
        command
    }

    fn spawn(directory: &Path, port: u16, tls_port: u16) -> Child {
        let addresses = format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}");
        let mut command = Self::tool("slapd");
        command
            .args(["-d", "0", "-h", &addresses, "-f"])
            .arg(directory.join("slapd.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn ready(&mut self) {
        let port = self.tls_port;
        wait_until("slapd listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        assert!(self.child.try_wait().unwrap().is_none(), "slapd ended");
    }

    /// Changes entries as the administrator.
    pub fn modify(&self, ldif: &str) {
        let mut command = Self::tool("ldapmodify");
        let url = format!("ldap://127.0.0.1:{}", self.port);
        command.args([
            "-x",
            "-e",
            "relax",
            "-H",
            &url,
            "-D",
            "cn=root,dc=example,dc=com",
            "-w",
            "root password",
        ]);
        pipe_into(&mut command, ldif).expect(0);
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn start_again(&mut self) {
        self.child = Self::spawn(self.directory.path(), self.port, self.tls_port);
        self.ready();
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("server.pem")
    }

    pub fn ldaps(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    pub fn ldap(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

    /// An `identity` item that looks for people at these servers; `more` are further keys, each on a line.
    pub fn source(&self, servers: &[&str], more: &str) -> String {
        let authority = self.authority();
        format!(
            "\n  - name: corp\n    type: ldap\n    label: the Example directory\n    servers: {servers:?}\n    \
             authority: {}\n    \
             search: {{ base: \"ou=people,dc=example,dc=com\", filter: \"(&(objectClass=person)(|(uid={{user}})(mail={{user}})))\", bind_dn: \"cn=looker,dc=example,dc=com\", password: \"looker password\" }}\n    \
             groups: {{ base: \"ou=groups,dc=example,dc=com\", filter: \"(member={{dn}})\", nested: true }}\n{more}",
            authority.display()
        )
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
