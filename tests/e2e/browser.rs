//! A real browser: Chromium driven by the scripts in `tests/browser`, with script and without.
//!
//! Screenshots go to `target/screenshots` (or where `CARGO_TARGET_DIR` points), for people to look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Gate, Setup, Upstream, run};

fn screenshots() -> PathBuf {
    // The binary lies in target/debug.
    Path::new(env!("CARGO_BIN_EXE_stepgate"))
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("target"))
        .join("screenshots")
}

#[track_caller]
fn script(name: &str, variables: &[(&str, &str)]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(directory.join("node_modules").is_dir(), "run tests/run once: it installs the driver");
    let finished = run(Command::new("node")
        .arg(directory.join(name))
        .current_dir(&directory)
        .envs(variables.iter().copied())
        .env("SCREENSHOTS", screenshots()))
    .expect(0);
    assert_eq!(finished.stdout.trim(), "ok");
}

fn gate(upstream: &Upstream) -> Gate {
    Setup::new(&format!(
        "\n  - {{ name: Payroll, host: payroll.localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ))
    .user("anna", &["--name", "Anna Ångström"])
    .start()
}

fn upstream() -> Upstream {
    Upstream::answering(|_| {
        let page = "<!doctype html><title>App</title><p>upstream";
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        )
        .into_bytes()
    })
}

fn journey(javascript: &str) {
    let upstream = upstream();
    let gate = gate(&upstream);
    let portal = gate.url("localhost", "/.stepgate");
    script(
        "journey.mjs",
        &[
            ("PAGE", &gate.url("payroll.localhost", "/report?month=11")),
            ("PORTAL", &portal),
            ("USERNAME", "anna"),
            ("PASSWORD", &Setup::password("anna")),
            ("SCRIPT", javascript),
        ],
    );
}

#[test]
fn sign_in_scan_the_code_confirm_and_arrive() {
    journey("on");
}

#[test]
fn the_same_with_scripts_off() {
    journey("off");
}

#[test]
fn two_tabs_back_and_a_button_pressed_twice() {
    let upstream = upstream();
    let gate = gate(&upstream);
    let (_, authenticator) = gate.enrolled("anna");
    script(
        "tabs.mjs",
        &[
            ("PAGE", &gate.url("payroll.localhost", "/report")),
            ("PORTAL", &gate.url("localhost", "/.stepgate")),
            ("USERNAME", "anna"),
            ("PASSWORD", &Setup::password("anna")),
            ("SECRET", authenticator.secret()),
            ("AFTER", &authenticator.last_step().to_string()),
        ],
    );
}

#[test]
fn a_newcomer_tries_the_demo() {
    let demo = super::cli::Demo::start();
    script(
        "demo.mjs",
        &[
            ("SITE", &demo.get("site")),
            ("USERNAME", &demo.get("username")),
            ("PASSWORD", &demo.get("password")),
            ("SECRET", &demo.get("totp_secret")),
        ],
    );
}

/// A gate whose second app takes only passkeys that cannot be copied.
fn passkeys(name: &str) {
    let upstream = upstream();
    let url = upstream.url();
    let gate = Setup::new(&format!(
        "\n  - {{ name: Payroll, host: payroll.localhost, upstream: \"{url}\", require: standard }}\n  \
         - {{ name: Vault, host: vault.localhost, upstream: \"{url}\", require: bound }}\n"
    ))
    .section("levels", "\n  - { name: bound, any_of: [passkey], properties: [device_bound] }\n")
    .user("anna", &["--name", "Anna Ångström"])
    .start();
    script(
        name,
        &[
            ("PAGE", &gate.url("payroll.localhost", "/report")),
            ("VAULT", &gate.url("vault.localhost", "/")),
            ("PORTAL", &gate.url("localhost", "/.stepgate")),
            ("USERNAME", "anna"),
            ("PASSWORD", &Setup::password("anna")),
        ],
    );
}

#[test]
fn e18_e19_passkeys_are_made_used_and_refused() {
    passkeys("passkeys.mjs");
}

#[test]
fn a_passkey_alone_signs_in() {
    passkeys("passkey_sign_in.mjs");
}
