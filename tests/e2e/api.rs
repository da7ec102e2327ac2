//! The JSON API mirrors the pages step by step, for programs: curl, Python, and whatever reads the 401.

use serde_json::json;

use crate::support::{Gate, Setup, Upstream, python, run};

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let gate = Gate::with(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ));
    (upstream, gate)
}

/// Standard library only: it knows the contract and nothing else.
const CLIENT: &str = r#"
import http.cookiejar, json, subprocess, sys, urllib.error, urllib.request
page, user, password, secret = sys.argv[1:]
jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(secure_protocols=("https", "http")))
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"} if data else {})
    try:
        with opener.open(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
status, headers, text = call(page)
assert status == 401, (status, text)
assert headers["WWW-Authenticate"].startswith("Bearer"), headers
problem = json.loads(text)
portal = problem["challenge_url"].split("/.stepgate/")[0] + "/.stepgate/api/v1/"
status, _, text = call(portal + "sign-in", {"username": user, "password": password})
assert status < 300, (status, text)
status, _, text = call(page)
assert status == 401, (status, text)
problem = json.loads(text)
assert "totp" in problem["factors"], problem
status, _, text = call(portal + "challenges", {"return": page})
assert status < 300, (status, text)
challenge = json.loads(text)
way = next(way for way in challenge["ways"] if way["factor"] == "totp")
code = subprocess.run(["oathtool", "--totp", "--base32", secret], capture_output=True, text=True, check=True).stdout.strip()
status, _, text = call(portal + "challenges/" + challenge["id"] + "/start", {"enrolment": way["enrolment"]})
assert status < 300, (status, text)
status, _, text = call(portal + "challenges/" + challenge["id"] + "/answer", {"factor": "totp", "code": code})
assert status < 300, (status, text)
answer = json.loads(text)
assert answer["return"].endswith("/report?x=1"), answer
status, _, text = call(page)
assert (status, text) == (200, "upstream"), (status, text)
print("went on")
"#;

#[test]
fn a_python_client_reads_the_401_answers_and_goes_on() {
    let (upstream, gate) = scene();
    let (_, authenticator) = gate.enrolled("anna");
    authenticator.wait_for_fresh();
    let finished = python(
        CLIENT,
        &[
            &gate.url("localhost", "/report?x=1"),
            "anna",
            &Setup::password("anna"),
            authenticator.secret(),
        ],
    )
    .expect(0);
    assert_eq!(finished.stdout.trim(), "went on");
    assert_eq!(upstream.last().target(), "/report?x=1");
}

#[test]
fn curl_goes_the_same_way_with_a_cookie_file() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let jar = gate.setup.path("cookies");
    let curl = |arguments: &[&str]| {
        run(std::process::Command::new("curl")
            .args([
                "-s",
                "-b",
                jar.to_str().unwrap(),
                "-c",
                jar.to_str().unwrap(),
                "-w",
                "\n%{http_code}",
            ])
            .args(arguments))
        .expect(0)
        .stdout
    };
    let page = gate.url("localhost", "/x");
    let json_type = "Content-Type: application/json";
    assert!(curl(&[&page]).ends_with("401"));
    let body = json!({ "username": "anna", "password": Setup::password("anna") }).to_string();
    let reply = curl(&["-H", json_type, "-d", &body, &gate.portal("api/v1/sign-in")]);
    assert!(reply.ends_with("200") || reply.ends_with("204"), "{reply}");
    let opened = curl(&["-H", json_type, "-d", "{}", &gate.portal("api/v1/challenges")]);
    let challenge: serde_json::Value = serde_json::from_str(opened.rsplit_once('\n').unwrap().0).unwrap();
    let body = json!({ "factor": "totp", "code": authenticator.code() }).to_string();
    let id = challenge["id"].as_str().unwrap();
    curl(&[
        "-H",
        json_type,
        "-d",
        &body,
        &gate.portal(&format!("api/v1/challenges/{id}/answer")),
    ]);
    assert_eq!(curl(&[&page]), "upstream\n200");
}

#[test]
fn the_document_describes_what_there_is() {
    let (_upstream, gate) = scene();
    let document = gate
        .browser()
        .fetch("GET", &gate.portal("api/v1/openapi.json"), None)
        .expect(200)
        .json();
    assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.")), "{document}");
    let paths = document["paths"].as_object().expect("paths");
    for path in [
        "sign-in",
        "session",
        "challenges",
        "challenges/{id}/start",
        "challenges/{id}/answer",
        "enrolments",
        "enrolments/{id}/confirm",
        "sign-out",
    ] {
        assert!(
            paths.keys().any(|k| k.trim_start_matches('/').ends_with(path)),
            "{path} is not among {:?}",
            paths.keys()
        );
    }
    let mut anna = gate.signed_in("anna");
    for (path, methods) in paths {
        let concrete = path.replace("{id}", "AAAAAAAAAAAAAAAAAAAAAA");
        let concrete = concrete.trim_start_matches("/.stepgate/api/v1").trim_start_matches('/');
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|m| ["get", "post", "delete", "put", "patch"].contains(&m.as_str()))
        {
            if concrete == "sign-out" {
                continue;
            }
            let method = method.to_uppercase();
            let body = (method != "GET").then(|| json!({}));
            let reply = anna.fetch(&method, &gate.portal(&format!("api/v1/{concrete}")), body.as_ref());
            assert_ne!(reply.status, 405, "{method} {path}");
            assert!(reply.status < 500, "{method} {path}: {}", reply.text());
        }
    }
    let unknown = anna.fetch("GET", &gate.portal("api/v1/no-such-thing"), None).expect(404);
    assert_eq!(unknown.header("content-type"), Some("application/problem+json"));
}

#[test]
fn refusals_are_problems_with_a_code_and_a_reference() {
    let (_upstream, gate) = scene();
    let mut anna = gate.signed_in("anna");
    let wrong = json!({ "username": "anna", "password": "wrong" });
    for (what, reply, status) in [
        (
            "signed out",
            gate.browser()
                .fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({}))),
            401,
        ),
        (
            "wrong password",
            gate.browser().fetch("POST", &gate.portal("api/v1/sign-in"), Some(&wrong)),
            401,
        ),
        (
            "no such challenge",
            anna.fetch(
                "POST",
                &gate.portal("api/v1/challenges/nothing/answer"),
                Some(&json!({ "factor": "totp", "code": "000000" })),
            ),
            404,
        ),
        (
            "no such factor",
            anna.fetch(
                "POST",
                &gate.portal("api/v1/enrolments"),
                Some(&json!({ "factor": "carrier-pigeon" })),
            ),
            422,
        ),
        (
            "no fields",
            anna.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&json!({ "user": 1 }))),
            422,
        ),
    ] {
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{what}");
        assert!(
            reply.status == status || (status == 422 && reply.status == 400),
            "{what}: {} {}",
            reply.status,
            reply.text()
        );
        let problem = reply.json();
        assert_eq!(problem["status"], reply.status, "{what}");
        for field in ["type", "title", "code", "request_id"] {
            assert!(problem[field].is_string(), "{what}: {field} is missing in {problem}");
        }
    }
    for body in [
        "",
        "{",
        "[1",
        "null",
        "{\"username\":\"a\",\"username\":\"b\"",
        &"[".repeat(100_000),
    ] {
        let reply = gate.browser().send(crate::support::Ask {
            method: "POST",
            url: &gate.portal("api/v1/sign-in"),
            headers: vec![("Content-Type", "application/json".into())],
            body: body.as_bytes().to_vec(),
        });
        assert!((400..500).contains(&reply.status), "{:.20}: {}", body, reply.status);
    }
}
