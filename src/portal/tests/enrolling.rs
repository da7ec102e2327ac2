//! Setting up, looking at and removing factors by way of the pages.

use super::world::{between, world, world_with};
use crate::config::settings::FirstFactor;
use crate::policy::SubjectKey;
use http::StatusCode;

#[tokio::test]
async fn a_first_factor_by_invitation_counts_once_and_only_by_a_click() {
    let world = world_with(FirstFactor::Invitation).await;
    let now = world.clock.now();
    let maja = SubjectKey::new("local", "maja");
    world
        .store
        .create_invitation("welcome", &maja, now, now.plus(86_400), None)
        .await
        .unwrap();
    let mut browser = world.browser();
    let page = browser.get("/.stepgate/enrol?invitation=welcome").await;
    assert!(page.text.contains("You&#39;ve been invited"), "{}", page.text);
    let landing = browser.sign_in(&page).await;
    assert_eq!(landing.heading(), "Your invitation");
    assert_eq!(
        browser.get("/.stepgate/enrol").await.heading(),
        "You need an invitation",
        "a GET takes nothing"
    );
    let choose = browser.post(&landing.form("invitation")).await;
    assert_eq!(choose.heading(), "Add a way to confirm");
    let twice = browser.post(&landing.form("invitation")).await;
    assert_eq!(twice.heading(), "Add a way to confirm", "a second click is harmless");
    let mut other = world.browser();
    let page = other.get("/.stepgate/enrol?invitation=welcome").await;
    let landing = other.sign_in(&page).await;
    let used = other.post(&landing.form("invitation")).await;
    assert_eq!(
        (used.status(), used.heading()),
        (StatusCode::FORBIDDEN, "This invitation doesn&#39;t work")
    );
}

#[tokio::test]
async fn p21_a_key_is_shown_until_it_is_confirmed_and_never_again() {
    let world = world().await;
    let mut browser = world.browser();
    let page = browser.get("/.stepgate/enrol").await;
    let page = browser.sign_in(&page).await;
    let pending = browser.post(&page.form("enrol").with("factor", "totp")).await;
    assert!(pending.text.contains("aria-label=\"QR code to set up your app\""));
    assert!(pending.text.contains("href=\"otpauth://totp/"));
    let key = between(&pending.text, "<code id=\"key\">", "</code>").unwrap().to_owned();
    let form = pending.form("enrol/");
    let wrong = browser
        .post(&form.clone().with("name", "My <b>phone</b>").with("code", "12"))
        .await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains(&key), "the same key again");
    assert!(wrong.text.contains("value=\"My &#60;b&#62;phone"));
    let right = form.with("name", "My phone").with("code", &world.app_code(&key));
    let codes = browser.post(&right).await;
    assert_eq!(codes.heading(), "Save your recovery codes");
    let again = browser.post(&right).await;
    assert_eq!(again.heading(), "Save your recovery codes", "a second click ends like the first");
    let gone = browser.get(&right.action).await;
    assert_eq!(gone.status(), StatusCode::GONE);
    assert!(!gone.text.contains(&key));
    let list = browser.get("/.stepgate/my-mfa").await;
    assert_eq!(list.text.matches("<h3>My phone</h3>").count(), 1);
}

#[tokio::test]
async fn p27_codes_are_shown_until_the_tick_and_never_again() {
    let world = world().await;
    let mut browser = world.browser();
    browser.set_up().await;
    let ask = browser.get("/.stepgate/my-mfa/recovery-codes").await;
    let page = browser.post(&ask.form("enrol")).await;
    let code = between(&page.text, "<li><code>", "</code>").unwrap().to_owned();
    let file_url = between(&page.text, "class=\"button quiet\" href=\"", "\"").unwrap().to_owned();
    let file = browser.get(&file_url).await;
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(file.header("cache-control"), "no-store");
    assert!(file.header("content-disposition").starts_with("attachment"));
    assert!(file.text.contains(&code) && file.text.contains("Maja Berg"));
    let form = page.form("enrol/");
    let unticked = browser.post(&form).await;
    assert_eq!(unticked.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unticked.text.contains("Save the codes, then tick the box"));
    let saved = browser.post(&form.clone().with("saved", "yes")).await;
    assert_eq!(saved.heading(), "My MFA settings");
    assert!(saved.text.contains("10 codes left") && !saved.text.contains(&code));
    assert_eq!(browser.get(&form.action).await.status(), StatusCode::GONE);
    assert_eq!(browser.get(&file_url).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn u11_a_change_needs_a_fresh_confirmation_and_comes_back() {
    let world = world().await;
    let mut browser = world.browser();
    let key = browser.set_up().await;
    let list = browser.get("/.stepgate/my-mfa").await;
    let rename = between(&list.text, "href=\"/.stepgate/my-mfa/rename/", "\"")
        .unwrap()
        .to_owned();
    world.pass_time(600).await;
    let asked = browser.get(&format!("/.stepgate/my-mfa/rename/{rename}")).await;
    assert_eq!(asked.heading(), "Confirm it&#39;s you");
    let form = asked.form("challenge").with("code", &world.app_code(&key));
    let back = browser.post(&form).await;
    assert_eq!(back.heading(), "Rename “Phone”");
    let nameless = browser.post(&back.form("rename").with("name", " ")).await;
    assert!(nameless.text.contains("Enter a name"));
    let done = browser.post(&back.form("rename").with("name", "Old phone")).await;
    assert!(done.text.contains("<h3>Old phone</h3>") && done.text.contains("Saved."));
}

#[tokio::test]
async fn p29_removing_asks_first_and_twice_is_harmless() {
    let world = world().await;
    let mut browser = world.browser();
    browser.set_up().await;
    let list = browser.get("/.stepgate/my-mfa").await;
    let id = between(&list.text, "href=\"/.stepgate/my-mfa/remove/", "\"")
        .unwrap()
        .to_owned();
    let ask = browser.get(&format!("/.stepgate/my-mfa/remove/{id}")).await;
    assert_eq!(ask.heading(), "Remove “Phone”?");
    assert!(ask.text.contains("It&#39;s your last way to confirm"));
    assert!(
        browser.get("/.stepgate/my-mfa").await.text.contains("<h3>Phone</h3>"),
        "a GET removes nothing"
    );
    let form = ask.form("remove");
    let done = browser.post(&form).await;
    assert!(done.text.contains("Removed.") && !done.text.contains("<h3>Phone</h3>"));
    let twice = browser.post(&form).await;
    assert!(twice.text.contains("Removed."));
    let unknown = browser.get("/.stepgate/my-mfa/remove/somebody-elses").await;
    assert_ne!(unknown.heading(), "Remove “Phone”?");
}
