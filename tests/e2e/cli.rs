//! The command line: exit codes, data to standard output, words to standard error, and no surprises.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::{Authenticator, Browser, Form, Raw, Setup, poll, run, stepgate, text_of, wait_until};

const ROUTES: &str = "
  - name: wiki
    host: wiki.localhost
    upstream: http://127.0.0.1:1
    require: standard
    rules:
      - { path: /public/**, require: public }
      - { path: /admin/**, require: sensitive }
    raise: [{ when: outside, to: sensitive }]
";

fn setup() -> Setup {
    Setup::new(ROUTES).section("conditions", "{ outside: { network: [203.0.113.0/24] } }")
}

#[test]
fn usage_errors_exit_2_and_help_and_version_0() {
    for arguments in [
        &["no-such-command"][..],
        &["run", "--no-such-option"],
        &["users"],
        &[],
    ] {
        assert_eq!(run(&mut stepgate(arguments)).code, Some(2), "{arguments:?}");
    }
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["users", "add", "--help"],
    ] {
        run(&mut stepgate(arguments)).expect(0);
    }
}

#[test]
fn check_finds_every_problem_of_a_file_in_one_run() {
    let setup = Setup::new(
        "
  - name: wiki
    host: wiki.localhost
    upstream: http://127.0.0.1:1
    requires: standard
    rules: [{ path: /a/**, require: strickt }]
  - { name: wiki, host: other.localhost, upstream: \"http://127.0.0.1:1\", require: standard }
",
    )
    .section("levels", "[{ name: brief, any_of: [totp], valid_for: 15 }]");
    let finished = setup.command(&["check"], "");
    assert_eq!(finished.code, Some(78), "{} {}", finished.stdout, finished.stderr);
    let text = format!("{}{}", finished.stdout, finished.stderr);
    for words in [
        "SG-C001",
        "requires",
        "SG-C002",
        "strickt",
        "SG-C003",
        "valid_for: 15",
        "stepgate.yaml:",
    ] {
        assert!(text.contains(words), "{words} is missing in:\n{text}");
    }
    let json = setup.command(&["check", "--format", "json"], "");
    assert_eq!(json.code, Some(78));
    assert!(json.stdout.contains("SG-C001") && json.stdout.contains("SG-C003"), "{}", json.stdout);
    self::setup().command(&["check"], "").expect(0);
}

#[test]
fn a13_what_is_missing_or_empty_refuses_the_start() {
    for (section, text) in [
        (
            "storage",
            "{ state_directory: \"$DIR/state\", encryption_keys: [{ file: \"$DIR/no-such-file\" }] }",
        ),
        (
            "storage",
            "{ state_directory: \"$DIR/state\", encryption_keys: [{ env: NO_SUCH_VARIABLE }] }",
        ),
        ("identity", "[]"),
        ("identity", "[{ name: t, type: trusted-header, from: [], attributes: { user: X-User } }]"),
        (
            "identity",
            "[{ name: j, type: jwt, header: Authorization, algorithm: HS256, secret: \"\", issuer: i, audience: a }]",
        ),
        (
            "identity",
            "[{ name: j, type: jwt, header: Authorization, algorithm: none, secret: x, issuer: i, audience: a }]",
        ),
        ("floor", "{ require: no-such-level }"),
        ("server", "{ listen: \"127.0.0.1:$PORT\", public_url: \"http://mfa.example.com\" }"),
    ] {
        let setup = setup().section(section, text);
        let finished = setup.command(&["run"], "");
        assert_eq!(finished.code, Some(78), "{section}: {text}\n{}{}", finished.stdout, finished.stderr);
    }
    let finished = run(stepgate(&["run", "-c"]).arg("/no/such/file.yaml"));
    assert_eq!(finished.code, Some(78), "{}", finished.stderr);
}

#[test]
fn explain_tells_the_decision_and_answers_by_its_exit_code() {
    let setup = setup();
    let explain = |more: &[&str]| {
        let mut arguments = vec!["explain", "--user", "anna"];
        arguments.extend(more);
        setup.command(&arguments, "")
    };
    let page = "http://wiki.localhost/admin/x";
    let plain = explain(&["--url", page]).expect(0);
    for words in ["wiki", "rule", "/admin/**", "sensitive", "challenge"] {
        assert!(plain.stdout.contains(words), "{words} is missing in:\n{}", plain.stdout);
    }
    explain(&["--url", page, "--expect", "challenge"]).expect(0);
    explain(&["--url", page, "--expect", "allow"]).expect(1);
    explain(&["--url", page, "--has", "totp@2m", "--expect", "allow"]).expect(0);
    explain(&["--url", page, "--has", "totp@2h", "--expect", "challenge"]).expect(0);
    explain(&[
        "--url",
        "http://wiki.localhost/x",
        "--has",
        "totp@2h",
        "--ip",
        "203.0.113.9",
        "--expect",
        "challenge",
    ])
    .expect(0);
    explain(&["--url", "http://wiki.localhost/public/x", "--expect", "allow"]).expect(0);
    explain(&["--url", "http://elsewhere.test/x", "--expect", "deny"]).expect(0);
    explain(&["--url", "http://wiki.localhost/x/..%2fadmin", "--expect", "allow"]).expect(1);
    let json = explain(&["--url", page, "--json"]).expect(0);
    let value: Value = serde_json::from_str(&json.stdout).unwrap_or_else(|e| panic!("{e}: {}", json.stdout));
    assert!(value.is_object());
    assert_eq!(explain(&["--url", "not a url"]).code, Some(2));
}

#[test]
fn users_are_added_listed_and_invited_and_secrets_are_no_arguments() {
    let setup = setup();
    setup
        .command(
            &["users", "add", "Anna", "--password-stdin", "--groups", "staff"],
            "a long enough password\n",
        )
        .expect(0);
    let again = setup.command(&["users", "add", "anna", "--password-stdin"], "another password\n");
    assert_eq!(again.code, Some(1), "one person, whatever the spelling: {}", again.stderr);
    let made = setup.command(&["users", "add", "ben"], "").expect(0);
    assert!(
        made.stdout.split_whitespace().any(|w| w.len() >= 16),
        "a made password is printed: {}",
        made.stdout
    );
    let list = setup.command(&["users", "list"], "").expect(0).stdout;
    assert!(list.contains("anna") && list.contains("ben") && !list.contains("Anna"), "{list}");
    assert!(!list.contains("argon2"), "{list}");
    let json = setup.command(&["users", "list", "--json"], "").expect(0).stdout;
    assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json}");
    let invitation = setup.command(&["users", "invite", "anna"], "").expect(0).stdout;
    let token = invitation.trim().split("invitation=").nth(1).unwrap_or_default();
    assert!(token.len() >= 22, "{invitation}");
    assert_ne!(setup.command(&["users", "reset", "nobody-here"], "").code, Some(0));
    assert_eq!(setup.command(&["users", "add", "x", "--password", "secret"], "").code, Some(2));
}

#[test]
fn the_schema_is_json_and_describes_the_sections() {
    let schema: Value = serde_json::from_str(&run(&mut stepgate(&["schema"])).expect(0).stdout).unwrap();
    for section in ["server", "identity", "levels", "routes", "floor", "conditions"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
}

#[test]
fn ready_configs_pass_the_check() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut seen = 0;
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema="), "{}", path.display());
    }
    assert!(seen >= 3);
}

/// A demo that runs; ended with the test.
pub(super) struct Demo(Child, Value);

impl Demo {
    pub(super) fn start() -> Self {
        let mut child = stepgate(&["demo", "--listen", "127.0.0.1:0", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        Self(child, value)
    }

    pub(super) fn get(&self, name: &str) -> String {
        self.1[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} is missing in {}", self.1))
            .to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_is_all_that_a_newcomer_needs() {
    let demo = Demo::start();
    let site = demo.get("site");
    let port: u16 = site.rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let (user, password) = (demo.get("username"), demo.get("password"));
    let mut authenticator = Authenticator::new(&demo.get("totp_secret"));
    let page = |path: &str| format!("{}{path}", site.trim_end_matches('/'));

    let mut browser = Browser::new(address);
    assert!(text_of(&browser.go(&page("/")).expect(200).text()).contains("Acme Intranet"));
    assert!(Form::sign_in(&browser.go(&page("/admin")).text()).is_some(), "never without the password");
    let account = browser.go_through(&page("/account"), &user, &password, None).expect(200);
    assert!(text_of(&account.text()).contains("Signed in as demo"), "{}", text_of(&account.text()));
    let admin = browser.go(&page("/admin"));
    let form = Form::code(&admin.text()).expect("never without the code");
    let reply = browser.submit(&form.fill("code", &authenticator.code()));
    let admin = browser.settle(reply).expect(200);
    assert!(text_of(&admin.text()).contains("Hello, administrator demo"), "{}", text_of(&admin.text()));

    let account = browser.go(&page("/account"));
    let form = Form::with(&account.text(), |f| f.name == "amount").expect("the transfer form");
    let reply = browser.submit(&form.fill("to", "Bob").fill("amount", "100"));
    let done = browser.settle(reply).expect(200);
    assert!(text_of(&done.text()).contains("Transfer recorded"), "{}", text_of(&done.text()));
    assert!(text_of(&done.text()).contains("Bob 100 demo"));
    assert!(browser.cookie("localhost", "INTRANETSESSION").is_some(), "the app's own cookie passes");

    let code = run(&mut stepgate(&["demo", "code", "--listen", &address.to_string()]))
        .expect(0)
        .stdout;
    assert_eq!(code.trim().chars().filter(char::is_ascii_digit).count(), 6, "{code}");
    assert_eq!(code.trim(), authenticator.current());

    let operations: std::net::SocketAddr =
        demo.get("operations").trim_start_matches("http://").parse().unwrap();
    Raw::connect(operations)
        .send(format!("GET /readyz HTTP/1.1\r\nHost: {operations}\r\n\r\n"))
        .reply()
        .expect(200);
    assert!(demo.get("upstream").starts_with("http://127.0.0.1:"));
}

#[test]
fn the_demo_leaves_nothing_behind_and_serves_loopback_only() {
    for address in ["0.0.0.0:0", "192.0.2.1:8080", "[::]:0"] {
        let refused = run(&mut stepgate(&["demo", "--listen", address]));
        assert_eq!(refused.code, Some(2), "{address}: {}", refused.stderr);
    }
    let place = tempfile::tempdir().unwrap();
    let mut child = stepgate(&["demo", "--listen", "127.0.0.1:0", "--json"])
        .env("TMPDIR", place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(std::fs::read_dir(place.path()).unwrap().count() > 0, "its state is there");
    run(std::process::Command::new("kill").arg(child.id().to_string())).expect(0);
    let exit = wait_until("the demo to end", || child.try_wait().unwrap());
    assert_eq!(exit.code(), Some(0));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing stays behind");
    let none = run(stepgate(&["demo", "code"]).env("TMPDIR", place.path()));
    assert_eq!(none.code, Some(1), "no demo runs: {}", none.stderr);
}

#[test]
fn without_json_the_demo_tells_a_person_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let mut child = stepgate(&["demo", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(place.path().join("err")).unwrap())
        .spawn()
        .unwrap();
    let said = poll(std::time::Duration::from_secs(20), || {
        let said = std::fs::read_to_string(&out).unwrap_or_default();
        said.contains("demo code").then_some(said)
    });
    let _ = child.kill();
    let _ = child.wait();
    let said = said.expect("instructions");
    for words in [
        "http://localhost:",
        "/admin",
        "demo",
        "password",
        "stepgate demo code",
    ] {
        assert!(said.to_lowercase().contains(words), "{words} is missing in:\n{said}");
    }
}

#[test]
fn the_eight_lines_of_the_readme_are_a_configuration() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let block = readme
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a block of YAML");
    assert!(block.lines().count() <= 8, "{block}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stepgate.yaml");
    std::fs::write(&file, block).unwrap();
    run(stepgate(&["check", "--strict", "-c"]).arg(file)).expect(0);
}

#[test]
fn the_example_is_a_configuration() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/first-app/stepgate.yaml");
    run(stepgate(&["check", "-c"]).arg(file)).expect(0);
}
