//! The table of threats in the docs and the tests that carry their ids: neither without the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Ids are a letter of the table's groups and two digits.
fn is_id(text: &str) -> bool {
    matches!(text.as_bytes(), [b'A'..=b'H' | b'R', b'0'..=b'9', b'0'..=b'9'])
}

/// Names of functions that begin with ids, by id.
fn tests_by_id(directory: &Path, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_by_id(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for name in text.split("fn ").skip(1) {
                let name: String =
                    name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                // A name needs words after its ids.
                let words: Vec<String> = name.split('_').map(str::to_uppercase).collect();
                let ids = words.iter().take_while(|word| is_id(word)).count();
                for id in words[..ids].iter().filter(|_| words.len() > ids) {
                    found.entry(id.clone()).or_default().insert(name.clone());
                }
            }
        }
    }
}

/// The rows of the table: id, and the test or the reason why there is none.
fn rows(page: &str) -> Vec<(String, String)> {
    let table = page
        .split("\n## Row by row\n")
        .nth(1)
        .expect("the table has a heading of its own");
    table
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
            let [id, _, shown, ""] = cells[..] else {
                return None;
            };
            is_id(id).then(|| (id.to_owned(), shown.to_owned()))
        })
        .collect()
}

#[test]
fn every_threat_has_a_test_of_its_name_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeMap::new();
    for directory in ["src", "tests/e2e"] {
        tests_by_id(&root.join(directory), &mut tests);
    }
    let page = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let rows = rows(&page);
    let ids: BTreeSet<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "an id stands twice in the table");
    for (group, last) in [
        ('A', 19),
        ('B', 8),
        ('C', 12),
        ('D', 10),
        ('E', 26),
        ('F', 11),
        ('G', 10),
        ('H', 9),
    ] {
        for number in 1..=last {
            assert!(
                ids.contains(&*format!("{group}{number:02}")),
                "{group}{number:02} is missing in the table"
            );
        }
    }
    for (id, shown) in &rows {
        let named = tests.get(id);
        match shown.strip_prefix('`').and_then(|shown| shown.strip_suffix('`')) {
            Some(several) => {
                for test in several.split("`, `") {
                    assert!(
                        named.is_some_and(|tests| tests.contains(test)),
                        "{id}: there is no test {test}; those of this id: {named:?}"
                    );
                }
            }
            None => assert!(shown.len() > 10, "{id} has neither a test nor a reason: {shown:?}"),
        }
    }
    for id in tests.keys().filter(|id| !id.starts_with('R')) {
        assert!(ids.contains(id.as_str()), "{id} is tried by {:?} and missing in the table", tests[id]);
    }
}
