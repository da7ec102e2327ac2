//! What comes from outside the file: other files, variables, secrets.

use secrecy::ExposeSecret as _;

use super::super::settings::*;
use super::*;

fn app(text: &str) -> String {
    format!("{HEAD}routes: [{{ name: old-app, host: app.example.com, upstream: \"http://a:1\"{text} }}]\n")
}

#[test]
fn variables_replace_and_add() {
    let settings = settings(
        &app(""),
        &[
            ("STEPGATE__SERVER__LISTEN", "[\":1\", \":2\"]"),
            ("STEPGATE__SERVER__OPERATIONS", "false"),
            ("STEPGATE__SERVER__TIMEOUTS__IDLE", "5s"),
            ("STEPGATE__FACTORS__RECOVERY_CODES__COUNT", "12"),
            ("STEPGATE__ROUTES__OLD_APP__UPSTREAM", "http://b:2"),
            ("STEPGATE__ROUTES__OLD_APP__ALLOW__GROUPS", "[a, b]"),
            ("STEPGATE__TO_UPSTREAM__ASSERTION__HEADER", "X-Assertion"),
            ("STEPGATE__ENROLMENT__FIRST_FACTOR", "open"),
        ],
    );
    assert_eq!(settings.server.listen.len(), 2);
    assert_eq!(settings.server.operations, None);
    assert_eq!(settings.server.timeouts.idle.as_secs(), 5);
    assert_eq!(settings.factors.recovery_codes.count, 12);
    assert_eq!(settings.routes[0].upstream.as_ref().unwrap().audience(), "http://b:2");
    assert_eq!(settings.routes[0].allow.as_ref().unwrap().groups, ["a", "b"]);
    assert_eq!(settings.to_upstream.assertion.as_deref(), Some("X-Assertion"));
    assert!(matches!(settings.enrolment.first_factor, FirstFactor::Open));
}

#[test]
fn variables_that_name_nothing_are_errors() {
    for (name, hint) in [
        ("STEPGATE__SERVER__LISTN", "did you mean `LISTEN`?"),
        ("STEPGATE__ROUTES__OLD_AP__UPSTREAM", "did you mean `OLD_APP`?"),
        ("STEPGATE__ROUTES__OLD_APP__REASON__TEXT", "it goes on below a value"),
        ("STEPGATE__ROUTES__OLD_APP__UPSTREAM__HOST", "known: ADDRESSES, PROTOCOL, TLS"),
        ("STEPGATE__LEVELS__SENSITIVE__VALID_FOR", "no such list"),
        ("STEPGATE__", "unknown in the configuration"),
    ] {
        let (loaded, shown) = run(&app(""), &[(name, "x")]);
        assert!(loaded.settings.is_none());
        assert!(shown.contains("SG-C060") && shown.contains(name) && shown.contains(hint), "{shown}");
    }
}

#[test]
fn a_bad_variable_is_shown_as_the_place() {
    let (_, shown) = run(&app(""), &[("STEPGATE__SERVER__DRAIN", "15")]);
    assert!(shown.contains("SG-C003") && shown.contains("--> STEPGATE__SERVER__DRAIN:1:1"), "{shown}");
}

#[test]
fn fetched_values() {
    let text = format!(
        "{HEAD}storage: {{ encryption_keys: [{{ file: secret }}, {{ env: KEY }}] }}\nbranding: {{ name: {{ env: NAME }} }}\n"
    );
    let settings = settings(&text, &[("KEY", "another long key, of thirty-two bytes"), ("NAME", "no")]);
    let keys: Vec<_> = settings
        .storage
        .encryption_keys
        .iter()
        .map(|key| key.expose_secret().to_owned())
        .collect();
    assert_eq!(keys[0], "correct horse battery staple, and more of it", "one trailing newline is removed");
    assert_eq!(keys[1], "another long key, of thirty-two bytes");
    assert_eq!(settings.branding.name, "no");
}

#[test]
fn a_fetched_value_is_never_quoted() {
    let text = format!("{HEAD}sessions: {{ idle_timeout: {{ env: OOPS }} }}\n");
    let (_, shown) = run(&text, &[("OOPS", "hunter2")]);
    assert!(shown.contains("SG-C003") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_key_that_is_too_short_is_refused() {
    let text = format!("{HEAD}storage: {{ encryption_keys: [{{ env: KEY }}] }}\n");
    assert_eq!(codes(&text, &[("KEY", "short")]), ["SG-C043"]);
}

fn load_files(files: &[(&str, &str)]) -> Loaded {
    let directory = directory();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    load(&Sources::paths([directory.path()]), &Environment::default())
}

#[test]
fn files_of_a_directory_are_merged_by_name() {
    let loaded = load_files(&[
        (
            "10-base.yaml",
            "version: 1\nserver: { public_url: https://mfa.example.com }\nconditions: { a: { groups: [x] } }\n",
        ),
        (
            "20-wiki.yaml",
            "version: 1\nserver: { drain: 1s }\nroutes: [{ host: wiki.example.com, rules: [{ when: b, require: deny }] }]\nconditions: { b: { groups: [y] } }\n",
        ),
        (
            "30-app.yaml",
            "routes: [{ host: app.example.com, rules: [{ when: a, require: deny }] }]\n",
        ),
        ("README.txt", "not: [yaml"),
    ]);
    let settings = loaded.settings.unwrap_or_else(|| panic!("{}", loaded.diagnostics));
    let hosts: Vec<_> = settings.routes.iter().map(|route| route.hosts[0].as_str()).collect();
    assert_eq!(hosts, ["wiki.example.com", "app.example.com"]);
    assert_eq!(settings.server.drain.as_secs(), 1);
}

#[test]
fn the_same_setting_in_two_files_is_an_error() {
    let loaded = load_files(&[
        (
            "a.yaml",
            &format!(
                "{HEAD}routes: [{{ name: x, host: a, upstream: \"http://a\" }}]\nconditions: {{ c: {{ groups: [x] }} }}\n"
            ),
        ),
        (
            "b.yaml",
            "server: { public_url: https://x.example.com }\nroutes: [{ name: x, host: b, upstream: \"http://b\" }]\nconditions: { c: { groups: [x] } }\n",
        ),
    ]);
    let mut codes: Vec<_> = loaded.diagnostics.iter().map(|problem| problem.code.id()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["SG-C007", "SG-C013", "SG-C013"]);
    let shown = loaded.diagnostics.to_text(false);
    assert!(shown.contains("a.yaml:2:") && shown.contains("b.yaml:1:"), "{shown}");
}

#[test]
fn a_broken_file_beside_a_good_one_is_refused() {
    let loaded = load_files(&[("a.yaml", HEAD), ("b.yaml", "routes: [\n")]);
    assert!(loaded.settings.is_none() && loaded.diagnostics.errors() == 1, "{}", loaded.diagnostics);
}

#[test]
fn a_link_that_leads_nowhere_is_not_overlooked() {
    let directory = directory();
    fs::write(directory.path().join("a.yaml"), HEAD).unwrap();
    fs::write(directory.path().join(".hidden.yaml"), "not: [yaml").unwrap();
    let both = || load(&Sources::paths([directory.path()]), &Environment::default());
    assert!(both().settings.is_some());
    std::os::unix::fs::symlink("absent", directory.path().join("floor.yaml")).unwrap();
    assert!(both().settings.is_none());
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let directory = directory();
    let missing = load(&Sources::paths([directory.path().join("absent.yaml")]), &Environment::default());
    assert!(missing.settings.is_none() && missing.diagnostics.to_text(false).contains("absent.yaml"));
    assert!(load(&Sources::default(), &Environment::default()).settings.is_none());
    assert!(load_files(&[("a.txt", HEAD)]).settings.is_none());
    for (text, code) in [
        ("", "SG-C004"),
        ("# only a remark\n", "SG-C004"),
        ("- a\n", "SG-C004"),
        ("[[", "SG-C000"),
    ] {
        let (loaded, shown) = run(text, &[]);
        assert!(loaded.settings.is_none() && shown.contains(code), "{text:?} gives {shown}");
    }
    let deep = format!("{HEAD}routes: {}{}\n", "[".repeat(60), "]".repeat(60));
    assert_eq!(codes(&deep, &[]), ["SG-C000"]);
}

#[test]
fn certificates_for_an_upstream_are_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let made = rcgen::generate_simple_self_signed(vec!["app.internal".to_owned()]).unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    let (certificate, key) =
        (write("c.pem", &made.cert.pem()), write("k.pem", &made.signing_key.serialize_pem()));
    let (other, nothing) = (write("o.pem", &other.serialize_pem()), write("n.pem", "nothing"));
    let shown = |tls: &str| {
        let route = format!("{{ addresses: \"https://a\", tls: {{ {tls} }} }}");
        let text = format!("{HEAD}routes: [{{ name: app, host: app.example.com, upstream: {route} }}]\n");
        let (loaded, shown) = run(&text, &[]);
        (loaded.settings, shown)
    };
    let (settings, text) =
        shown(&format!("authority: {certificate}, certificate: {certificate}, key: {key}"));
    let settings = settings.unwrap_or_else(|| panic!("{text}"));
    let tls = settings.routes[0].upstream.as_ref().unwrap().tls.clone().unwrap();
    assert!(tls.client.is_some() && tls.authority.is_some());
    for (tls, why) in [
        (format!("authority: {nothing}"), "there is no certificate in PEM in this file"),
        (
            format!("certificate: {certificate}, key: {nothing}"),
            "there is no private key in PEM in this file",
        ),
        (
            format!("certificate: {certificate}, key: {other}"),
            "it does not belong to the certificate",
        ),
    ] {
        let (settings, text) = shown(&tls);
        assert!(settings.is_none() && text.contains("SG-C041") && text.contains(why), "{text}");
    }
}
