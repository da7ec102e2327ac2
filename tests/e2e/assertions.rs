//! The signed assertion as apps verify it: the examples of `examples/verify`, each in its own language, against
//! the built binary's keys, and against what somebody might try instead of an assertion.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Finished, Gate, Setup, Upstream, peers_python, pipe_into, unix_now};

const TYPE: &str = "stepgate-assertion+jwt";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify").join(name)
}

/// How an example is run. Modules of Node are found beside the file that wants them.
fn program(language: &str, place: &Path) -> Command {
    let (tool, name) = match language {
        "python" => (peers_python(), "verify.py"),
        "node" => (PathBuf::from("node"), "verify.mjs"),
        "php" => (PathBuf::from("php"), "verify.php"),
        "ruby" => (PathBuf::from("ruby"), "verify.rb"),
        _ => return go(place),
    };
    let mut command = Command::new(tool);
    if language == "node" {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/node/node_modules");
        let copy = place.join(name);
        std::fs::copy(example(name), &copy).expect("the directory is writable");
        let _ = std::os::unix::fs::symlink(modules, place.join("node_modules"));
        // Node 18, Debian's, hides what jose needs.
        command.arg("--experimental-global-webcrypto").arg(copy);
    } else {
        command.arg(example(name));
    }
    command
}

/// Compiled once for a test.
fn go(place: &Path) -> Command {
    let built = place.join("verify");
    if !built.exists() {
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&built).arg(example("verify.go"));
        build.env("GOCACHE", place.join("go-cache")).env("GOFLAGS", "-mod=mod");
        crate::support::run(&mut build).expect(0);
    }
    Command::new(built)
}

/// Somebody who says who an app should believe.
struct App<'a> {
    language: &'a str,
    place: &'a Path,
    jwks: String,
    issuer: String,
    audience: String,
}

impl App<'_> {
    fn judges(&self, assertion: &str) -> Finished {
        let mut command = program(self.language, self.place);
        pipe_into(command.args([&self.jwks, &self.issuer, &self.audience]), assertion)
    }

    #[track_caller]
    fn refuses(&self, what: &str, assertion: &str) {
        let finished = self.judges(assertion);
        assert_eq!(finished.code, Some(1), "{}: {what}: {finished:?}", self.language);
        assert!(finished.stderr.contains("refused: "), "{}: {what}: {finished:?}", self.language);
    }
}

fn gate(upstream: &Upstream) -> Gate {
    let routes = "\n  - { name: app, host: localhost, upstream: $UPSTREAM, require: standard }";
    Setup::new(&routes.replace("$UPSTREAM", &upstream.url()))
        .user(
            "anna",
            &[
                "--name",
                "Anna Ångström",
                "--email",
                "anna@example.test",
                "--groups",
                "staff,cn=x",
            ],
        )
        .start()
}

/// What the gate itself says counts; its session claim, and an assertion for another app, do not.
fn agrees_with_the_gate(language: &str) {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut anna, &mut authenticator);
    anna.visit(&gate.url("localhost", "/x")).expect(200);
    let assertion = upstream.last().header("stepgate-assertion").expect("on by default");
    let place = tempfile::tempdir().expect("a temporary directory");
    let mut app = App {
        language,
        place: place.path(),
        jwks: gate.portal("jwks.json"),
        issuer: gate.url("localhost", ""),
        audience: upstream.url(),
    };
    let claims: Value = serde_json::from_str(&app.judges(&assertion).expect(0).stdout).expect("JSON");
    assert_eq!(
        (&claims["user"], &claims["email"], &claims["name"]),
        (&json!("anna"), &json!("anna@example.test"), &json!("Anna Ångström"))
    );
    assert_eq!(
        claims["groups"],
        json!(["staff", "cn=x"]),
        "whole, as no list in a header could have them"
    );
    assert_eq!((&claims["sub"], &claims["acr"]), (&json!("local:anna"), &json!("standard")));
    assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(60));

    let cookies = &anna.cookies["localhost"];
    let claim = cookies.get("stepgate").expect("a session claim");
    app.refuses("a session claim of the same gate", claim);
    let (body, signature) = assertion.rsplit_once('.').expect("a JWT");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    app.refuses("a signature that was touched", &format!("{body}.{other}{}", &signature[1..]));
    app.refuses("no signature", &format!("{body}."));
    "http://127.0.0.1:9".clone_into(&mut app.audience);
    app.refuses("an assertion for another app", &assertion);
    app.audience = upstream.url();
    "https://other.example.test".clone_into(&mut app.issuer);
    app.refuses("an assertion of another gate", &assertion);
}

/// A gate of somebody's own making, whose key the test holds.
fn refuses_what_is_made_up(language: &str) {
    let pair = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).expect("a key");
    let public = Ed25519KeyPair::from_pkcs8(pair.as_ref())
        .expect("our own")
        .public_key()
        .as_ref()
        .to_vec();
    let jwks = json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1", "x": BASE64.encode(&public),
    }] });
    let keys = Upstream::scripted(move |_, stream| {
        let body = jwks.to_string();
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/jwk-set+json\r\nConnection: close";
        // PHP waits for the end of the connection.
        stream.write_all(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())?;
        Ok(false)
    });
    let place = tempfile::tempdir().expect("a temporary directory");
    let app = App {
        language,
        place: place.path(),
        jwks: format!("{}/jwks.json", keys.url()),
        issuer: "https://mfa.example.test".to_owned(),
        audience: "http://app:3000".to_owned(),
    };
    let now = i64::try_from(unix_now()).expect("a time");
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({
            "iss": app.issuer, "aud": app.audience, "sub": "local:anna", "iat": now, "exp": now + 60,
            "amr": ["otp"], "acr": "standard", "user": "anna", "groups": [],
        });
        change(&mut claims);
        claims
    };
    let key = EncodingKey::from_ed_der(pair.as_ref());
    let sign = |typ: &str, kid: &str, claims: Value| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, &claims, &key).expect("signed")
    };
    let good = claims(&|_| {});
    app.judges(&sign(TYPE, "k1", good.clone())).expect(0);

    app.refuses("run out", &sign(TYPE, "k1", claims(&|c| c["exp"] = json!(now - 30))));
    app.refuses("from the future", &sign(TYPE, "k1", claims(&|c| c["iat"] = json!(now + 600))));
    app.refuses(
        "for ever",
        &sign(TYPE, "k1", claims(&|c| drop(c.as_object_mut().map(|c| c.remove("exp"))))),
    );
    app.refuses("another audience", &sign(TYPE, "k1", claims(&|c| c["aud"] = json!("http://app:3001"))));
    app.refuses("the type of a claim", &sign("stepgate-claim+jwt", "k1", good.clone()));
    app.refuses("no type", &sign("JWT", "k1", good.clone()));
    app.refuses("a key that is not there", &sign(TYPE, "k2", good.clone()));
    // The public key taken for a shared secret, and no algorithm at all.
    let mut shared = Header::new(Algorithm::HS256);
    shared.typ = Some(TYPE.to_owned());
    shared.kid = Some("k1".to_owned());
    for secret in [public.clone(), BASE64.encode(&public).into_bytes()] {
        let forged =
            jsonwebtoken::encode(&shared, &good, &EncodingKey::from_secret(&secret)).expect("signed");
        app.refuses("signed with the public key", &forged);
    }
    let header = BASE64.encode(json!({ "typ": TYPE, "alg": "none", "kid": "k1" }).to_string());
    app.refuses("not signed", &format!("{header}.{}.", BASE64.encode(good.to_string())));
    app.refuses("nothing", "");
    app.refuses("noise", "a.b.c");
}

#[test]
fn python_agrees() {
    agrees_with_the_gate("python");
    refuses_what_is_made_up("python");
}

#[test]
fn node_agrees() {
    agrees_with_the_gate("node");
    refuses_what_is_made_up("node");
}

#[test]
fn php_agrees() {
    agrees_with_the_gate("php");
    refuses_what_is_made_up("php");
}

#[test]
fn ruby_agrees() {
    agrees_with_the_gate("ruby");
    refuses_what_is_made_up("ruby");
}

#[test]
#[ignore = "slow: compiles Go's standard library"]
fn go_agrees() {
    agrees_with_the_gate("go");
    refuses_what_is_made_up("go");
}

#[test]
fn a_public_request_carries_no_assertion_and_another_app_gets_its_own() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let routes = "
  - { host: localhost, upstream: $ONE, require: signed-in, rules: [{ path: /public/**, require: public }] }
  - { host: quiet.localhost, upstream: $TWO, require: signed-in, to_upstream: { assertion: false } }
";
    let gate = Setup::new(&routes.replace("$ONE", &one.url()).replace("$TWO", &two.url()))
        .user("anna", &[])
        .start();
    let mut anna = gate.signed_in("anna");
    anna.visit(&gate.url("localhost", "/public/x")).expect(200);
    assert_eq!(one.last().twins("stepgate-assertion"), Vec::<String>::new());
    anna.visit(&gate.url("localhost", "/x")).expect(200);
    let token = one.last().header("stepgate-assertion").expect("on by default");
    let payload = BASE64.decode(token.split('.').nth(1).expect("a JWT")).expect("base64");
    let claims: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(claims["aud"], json!(one.url()), "for this app alone");
    anna.go(&gate.url("quiet.localhost", "/x")).expect(200);
    assert_eq!(two.last().twins("stepgate-assertion"), Vec::<String>::new(), "switched off for this app");
    assert_eq!(two.last().all("remote-user"), ["anna"]);
}
