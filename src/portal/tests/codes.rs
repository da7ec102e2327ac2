//! What a person reads about the code they typed (ux.md P-1, P-6).

use super::world::{Browser, Form, Seen, World, world};
use http::StatusCode;

/// A browser that is asked for the code of its app: the form, and the app's key.
async fn asked(world: &World) -> (Browser<'_>, Seen, String) {
    let mut browser = world.browser();
    let key = browser.set_up().await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    (browser, page, key)
}

/// The page after this answer.
async fn after(browser: &mut Browser<'_>, form: &Form, code: &str) -> Seen {
    browser.post(&form.clone().with("code", code)).await
}

/// A code that the app does not show.
fn wrong(world: &World, key: &str) -> &'static str {
    if world.app_code(key) == "000000" {
        "000001"
    } else {
        "000000"
    }
}

#[tokio::test]
async fn p1_the_page_says_where_the_code_is_and_lets_it_be_pasted() {
    let world = world().await;
    let (_, page, _) = asked(&world).await;
    let text = &page.text;
    assert!(
        text.contains("Open your authenticator app (“Phone”) and enter the code it shows for "),
        "{text}"
    );
    assert!(text.contains("<p class=\"hint\" id=\"code-hint\">6 digits</p>"), "{text}");
    let field = text.split("<input class=\"code\"").nth(1).unwrap().split('>').next().unwrap();
    for attribute in [
        "type=\"text\"",
        "inputmode=\"numeric\"",
        "autocomplete=\"one-time-code\"",
        "autocapitalize=\"none\"",
        "spellcheck=\"false\"",
        "required",
        "aria-describedby=\"code-hint\"",
    ] {
        assert!(field.contains(attribute), "{attribute} in {field}");
    }
    assert!(
        !field.contains("maxlength") && !field.contains("pattern"),
        "they cut what is pasted: {field}"
    );
}

#[tokio::test]
async fn p1_every_odd_shape_has_its_words_in_summary_and_field() {
    let world = world().await;
    let (mut browser, page, _) = asked(&world).await;
    let form = page.form("challenge");
    for (typed, words, kept) in [
        ("", "Enter the 6 digits from your app", false),
        (" \u{a0}", "Enter the 6 digits from your app", false),
        ("12345", "The code has 6 digits. You entered 5", true),
        ("1234567", "The code has 6 digits. You entered 7", true),
        ("12 34 5", "The code has 6 digits. You entered 5", true),
        ("12345a", "The code is only numbers", false),
        ("no idea", "The code is only numbers", false),
    ] {
        let page = after(&mut browser, &form, typed).await;
        assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        assert_eq!(page.text.matches(words).count(), 2, "{typed}: {}", page.text);
        assert_eq!(page.text.contains(&format!("value=\"{typed}\"")) && !typed.is_empty(), kept, "{typed}");
        assert!(
            page.text
                .contains("aria-invalid=\"true\" aria-describedby=\"code-hint code-error\"")
        );
        assert!(page.text.contains("<title>Error: "));
        assert!(!page.text.contains("tries left"), "not counted: {}", page.text);
    }
}

#[tokio::test]
async fn p1_a_code_may_be_grouped_or_in_other_digits() {
    for spelled in [
        |code: &str| {
            let (first, last) = code.split_at(3);
            format!("{first} {last}")
        },
        |code: &str| {
            let (first, last) = code.split_at(3);
            format!("{first}-{last}")
        },
        |code: &str| {
            code.chars()
                .filter_map(|c| char::from_u32(u32::from(c) + 0xfee0))
                .collect::<String>()
        },
        |code: &str| {
            code.chars()
                .filter_map(|c| char::from_u32(u32::from(c) + 0x630))
                .collect::<String>()
        },
    ] {
        let world = world().await;
        let (mut browser, page, key) = asked(&world).await;
        let done = after(&mut browser, &page.form("challenge"), &spelled(&world.app_code(&key))).await;
        assert_eq!(done.heading(), "You&#39;re confirmed", "{}", done.text);
    }
}

#[tokio::test]
async fn p1_wrong_and_used_are_told_apart_and_the_third_wrong_one_speaks_of_the_clock() {
    let world = world().await;
    let (mut browser, page, key) = asked(&world).await;
    let form = page.form("challenge");
    let code = world.app_code(&key);
    assert_eq!(after(&mut browser, &form, &code).await.heading(), "You&#39;re confirmed");
    browser.cookies.remove("__Host-stepgate");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    let form = page.form("challenge");
    let used = after(&mut browser, &form, &code).await;
    assert_eq!(used.text.matches("That code was already used. Wait for the next one").count(), 2);
    // The used one was counted.
    for (wrongs, left) in [
        (2, None),
        (3, Some("You have 2 tries left")),
        (4, Some("You have 1 try left")),
    ] {
        let page = after(&mut browser, &form, wrong(&world, &key)).await;
        assert_eq!(
            page.text
                .matches("That code isn&#39;t right. Check it&#39;s the newest one")
                .count(),
            2
        );
        let clock = page.text.contains("Check that your phone sets its time automatically.");
        assert_eq!(clock, wrongs >= 3, "{wrongs}");
        assert_eq!(page.text.contains("left. Then there is a short wait"), wrongs >= 3, "{wrongs}");
        assert!(left.is_none_or(|left| page.text.contains(left)), "{wrongs}: {}", page.text);
    }
}

#[tokio::test]
async fn p6_a_recovery_code_is_read_in_any_case_and_told_apart() {
    let world = world().await;
    let mut browser = world.browser();
    browser.set_up().await;
    let page = browser.get("/.stepgate/my-mfa/recovery-codes").await;
    let page = browser.post(&page.form("enrol")).await;
    let code = super::world::between(&page.text, "<li><code>", "</code>").unwrap().to_owned();
    browser.post(&page.form("enrol/").with("saved", "yes")).await;
    world.pass_time(60).await;
    browser.cookies.remove("__Host-stepgate");
    let page = browser.get("/.stepgate/challenge?rd=/a").await;
    let ways = page.form("challenge").action.replace("challenge?", "challenge/ways?");
    let ways = browser.get(&ways).await;
    let way = ways
        .text
        .rsplit("name=\"way\" value=\"")
        .next()
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let url = format!("{}&way={way}", page.form("challenge").action);
    let page = browser.get(&url).await;
    assert!(page.text.contains("Dashes and capitals don&#39;t matter"), "{}", page.text);
    let form = page.form("challenge");
    for (typed, words) in [
        (" ", "Enter one of your recovery codes"),
        (code.split_at(9).0, "Enter one whole code from your list"),
        ("0000-0000-0000-0000", "That code isn&#39;t right. Check it against your list"),
    ] {
        let page = after(&mut browser, &form, typed).await;
        assert_eq!(page.text.matches(words).count(), 2, "{typed}: {}", page.text);
    }
    let done = after(&mut browser, &form, &code.to_uppercase().replace('-', "")).await;
    assert_eq!(done.heading(), "You&#39;re confirmed", "{}", done.text);
    browser.cookies.remove("__Host-stepgate");
    let used = browser.get(&url).await;
    let used = after(&mut browser, &used.form("challenge"), &code).await;
    assert_eq!(
        used.text
            .matches("That code was already used. Take another one from your list")
            .count(),
        2
    );
}
