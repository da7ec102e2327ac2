//! Our own TLS: which certificate is shown, which versions are spoken, and what happens when files change.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Gate, Setup, Upstream, python, run, wait_until, write_private};

const ROUTES: &str = "
  - { name: one, host: one.localhost, upstream: $UPSTREAM, require: public }
  - { name: two, host: two.localhost, upstream: $UPSTREAM, require: public }
";

/// A pair for these hosts as `NAME.crt` and `NAME.key`. Returns the certificate in hexadecimal.
fn pair(directory: &Path, name: &str, hosts: &[&str]) -> String {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(hosts).expect("a certificate");
    fs::write(directory.join(format!("{name}.crt")), made.cert.pem()).unwrap();
    write_private(&directory.join(format!("{name}.key")), &made.signing_key.serialize_pem());
    made.cert.der().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn setup(upstream: &Upstream, tls: &str) -> Setup {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url())).section(
        "server",
        &format!(
            "{{ listen: \"127.0.0.1:$PORT\", public_url: \"https://localhost:$PORT\", operations: \"127.0.0.1:0\", tls: {tls} }}"
        ),
    )
}

/// What a client that asks for `name` is shown, in hexadecimal; empty when there is no handshake.
const SHOWN: &str = "
import ssl, socket, sys
context = ssl._create_unverified_context()
with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 20) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[2] or None) as secure:
        print(secure.getpeercert(True).hex())
";

fn shown(gate: &Gate, name: &str) -> String {
    python(SHOWN, &[&gate.setup.port().to_string(), name]).stdout.trim().to_owned()
}

/// One request over TLS for `name` that asks for `host`; the status.
const STATUS: &str = "
import ssl, socket, sys
context = ssl._create_unverified_context()
with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 20) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[2] or None) as secure:
        secure.sendall(('GET / HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' % sys.argv[3]).encode())
        print(secure.recv(100).split(b' ')[1].decode())
";

fn status(gate: &Gate, name: &str, host: &str) -> String {
    python(STATUS, &[&gate.setup.port().to_string(), name, host])
        .expect(0)
        .stdout
        .trim()
        .to_owned()
}

#[test]
fn a10_the_name_asked_for_chooses_the_certificate_and_bounds_the_hosts() {
    let upstream = Upstream::start();
    let setup = setup(
        &upstream,
        "{ certificates: [{ certificate: \"$DIR/a.crt\", key: \"$DIR/a.key\" }, { certificate: \"$DIR/b.crt\", key: \"$DIR/b.key\" }, { certificate: \"$DIR/c.crt\", key: \"$DIR/c.key\" }] }",
    );
    let directory = setup.path("");
    let a = pair(&directory, "a", &["localhost"]);
    let b = pair(&directory, "b", &["*.localhost"]);
    let c = pair(&directory, "c", &["one.localhost"]);
    let gate = setup.start();
    for (name, expected) in [
        ("localhost", &a),
        ("one.localhost", &c),
        ("ONE.localhost", &c),
        ("two.localhost", &b),
        ("x.two.localhost", &a),
        ("other.example", &a),
        ("", &a),
    ] {
        assert_eq!(&shown(&gate, name), expected, "{name}");
    }
    assert_eq!(status(&gate, "one.localhost", "one.localhost"), "200");
    // Another host of the same certificate may share a connection; one of another may not.
    assert_eq!(status(&gate, "three.localhost", "two.localhost"), "200");
    assert_eq!(status(&gate, "one.localhost", "two.localhost"), "421");
    assert_eq!(status(&gate, "two.localhost", "ONE.localhost.:443"), "421");
    assert_eq!(upstream.requests().len(), 2);
}

/// A client of openssl's: whether it gets a handshake.
fn handshakes(gate: &Gate, options: &[&str]) -> bool {
    let address = gate.address().to_string();
    let finished = run(Command::new("openssl")
        .args([
            "s_client",
            "-brief",
            "-connect",
            &address,
            "-servername",
            "localhost",
        ])
        .args(options));
    finished.code == Some(0)
}

#[test]
fn r17_handshakes_that_never_come_hold_up_nobody() {
    let upstream = Upstream::start();
    let gate = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .tls(&["localhost"])
        .server("workers: 1, timeouts: { handshake: 5m }")
        .start();
    let mut silent = Vec::new();
    for index in 0..150 {
        let mut socket = std::net::TcpStream::connect(gate.address()).expect("room");
        if index % 2 == 0 {
            // The beginning of a ClientHello.
            std::io::Write::write_all(&mut socket, &[0x16, 3, 1, 2, 0, 1]).expect("open");
        }
        silent.push(socket);
    }
    assert!(handshakes(&gate, &[]));
    drop(silent);
}

#[test]
fn only_tls_1_2_and_1_3_with_forward_secrecy() {
    let upstream = Upstream::start();
    let routes = ROUTES.replace("$UPSTREAM", &upstream.url());
    let gate = Setup::new(&routes).tls(&["localhost"]).start();
    let weak = "-cipher=ALL:@SECLEVEL=0";
    let (_, weak) = weak.split_once('=').unwrap();
    for old in ["-tls1", "-tls1_1"] {
        assert!(!handshakes(&gate, &[old, "-cipher", weak]), "{old}");
    }
    assert!(handshakes(&gate, &["-tls1_2"]) && handshakes(&gate, &["-tls1_3"]));
    for suite in [
        "AES128-SHA",
        "AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA256",
    ] {
        let one = format!("{suite}:@SECLEVEL=0");
        assert!(!handshakes(&gate, &["-tls1_2", "-cipher", &one]), "{suite}");
    }
    assert!(handshakes(&gate, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]));
}

#[test]
fn a_higher_minimum_is_kept() {
    let upstream = Upstream::start();
    let setup = setup(&upstream, "{ certificate: \"$DIR/a.crt\", key: \"$DIR/a.key\", minimum: \"1.3\" }");
    pair(&setup.path(""), "a", &["localhost"]);
    let gate = setup.start();
    assert!(!handshakes(&gate, &["-tls1_2"]) && handshakes(&gate, &["-tls1_3"]));
}

/// Puts another directory where the link `live` leads, as Kubernetes and certbot do.
fn swap(root: &Path, target: &str) {
    let new = root.join("live.new");
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(target, &new).unwrap();
    fs::rename(&new, root.join("live")).unwrap();
}

#[test]
fn r13_changed_certificates_are_taken_and_broken_ones_are_not() {
    let upstream = Upstream::start();
    let setup = setup(&upstream, "{ certificate: \"$DIR/live/tls.crt\", key: \"$DIR/live/tls.key\" }");
    let root = setup.path("");
    let version = |name: &str| {
        fs::create_dir(root.join(name)).unwrap();
        pair(&root.join(name), "tls", &["localhost"])
    };
    let (first, second, _) = (version("one"), version("two"), version("mixed"));
    fs::copy(root.join("one/tls.crt"), root.join("mixed/tls.crt")).unwrap();
    swap(&root, "one");
    let gate = setup.start();
    assert_eq!(shown(&gate, "localhost"), first);
    let metric = |name: &str| {
        let text = gate.operations("/metrics").text();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next().map(str::to_owned))
            .unwrap_or_default()
    };
    assert_eq!(metric("stepgate_certificate_last_reload_successful"), "1");
    assert!(metric("stepgate_certificate_expiry_timestamp_seconds{certificate=\"localhost\"}").len() > 9);
    swap(&root, "two");
    wait_until("the new certificate", || (shown(&gate, "localhost") == second).then_some(()));
    // A key that belongs to another certificate: the old pair goes on, and the log says why.
    swap(&root, "mixed");
    wait_until("the refusal", || gate.log().contains("does not belong to").then_some(()));
    assert_eq!(metric("stepgate_certificate_last_reload_successful"), "0");
    assert_eq!(shown(&gate, "localhost"), second);
    // A broken configuration does not keep certificates from being renewed.
    fs::write(gate.setup.path("stepgate.yaml"), "nonsense: [").unwrap();
    swap(&root, "one");
    gate.signal("HUP");
    wait_until("the first again", || (shown(&gate, "localhost") == first).then_some(()));
    assert_eq!(metric("stepgate_certificate_last_reload_successful"), "1");
}

#[test]
#[ignore = "slow: fifty rotations under handshakes"]
fn r13_fifty_rotations_under_load() {
    let upstream = Upstream::start();
    let setup = setup(&upstream, "{ certificate: \"$DIR/live/tls.crt\", key: \"$DIR/live/tls.key\" }");
    let root = setup.path("");
    let mut last = String::new();
    for name in ["v0", "v1"] {
        fs::create_dir(root.join(name)).unwrap();
        pair(&root.join(name), "tls", &["localhost"]);
    }
    swap(&root, "v0");
    let gate = setup.start();
    let program = "
import os, ssl, socket, sys
context, done = ssl._create_unverified_context(), 0
while not os.path.exists(sys.argv[2]):
    with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 20) as plain:
        with context.wrap_socket(plain, server_hostname='localhost'): done += 1
print(done)
";
    let stop = gate.setup.path("stop");
    let load = Command::new("python3")
        .args(["-c", program, &gate.setup.port().to_string()])
        .arg(&stop)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for turn in 0..50 {
        let name = format!("v{}", turn + 2);
        fs::create_dir(root.join(&name)).unwrap();
        let made = pair(&root.join(&name), "tls", &["localhost"]);
        let broken = turn % 10 == 9;
        if broken {
            fs::write(root.join(&name).join("tls.key"), "not a key").unwrap();
        } else {
            last = made;
        }
        let refused = gate.log().matches("a certificate is refused").count();
        swap(&root, &name);
        gate.signal("HUP");
        if broken {
            wait_until("a refusal", || {
                (gate.log().matches("a certificate is refused").count() > refused).then_some(())
            });
        }
        wait_until("the newest that is whole", || (shown(&gate, "localhost") == last).then_some(()));
    }
    fs::write(&stop, "").unwrap();
    let load = load.wait_with_output().unwrap();
    assert!(load.status.success(), "every handshake succeeds");
    println!("{} handshakes meanwhile", String::from_utf8_lossy(&load.stdout).trim());
}

/// An authority, and a client's pair signed by it, as PEM files.
fn device(directory: &Path, name: &str) {
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, format!("{name} authority"));
    let issuer = rcgen::CertifiedIssuer::self_signed(parameters, authority).unwrap();
    fs::write(directory.join(format!("{name}-ca.pem")), issuer.pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, format!("{name} laptop"));
    let leaf = parameters.signed_by(&key, &issuer).unwrap();
    fs::write(directory.join(format!("{name}.pem")), format!("{}{}", leaf.pem(), key.serialize_pem()))
        .unwrap();
}

#[test]
fn client_certificates_are_asked_for_and_never_required() {
    let upstream = Upstream::start();
    let setup = setup(
        &upstream,
        "{ certificate: \"$DIR/a.crt\", key: \"$DIR/a.key\", device_authority: \"$DIR/ours-ca.pem\" }",
    );
    let directory = setup.path("");
    pair(&directory, "a", &["localhost"]);
    device(&directory, "ours");
    device(&directory, "theirs");
    let gate = setup.start();
    let asked = run(Command::new("openssl").args(["s_client", "-connect", &gate.address().to_string()]));
    assert!(asked.stdout.contains("ours authority"), "{}", asked.stdout);
    let with = |name: &str| gate.setup.path(name).to_string_lossy().into_owned();
    for certificate in ["ours.pem", "theirs.pem"] {
        assert!(
            handshakes(&gate, &["-cert", &with(certificate), "-key", &with(certificate)]),
            "{certificate}"
        );
    }
    assert!(handshakes(&gate, &[]));
}
