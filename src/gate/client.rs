//! What kind of client asks: a person who navigates, or anything else.
//!
//! `Sec-Fetch-*` first, because scripts cannot forge it; then `Accept`, where `*/*` does not mean
//! a person.

use http::{HeaderMap, HeaderName, Method, header};

use crate::delivery::Language;

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether the answer will be seen by a person as a page of its own.
#[must_use]
pub fn navigates(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(mode) = text(FETCH_MODE) {
        return mode == "navigate" && text(FETCH_DEST).is_none_or(|dest| dest == "document");
    }
    if let Some(dest) = text(FETCH_DEST) {
        return dest == "document";
    }
    let script = text(REQUESTED_WITH).is_some_and(|v| v.eq_ignore_ascii_case("xmlhttprequest"));
    let upgrade = headers.contains_key(header::UPGRADE);
    !script && !upgrade && accepts_html(headers)
}

/// Whether `Accept` names HTML itself.
fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| matches!(range.trim(), "text/html" | "application/xhtml+xml"))
}

/// Whether a browser page, any page, made this request: then no code may ride on it (decision 17).
#[must_use]
pub fn shows_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"))
}

/// Whether a request that changes something comes from one of our own pages.
/// `None`: it does not say, as non-browser clients do not.
#[must_use]
pub fn same_origin(headers: &HeaderMap, origin: &str) -> Option<bool> {
    if let Some(site) = headers.get("sec-fetch-site") {
        // "none" is the person's own doing (address bar, bookmark). Our pages say `no-referrer`, and
        // then browsers send `Origin: null` with our own forms; who sent it, the other header says.
        let ours = matches!(site.as_bytes(), b"same-origin" | b"none");
        let origin_fits = headers
            .get(header::ORIGIN)
            .is_none_or(|value| value.as_bytes() == origin.as_bytes() || value.as_bytes() == b"null");
        return Some(ours && origin_fits);
    }
    headers.get(header::ORIGIN).map(|value| value.as_bytes() == origin.as_bytes())
}

/// Methods that may be sent again without asking.
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// "Firefox on Linux", for lists of last uses; never the whole header.
#[must_use]
pub fn agent(headers: &HeaderMap) -> String {
    let text = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    // The order matters: Edge and Opera say "Chrome", Chrome says "Safari".
    let browser = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Chromium/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
        ("python", "Python"),
        ("Python", "Python"),
    ];
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&browser), find(&system)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => "another program".to_owned(),
    }
}

/// Languages that a browser may name before the rest is not looked at.
const LANGUAGES: usize = 20;

/// The language of ours that the person likes best, as their browser says (RFC 9110 12.5.4); `None` when
/// it names none that is spoken here.
#[must_use]
pub fn language(headers: &HeaderMap) -> Option<Language> {
    let values = headers.get_all(header::ACCEPT_LANGUAGE).iter();
    let ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut best: Option<(u16, Language)> = None;
    for range in ranges.take(LANGUAGES) {
        let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        let (Some(language), Some(weight)) = (Language::of_name(&primary), weight_of(weight)) else {
            continue;
        };
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// `q=0.7`, in thousandths.
fn weight_of(text: &str) -> Option<u16> {
    let number: f32 = text
        .trim()
        .strip_prefix("q=")
        .or(text.trim().strip_prefix("Q="))?
        .trim()
        .parse()
        .ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    (0.0..=1.0).contains(&number).then_some((number * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn people_and_programs_are_told_apart() {
        let cases: [(&[(&str, &str)], bool); 12] = [
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], false),
            (&[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (&[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], false),
            (&[("sec-fetch-dest", "document")], true),
            (&[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")], true),
            (&[("accept", "*/*")], false),
            (&[("accept", "application/json, text/plain, */*")], false),
            (&[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false),
            (&[("accept", "text/*")], false),
            (&[("accept", "text/html"), ("upgrade", "websocket")], false),
            (&[], false),
        ];
        for (lines, expected) in cases {
            let map: HeaderMap = lines
                .iter()
                .map(|(n, v)| (http::HeaderName::try_from(*n).unwrap(), HeaderValue::try_from(*v).unwrap()))
                .collect();
            assert_eq!(navigates(&map), expected, "{lines:?}");
        }
    }

    #[test]
    fn g04_only_our_own_origin_changes_things() {
        let ours = "https://mfa.example.com";
        assert_eq!(same_origin(&headers(&[("origin", "https://mfa.example.com")]), ours), Some(true));
        assert_eq!(same_origin(&headers(&[("origin", "https://evil.example")]), ours), Some(false));
        assert_eq!(same_origin(&headers(&[("origin", "null")]), ours), Some(false));
        assert_eq!(same_origin(&headers(&[("sec-fetch-site", "same-site")]), ours), Some(false));
        assert_eq!(same_origin(&headers(&[("sec-fetch-site", "cross-site")]), ours), Some(false));
        assert_eq!(same_origin(&headers(&[("sec-fetch-site", "same-origin")]), ours), Some(true));
        let ours_without_referrer = [("sec-fetch-site", "same-origin"), ("origin", "null")];
        assert_eq!(same_origin(&headers(&ours_without_referrer), ours), Some(true));
        let sandboxed = [("sec-fetch-site", "cross-site"), ("origin", "null")];
        assert_eq!(same_origin(&headers(&sandboxed), ours), Some(false));
        let contradiction = [
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example"),
        ];
        assert_eq!(same_origin(&headers(&contradiction), ours), Some(false));
        assert_eq!(same_origin(&headers(&[]), ours), None);
    }

    #[test]
    fn the_language_is_the_one_liked_best_of_those_spoken_here() {
        for (accepted, expected) in [
            ("de", Some(Language::De)),
            ("de-AT", Some(Language::De)),
            ("pt-BR,pt;q=0.9,it;q=0.5,en;q=0.4", Some(Language::It)),
            ("en;q=0.5, nl;q=0.9", Some(Language::Nl)),
            ("fr;q=0.8,es;q=0.8", Some(Language::Fr)),
            ("FR-ca ; q=1.0", Some(Language::Fr)),
            ("de;q=0, en;q=0.1", Some(Language::En)),
            ("de;q=0", None),
            ("de;q=2", None),
            ("de;q=x", None),
            ("*", None),
            ("pl,cs", None),
            ("den", None),
            ("", None),
        ] {
            assert_eq!(language(&headers(&[("accept-language", accepted)])), expected, "{accepted}");
        }
        assert_eq!(language(&headers(&[])), None);
        let many: String = (0..LANGUAGES).map(|n| format!("x{n},")).collect::<String>() + "de";
        let mut map = HeaderMap::new();
        map.insert("accept-language", many.parse().unwrap());
        assert_eq!(language(&map), None, "what comes after very many is not looked at");
    }

    #[test]
    fn agents_are_named_in_short() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let edge = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0";
        assert_eq!(agent(&headers(&[("user-agent", firefox)])), "Firefox on Linux");
        assert_eq!(agent(&headers(&[("user-agent", edge)])), "Edge on Windows");
        assert_eq!(agent(&headers(&[])), "another program");
    }
}
