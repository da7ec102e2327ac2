//! Whether a request shows that somebody is there: only then does the idle limit of their session run
//! from the beginning again.
//!
//! Pages ask their servers for news whether anybody sits before them or not. What a browser says about a
//! request (`Sec-Fetch-*`, which scripts cannot forge) tells most of that from what people do. Never
//! decides whether a request is let through.

use http::{HeaderMap, HeaderName, Method};

use crate::ambient::UnixTime;
use crate::config::settings::Activity;
use crate::identity::Established;

const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const USER: HeaderName = HeaderName::from_static("sec-fetch-user");
const PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

/// Lets the idle limit of the session run from now, if this request says that somebody is there.
pub(super) fn note(
    established: &Established,
    kind: Activity,
    method: &Method,
    headers: &HeaderMap,
    now: UnixTime,
) {
    if let Some(session) = &established.live
        && session.was_seen_before(now)
        && counts(kind, method, headers)
    {
        session.touch(now);
    }
}

/// Whether this request counts, where what counts is `kind`. A client that says nothing about its
/// requests is believed to have somebody behind each.
fn counts(kind: Activity, method: &Method, headers: &HeaderMap) -> bool {
    let said = |name: &HeaderName| headers.get(name).map(http::HeaderValue::as_bytes);
    let (dest, by_person) = (said(&DEST), said(&USER) == Some(b"?1"));
    match kind {
        Activity::Any => true,
        Activity::None => false,
        Activity::Navigation => by_person || (dest.is_none() && said(&MODE).is_none()),
        Activity::Actions => by_person || (said(&PURPOSE).is_none() && acts(dest, said(&MODE), method)),
    }
}

/// Whether somebody is likely to have done something: opened a page, made it load more of itself, or
/// changed something. Not what scripts look up, nor what they tell without waiting for an answer.
fn acts(dest: Option<&[u8]>, mode: Option<&[u8]>, method: &Method) -> bool {
    match dest {
        None => mode.is_none_or(|mode| mode == b"navigate"),
        Some(b"empty") => mode != Some(b"no-cors") && !method.is_safe(),
        // Frames reload themselves, above all those in which sessions are looked after.
        Some(
            b"iframe" | b"frame" | b"fencedframe" | b"websocket" | b"webtransport" | b"report"
            | b"serviceworker" | b"worker" | b"sharedworker",
        ) => false,
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), http::HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn what_browsers_send_by_themselves_is_no_activity() {
        let (dest, mode, user) = ("sec-fetch-dest", "sec-fetch-mode", "sec-fetch-user");
        let click = [(dest, "document"), (mode, "navigate"), (user, "?1")];
        let form_in_frame = [(dest, "iframe"), (mode, "navigate"), (user, "?1")];
        let refresh = [(dest, "document"), (mode, "navigate")];
        let frame = [(dest, "iframe"), (mode, "navigate")];
        let image = [(dest, "image"), (mode, "no-cors")];
        let fetch = [(dest, "empty"), (mode, "cors")];
        let same_origin_fetch = [(dest, "empty"), (mode, "same-origin")];
        let beacon = [(dest, "empty"), (mode, "no-cors")];
        let socket = [(dest, "websocket"), (mode, "websocket")];
        let ahead = [
            (dest, "document"),
            (mode, "navigate"),
            ("sec-purpose", "prefetch"),
        ];
        // What, method, counts as an action, counts as a navigation.
        let cases: &[(&[_], Method, bool, bool)] = &[
            (&click, Method::GET, true, true),
            (&click, Method::POST, true, true),
            (&form_in_frame, Method::POST, true, true),
            (&refresh, Method::GET, true, false),
            (&frame, Method::GET, false, false),
            (&image, Method::GET, true, false),
            (&fetch, Method::GET, false, false),
            (&fetch, Method::HEAD, false, false),
            (&fetch, Method::OPTIONS, false, false),
            (&fetch, Method::POST, true, false),
            (&same_origin_fetch, Method::DELETE, true, false),
            (&beacon, Method::POST, false, false),
            (&socket, Method::GET, false, false),
            (&ahead, Method::GET, false, false),
            (&[], Method::GET, true, true),
        ];
        for (lines, method, action, navigation) in cases {
            let headers = headers(lines);
            let counts = |kind| counts(kind, method, &headers);
            assert_eq!(counts(Activity::Actions), *action, "{method} {lines:?}");
            assert_eq!(counts(Activity::Navigation), *navigation, "{method} {lines:?}");
            assert!(counts(Activity::Any) && !counts(Activity::None));
        }
    }
}
