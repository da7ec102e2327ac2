//! What is written about an app's own session: requests, questions, cookies, places in a page.

use super::super::pattern;
use super::super::settings::{Mark, ProbeUrl};
use super::{BadValue, address};

/// A request by its path, and by what its query must have.
pub fn mark(text: &str) -> Result<Mark, BadValue> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    pattern::check(path)?;
    if text.ends_with('?') || text.contains('#') {
        return Err(BadValue::new("this is no request", "write it as `/logout` or `/index.php?do=logout`"));
    }
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Ok(Mark { path: path.to_owned(), query })
}

/// A path of the app, with a query or without, or a whole URL.
pub fn probe_url(text: &str) -> Result<ProbeUrl, BadValue> {
    let example = "write it as `/api/me` or `https://app.internal/api/me`";
    let bad = || BadValue::new("this cannot be asked", example);
    if text.contains('#') {
        return Err(bad());
    }
    if text.starts_with('/') && !text.starts_with("//") {
        text.parse::<http::uri::PathAndQuery>().map_err(|_| bad())?;
        return Ok(ProbeUrl::Path(text.to_owned()));
    }
    address::fetched(text, example)?;
    Ok(ProbeUrl::Absolute(text.to_owned()))
}

/// A cookie's name, or its beginning and `*`.
pub fn cookie_pattern(text: &str) -> Result<String, BadValue> {
    let example = "write it as `PHPSESSID`, or `wordpress_logged_in_*` for all that begin so";
    let name = text.strip_suffix('*').unwrap_or(text);
    if name.is_empty() || http::HeaderName::from_bytes(name.as_bytes()).is_err() || name.contains('*') {
        return Err(BadValue::new("this is no cookie's name", example));
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("stepgate") || lower.starts_with("__host-stepgate") {
        return Err(BadValue::new("this cookie is stepgate's own", "name the app's"));
    }
    Ok(text.to_owned())
}

/// A CSS selector.
pub fn selector(text: &str) -> Result<String, BadValue> {
    scraper::Selector::parse(text)
        .map(|_| text.to_owned())
        .map_err(|_| BadValue::new("this is no CSS selector", "write it as `#user-menu .login`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_marked_by_path_and_query() {
        assert_eq!(mark("/logout").unwrap(), Mark { path: "/logout".into(), query: Vec::new() });
        let wiki = mark("/doku.php?do=logout").unwrap();
        assert_eq!(wiki.query, [("do".to_owned(), "logout".to_owned())]);
        for bad in ["logout", "/a?", "/a#b", "/a%20b", "?x=1"] {
            assert!(mark(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn questions_are_paths_or_whole_urls() {
        assert_eq!(probe_url("/me?full=1").unwrap(), ProbeUrl::Path("/me?full=1".into()));
        let url = "http://10.0.0.7:8080/me";
        assert_eq!(probe_url(url).unwrap(), ProbeUrl::Absolute(url.into()), "a private address is meant");
        for bad in [
            "me",
            "//host/me",
            "/a b",
            "ftp://x/",
            "http://",
            "https://user:pass@x/",
            "/me#x",
        ] {
            assert!(probe_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cookies_are_named_or_begin_so() {
        assert!(cookie_pattern("PHPSESSID").is_ok() && cookie_pattern("wordpress_*").is_ok());
        for bad in ["*", "", "a b", "a*b", "a**", "stepgate-id", "__Host-stepgate"] {
            assert!(cookie_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn selectors_are_css() {
        assert!(selector("#user bdi:last-child").is_ok());
        assert!(selector("li[").is_err() && selector("").is_err());
    }
}
