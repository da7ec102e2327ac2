//! Recovery codes: each counts once, they open what `standard` asks and no more, and the list is shown once.

use serde_json::json;

use crate::support::{Browser, Gate, Setup, Upstream};

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let routes = format!(
        "
  - name: app
    host: localhost
    upstream: \"{}\"
    require: standard
    rules: [{{ path: /strict, require: sensitive }}]
",
        upstream.url()
    );
    (upstream, Setup::new(&routes).user("anna", &[]).user("ben", &[]).start())
}

/// Makes a list of codes for a person with a fresh proof.
#[track_caller]
fn codes(gate: &Gate, browser: &mut Browser) -> Vec<String> {
    let begun =
        browser.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "recovery_code" })));
    assert!(begun.status < 300, "{} {}", begun.status, begun.text());
    let begun = begun.json();
    let codes: Vec<String> = begun["setup"]["codes"]
        .as_array()
        .unwrap_or_else(|| panic!("no codes in {begun}"))
        .iter()
        .filter_map(|code| code.as_str().map(str::to_owned))
        .collect();
    let id = begun["id"].as_str().unwrap();
    let done = browser.fetch(
        "POST",
        &gate.portal(&format!("api/v1/enrolments/{id}/confirm")),
        Some(&json!({ "code": "saved" })),
    );
    assert!(done.status < 300, "{} {}", done.status, done.text());
    codes
}

fn status(gate: &Gate, browser: &mut Browser, path: &str) -> u16 {
    browser.fetch("GET", &gate.url("localhost", path), None).status
}

#[test]
fn ten_codes_each_counts_once() {
    let (_upstream, gate) = scene();
    let (mut anna, _) = gate.enrolled("anna");
    let codes = codes(&gate, &mut anna);
    assert_eq!(codes.len(), 10);
    for code in &codes {
        let characters = code.chars().filter(char::is_ascii_alphanumeric).count();
        assert!(characters >= 16, "80 bits in base32: {characters} characters");
    }
    for (n, code) in codes.iter().take(3).enumerate() {
        let mut browser = gate.signed_in("anna");
        let challenge = gate.challenge(&mut browser);
        // As typed from paper: other case, other separators.
        let typed = if n == 1 {
            code.to_uppercase().replace('-', " ")
        } else {
            code.clone()
        };
        let reply = gate.answer(&mut browser, &challenge, "recovery_code", &typed);
        assert!(reply.status < 300, "{} {}", reply.status, reply.text());
        assert_eq!(status(&gate, &mut browser, "/x"), 200);
        assert_eq!(
            status(&gate, &mut browser, "/strict"),
            401,
            "it counts alone only where a level names it"
        );

        let mut again = gate.signed_in("anna");
        let challenge = gate.challenge(&mut again);
        let reply = gate.answer(&mut again, &challenge, "recovery_code", code);
        assert!((400..500).contains(&reply.status), "a code counted twice");
        assert_eq!(status(&gate, &mut again, "/x"), 401);
    }
    let mut browser = gate.signed_in("anna");
    let way = gate.challenge(&mut browser)["ways"]
        .as_array()
        .and_then(|ways| ways.iter().find(|w| w["factor"] == "recovery_code").cloned())
        .expect("the list is one of the ways");
    assert_eq!(way["left"], 7, "{way}");
}

#[test]
fn a_new_list_voids_the_old_one_and_codes_are_another_person_s_nothing() {
    let (_upstream, gate) = scene();
    let (mut anna, _) = gate.enrolled("anna");
    let old = codes(&gate, &mut anna);
    let new = codes(&gate, &mut anna);
    assert!(old.iter().all(|code| !new.contains(code)));
    let mut browser = gate.signed_in("anna");
    let challenge = gate.challenge(&mut browser);
    let reply = gate.answer(&mut browser, &challenge, "recovery_code", &old[0]);
    assert!((400..500).contains(&reply.status), "a code of the old list: {}", reply.status);
    let (_, _) = gate.enrolled("ben");
    let mut ben = gate.signed_in("ben");
    let challenge = gate.challenge(&mut ben);
    let reply = gate.answer(&mut ben, &challenge, "recovery_code", &new[0]);
    assert!((400..500).contains(&reply.status), "Anna's code in Ben's hands: {}", reply.status);
    assert_eq!(status(&gate, &mut ben, "/x"), 401);
    let challenge = gate.challenge(&mut browser);
    assert!(gate.answer(&mut browser, &challenge, "recovery_code", &new[0]).status < 300);
}

#[test]
fn fifty_posts_of_one_recovery_code_by_as_many_sessions_make_one_proof() {
    let (_upstream, gate) = scene();
    let (mut anna, _) = gate.enrolled("anna");
    let codes = codes(&gate, &mut anna);
    let sessions: Vec<Browser> = (0..12).map(|_| gate.signed_in("anna")).collect();
    let passed = std::thread::scope(|scope| {
        let posts: Vec<_> = sessions
            .into_iter()
            .map(|mut browser| {
                let (gate, code) = (&gate, &codes[0]);
                scope.spawn(move || {
                    let opened = browser.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
                    opened.status < 300
                        && gate.answer(&mut browser, &opened.json(), "recovery_code", code).status < 300
                })
            })
            .collect();
        posts
            .into_iter()
            .filter_map(|post| post.join().ok())
            .filter(|passed| *passed)
            .count()
    });
    assert_eq!(passed, 1);
}

#[test]
fn codes_and_secrets_are_shown_once_and_stored_unreadably() {
    let (_upstream, gate) = scene();
    let (mut anna, authenticator) = gate.enrolled("anna");
    let codes = codes(&gate, &mut anna);
    for path in ["api/v1/enrolments", "api/v1/session", "my-mfa", "enrol"] {
        let text = anna.fetch("GET", &gate.portal(path), None).text();
        assert!(!text.contains(authenticator.secret()), "{path}");
        assert!(codes.iter().all(|code| !text.contains(code)), "{path}");
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(gate.setup.path("state")).unwrap().flatten() {
        files.extend(std::fs::read(entry.path()).unwrap_or_default());
    }
    let raw = crate::support::run(
        std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("echo {} | base32 -d | xxd -p | tr -d '\\n'", authenticator.secret())),
    );
    let secret: Vec<u8> = (0..raw.stdout.len() / 2)
        .filter_map(|i| u8::from_str_radix(&raw.stdout[2 * i..2 * i + 2], 16).ok())
        .collect();
    let found = |needle: &[u8]| !needle.is_empty() && files.windows(needle.len()).any(|w| w == needle);
    assert!(!found(authenticator.secret().as_bytes()), "the secret is in the state directory as text");
    assert!(!found(&secret), "the secret is in the state directory as bytes");
    for code in &codes {
        let bare: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        assert!(!found(code.as_bytes()) && !found(bare.as_bytes()), "a recovery code is on disk");
    }
    assert!(!found(Setup::password("anna").as_bytes()), "the password is on disk");
}
