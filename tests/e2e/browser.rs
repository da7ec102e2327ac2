//! Real browsers driven by the scripts in `tests/browser`: Chromium, with script and without, and Firefox for the
//! pages that need no passkey.
//!
//! Screenshots go to `target/screenshots` (or where `CARGO_TARGET_DIR` points), for people to look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::passkeys;
use crate::support::{Duo, Gate, Maker, Setup, SoftPasskey, Telephones, Upstream, run, write_private};

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
    .user("ben", &[])
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

/// What every script wants to know: where to go, and as whom.
fn anna(gate: &Gate, more: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("PAGE", gate.url("payroll.localhost", "/report?month=11")),
        ("PORTAL", gate.url("localhost", "/.stepgate")),
        ("USERNAME", "anna".to_owned()),
        ("PASSWORD", Setup::password("anna")),
    ];
    all.extend_from_slice(more);
    all
}

#[track_caller]
fn script_for(name: &str, gate: &Gate, more: &[(&'static str, String)]) {
    let all = anna(gate, more);
    let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    script(name, &all);
}

fn journey(javascript: &str, browser: &str) {
    let upstream = upstream();
    let how = [("SCRIPT", javascript.to_owned()), ("BROWSER", browser.to_owned())];
    script_for("journey.mjs", &gate(&upstream), &how);
}

#[test]
fn sign_in_scan_the_code_confirm_and_arrive() {
    journey("on", "chromium");
}

#[test]
fn the_same_with_scripts_off() {
    journey("off", "chromium");
}

#[test]
fn the_same_in_firefox() {
    journey("on", "firefox");
}

#[test]
fn a_firefox_without_script_gets_there_too() {
    let upstream = upstream();
    script_for("firefox_plain.mjs", &gate(&upstream), &[("BROWSER", "firefox".to_owned())]);
}

#[test]
fn somebody_with_a_passkey_takes_another_way_in_a_firefox_that_knows_none() {
    let upstream = upstream();
    let gate = gate(&upstream);
    let (mut browser, authenticator) = gate.enrolled("anna");
    passkeys::enrol(&gate, &mut browser, &mut SoftPasskey::new(1)).expect(200);
    let more = [
        ("BROWSER", "firefox".to_owned()),
        ("NEWCOMER", "ben".to_owned()),
        ("SECRET", authenticator.secret().to_owned()),
        ("AFTER", authenticator.last_step().to_string()),
    ];
    script_for("firefox.mjs", &gate, &more);
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
fn with_a_vault(name: &str) {
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
    with_a_vault("passkeys.mjs");
}

#[test]
fn a_passkey_alone_signs_in() {
    with_a_vault("passkey_sign_in.mjs");
}

#[test]
fn p2_what_people_read_when_a_browser_makes_or_finds_no_passkey() {
    let upstream = upstream();
    script_for("passkey_errors.mjs", &gate(&upstream), &[]);
}

/// A gate with these settings of passkeys, and what a key meets there.
fn kinds(passkey: &str, expected: &str) -> Gate {
    let upstream = upstream();
    let gate = Setup::new(&format!(
        "\n  - {{ name: Payroll, host: payroll.localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ))
    .section(
        "factors",
        &format!("{{ passkey: {{ {passkey} }}, recovery_codes: {{ enabled: false }} }}"),
    )
    .user("anna", &[])
    .start();
    script_for("passkey_kinds.mjs", &gate, &[("EXPECTED", expected.to_owned())]);
    gate
}

#[test]
fn e19_a_key_without_a_pin_will_do_only_where_that_is_said() {
    kinds("user_verification: required", "required");
    kinds("user_verification: preferred", "preferred");
}

/// The make of Chromium's virtual authenticator.
const VIRTUAL: &str = "01020304-0506-0708-0102-030405060708";

#[test]
fn e19_only_makes_that_are_accepted_and_the_person_is_told() {
    let gate = kinds("models: [ee882879-721c-4913-9775-3dfcce97072a]", "refused");
    let results = gate.audit("enrolment.confirmed");
    assert!(results.len() > 10 && results.iter().all(|one| one["result"] == "unfit"), "{results:?}");
    kinds(&format!("models: [{VIRTUAL}]"), "accepted");
}

#[test]
fn e19_a_make_that_its_maker_has_not_signed_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("maker.pem");
    write_private(&root, &Maker::new().certificate().pem());
    // The key shows a certificate, and another maker's: browsers ask for it and pass it on.
    kinds(&format!("models: [{VIRTUAL}], attestation_roots: \"{}\"", root.display()), "refused");
}

#[test]
fn passkeys_go_on_working_after_the_portal_has_moved_to_another_domain() {
    let upstream = upstream();
    let setup = Setup::new(&format!(
        "\n  - {{ name: Old, host: old.test, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ))
    .section(
        "server",
        "{ listen: \"127.0.0.1:$PORT\", public_url: \"https://new.test\", operations: \"127.0.0.1:0\" }",
    )
    .section("factors", "{ passkey: { relying_party: old.test, related_origins: [https://new.test] } }")
    .tls(&["old.test", "new.test"])
    .user("anna", &[]);
    let certificate = setup.path("tls.crt").to_string_lossy().into_owned();
    let gate = setup.start();
    script_for(
        "related_origins.mjs",
        &gate,
        &[
            ("PAGE", "https://old.test/report".to_owned()),
            ("PORTAL", "https://new.test/.stepgate".to_owned()),
            ("ADDRESS", gate.address().to_string()),
            ("CERTIFICATE", certificate),
        ],
    );
}

#[test]
fn a_push_is_waited_for_in_every_tab_and_without_script() {
    let (duo, upstream) = (Duo::start(), upstream());
    let people = ["anna", "ben", "cleo"];
    let mut setup = Setup::new(&format!(
        "\n  - {{ name: Payroll, host: payroll.localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ))
    .section("factors", &duo.api("automatic: true"));
    for name in people {
        setup = setup.user(name, &[]);
    }
    let gate = setup.start();
    let verified = people.map(|name| (name.to_owned(), json!({ "verified": true })));
    duo.set(json!({ "users": serde_json::Map::from_iter(verified) }));
    let people = people.map(|name| json!({ "name": name, "password": Setup::password(name) }));
    script(
        "push.mjs",
        &[
            ("PAGE", &gate.url("payroll.localhost", "/report")),
            ("PORTAL", &gate.url("localhost", "/.stepgate")),
            ("PEOPLE", &json!(people).to_string()),
            ("DUO", &format!("https://localhost:{}", duo.port())),
        ],
    );
}

#[test]
fn a_number_is_added_by_a_call_that_asks_for_a_key() {
    let phones = Telephones::start();
    let gate = Setup::new("  - { name: app, host: payroll.localhost, require: standard }\n")
        .section(
            "senders",
            &format!(
                "\n  calls: {{ type: plivo, auth_id: MA00000000000000000A, auth_token: plivo-token, \
                 from: \"15005550001\", url: \"{}\" }}",
                phones.url()
            ),
        )
        .section("factors", "{ voice: { enabled: true, countries: [GB] } }")
        .user("anna", &[])
        .start();
    script(
        "call.mjs",
        &[
            ("PORTAL", &gate.url("localhost", "/.stepgate")),
            ("USERNAME", "anna"),
            ("PASSWORD", &Setup::password("anna")),
            ("PHONES", &phones.url()),
        ],
    );
}
