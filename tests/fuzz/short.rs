//! The short run: every seed, and mutations of it, through every target. Findings of long runs become seeds.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

use super::TARGETS;

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Insert(Index, &'static [u8]),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

/// Pieces that mean something to one reader or another.
const WORDS: [&[u8]; 24] = [
    b"%",
    b"%2f",
    b"%252e",
    b"../",
    b";",
    b"//",
    b"\\",
    b"\0",
    b"\r\n",
    b"\n",
    b":",
    b",",
    b"=",
    b"__Host-stepgate-id=",
    b"Remote_User: x\n",
    b"connection: ",
    b".",
    b"eyJ",
    b"\xff",
    b"\xc0\xae",
    b"[",
    b"{ ",
    b"- ",
    b"&a *a",
];

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (at(), select(&WORDS[..])).prop_map(|(at, word)| Change::Insert(at, word)),
        (at(), 1..8_usize).prop_map(|(at, n)| Change::Remove(at, n)),
        (at(), 1..8_usize).prop_map(|(at, n)| Change::Repeat(at, n)),
        at().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let place = |at: &Index, bytes: &Vec<u8>| at.index(bytes.len() + 1);
    match change {
        Change::Replace(at, byte) => {
            let at = place(at, bytes);
            bytes.splice(at..(at + 1).min(bytes.len()), [*byte]);
        }
        Change::Insert(at, word) => {
            let at = place(at, bytes);
            bytes.splice(at..at, word.iter().copied());
        }
        Change::Remove(at, n) => {
            let at = place(at, bytes);
            bytes.drain(at..(at + n).min(bytes.len()));
        }
        Change::Repeat(at, n) => {
            let at = place(at, bytes);
            let again = bytes[at..(at + n).min(bytes.len())].repeat(3);
            bytes.splice(at..at, again);
        }
        Change::Cut(at) => bytes.truncate(place(at, bytes)),
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no seeds");
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Mutations of the seeds in every test run.
const SHORT: u32 = 400;

fn run(target: &str, cases: u32) {
    let (_, function) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    for seed in &seeds {
        function(seed);
    }
    let strategy = (select(seeds), prop::collection::vec(change(), 0..6));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&strategy, |(mut bytes, changes)| {
        for change in &changes {
            apply(&mut bytes, change);
        }
        function(&bytes);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

#[test]
fn a04_a08_any_path_is_judged_as_it_is_sent_or_refused() {
    run("path", SHORT);
    run("path_of_bits", SHORT);
}

#[test]
fn a10_any_request_has_one_reading_or_none() {
    run("request", SHORT);
}

#[test]
fn b02_b03_of_any_headers_none_is_left_that_a_client_may_not_send() {
    run("headers", SHORT);
}

#[test]
fn f10_any_cookies_count_once_or_not() {
    run("cookies", SHORT);
}

#[test]
fn f02_no_bytes_are_a_claim() {
    run("claim", SHORT);
}

#[test]
fn h08_any_configuration_is_settings_or_errors() {
    run("configuration", SHORT);
}

#[test]
#[ignore = "slow: tens of thousands of mutations, minutes"]
fn every_target_holds_at_length() {
    for (name, _) in TARGETS {
        run(name, 50 * SHORT);
    }
}

#[test]
fn every_target_has_seeds_and_a_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        seeds(name);
        assert!(root.join(format!("fuzz_targets/{name}.rs")).exists(), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
