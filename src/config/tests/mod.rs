//! Whole files through the whole room.
//!
//! `fixtures/NAME.yaml` gives `fixtures/NAME.txt`: every message, as a person sees it.
//! `UPDATE_GOLDEN=1` writes the expected texts anew; read what changed before committing it.

mod front;
mod meaning;
mod outside;
mod passkeys;
mod passwords;
mod schema;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::policy::Policy;

/// Enough to begin a file with.
pub(super) const HEAD: &str = "version: 1\nserver: { public_url: https://mfa.example.com }\n";

pub(super) const READY: [&str; 4] = ["quickstart", "production", "sidecar", "forward-auth"];

/// A directory with the files that fixtures name.
pub(super) fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, mode) in [("readable", 0o644), ("secret", 0o400)] {
        let path = directory.path().join(name);
        fs::write(&path, "correct horse battery staple, and more of it\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    directory
}

pub(super) fn fixture(name: &str) -> String {
    fs::read_to_string(format!("src/config/fixtures/{name}.yaml")).unwrap()
}

/// Loads a text as `stepgate.yaml` in a directory of its own; the text shown has no such directory.
pub(super) fn run(text: &str, variables: &[(&str, &str)]) -> (Loaded, String) {
    run_in(directory().path(), text, variables)
}

pub(super) fn run_in(directory: &Path, text: &str, variables: &[(&str, &str)]) -> (Loaded, String) {
    let path = directory.join("stepgate.yaml");
    fs::write(&path, text).unwrap();
    let database = format!("sqlite://{}", directory.join("gate.db").display());
    let variables = variables.iter().copied().chain([("DATABASE", database.as_str())]);
    let loaded = load(&Sources::paths([path]), &variables.collect());
    let shown = loaded.diagnostics.to_text(false);
    (loaded, shown.replace(&format!("{}/", directory.display()), ""))
}

/// Loads a text that must be fine, and that the policy must be able to compile.
pub(super) fn settings(text: &str, variables: &[(&str, &str)]) -> Arc<Settings> {
    let (loaded, shown) = run(text, variables);
    let settings = loaded.settings.unwrap_or_else(|| panic!("{shown}"));
    Policy::compile(&settings).unwrap();
    settings
}

/// Codes of everything that is wrong.
pub(super) fn codes(text: &str, variables: &[(&str, &str)]) -> Vec<&'static str> {
    run(text, variables)
        .0
        .diagnostics
        .iter()
        .map(|problem| problem.code.id())
        .collect()
}

fn golden(path: &str, now: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, now).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(now, expected, "{path} is out of date: see the head of src/config/tests/mod.rs");
}

#[test]
fn fixtures() {
    let mut names: Vec<String> = fs::read_dir("src/config/fixtures")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() > 15);
    for name in names {
        let (loaded, shown) = run(&fixture(&name), &[]);
        assert_eq!(loaded.settings.is_none(), loaded.diagnostics.has_errors(), "{name}");
        golden(&format!("src/config/fixtures/{name}.txt"), &shown);
    }
}

#[test]
fn the_schema_beside_the_ready_configs() {
    golden("config/stepgate.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn reference() {
    golden("docs/reference/configuration.md", &grammar::reference::page());
}

#[test]
fn ready_configs_are_fine() {
    let key = [("STEPGATE_KEY", "0123456789abcdef0123456789abcdef0123456789ab")];
    for (name, expected) in READY.into_iter().zip([vec!["SG-C034"], vec![], vec!["SG-C034"], vec![]]) {
        let loaded = load(&Sources::paths([format!("config/{name}.yaml")]), &key.into_iter().collect());
        let settings = loaded.settings.unwrap_or_else(|| panic!("{}", loaded.diagnostics));
        Policy::compile(&settings).unwrap();
        let codes: Vec<_> = loaded.diagnostics.iter().map(|problem| problem.code.id()).collect();
        assert_eq!(codes, expected, "{name}");
    }
}

#[test]
fn json_says_the_same() {
    let (loaded, _) = run(&fixture("c010-unreachable"), &[]);
    let json = loaded.diagnostics.to_json();
    assert_eq!(json["errors"], 3);
    let first = &json["problems"][0];
    assert_eq!(first["code"], "SG-C010");
    assert_eq!(first["severity"], "error");
    assert_eq!((&first["place"]["line"], &first["place"]["column"]), (&10.into(), &15.into()));
    assert_eq!(first["related"][0]["line"], 8);
}

#[test]
fn no_secret_is_ever_shown() {
    let canary = "c4nary-c4nary-c4nary-c4nary-c4nary";
    let broken = [
        "storage: { encryption_keys: [CANARY, CANARY], bad: 1 }",
        "storage: { encription_keys: CANARY }",
        "storage: { encryption_keys: { CANARY: 1 } }",
        "storage:\n  encryption_keys:\n    - CANARY\n    - CANARY\n   - bad",
        "identity: [{ name: j, type: jwt, secret: CANARY, secret: CANARY }]",
        "identity: [{ name: j, type: jwt, header: X, algorithm: ES256, issuer: i, audience: a, secert: CANARY }]",
        "identity: [{ name: j, type: oidc, client_secret: CANARY }]",
        "senders: { texts: { token: CANARY } }",
        "secret: CANARY: CANARY",
        "identity: [{ name: j, type: jwt, secret: |\n  CANARY\n  CANARY\n}]",
    ];
    for text in broken {
        let text = format!("{HEAD}{}\n", text.replace("CANARY", canary));
        let (loaded, shown) = run(&text, &[]);
        assert!(loaded.settings.is_none(), "{text}");
        let json = loaded.diagnostics.to_json().to_string();
        assert!(!shown.contains("c4nary") && !json.contains("c4nary"), "{shown}");
    }
    for name in [
        "STEPGATE__STORAGE__ENCRYPTION_KEYS",
        "STEPGATE__STORAGE__ENCRYPTION_KEY",
        "STEPGATE__NO",
    ] {
        for value in [
            canary.to_owned(),
            format!("[{canary}"),
            format!("{{ {canary}: 1 }}"),
        ] {
            let (_, shown) = run(HEAD, &[(name, &value)]);
            assert!(!shown.contains("c4nary"), "{shown}");
        }
    }
}

#[test]
fn settings_do_not_print_secrets() {
    let text = format!("{HEAD}storage: {{ encryption_keys: [{{ file: secret }}] }}\n");
    assert!(!format!("{:?}", settings(&text, &[])).contains("battery"));
}

#[test]
fn thousands_of_routes_are_no_burden() {
    use std::fmt::Write as _;
    let mut text = format!("{HEAD}routes:\n");
    for at in 0..3_000 {
        let _ = writeln!(
            text,
            "  - {{ host: h{at}.example.com, upstream: \"http://a:1\", rules: [{{ path: /x/**, require: sensitive }}] }}"
        );
    }
    assert_eq!(settings(&text, &[]).routes.len(), 3_000);
}

#[test]
fn the_number_of_messages_is_bounded() {
    let (loaded, shown) = run(&format!("{HEAD}routes: [{}]\n", "1,".repeat(10_000)), &[]);
    assert!(loaded.settings.is_none());
    assert!(loaded.diagnostics.iter().count() <= 201 && shown.contains("more"));
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.yaml");
        fs::write(&path, bytes).unwrap();
        let loaded = load(&Sources::paths([path]), &Environment::default());
        prop_assert!(loaded.settings.is_none());
        prop_assert!(!loaded.diagnostics.to_text(true).is_empty());
    }

    /// Pieces of the grammar in any order: no panic, and settings exactly when there is no error.
    #[test]
    fn no_yaml_is_too_odd(pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..30)) {
        let loaded = load(&Sources::text("a.yaml", &format!("{HEAD}{}", pieces.concat())), &Environment::default());
        prop_assert_eq!(loaded.settings.is_none(), loaded.diagnostics.has_errors());
        let _ = (loaded.diagnostics.to_text(false), loaded.diagnostics.to_json());
    }

    /// Every pattern that is accepted here is one to the policy too.
    #[test]
    fn the_policy_takes_every_pattern(pattern in "/[a-c/.*%?#é \\\\]{0,8}") {
        let path = serde_json::to_string(&pattern).unwrap();
        let text = format!("{HEAD}routes: [{{ host: a, rules: [{{ path: {path}, require: deny }}] }}]");
        if let Some(settings) = load(&Sources::text("a.yaml", &text), &Environment::default()).settings {
            prop_assert!(Policy::compile(&settings).is_ok());
        }
    }
}

const PIECES: [&str; 32] = [
    "routes:\n",
    "- ",
    "  - ",
    "    ",
    "\n",
    "{ ",
    " }",
    "[",
    "]",
    ", ",
    ": ",
    "host: a.example.com\n",
    "rules",
    "path: /a/**",
    "require: standard",
    "when: { not: x }",
    "conditions: { x: { query: { a: true } } }\n",
    "levels: ",
    "name: a",
    "any_of: [totp]",
    "valid_for: 5m",
    "\"",
    "'",
    "é",
    "&a ",
    "*a",
    "!!str ",
    "|\n",
    "# x\n",
    "identity: ",
    "type: jwt",
    "{ file: /nonexistent }",
];
