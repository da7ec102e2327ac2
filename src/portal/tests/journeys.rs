//! From where a person was stopped, through sign-in and challenge, to where they were going.

use super::world::{PASSWORD, between, world};
use crate::gate::held::Owner;
use crate::store::{HeldBody, NewJourney};
use http::StatusCode;

#[tokio::test]
async fn sign_in_and_confirm_end_where_the_person_was_going() {
    let world = world().await;
    let mut first = world.browser();
    let key = first.set_up().await;
    world.pass_time(60).await;
    let mut browser = world.browser();
    let page = browser.get("/.stepgate/challenge?rd=/reports%3Fyear%3D2026").await;
    assert_eq!(page.heading(), "Sign in");
    assert!(page.text.contains("Sign in to go on to Payroll."));
    let page = browser.sign_in(&page).await;
    assert_eq!(page.heading(), "Confirm it&#39;s you");
    assert!(page.text.contains("Payroll asks you"));
    let form = page.form("challenge").with("code", &world.app_code(&key));
    let done = browser.post(&form).await;
    assert_eq!(done.heading(), "You&#39;re confirmed", "{}", done.text);
    assert_eq!(done.refresh().as_deref(), Some("/reports?year=2026"));
    assert!(browser.cookies.contains_key("__Host-stepgate"));
}

#[tokio::test]
async fn g01_a_path_that_looks_like_a_host_leads_nowhere_else() {
    let world = world().await;
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let page = browser
        .get("/.stepgate/challenge?rd=https://mfa.example.com//evil.example/")
        .await;
    let form = page.form("challenge").with("code", &world.app_code(&key));
    let done = browser.post(&form).await;
    assert_eq!(done.refresh().as_deref(), Some("https://mfa.example.com//evil.example/"));
}

#[tokio::test]
async fn a_form_kept_before_the_sign_in_outlives_the_change_of_the_browsers_cookie() {
    let world = world().await;
    let key = world.browser().set_up().await;
    world.pass_time(60).await;
    let mut browser = world.browser();
    browser
        .cookies
        .insert("__Host-stepgate-browser".to_owned(), "stranger".to_owned());
    let owner = Owner::new(None, "stranger");
    let held = HeldBody { content_type: "text/plain".into(), body: b"to=bob".to_vec().into() };
    let journey = NewJourney {
        id: "kept".to_owned(),
        site: "mfa.example.com".to_owned(),
        method: "POST".to_owned(),
        target: "/transfer".to_owned(),
        subject: Some(owner.subject),
        context: "{}".to_owned(),
        held: Some((held, owner.binding)),
        created: world.clock.now(),
        expires: world.clock.now().plus(3600),
    };
    world.store.add_journey(journey).await.unwrap();
    let page = browser.get("/.stepgate/sign-in?j=kept").await;
    let page = browser.sign_in(&page).await;
    let done = browser.post(&page.form("challenge").with("code", &world.app_code(&key))).await;
    assert_eq!(done.refresh().as_deref(), Some("/.stepgate/callback?j=kept"), "{}", done.text);
    assert_ne!(browser.cookies["__Host-stepgate-browser"], "stranger");
    let kept = world.store.journey("kept", world.clock.now()).await.unwrap().unwrap();
    assert!(kept.holds_body);
    assert_eq!(kept.subject.unwrap().as_str(), "local:maja");
}

#[tokio::test]
async fn a_double_submit_ends_like_the_first_and_another_tab_moves_on() {
    let world = world().await;
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    let other_tab = browser.get("/.stepgate/challenge?rd=/b").await;
    let form = page.form("challenge").with("code", &world.app_code(&key));
    let once = browser.post(&form).await;
    let twice = browser.post(&form).await;
    assert_eq!((once.status(), once.refresh()), (StatusCode::OK, Some("/a".to_owned())));
    assert_eq!((twice.status(), twice.refresh()), (StatusCode::OK, Some("/a".to_owned())));
    let moved_on = browser.get(&other_tab.form("challenge").action).await;
    assert_eq!(moved_on.refresh().as_deref(), Some("/b"));
}

#[tokio::test]
async fn wrong_codes_are_told_apart_and_lead_to_a_wait() {
    let world = world().await;
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    let form = page.form("challenge");
    let empty = browser.post(&form.clone().with("code", " ")).await;
    assert_eq!(empty.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(empty.text.matches("Enter the 6 digits from your app").count(), 2, "summary and field");
    let short = browser.post(&form.clone().with("code", "12345")).await;
    assert!(short.text.contains("The code has 6 digits. You entered 5"));
    assert!(short.text.contains("value=\"12345\""), "kept when only the length was wrong");
    assert!(short.text.contains("<title>Error: "));
    let right = world.app_code(&key);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for tries in 1..=4 {
        let page = browser.post(&form.clone().with("code", wrong)).await;
        assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.text.contains("That code isn&#39;t right"), "{}", page.text);
        assert!(!page.text.contains(&format!("value=\"{wrong}\"")));
        assert_eq!(page.text.contains("Then there is a short wait"), tries >= 3, "{tries}");
    }
    let locked = browser.post(&form.clone().with("code", wrong)).await;
    assert_eq!(locked.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(locked.header("retry-after"), "60");
    assert!(locked.text.contains("<time datetime=\"2026-11-22T06:07:00Z\">"), "{}", locked.text);
    let still = browser.post(&form.with("code", &right)).await;
    assert_eq!(still.status(), StatusCode::TOO_MANY_REQUESTS, "not judged while locked");
}

#[tokio::test]
async fn an_expired_page_begins_anew_by_its_post() {
    let world = world().await;
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    world.pass_time(600).await;
    let again = browser.post(&page.form("challenge").with("code", &world.app_code(&key))).await;
    assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.text.contains("That took a little too long"), "{}", again.text);
    let done = browser.post(&again.form("challenge").with("code", &world.app_code(&key))).await;
    assert_eq!(done.refresh().as_deref(), Some("/a"));
}

#[tokio::test]
async fn recovery_codes_are_another_way_and_few_left_are_told() {
    let world = world().await;
    let mut browser = world.browser();
    browser.set_up().await;
    let page = browser.get("/.stepgate/my-mfa/recovery-codes").await;
    let page = browser.post(&page.form("enrol")).await;
    let codes: Vec<String> = page
        .text
        .split("<li><code>")
        .skip(1)
        .map(|code| code.split('<').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    browser.post(&page.form("enrol/").with("saved", "yes")).await;
    for (n, code) in codes.iter().enumerate().take(7) {
        browser.cookies.remove("__Host-stepgate");
        let page = browser.get("/.stepgate/challenge?rd=/a").await;
        let ways = browser
            .get(&page.form("challenge").action.replace("challenge?", "challenge/ways?"))
            .await;
        assert_eq!(ways.heading(), "Choose another way");
        let last = ways.text.rsplit("name=\"way\" value=\"").next().unwrap();
        let way = last.split('"').next().unwrap();
        let url = format!("{}&way={way}", page.form("challenge").action);
        let page = browser.get(&url).await;
        assert!(page.text.contains("Recovery code</label>"), "{}", page.text);
        let done = browser.post(&page.form("challenge").with("code", &code.to_lowercase())).await;
        assert_eq!(done.heading(), "You&#39;re confirmed");
        let left = 9 - n;
        assert_eq!(done.text.contains(&format!("You have {left} recovery codes left")), left <= 3);
        assert_eq!(done.refresh().is_none(), left <= 3);
    }
}

#[tokio::test]
async fn another_site_is_reached_by_its_own_gate_and_strangers_go_nowhere() {
    let world = world().await;
    let mut browser = world.browser();
    browser.set_up().await;
    let done = browser.get("/.stepgate/challenge?rd=https://wiki.example.com/start").await;
    assert_eq!(done.refresh().as_deref(), Some("https://wiki.example.com/start"));
    for bad in [
        "https://evil.example/",
        "//evil.example",
        "/%5Cevil",
        "https://wiki.example.com.evil.example/",
        "javascript:alert(1)",
    ] {
        let refused = browser.get(&format!("/.stepgate/challenge?rd={bad}")).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{bad}");
        assert!(!refused.text.contains("evil"), "nothing is reflected");
    }
    let denied = browser.get("/.stepgate/challenge?rd=/never").await;
    assert_eq!((denied.status(), denied.heading()), (StatusCode::FORBIDDEN, "You can&#39;t open this"));
}

#[tokio::test]
async fn g05_no_session_is_carried_to_a_host_that_a_stranger_wrote() {
    let world = world().await;
    let mut browser = world.browser();
    browser.set_up().await;
    // What a request with `Host: evil.example` would leave where a route takes every host.
    let journey = NewJourney {
        id: "lure".to_owned(),
        site: "evil.example".to_owned(),
        method: "GET".to_owned(),
        target: "/".to_owned(),
        subject: None,
        context: "{\"nonce\":\"theirs\"}".to_owned(),
        held: None,
        created: world.clock.now(),
        expires: world.clock.now().plus(3600),
    };
    world.store.add_journey(journey).await.unwrap();
    let refused = browser.get("/.stepgate/challenge?j=lure").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(refused.refresh().is_none() && !refused.text.contains("evil"));
}

#[tokio::test]
async fn a_level_for_one_request_is_asked_every_time() {
    let world = world().await;
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    let page = browser.get("/.stepgate/challenge?rd=/pay").await;
    assert_eq!(page.heading(), "Confirm it&#39;s you", "a proof a minute old is not enough");
    let done = browser.post(&page.form("challenge").with("code", &world.app_code(&key))).await;
    assert_eq!(done.refresh().as_deref(), Some("/pay"));
}

#[tokio::test]
async fn signing_out_ends_the_session_and_back_shows_nothing() {
    let world = world().await;
    let mut browser = world.browser();
    browser.set_up().await;
    let stolen = browser.clone().cookies;
    let page = browser.get("/.stepgate/sign-out").await;
    assert_eq!(page.heading(), "Sign out", "a GET only asks");
    assert_eq!(browser.get("/.stepgate/my-mfa").await.heading(), "My MFA settings");
    let out = browser.post(&page.form("sign-out")).await;
    assert_eq!(out.heading(), "You&#39;re signed out");
    assert_eq!(browser.get("/.stepgate/sign-out").await.heading(), "You&#39;re signed out");
    assert_eq!(out.header("clear-site-data"), "\"cache\", \"storage\"");
    world.read_feed().await;
    browser.cookies = stolen;
    assert_eq!(browser.get("/.stepgate/my-mfa").await.heading(), "Sign in");
}

#[tokio::test]
async fn every_failed_sign_in_reads_the_same() {
    let world = world().await;
    let mut browser = world.browser();
    let page = browser.get("/.stepgate/sign-in").await;
    let mut answers = Vec::new();
    for (name, password) in [("maja", "wrong password"), ("nobody", PASSWORD)] {
        let form = page.form("sign-in").with("username", name).with("password", password);
        let refused = browser.post(&form).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!refused.text.contains(password));
        let mut text = refused.text.replace(name, "");
        // A ceremony for passkeys is new on every page, and knows no name.
        for mark in ["name=\"ceremony\" value=\"", "data-options=\""] {
            if let Some(value) = between(&text, mark, "\"").map(str::to_owned) {
                text = text.replace(&value, "");
            }
        }
        answers.push(text);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(
        between(&answers[0], "<div class=\"summary\"", "</div>")
            .unwrap()
            .contains("don&#39;t match")
    );
}

#[tokio::test]
async fn p20_a_first_factor_on_the_way_does_not_lose_the_way() {
    let world = world().await;
    let mut browser = world.browser();
    let page = browser.get("/.stepgate/challenge?rd=/reports").await;
    let page = browser.sign_in(&page).await;
    assert_eq!(page.heading(), "Add a way to confirm");
    assert!(page.text.contains("Payroll needs a second way"));
    let page = browser.post(&page.form("enrol").with("factor", "totp")).await;
    let key = between(&page.text, "<code id=\"key\">", "</code>").unwrap().to_owned();
    let page = browser.post(&page.form("enrol/").with("code", &world.app_code(&key))).await;
    assert_eq!(page.heading(), "Save your recovery codes");
    let skip = between(&page.text, "<p class=\"other\"><a href=\"", "\"").unwrap().to_owned();
    let done = browser.post(&page.form("enrol/").with("saved", "yes")).await;
    assert_eq!(done.refresh().as_deref(), Some("/reports"));
    assert_eq!(browser.get(&skip).await.refresh().as_deref(), Some("/reports"));
}

#[tokio::test]
async fn p9_a_form_that_could_not_be_kept_is_said_and_not_turned_into_a_visit() {
    let world = world().await;
    let mut browser = world.browser();
    browser.set_up().await;
    let now = world.clock.now();
    let journey = crate::store::NewJourney {
        id: "lost".to_owned(),
        site: "mfa.example.com".to_owned(),
        method: "POST".to_owned(),
        target: "/transfer".to_owned(),
        subject: None,
        context: "{}".to_owned(),
        held: None,
        created: now,
        expires: now.plus(600),
    };
    world.store.add_journey(journey).await.unwrap();
    let page = browser.get("/.stepgate/challenge?j=lost").await;
    assert_eq!(page.heading(), "Your form wasn&#39;t sent");
    assert_eq!(page.refresh(), None);
    assert!(page.text.contains("href=\"/transfer\""));
}
