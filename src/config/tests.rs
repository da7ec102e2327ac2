//! Whole files through the whole room.
//!
//! `fixtures/NAME.yaml` gives `fixtures/NAME.txt`: every message, as a person sees it.
//! `UPDATE_GOLDEN=1` writes the expected texts anew; read what changed before committing it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::prelude::*;

use super::settings::{Condition, FirstFactor, IdentityKind, Require, When};
use super::*;

/// A directory with the files that fixtures name.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, mode) in [("readable", 0o644), ("secret", 0o400)] {
        let path = directory.path().join(name);
        fs::write(&path, "correct horse battery staple, and more of it\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    directory
}

fn environment(directory: &Path, more: &[(&str, &str)]) -> Environment {
    let database = directory.join("gate.db");
    let own = [("DATABASE".to_owned(), format!("sqlite://{}", database.display()))];
    own.into_iter()
        .chain(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
        .collect()
}

fn fixture(name: &str) -> String {
    fs::read_to_string(format!("src/config/fixtures/{name}.yaml")).unwrap()
}

/// Loads a text as `stepgate.yaml` in a directory of its own; the text shown has no such directory.
fn run(text: &str, variables: &[(&str, &str)]) -> (Loaded, String) {
    let directory = directory();
    let path = directory.path().join("stepgate.yaml");
    fs::write(&path, text).unwrap();
    let loaded = load(&Sources::paths([path]), &environment(directory.path(), variables));
    let shown = loaded.diagnostics.to_text(false);
    let shown = shown.replace(&format!("{}/", directory.path().display()), "");
    (loaded, shown)
}

/// Loads a text that must be fine.
fn settings(text: &str, variables: &[(&str, &str)]) -> std::sync::Arc<Settings> {
    let (loaded, shown) = run(text, variables);
    loaded.settings.unwrap_or_else(|| panic!("{shown}"))
}

/// Codes of everything that is wrong.
fn codes(text: &str, variables: &[(&str, &str)]) -> Vec<&'static str> {
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
    assert_eq!(now, expected, "{path} is out of date: see the head of src/config/tests.rs");
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
fn reference() {
    fs::create_dir_all("docs/reference").unwrap();
    golden("docs/reference/configuration.md", &grammar::reference::page());
}
