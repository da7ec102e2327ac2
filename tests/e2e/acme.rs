//! Certificates by ACME, from Caddy's own ACME server with its internal authority.
//!
//! Validation comes to ports 443 and 80 of the host's name, so both sides live in a network namespace of
//! their own, where the names are this machine's.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Setup, run};

/// Obtains, shows, survives a restart, and says so in its metrics. `$1`: the test's directory, `$2`:
/// Caddy, `$3`: stepgate.
const STORY: &str = r#"
set -eu
cd "$1"
export HOME="$1"
ip link set lo up
printf '127.0.0.1 localhost acme.test gate.test app.test\n' >hosts
mount --bind hosts /etc/hosts
"$2" run --adapter caddyfile --config Caddyfile >caddy.log 2>&1 &
caddy=$!
gate=
trap 'kill -KILL $caddy $gate 2>/dev/null || true' EXIT
until_true() { # a condition, for at most thirty seconds
  for _ in $(seq 300); do if "$@"; then return 0; fi; sleep 0.1; done
  echo "in vain: $*"; cat gate.log caddy.log; exit 1
}
verified() { # what is shown for a host is signed by Caddy's authority
  openssl s_client -connect 127.0.0.1:443 -servername "$1" -CAfile authority.pem -verify_return_error \
    -verify_hostname "$1" </dev/null >shown 2>&1
}
placeholder() { openssl s_client -connect 127.0.0.1:443 -servername gate.test </dev/null >shown 2>&1; }
serial() { openssl x509 -in shown -noout -serial; }
until_true curl -sfk -o /dev/null https://acme.test:9443/acme/local/directory
cp caddy/pki/authorities/local/root.crt authority.pem
"$3" run -c stepgate.yaml >gate.log 2>&1 &
gate=$!
until_true placeholder
until_true verified gate.test
until_true verified app.test
first=$(serial)
curl -sf http://127.0.0.1:9090/metrics >metrics
kill -TERM $gate
wait $gate
"$3" run -c stepgate.yaml >>gate.log 2>&1 &
gate=$!
until_true verified app.test
[ "$first" = "$(serial)" ]
curl -sf http://127.0.0.1:9090/metrics >metrics-again
kill -TERM $gate
wait $gate
stat -c %a state/acme state/acme/app.test.pem state/acme/account.json | paste -sd' ' >modes
"#;

/// Caddy, as `tests/run` has installed it.
fn caddy() -> PathBuf {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_stepgate"));
    let beside = binary.ancestors().nth(2).map(|target| target.join("tools/bin/caddy"));
    beside.filter(|path| path.exists()).unwrap_or_else(|| "caddy".into())
}

/// Plays the story with one way of proving a host.
fn obtain(way: &str, listen: &str) {
    let setup = Setup::new("\n  - { name: app, host: app.test, upstream: \"http://127.0.0.1:1\", require: public }\n")
        .section(
            "server",
            &format!(
                "\n  listen: {listen}\n  public_url: https://gate.test\n  operations: \"127.0.0.1:9090\"\n  tls: {{ acme: {{ contact: ops@gate.test, directory: \"https://acme.test:9443/acme/local/directory\", authority: $DIR/authority.pem }} }}"
            ),
        );
    let directory = setup.path("");
    let caddyfile = format!(
        "{{\n\tadmin off\n\tstorage file_system {0}/caddy\n\tskip_install_trust\n\tauto_https disable_redirects\n\thttps_port 9443\n\thttp_port 9080\n}}\nhttps://acme.test:9443 {{\n\ttls internal\n\tacme_server {{\n\t\tchallenges {way}\n\t}}\n}}\n",
        setup.path("caddy").parent().expect("a directory").display()
    );
    std::fs::write(setup.path("Caddyfile"), caddyfile).unwrap();
    setup.write();
    run(Command::new("unshare")
        .args([
            "--map-root-user",
            "--net",
            "--mount",
            "bash",
            "-c",
            STORY,
            "story",
        ])
        .arg(&directory)
        .arg(caddy())
        .arg(env!("CARGO_BIN_EXE_stepgate")))
    .expect(0);
    let read = |name: &str| std::fs::read_to_string(setup.path(name)).unwrap_or_default();
    assert!(
        read("metrics").contains("stepgate_acme_orders_total{outcome=\"obtained\"} 2"),
        "{}",
        read("metrics")
    );
    assert!(
        !read("metrics-again").contains("outcome=\"obtained\""),
        "what is kept is not ordered again"
    );
    assert!(
        read("metrics").contains("stepgate_certificate_expiry_timestamp_seconds{certificate=\"app.test\"}")
    );
    assert_eq!(read("modes").trim(), "700 600 600");
    let log = read("gate.log");
    assert!(log.contains("a self-signed one is shown"), "{log}");
    assert_eq!(log.matches("a self-signed one is shown").count(), 1, "the second start has certificates");
}

#[test]
fn certificates_are_obtained_over_tls_and_kept() {
    obtain("tls-alpn-01", "\"127.0.0.1:443\"");
}

#[test]
fn certificates_are_obtained_over_http_where_a_listener_is_there() {
    obtain("http-01", "[\"127.0.0.1:443\", { address: \"127.0.0.1:80\", tls: false }]");
}
