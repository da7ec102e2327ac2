//! The API as a program meets it, and its description.

use axum::body::Body;
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Browser, PASSWORD, world};

async fn signed_in(program: &mut Browser<'_>) {
    let body = json!({ "username": "maja", "password": PASSWORD });
    let seen = program.json(Method::POST, "/sign-in", &body).await;
    assert_eq!(seen.status(), StatusCode::OK, "{}", seen.text);
    assert_eq!(seen.json()["subject"], "local:maja");
}

/// Enrols an app by the API; returns its key.
async fn enrolled(program: &mut Browser<'_>) -> String {
    let pending = program.json(Method::POST, "/enrolments", &json!({ "factor": "totp" })).await;
    assert_eq!(pending.status(), StatusCode::CREATED, "{}", pending.text);
    let pending = pending.json();
    let key = pending["setup"]["key"].as_str().unwrap().to_owned();
    let path = format!("/enrolments/{}/confirm", pending["id"].as_str().unwrap());
    let body = json!({ "code": program.world.app_code(&key), "name": "Robot" });
    let done = program.json(Method::POST, &path, &body).await;
    assert_eq!(done.status(), StatusCode::OK, "{}", done.text);
    key
}

#[tokio::test]
async fn a_program_goes_through_all_the_steps() {
    let world = world().await;
    let mut program = world.browser();
    signed_in(&mut program).await;
    let key = enrolled(&mut program).await;
    world.pass_time(60).await;
    program.cookies.remove("__Host-stepgate");
    let challenge = program
        .json(Method::POST, "/challenges", &json!({ "return": "/reports" }))
        .await;
    assert_eq!(challenge.status(), StatusCode::CREATED, "{}", challenge.text);
    let challenge = challenge.json();
    assert_eq!(challenge["levels"], json!(["standard"]));
    assert_eq!(
        (&challenge["ways"][0]["factor"], &challenge["ways"][0]["name"]),
        (&json!("totp"), &json!("Robot"))
    );
    let id = challenge["id"].as_str().unwrap();
    let start = json!({ "enrolment": challenge["ways"][0]["enrolment"] });
    let started = program.json(Method::POST, &format!("/challenges/{id}/start"), &start).await;
    assert_eq!(started.json()["prompt"], json!({ "type": "code", "digits": 6 }));
    let answer = json!({ "factor": "totp", "code": world.app_code(&key) });
    let path = format!("/challenges/{id}/answer");
    for _ in 0..2 {
        let passed = program.json(Method::POST, &path, &answer).await;
        assert_eq!(passed.status(), StatusCode::OK, "{}", passed.text);
        assert_eq!(passed.json()["return"], "/reports");
    }
    let session = program.json(Method::GET, "/session", &Value::Null).await.json();
    assert_eq!(session["proofs"][0]["factor"], "totp");
    let clear = program
        .json(Method::POST, "/challenges", &json!({ "return": "/reports" }))
        .await;
    assert_eq!((clear.status(), &clear.json()["return"]), (StatusCode::OK, &json!("/reports")));
    let list = program.json(Method::GET, "/enrolments", &Value::Null).await.json();
    let own = list["enrolments"][0]["id"].as_str().unwrap();
    let path = format!("/enrolments/{own}");
    assert_eq!(program.json(Method::DELETE, &path, &Value::Null).await.status(), StatusCode::NO_CONTENT);
    let out = program.json(Method::POST, "/sign-out", &json!({ "everywhere": true })).await;
    assert_eq!(out.json(), json!({ "signed_in": false }));
    world.read_feed().await;
    let session = program.json(Method::GET, "/session", &Value::Null).await.json();
    assert_eq!(session, json!({ "signed_in": false }));
}

#[tokio::test]
async fn problems_have_a_stable_code_and_a_reference() {
    let world = world().await;
    let mut program = world.browser();
    let refused = program
        .json(Method::POST, "/sign-in", &json!({ "username": "maja", "password": "no" }))
        .await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let problem = refused.json();
    assert_eq!(problem["code"], "sign_in_failed");
    assert_eq!(problem["type"], "urn:stepgate:problem:sign_in_failed");
    assert_eq!(problem["request_id"], "0a1b2c3d");
    assert_eq!(problem["status"], 401);
    let stranger = program.json(Method::POST, "/challenges", &json!({})).await;
    assert_eq!(stranger.json()["code"], "sign_in_required");
    let nowhere = program.json(Method::GET, "/nothing", &Value::Null).await;
    assert_eq!((nowhere.status(), &nowhere.json()["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    let method = program.json(Method::PUT, "/session", &Value::Null).await;
    assert_eq!(method.json()["code"], "method_not_allowed");
    assert_eq!(method.header("allow"), "GET,HEAD");
    signed_in(&mut program).await;
    let more = program
        .json(Method::POST, "/challenges", &json!({ "return": "/a", "more": 1 }))
        .await;
    assert_eq!(more.json()["code"], "bad_request");
    let elsewhere = program
        .json(Method::POST, "/challenges", &json!({ "return": "https://evil.example" }))
        .await;
    assert_eq!(
        (elsewhere.status(), &elsewhere.json()["code"]),
        (StatusCode::BAD_REQUEST, &json!("bad_request"))
    );
}

#[tokio::test]
async fn wrong_answers_are_counted_and_lock_with_a_time() {
    let world = world().await;
    let mut program = world.browser();
    signed_in(&mut program).await;
    let key = enrolled(&mut program).await;
    world.pass_time(60).await;
    let challenge = program.json(Method::POST, "/challenges", &json!({})).await.json();
    let path = format!("/challenges/{}/answer", challenge["id"].as_str().unwrap());
    let malformed = program
        .json(Method::POST, &path, &json!({ "factor": "totp", "code": "12" }))
        .await;
    assert_eq!(malformed.json()["code"], "code_malformed");
    let wrong = if world.app_code(&key) == "000000" {
        "000001"
    } else {
        "000000"
    };
    for left in [4, 3, 2, 1] {
        let answer = program
            .json(Method::POST, &path, &json!({ "factor": "totp", "code": wrong }))
            .await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&answer.json()["code"], &answer.json()["attempts_left"]),
            (&json!("code_wrong"), &json!(left))
        );
    }
    let locked = program
        .json(Method::POST, &path, &json!({ "factor": "totp", "code": wrong }))
        .await;
    assert_eq!(locked.status(), StatusCode::TOO_MANY_REQUESTS, "{}", locked.text);
    assert_eq!((&locked.json()["code"], &locked.json()["retry_after"]), (&json!("locked"), &json!(60)));
    assert_eq!(locked.header("retry-after"), "60");
}

#[tokio::test]
async fn g04_only_json_from_our_own_origin_or_no_browser_changes_anything() {
    let world = world().await;
    let mut program = world.browser();
    signed_in(&mut program).await;
    let attempts: [(&[(&str, &str)], StatusCode); 6] = [
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("content-type", "application/json"),
            ],
            StatusCode::FORBIDDEN,
        ),
        (
            &[
                ("origin", "https://wiki.example.com"),
                ("content-type", "application/json"),
            ],
            StatusCode::FORBIDDEN,
        ),
        (&[("origin", "null"), ("content-type", "application/json")], StatusCode::FORBIDDEN),
        (&[("content-type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[("content-type", "application/json")], StatusCode::OK),
    ];
    for (headers, status) in attempts {
        let mut request = program.request(Method::POST, "/.stepgate/api/v1/sign-out");
        request.headers_mut().unwrap().remove("sec-fetch-site");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let seen = world.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(seen.status(), status, "{headers:?}");
    }
    let delete = program.request(Method::DELETE, "/.stepgate/api/v1/enrolments/x");
    let delete = delete.header(ORIGIN, "https://evil.example").body(Body::empty()).unwrap();
    assert_eq!(world.send(delete).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_document_and_the_router_know_the_same_operations() {
    let world = world().await;
    let document = world.browser().json(Method::GET, "/openapi.json", &Value::Null).await.json();
    assert_eq!(document, crate::api::document());
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    for (path, described) in document["paths"].as_object().unwrap() {
        for method in &methods {
            let known = described.get(method.as_str().to_lowercase()).is_some();
            let target = path.replace("{id}", "x");
            let seen = world.browser().json(method.clone(), &target, &Value::Null).await;
            let served = seen.status() != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(served, known, "{method} {path}: {}", seen.text);
        }
    }
}

#[tokio::test]
async fn e15_nobody_reaches_another_persons_challenge() {
    let world = world().await;
    let mut one = world.browser();
    signed_in(&mut one).await;
    enrolled(&mut one).await;
    let challenge = one.json(Method::POST, "/challenges", &json!({})).await.json();
    let id = challenge["id"].as_str().unwrap();
    let mut other = world.browser();
    signed_in(&mut other).await;
    let answer = json!({ "enrolment": challenge["ways"][0]["enrolment"], "code": "000000" });
    let seen = other.json(Method::POST, &format!("/challenges/{id}/answer"), &answer).await;
    assert_eq!(seen.status(), StatusCode::NOT_FOUND, "another session is another person here");
    assert_eq!(seen.header(CONTENT_TYPE), "application/problem+json");
}
