//! What a form must show before anything is changed, and what every answer carries.

use super::world::{PASSWORD, world};
use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};

#[tokio::test]
async fn g04_no_post_without_this_browsers_token_changes_anything() {
    let world = world().await;
    let mut maja = world.browser();
    maja.set_up().await;
    let list = maja.get("/.stepgate/my-mfa").await;
    let out = maja.get("/.stepgate/sign-out").await.form("sign-out");
    assert!(list.text.contains("My MFA settings"));
    let mut stranger = world.browser();
    let theirs = stranger.get("/.stepgate/sign-in").await.form("sign-in");
    let token = |form: &super::world::Form| form.fields[0].1.clone();
    for (what, form) in [
        ("no token", out.clone().with("csrf", "")),
        ("another browser's", out.clone().with("csrf", &token(&theirs))),
        ("an altered one", out.clone().with("csrf", &format!("{}x", token(&out)))),
    ] {
        let refused = maja.post(&form).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{what}");
        assert_eq!(refused.heading(), "Please try that again", "{what}");
    }
    assert_eq!(maja.get("/.stepgate/my-mfa").await.heading(), "My MFA settings");
}

#[tokio::test]
async fn g04_no_post_from_another_origin_changes_anything() {
    let world = world().await;
    let mut maja = world.browser();
    maja.set_up().await;
    let form = maja.get("/.stepgate/sign-out").await.form("sign-out");
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&form.fields)
        .finish();
    for (header, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://wiki.example.com"),
        ("origin", "null"),
        ("x-nothing", "said"),
    ] {
        let mut request = maja.request(Method::POST, &form.action);
        request.headers_mut().unwrap().remove("sec-fetch-site");
        let request = request
            .header(header, value)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.clone()));
        let refused = maja.take(request.unwrap()).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{header}: {value}");
    }
    assert_eq!(maja.get("/.stepgate/my-mfa").await.heading(), "My MFA settings");
}

#[tokio::test]
async fn g05_nobody_is_signed_in_by_a_form_from_elsewhere() {
    let world = world().await;
    let mut attacker = world.browser();
    let form = attacker.get("/.stepgate/sign-in").await.form("sign-in");
    let form = form.with("username", "maja").with("password", PASSWORD);
    let mut victim = world.browser();
    let page = victim.post(&form).await;
    assert_eq!(page.heading(), "Sign in");
    assert!(page.text.contains("had been open for a while"));
    assert!(!victim.cookies.contains_key("__Host-stepgate-id"));
    let own = page.form("sign-in").with("username", "maja").with("password", PASSWORD);
    assert_eq!(victim.post(&own).await.heading(), "My MFA settings", "the page it got works");
}

#[tokio::test]
async fn pages_exist_on_the_portal_only_and_not_without_a_door() {
    let world = world().await;
    for path in [
        "/.stepgate/sign-in",
        "/.stepgate/my-mfa",
        "/.stepgate/api/v1/session",
        "/",
    ] {
        let request = || world.browser().request(Method::GET, path).body(Body::empty()).unwrap();
        assert_eq!(world.send_as(request(), false).await.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(
            world.send_without_door(request()).await.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}"
        );
    }
}

#[tokio::test]
async fn failures_are_pages_with_a_reference_and_all_headers() {
    let world = world().await;
    let mut browser = world.browser();
    for (method, path, status) in [
        (Method::GET, "/.stepgate/nothing", StatusCode::NOT_FOUND),
        (Method::GET, "/elsewhere", StatusCode::NOT_FOUND),
        (Method::PUT, "/.stepgate/sign-in", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/.stepgate/assets/0/portal.css", StatusCode::NOT_FOUND),
        (Method::GET, "/.stepgate/enrol/x/recovery-codes.txt", StatusCode::SEE_OTHER),
    ] {
        let request = browser.request(method, path).body(Body::empty()).unwrap();
        let seen = browser.take(request).await;
        assert_eq!(seen.status(), status, "{path}");
        assert!(seen.header("content-security-policy").contains("form-action 'self'"), "{path}");
        assert_eq!(seen.header("cache-control"), "no-store", "{path}");
        if status != StatusCode::SEE_OTHER {
            assert!(seen.text.contains("0a1b2c3d"), "{path}: {}", seen.text);
        }
    }
    let front = browser.get("/").await;
    assert_eq!(front.heading(), "Sign in");
}

#[tokio::test]
async fn long_and_shapeless_forms_are_refused() {
    let world = world().await;
    let mut browser = world.browser();
    let form = browser.get("/.stepgate/sign-in").await.form("sign-in");
    let long = browser.post(&form.clone().with("username", &"x".repeat(20_000))).await;
    assert_eq!(long.status(), StatusCode::BAD_REQUEST);
    let request = browser
        .request(Method::POST, "/.stepgate/sign-in")
        .header(CONTENT_TYPE, "text/plain");
    let plain = browser.take(request.body(Body::from("csrf=1")).unwrap()).await;
    assert_eq!(plain.status(), StatusCode::BAD_REQUEST);
}
