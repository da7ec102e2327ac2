//! `stepgate check --connect` as a newcomer meets it: every kind of service, right and with each thing that
//! can be wrong; what is told, and that nothing is sent.

use crate::support::{Duo, Provider, Setup, Upstream, Vendors, ok};
use crate::yubikey;

/// A configuration with this section more.
fn with(section: &str, text: &str) -> Setup {
    Setup::new("\n  - { name: app, host: localhost, upstream: \"http://127.0.0.1:1\" }\n")
        .section(section, text)
}

/// The line about this service, of a configuration that has only it; and the exit code.
#[track_caller]
fn told(setup: &Setup, service: &str) -> (String, Option<i32>) {
    let found = setup.command(&["check", "--connect"], "");
    let text = format!("{}{}", found.stdout, found.stderr);
    let line = text.lines().find(|line| line.starts_with(&format!("{service}: ")));
    (line.unwrap_or_else(|| panic!("nothing of {service}: {text}")).to_owned(), found.code)
}

/// With everything right it is reached; with each of `changes` made to the text, it is told so.
#[track_caller]
fn table(section: &str, good: &str, service: &str, changes: &[(&str, &str, &str)]) {
    assert_eq!(told(&with(section, good), service), (format!("{service}: reached"), Some(0)));
    for (from, to, verdict) in changes {
        assert!(good.contains(from), "{from} is not in {good}");
        let (line, code) = told(&with(section, &good.replace(from, to)), service);
        assert!(line.contains(verdict), "{from} -> {to}: {line}");
        assert_eq!(code, Some(69), "{line}");
        assert!(!line.contains(to) || to.len() < 12, "a secret in {line}");
    }
}

const ADMITTED: &str = "reached, but it does NOT let us in";

#[test]
fn vendors_of_texts() {
    let fakes = Vendors::fakes();
    let (url, port) = (fakes.url(), fakes.port().to_string());
    for (kind, keys, secret) in [
        (
            "twilio",
            "account_sid: AC00000000000000000000000000000000, from: \"+15005550001\", auth_token",
            "twilio-token",
        ),
        ("vonage", "api_key: abcd1234, from: Example, api_secret", "vonage-secret"),
        ("plivo", "auth_id: MA00000000000000000A, from: \"15005550001\", auth_token", "plivo-token"),
        ("messagebird", "from: Example, access_key", "messagebird-key"),
    ] {
        let good = format!("\n  texts: {{ type: {kind}, url: \"{url}\", {keys}: {secret} }}\n");
        let changes = [
            (secret, "another secret of ours", ADMITTED),
            (&port, "1", ": NOT reached: "),
        ];
        table("senders", &good, "sender texts", &changes);
    }
    assert!(fakes.sent().is_empty(), "{:?}", fakes.sent());
}

#[test]
fn duo_of_both_kinds() {
    let duo = Duo::start();
    let authority = duo.authority().display().to_string();
    let other = tempfile::NamedTempFile::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(other.path(), made.cert.pem()).unwrap();
    let (other, port) = (other.path().display().to_string(), duo.port().to_string());
    for (good, secret) in [
        (duo.universal(""), "universal-secret-of-forty-characters-abc"),
        (duo.api(""), "authapi-secret-of-forty-characters-abcde"),
    ] {
        let wrong = "another-secret-of-forty-characters-xyzab".to_owned();
        let changes = [
            (secret, wrong.as_str(), ADMITTED),
            (authority.as_str(), other.as_str(), ": NOT believed: "),
            (port.as_str(), "1", ": NOT reached: "),
        ];
        table("factors", &good, "factor duo", &changes);
    }
}

#[test]
fn yubikey_servers() {
    let server = yubikey::Server::start();
    let good = format!(" {{ {} }}", server.factors(&["verify"]).trim());
    let port = server.port().to_string();
    let changes = [
        ("mG5be6ZJU1qBGz24yPh/ESM3UdU=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", ADMITTED),
        ("client_id: 87", "client_id: 88", ADMITTED),
        ("verify", "broken", "NOT as it should be"),
        (port.as_str(), "1", ": NOT reached: "),
    ];
    table("factors", &good, "factor yubikey", &changes);
}

#[test]
fn an_openid_provider() {
    let free = Setup::new("\n  - { host: localhost, upstream: \"http://127.0.0.1:1\" }\n");
    let provider = Provider::start(free.port(), &["sso"]);
    let good = provider.source("sso", "");
    let port = provider.issuer().rsplit(':').next().unwrap().to_owned();
    let changes = [
        ("hush-hush-hush-hush-hush-hush-hush", "tell-tell-tell-tell-tell-tell-tell", ADMITTED),
        (port.as_str(), "1", ": NOT reached: "),
    ];
    table("identity", &good, "identity sso", &changes);
}

#[test]
fn who_is_asked_about_tokens() {
    let server = Upstream::answering(|request| match request.line().split(' ').nth(1) {
        Some("/introspect")
            if request.header("authorization").as_deref() != Some("Basic Z2F0ZTpzM2NyZXQ=") =>
        {
            b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
        Some("/introspect") => ok("{\"active\":false}"),
        Some("/keys") => ok(
            "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
        ),
        Some("/page") => ok("<html>"),
        _ => b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let url = server.url();
    let asked = format!(
        "\n  - {{ name: sso, type: introspection, endpoint: \"{url}/introspect\", client_id: gate, client_secret: s3cret }}\n"
    );
    let changes = [
        ("s3cret", "another secret of ours", ADMITTED),
        ("/introspect", "/page", "NOT as it should be"),
        (url.as_str(), "http://127.0.0.1:1", ": NOT reached: "),
    ];
    table("identity", &asked, "identity sso", &changes);
    let keys = format!(
        "\n  - {{ name: jwt, type: jwt, header: x-jwt, issuer: \"https://i.example\", audience: a, algorithm: EdDSA, jwks: \"{url}/keys\" }}\n"
    );
    let changes = [
        ("/keys", "/page", "is no JWK Set"),
        ("/keys", "/gone", "answers 404"),
        (url.as_str(), "http://127.0.0.1:1", ": NOT reached: "),
    ];
    table("identity", &keys, "identity jwt", &changes);
}

#[test]
fn one_that_is_broken_hides_no_other_and_scripts_read_what_it_is() {
    let server = Upstream::answering(|_| ok("{\"keys\":[]}"));
    let identity = format!(
        "\n  - {{ name: dead, type: introspection, endpoint: \"http://127.0.0.1:1/\", client_id: gate, client_secret: s3cret }}\
         \n  - {{ name: empty, type: jwt, header: x-jwt, issuer: \"https://i.example\", audience: a, algorithm: EdDSA, jwks: \"{}/keys\" }}\n",
        server.url()
    );
    let found = with("identity", &identity)
        .command(&["check", "--connect", "--format", "json"], "")
        .expect(69);
    let services = serde_json::from_str::<serde_json::Value>(&found.stdout).unwrap()["services"].clone();
    let told = |at: usize, key: &str| services[at][key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (told(0, "service"), told(0, "trouble")),
        ("identity dead".into(), "unreachable".into()),
        "{services}"
    );
    assert_eq!(
        (told(1, "service"), told(1, "trouble")),
        ("identity empty".into(), "odd".into()),
        "{services}"
    );
    assert_eq!(told(1, "key"), "identity[1]", "{services}");
}

/// A secret file that is not there, is empty, or ends in a line break.
#[test]
fn secrets_from_files() {
    let fakes = Vendors::fakes();
    let text = format!(
        "\n  texts: {{ type: twilio, url: \"{}\", account_sid: AC00000000000000000000000000000000, auth_token: {{ file: \"$DIR/token\" }}, from: \"+15005550001\" }}\n",
        fakes.url()
    );
    let setup = with("senders", &text);
    let missing = setup.command(&["check", "--connect"], "").expect(78);
    assert!(
        missing.stderr.contains("token") && missing.stderr.contains("No such file"),
        "{}",
        missing.stderr
    );
    crate::support::write_private(&setup.path("token"), "");
    let empty = setup.command(&["check", "--connect"], "").expect(78);
    assert!(empty.stderr.contains("empty"), "{}", empty.stderr);
    crate::support::write_private(&setup.path("token"), "twilio-token\n");
    assert_eq!(told(&setup, "sender texts"), ("sender texts: reached".to_owned(), Some(0)));
}
