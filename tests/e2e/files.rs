//! Broken configurations and partial files (security.md R14, R31, H08): a running gate keeps what it has, a
//! new one does not start, and both say what is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{Gate, Setup, Upstream, run, stepgate, wait_until, write_private};

const ROUTES: &str = "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: public
    rules: [{ path: /admin/**, require: standard }]
";

/// How a good file is broken.
enum Break {
    /// These lines at its end.
    End(&'static str),
    /// The first text replaced by the second.
    Instead(&'static str, &'static str),
    /// All of it replaced.
    All(fn() -> Vec<u8>),
}

use Break::{All, End, Instead};

/// What is wrong, and how the good file comes to have it.
fn broken() -> Vec<(&'static str, Break)> {
    let mut all = broken_text();
    all.extend(broken_values());
    all
}

/// Not YAML, not ours, or more than anybody writes.
fn broken_text() -> Vec<(&'static str, Break)> {
    vec![
        ("an open bracket", End("conditions: [\n")),
        ("a tab as indentation", End("branding:\n\tname: x\n")),
        ("an unknown section", End("rotes: []\n")),
        ("an unknown key", Instead("per_network:", "per_netwrk:")),
        ("a section twice", End("version: 1\n")),
        ("a key twice", Instead("first_factor: open", "first_factor: open, first_factor: open")),
        ("an alias", End("branding: &a { name: x }\nconditions: *a\n")),
        ("an anchor", End("branding: &a { name: x }\n")),
        ("a merge key", End("branding: { <<: { name: x } }\n")),
        ("a tag", End("branding: !!map { name: x }\n")),
        ("a second document", End("---\nversion: 1\n")),
        ("a list", All(|| b"- version: 1\n".to_vec())),
        ("nothing", All(Vec::new)),
        ("half a file", All(|| b"version: 1\nserver:\n  listen: \"".to_vec())),
        ("no text", All(|| b"version: 1\n\0\xff\xfe".to_vec())),
        (
            "another encoding",
            All(|| "version: 1".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ),
        ("10 MiB", All(|| format!("version: 1\n#{}\n", "x".repeat(11 << 20)).into_bytes())),
        (
            "deep lists",
            All(|| format!("version: 1\nroutes: {}\n", "[".repeat(100_000)).into_bytes()),
        ),
        (
            "deep maps",
            All(|| format!("version: 1\nroutes: {}\n", "{a: ".repeat(100_000)).into_bytes()),
        ),
        ("a bomb of aliases", All(bomb)),
    ]
}

/// Every value that opens a door, or none at all.
fn broken_values() -> Vec<(&'static str, Break)> {
    vec![
        ("a missing key", Instead("version: 1", "")),
        ("another version", Instead("version: 1", "version: 2")),
        (
            "a missing secret",
            Instead("storage: {", "storage: { encryption_keys: [{ file: /no/such/file }],"),
        ),
        (
            "a missing variable",
            Instead("storage: {", "storage: { encryption_keys: [{ env: NO_SUCH }],"),
        ),
        (
            "a secret that others read",
            Instead("storage: {", "storage: { encryption_keys: [{ file: open.key }],"),
        ),
        (
            "a key that is too short",
            Instead("storage: {", "storage: { encryption_keys: [{ file: short.key }],"),
        ),
        ("no methods", Instead("path: /admin/**", "path: /admin/**, method: []")),
        ("a pattern that is none", Instead("path: /admin/**", "path: \"/admin**\"")),
        ("a pattern without a slash", Instead("path: /admin/**", "path: admin")),
        ("a bad escape in a pattern", Instead("path: /admin/**", "path: \"/%zz\"")),
        ("a network that is none", End("conditions: { office: { network: [10.0.0.0/99] } }\n")),
        (
            "a trusted proxy that is none",
            Instead("server: {", "server: { trusted_proxies: [everybody],"),
        ),
        ("a level that nothing defines", Instead("require: standard", "require: standart")),
        (
            "a condition that nothing defines",
            Instead("path: /admin/**", "path: /admin/**, when: nowhere"),
        ),
        ("a factor that is none", End("levels: [{ name: x, any_of: [hope] }]\n")),
        ("a level that nobody passes", End("levels: [{ name: x, all_of: [totp, totp] }]\n")),
        ("a duration without a unit", End("sessions: { idle_timeout: 30 }\n")),
        ("`no` for a level", Instead("require: public", "require: no")),
        ("an upstream that is none", Instead("upstream: http", "upstream: ftp")),
        ("plain http for others", Instead("http://localhost:", "http://mfa.example.com:")),
        ("no identity source", End("identity: []\n")),
        (
            "headers of everybody",
            End("identity: [{ name: t, type: trusted-header, from: [], attributes: { user: X-User } }]\n"),
        ),
        (
            "an algorithm called none",
            End(
                "identity: [{ name: j, type: jwt, header: X-T, algorithm: none, jwks: \"https://a.example/k\", issuer: i, audience: a }]\n",
            ),
        ),
        ("a floor that nothing defines", End("floor: { require: standart }\n")),
        (
            "a zone that is none",
            End(
                "conditions: { t: { time: { days: [mon], between: [\"07:00\", \"08:00\"], zone: Mars } } }\n",
            ),
        ),
        ("what is not there yet", End("senders: { texts: { token: x } }\n")),
        ("no limit", Instead("per_network: 100000 per 1m", "per_network: 0 per 1m")),
    ]
}

/// Ten levels of ten aliases each.
fn bomb() -> Vec<u8> {
    let mut text = "version: 1\na0: &a0 [x]\n".to_owned();
    for n in 1..10 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    text.into_bytes()
}

impl Break {
    fn apply(&self, good: &str) -> Vec<u8> {
        match self {
            End(more) => format!("{good}{more}").into_bytes(),
            Instead(this, that) => {
                assert!(good.contains(this), "{this} is not in\n{good}");
                good.replacen(this, that, 1).into_bytes()
            }
            All(make) => make(),
        }
    }
}

fn gate(upstream: &Upstream) -> Gate {
    let setup = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()));
    fs::write(setup.path("open.key"), "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(setup.path("open.key"), fs::Permissions::from_mode(0o644)).unwrap();
    write_private(&setup.path("short.key"), "short");
    setup.start()
}

/// Waits for another line with this in the part of the log that came after `from`.
#[track_caller]
fn logged(gate: &Gate, from: usize, words: &str) {
    wait_until(words, || gate.log().get(from..).is_some_and(|log| log.contains(words)).then_some(()));
}

#[test]
fn r14_h08_a_broken_file_changes_nothing_and_says_why() {
    let cases = broken();
    assert!(cases.len() >= 40, "{}", cases.len());
    // A reload settles for a third of a second: several gates, each with a part of the files.
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len() / 6 + 1) {
            scope.spawn(move || refuses(part));
        }
    });
}

fn refuses(cases: &[(&str, Break)]) {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let file = gate.setup.path("stepgate.yaml");
    let good = fs::read_to_string(&file).unwrap();
    for (what, how) in cases {
        let from = gate.log().len();
        fs::write(&file, how.apply(&good)).unwrap();
        gate.signal("HUP");
        logged(&gate, from, "is refused");
        unchanged(&gate, what);
        let checked = run(stepgate(&["check", "-c"]).arg(&file));
        assert_eq!(checked.code, Some(78), "{what}: {}{}", checked.stdout, checked.stderr);
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert!(said.contains("SG-C") && said.len() < 100_000, "{what}: {said}");
        back_to_good(&gate, &file, &good);
    }
}

#[test]
fn r14_a_file_that_is_gone_changes_nothing() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let file = gate.setup.path("stepgate.yaml");
    let good = fs::read_to_string(&file).unwrap();
    let gone: [Found; 3] = [
        ("no file", |file| fs::remove_file(file).unwrap()),
        ("an empty directory", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }),
        ("a link to nowhere", |file| {
            fs::remove_file(file).unwrap();
            std::os::unix::fs::symlink("/no/such/file", file).unwrap();
        }),
    ];
    for (what, act) in gone {
        let from = gate.log().len();
        act(&file);
        gate.signal("HUP");
        logged(&gate, from, "is refused");
        unchanged(&gate, what);
        if file.is_dir() {
            fs::remove_dir(&file).unwrap();
        }
        let _ = fs::remove_file(&file);
        back_to_good(&gate, &file, &good);
    }
}

fn back_to_good(gate: &Gate, file: &Path, good: &str) {
    let from = gate.log().len();
    fs::write(file, good).unwrap();
    gate.signal("HUP");
    logged(gate, from, "has been reloaded");
}

#[track_caller]
fn unchanged(gate: &Gate, what: &str) {
    let ask = |path: &str| gate.browser().fetch("GET", &gate.url("localhost", path), None).status;
    assert_eq!((ask("/x"), ask("/admin/x")), (200, 401), "{what}");
    assert_eq!(gate.operations("/readyz").status, 200, "{what}");
    let metrics = gate.operations("/metrics").text();
    assert!(metrics.contains("config_last_reload_successful 0\n"), "{what}: {metrics}");
}

/// A file, or a state of it, and what happened to it.
type Found = (&'static str, fn(&Path));

/// The state directory of a gate that has run, with everything in it, and how each file may be found later.
fn partial() -> Vec<Found> {
    fn cut(file: &Path, to: usize) {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..to.min(bytes.len())]).unwrap();
    }
    fn shorten(file: &Path, by: usize) {
        cut(file, fs::read(file).unwrap().len() - by);
    }
    fn mode(file: &Path, mode: u32) {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
    fn change(file: &Path, this: &str, that: &str) {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(this), "{this}");
        fs::write(file, text.replace(this, that)).unwrap();
    }
    vec![
        ("keys.json", |f| cut(f, 0)),
        ("keys.json", |f| cut(f, 1)),
        ("keys.json", |f| cut(f, 100)),
        ("keys.json", |f| shorten(f, 1)),
        ("keys.json", |f| fs::write(f, "{}").unwrap()),
        ("keys.json", |f| fs::write(f, "{\"keys\":[],\"forms\":\"\"}").unwrap()),
        ("keys.json", |f| fs::write(f, vec![0; 500]).unwrap()),
        ("keys.json", |f| change(f, "\"claim\"", "\"assertion\"")),
        ("keys.json", |f| change(f, "\"private\": \"", "\"private\": \"A")),
        ("keys.json", |f| mode(f, 0o644)),
        ("keys.json", |f| mode(f, 0o660)),
        ("keys.json", |f| {
            fs::remove_file(f).unwrap();
            fs::create_dir(f).unwrap();
        }),
        ("encryption.key", |f| cut(f, 0)),
        ("encryption.key", |f| cut(f, 5)),
        ("encryption.key", |f| shorten(f, 20)),
        ("encryption.key", |f| fs::write(f, "A".repeat(44)).unwrap()),
        ("encryption.key", |f| mode(f, 0o640)),
        ("encryption.key", |f| fs::remove_file(f).unwrap()),
        ("stepgate.db", |f| fs::write(f, "not a database, and never was one".repeat(100)).unwrap()),
        ("stepgate.db", |f| {
            fs::remove_file(f).unwrap();
            fs::create_dir(f).unwrap();
        }),
        ("tls.crt", |f| cut(f, 0)),
        ("tls.crt", |f| cut(f, 200)),
        ("tls.key", |f| cut(f, 0)),
        ("tls.key", |f| cut(f, 60)),
        ("tls.key", |f| mode(f, 0o644)),
        ("tls.key", |f| fs::remove_file(f).unwrap()),
    ]
}

#[test]
fn r31_a_partial_file_refuses_the_start_and_is_named() {
    let setup = Setup::new(&ROUTES.replace("$UPSTREAM", "http://127.0.0.1:1"))
        .tls(&["localhost"])
        .user("anna", &[]);
    let mut gate = setup.start();
    gate.signal("TERM");
    wait_until("the end", || gate.exited());
    let state = gate.setup.path("state");
    let names: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let cases = partial();
    assert!(cases.len() >= 20, "{}", cases.len());
    let kept = gate.setup.path("kept");
    copy(&state, &kept);
    for (at, (name, act)) in cases.into_iter().enumerate() {
        let place = if name.starts_with("tls") {
            gate.setup.path("")
        } else {
            state.clone()
        };
        let file = place.join(name);
        assert!(file.exists(), "{name} is not among {names:?}");
        let before = fs::read(&file).unwrap();
        act(&file);
        let finished = gate.setup.command(&["run"], "");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(matches!(finished.code, Some(78 | 69)), "{at}: {name}: {:?} {said}", finished.code);
        let key = match name {
            "stepgate.db" => "stepgate.db",
            "encryption.key" => "encryption",
            name => name,
        };
        assert!(said.contains(key), "{at}: {name} is not named: {said}");
        if file.is_dir() {
            fs::remove_dir(&file).unwrap();
        }
        let _ = fs::remove_file(&file);
        write_private(&file, std::str::from_utf8(&before).unwrap_or_default());
        fs::write(&file, &before).unwrap();
        if place == state {
            fs::remove_dir_all(&state).unwrap();
            copy(&kept, &state);
        }
    }
    gate.start_again();
}

fn copy(from: &Path, to: &Path) {
    run(std::process::Command::new("cp").arg("-a").arg(from).arg(to)).expect(0);
}
