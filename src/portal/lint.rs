//! What holds for every page, checked over all of them (ux.md 2.1).

use http::StatusCode;

use super::frame::Frame;
use super::gallery::every_page;

fn pages() -> Vec<(&'static str, http::Response<bytes::Bytes>, String)> {
    every_page(&Frame::sample())
        .into_iter()
        .map(|(name, page)| {
            let html = String::from_utf8(page.body().to_vec()).unwrap();
            (name, page, html)
        })
        .collect()
}

/// The words between the tags, in lower case.
fn words(html: &str) -> String {
    let mut words = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => words.extend(c.to_lowercase()),
            _ => {}
        }
    }
    words
}

#[test]
fn gallery_is_written_where_asked() {
    let Some(directory) = std::env::var_os("STEPGATE_GALLERY") else {
        return;
    };
    let directory = std::path::PathBuf::from(directory);
    for (name, _, html) in pages() {
        std::fs::write(directory.join(format!("{name}.html")), html).unwrap();
    }
}

#[test]
fn g1_one_heading_one_main_a_language_and_a_title() {
    for (name, _, html) in pages() {
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        assert_eq!(html.matches("<main").count(), 1, "{name}");
        assert!(html.contains(r#"<html lang="en" dir="ltr">"#), "{name}");
        assert!(html.contains(" – Example</title>"), "{name}");
        let failed = html.contains(r#"class="summary""#);
        assert_eq!(html.contains("<title>Error: "), failed, "{name}");
    }
}

#[test]
fn g2_headers_are_strict_on_every_page() {
    let expected = [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        ),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("strict-transport-security", "max-age=31536000"),
        ("content-type", "text/html; charset=utf-8"),
    ];
    for (name, page, _) in pages() {
        for (header, value) in expected {
            assert_eq!(page.headers().get(header).map(|v| v.to_str().unwrap()), Some(value), "{name}");
        }
    }
}

#[test]
fn g2_nothing_inline_and_g3_nothing_from_elsewhere() {
    for (name, _, html) in pages() {
        assert!(!html.contains(" style="), "{name}");
        assert!(!html.contains("<style"), "{name}");
        assert!(!html.contains(" onclick=") && !html.contains(" onload="), "{name}");
        for source in html.split(" src=\"").skip(1) {
            assert!(source.starts_with("/.stepgate/assets/"), "{name}: {source:.40}");
        }
        let scripts = if html.contains("data-passkey=") { 2 } else { 1 };
        assert_eq!(html.matches("<script").count(), scripts, "{name}");
    }
}

#[test]
fn g7_markup_in_a_name_stays_text() {
    for (name, _, html) in pages() {
        assert!(!html.contains("<b>") && !html.contains("<i>"), "{name}");
        assert!(!html.contains("\"><script>"), "{name}");
    }
}

#[test]
fn g8_every_post_form_has_a_token_and_stays_here() {
    for (name, _, html) in pages() {
        for form in html.split("<form method=\"post\"").skip(1) {
            let form = form.split("</form>").next().unwrap();
            assert!(form.contains(r#"name="csrf""#), "{name}");
            assert!(form.starts_with(" action=\"/"), "{name}: {form:.60}");
        }
    }
}

#[test]
fn g9_people_read_no_jargon() {
    let jargon = [
        "totp",
        "2fa",
        "token",
        "webauthn",
        "otp ",
        "csrf",
        "session id",
        "http",
        "upstream",
        "invalid",
    ];
    for (name, _, html) in pages() {
        let body = html.split("<body>").nth(1).unwrap();
        let words = words(body);
        for word in jargon {
            assert!(!words.contains(word), "{name} says {word:?}: {words}");
        }
    }
}

#[test]
fn p1_code_fields_take_what_people_paste() {
    for (name, _, html) in pages() {
        assert!(!html.contains("maxlength") && !html.contains(" pattern="), "{name}");
        assert!(!html.contains("type=\"number\""), "{name}");
        let is_other = ["passkey", "recovery", "yubikey", "company"]
            .iter()
            .any(|kind| name.contains(kind));
        if name.starts_with("challenge") && !is_other {
            let field = "inputmode=\"numeric\" autocomplete=\"one-time-code\" autocapitalize=\"none\" spellcheck=\"false\" required";
            assert!(html.contains(field), "{name}");
        }
    }
}

#[test]
fn statuses_and_waits_are_those_of_the_catalogue() {
    for (name, page, html) in pages() {
        let expected = match name {
            "invitation-needed" | "not-allowed" | "stale-form" | "stopped" => StatusCode::FORBIDDEN,
            "locked" | "locked-hard" | "too-many-requests" => StatusCode::TOO_MANY_REQUESTS,
            "unavailable" | "busy" => StatusCode::SERVICE_UNAVAILABLE,
            "bad-request" => StatusCode::BAD_REQUEST,
            "not-found" => StatusCode::NOT_FOUND,
            "bad-gateway" => StatusCode::BAD_GATEWAY,
            "gateway-timeout" => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::OK,
        };
        assert_eq!(page.status(), expected, "{name}");
        let waits = matches!(expected.as_u16(), 429 | 503);
        assert_eq!(page.headers().contains_key("retry-after"), waits, "{name}");
        let failure = expected != StatusCode::OK && name != "invitation-needed";
        assert_eq!(html.contains("k3x9m2q7"), failure, "{name} shows the reference");
    }
}

#[test]
fn g4_a_page_with_its_assets_is_light() {
    for (name, _, html) in pages() {
        assert!(html.len() < 16 * 1024, "{name}: {}", html.len());
    }
}
