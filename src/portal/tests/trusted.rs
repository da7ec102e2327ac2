//! Trusted browsers, as the person and as a thief of their cookies meet them (security.md E25).

use http::{Method, StatusCode};
use serde_json::json;

use super::world::{Browser, World, world};

const DAY: i64 = 86_400;
const TRUSTED: &str = "__Host-stepgate-trusted";
const ASKED: &str = "Confirm it&#39;s you";
const THROUGH: &str = "You&#39;re confirmed";
const BOX: &str = "Don&#39;t ask again on this browser for 30 days";

/// A browser in which Maja has ticked the box, and her app's key.
async fn trusting(world: &World) -> (Browser<'_>, String) {
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    assert!(page.text.contains(BOX), "{}", page.text);
    let form = page.form("challenge").with("code", &world.app_code(&key));
    let done = browser.post(&form.with("remember", "yes")).await;
    assert_eq!(done.heading(), THROUGH);
    assert!(browser.cookies.contains_key(TRUSTED));
    (browser, key)
}

/// What Maja meets on her way to `/a` in a new session of this browser.
async fn anew(browser: &mut Browser<'_>) -> String {
    browser.cookies.remove("__Host-stepgate");
    browser.cookies.remove("__Host-stepgate-id");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    browser.sign_in(&page).await.heading().to_owned()
}

async fn events(world: &World, what: &str) -> usize {
    let all = world.store.audit_after(0, 1000).await.unwrap();
    all.iter().filter(|record| record.event.what == what).count()
}

#[tokio::test]
async fn e25_a_trusted_browser_is_not_asked_until_its_time_is_over() {
    let world = world().await;
    let (mut browser, _) = trusting(&world).await;
    let mut token = browser.cookies[TRUSTED].clone();
    for _ in 0..5 {
        world.pass_time(5 * DAY).await;
        assert_eq!(anew(&mut browser).await, THROUGH);
        assert_ne!(browser.cookies[TRUSTED], token, "a new token after every use");
        token.clone_from(&browser.cookies[TRUSTED]);
    }
    world.pass_time(5 * DAY).await;
    assert_eq!(anew(&mut browser).await, ASKED, "use does not prolong it");
    assert_eq!(events(&world, "browser.remembered").await, 5);
}

#[tokio::test]
async fn e25_only_who_asks_for_it_and_only_where_a_level_allows_it() {
    let world = world().await;
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    browser.post(&page.form("challenge").with("code", &world.app_code(&key))).await;
    assert!(!browser.cookies.contains_key(TRUSTED), "the box was not ticked");
    world.pass_time(60).await;
    let page = browser.get("/.stepgate/challenge?rd=/pay").await;
    assert_eq!(page.heading(), ASKED);
    assert!(!page.text.contains("name=\"remember\""), "{}", page.text);
    let form = page.form("challenge").with("code", &world.app_code(&key));
    browser.post(&form.with("remember", "yes")).await;
    assert!(!browser.cookies.contains_key(TRUSTED), "the box was not there");
}

#[tokio::test]
async fn e25_what_is_asked_every_time_and_changes_of_factors_are_asked_all_the_same() {
    let world = world().await;
    let (mut browser, _) = trusting(&world).await;
    assert_eq!(anew(&mut browser).await, THROUGH);
    for path in ["challenge?rd=/pay", "enrol", "my-mfa/recovery-codes"] {
        let page = browser.get(&format!("/.stepgate/{path}")).await;
        assert_eq!(page.heading(), ASKED, "{path}");
    }
    assert_eq!(browser.get("/.stepgate/challenge?rd=/a").await.heading(), THROUGH);
}

#[tokio::test]
async fn e25_a_copied_token_ends_the_trust_for_both() {
    let world = world().await;
    let (mut maja, _) = trusting(&world).await;
    let mut thief = maja.clone();
    assert_eq!(anew(&mut maja).await, THROUGH);
    world.pass_time(30).await;
    let mut tab = Browser { world: &world, cookies: thief.cookies.clone() };
    assert_eq!(anew(&mut tab).await, THROUGH, "two tabs, or an answer that got lost");
    assert_eq!(tab.cookies[TRUSTED], maja.cookies[TRUSTED]);
    world.pass_time(31).await;
    assert_eq!(anew(&mut thief).await, ASKED);
    assert_eq!(events(&world, "browser.token_copied").await, 1);
    world.read_feed().await;
    let page = maja.get("/.stepgate/challenge?rd=/a").await;
    assert_eq!(page.heading(), ASKED, "also in the session that it had brought something back into");
    assert_eq!(anew(&mut maja).await, ASKED);
}

#[tokio::test]
async fn e25_it_is_listed_and_forgotten_by_one_click() {
    let world = world().await;
    let (mut browser, _) = trusting(&world).await;
    assert_eq!(anew(&mut browser).await, THROUGH);
    let page = browser.get("/.stepgate/my-mfa").await;
    assert!(page.text.contains("Browsers that aren&#39;t asked"), "{}", page.text);
    let page = browser.post(&page.form("my-mfa/forget/")).await;
    assert!(page.text.contains("That browser is asked again from now on"));
    assert!(!page.text.contains("my-mfa/forget/"));
    world.read_feed().await;
    assert_eq!(browser.get("/.stepgate/challenge?rd=/a").await.heading(), ASKED);
    assert_eq!(anew(&mut browser).await, ASKED);
}

#[tokio::test]
async fn e25_any_removal_of_a_factor_and_signing_out_everywhere_end_it() {
    let world = world().await;
    let (mut browser, _) = trusting(&world).await;
    let page = browser.get("/.stepgate/my-mfa").await;
    let last = page.text.rsplit("/my-mfa/remove/").next().unwrap();
    let codes = last.split('"').next().unwrap();
    let page = browser.get(&format!("/.stepgate/my-mfa/remove/{codes}")).await;
    browser.post(&page.form("my-mfa/remove/")).await;
    world.read_feed().await;
    assert_eq!(anew(&mut browser).await, ASKED);

    let other = super::world::world().await;
    let (mut browser, _) = trusting(&other).await;
    let page = browser.get("/.stepgate/my-mfa/sign-out-everywhere").await;
    browser.post(&page.form("sign-out")).await;
    other.pass_time(1).await;
    assert_eq!(anew(&mut browser).await, ASKED);
}

#[tokio::test]
async fn e25_programs_can_do_the_same() {
    let world = world().await;
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let begun = browser
        .json(Method::POST, "/challenges", &json!({ "return": "/a" }))
        .await
        .json();
    assert_eq!(begun["remember"], 30 * DAY);
    let path = format!("/challenges/{}/answer", begun["id"].as_str().unwrap());
    let answer = json!({ "factor": "totp", "code": world.app_code(&key), "remember": true });
    assert_eq!(browser.json(Method::POST, &path, &answer).await.status(), StatusCode::OK);
    browser.cookies.remove("__Host-stepgate");
    let again = browser
        .json(Method::POST, "/challenges", &json!({ "return": "/a" }))
        .await
        .json();
    assert_eq!((again["id"].clone(), again["return"].as_str()), (json!(null), Some("/a")));
    let list = browser
        .json(Method::GET, "/trusted-browsers", &serde_json::Value::Null)
        .await
        .json();
    let id = list["browsers"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/trusted-browsers/{id}");
    assert_eq!(
        browser.json(Method::DELETE, &path, &serde_json::Value::Null).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        browser.json(Method::DELETE, &path, &serde_json::Value::Null).await.status(),
        StatusCode::NOT_FOUND
    );
}
