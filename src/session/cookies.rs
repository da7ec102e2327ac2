//! Our cookies: their names, how they are read from a request and how they are set.
//!
//! Always host-only (decision 2). Names are compared byte for byte, values are never unquoted or
//! decoded, and a request that carries one of our names twice has none of it (security.md F10).

use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Values longer than this are not ours.
const LONGEST_VALUE: usize = 4096;

/// Which of our cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// Opaque; stands for the first-factor session.
    Id,
    /// The session claim; exists only with at least one proof.
    Claim,
    /// Known browser at the portal; elsewhere what ties a hand-off to the browser that asked for it.
    Browser,
    /// Points at a kept request, for the one POST that sends it on.
    Held,
    /// A trusted browser's token, at the portal only.
    Trusted,
}

impl Ours {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Id, Self::Claim, Self::Browser, Self::Held, Self::Trusted];

    const fn plain_name(self) -> &'static str {
        match self {
            Self::Id => "stepgate-id",
            Self::Claim => "stepgate",
            Self::Browser => "stepgate-browser",
            Self::Held => "stepgate-held",
            Self::Trusted => "stepgate-trusted",
        }
    }

    const fn host_name(self) -> &'static str {
        match self {
            Self::Id => "__Host-stepgate-id",
            Self::Claim => "__Host-stepgate",
            Self::Browser => "__Host-stepgate-browser",
            Self::Held => "__Host-stepgate-held",
            Self::Trusted => "__Host-stepgate-trusted",
        }
    }
}

/// What the names of cookies begin with that keep a sign-in under way at a provider; behind it stands a name
/// of its own, so that tabs do not get into each other's way.
const PENDING: [&str; 2] = ["stepgate-oidc-", "__Host-stepgate-oidc-"];
/// Sign-ins under way that one browser may have; beyond that the oldest go.
pub const MOST_PENDING: usize = 12;

/// Whether `name` is one of our cookies in either mode: never forwarded, never accepted from an upstream.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    name.len() >= 8
        && Ours::ALL.iter().any(|ours| {
            name.eq_ignore_ascii_case(ours.plain_name()) || name.eq_ignore_ascii_case(ours.host_name())
        })
        || PENDING
            .iter()
            .any(|begin| name.get(..begin.len()).is_some_and(|head| head.eq_ignore_ascii_case(begin)))
}

/// Follows the scheme of `public_url`, never the socket (decision 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieMode {
    /// `__Host-` names, Secure.
    Secure,
    /// Loopback over plain HTTP.
    Loopback,
}

/// What a request carries of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried<'a> {
    pub id: Option<&'a str>,
    pub claim: Option<&'a str>,
    pub browser: Option<&'a str>,
    pub held: Option<&'a str>,
    pub trusted: Option<&'a str>,
}

impl CookieMode {
    /// The mode for a portal with this scheme.
    #[must_use]
    pub const fn for_https(https: bool) -> Self {
        if https { Self::Secure } else { Self::Loopback }
    }

    /// The cookie's name in this mode.
    #[must_use]
    pub const fn name(self, ours: Ours) -> &'static str {
        match self {
            Self::Secure => ours.host_name(),
            Self::Loopback => ours.plain_name(),
        }
    }

    /// Reads our cookies from all `Cookie` fields (HTTP/2 clients split them).
    #[must_use]
    pub fn read<'a>(self, headers: &'a HeaderMap) -> Carried<'a> {
        let mut seen = [None; Ours::ALL.len()];
        let mut twice = [false; Ours::ALL.len()];
        for pair in headers.get_all(COOKIE).iter().flat_map(|field| pairs(field.as_bytes())) {
            let Some((name, value)) = memchr::memchr(b'=', pair).and_then(|at| pair.split_at_checked(at))
            else {
                continue;
            };
            for (index, ours) in Ours::ALL.into_iter().enumerate() {
                if name == self.name(ours).as_bytes()
                    && let (Some(slot), Some(double)) = (seen.get_mut(index), twice.get_mut(index))
                {
                    *double |= slot.replace(value.get(1..).unwrap_or_default()).is_some();
                }
            }
        }
        let [id, claim, browser, held, trusted] = seen;
        let [id_twice, claim_twice, browser_twice, held_twice, trusted_twice] = twice;
        let once = |value: Option<&'a [u8]>, double: bool| value.filter(|_| !double).and_then(value_of);
        Carried {
            id: once(id, id_twice),
            // Looked up, or verified, as it stands: its characters need no look of their own.
            claim: claim.filter(|_| !claim_twice).and_then(text_of),
            browser: once(browser, browser_twice),
            held: once(held, held_twice),
            trusted: once(trusted, trusted_twice),
        }
    }

    /// A `Set-Cookie` value for this browser session, or for `seconds`.
    #[must_use]
    pub fn set(self, ours: Ours, value: &str, seconds: Option<i64>) -> HeaderValue {
        let mut cookie = self.build(ours, value.to_owned());
        cookie.set_max_age(seconds.map(cookie::time::Duration::seconds));
        header(&cookie)
    }

    /// A `Set-Cookie` value that removes the cookie.
    #[must_use]
    pub fn clear(self, ours: Ours) -> HeaderValue {
        let mut cookie = self.build(ours, String::new());
        cookie.set_max_age(cookie::time::Duration::ZERO);
        header(&cookie)
    }

    const fn pending_prefix(self) -> &'static str {
        let [plain, host] = PENDING;
        match self {
            Self::Secure => host,
            Self::Loopback => plain,
        }
    }

    /// The sign-ins under way, each by its own name; of one that comes twice none.
    #[must_use]
    pub fn pending(self, headers: &HeaderMap) -> Vec<(&str, &str)> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for pair in headers.get_all(COOKIE).iter().flat_map(|field| pairs(field.as_bytes())) {
            let named = std::str::from_utf8(pair).ok().and_then(|pair| pair.split_once('='));
            if let Some((name, value)) = named
                && let Some(own) = name.strip_prefix(self.pending_prefix())
                && found.len() < 4 * MOST_PENDING
            {
                found.push((own, value_of(value.as_bytes()).unwrap_or_default()));
            }
        }
        let all = found.clone();
        found.retain(|(own, value)| {
            !value.is_empty() && all.iter().filter(|(other, _)| other == own).count() == 1
        });
        found
    }

    /// A `Set-Cookie` value for a sign-in under way.
    #[must_use]
    pub fn set_pending(self, own: &str, value: &str, seconds: i64) -> HeaderValue {
        let name = format!("{}{own}", self.pending_prefix());
        let mut cookie = self.named(name, value.to_owned());
        cookie.set_max_age(cookie::time::Duration::seconds(seconds));
        header(&cookie)
    }

    /// A `Set-Cookie` value that removes it.
    #[must_use]
    pub fn clear_pending(self, own: &str) -> HeaderValue {
        self.set_pending(own, "", 0)
    }

    fn build(self, ours: Ours, value: String) -> Cookie<'static> {
        self.named(self.name(ours).to_owned(), value)
    }

    fn named(self, name: String, value: String) -> Cookie<'static> {
        Cookie::build((name, value))
            .path("/")
            .secure(self == Self::Secure)
            .http_only(true)
            .same_site(SameSite::Lax)
            .build()
    }
}

/// The trimmed pairs of one field. Every request passes here, claims are long: found by `memchr`.
fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    std::iter::from_fn(move || {
        let all = rest?;
        let at = memchr::memchr(b';', all).unwrap_or(all.len());
        rest = all.get(at + 1..);
        all.get(..at).map(<[u8]>::trim_ascii)
    })
}

/// A value that is there and not longer than any of ours.
fn text_of(value: &[u8]) -> Option<&str> {
    let bounded = (1..=LONGEST_VALUE).contains(&value.len());
    std::str::from_utf8(value).ok().filter(|_| bounded)
}

/// Only the characters that our own values have; anything else was not set by us.
fn value_of(value: &[u8]) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'_' | b'.');
    // Without an early end the compiler looks at many bytes at once.
    let all_fit = value.iter().fold(true, |so_far, byte| so_far & fits(*byte));
    text_of(value).filter(|_| all_fit)
}

/// Our values are URL-safe base64 and dots, so this cannot fail; an impossible one clears nothing and sets nothing.
fn header(cookie: &Cookie<'_>) -> HeaderValue {
    HeaderValue::try_from(cookie.to_string())
        .unwrap_or_else(|_| HeaderValue::from_static("stepgate-none=; Max-Age=0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[&'static str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for field in fields {
            map.append(COOKIE, HeaderValue::from_static(field));
        }
        map
    }

    #[test]
    fn reads_across_split_fields() {
        let map = headers(&["a=b; __Host-stepgate=x.y.z", "__Host-stepgate-id=abc"]);
        let carried = CookieMode::Secure.read(&map);
        assert_eq!(carried.claim, Some("x.y.z"));
        assert_eq!(carried.id, Some("abc"));
        assert_eq!(carried.browser, None);
    }

    #[test]
    fn cookies_of_others_in_any_bytes_hide_none_of_ours() {
        let mut map = headers(&["__Host-stepgate=x.y.z"]);
        map.append(COOKIE, HeaderValue::from_bytes(b"name=J\xfcrgen; __Host-stepgate-id=abc").unwrap());
        let carried = CookieMode::Secure.read(&map);
        assert_eq!((carried.id, carried.claim), (Some("abc"), Some("x.y.z")));
        map.append(COOKIE, HeaderValue::from_bytes(b"__Host-stepgate-id=\xfc").unwrap());
        assert_eq!(CookieMode::Secure.read(&map).id, None, "twice, whatever it says");
    }

    #[test]
    fn f10_duplicates_and_disguises_count_as_absent() {
        for fields in [
            &["__Host-stepgate-id=a; __Host-stepgate-id=b"][..],
            &["__Host-stepgate-id=a", "__Host-stepgate-id=a"],
            &["__host-stepgate-id=a"],
            &["stepgate-id=a"],
            &["__Host-stepgate-id=\"a\""],
            &["__Host-stepgate-id =a"],
            &["__Host-stepgate-id="],
            &["$Version=1; x=__Host-stepgate-id=a"],
        ] {
            assert_eq!(CookieMode::Secure.read(&headers(fields)).id, None, "{fields:?}");
        }
    }

    #[test]
    fn sign_ins_under_way_have_a_cookie_each_and_are_never_the_apps() {
        let map = headers(&[
            "stepgate-oidc-a=1; stepgate-oidc-b=2; x=3; stepgate-oidc-c=4; stepgate-oidc-c=5",
            "__Host-stepgate-oidc-d=6; stepgate-oidc-e=\"7\"",
        ]);
        assert_eq!(CookieMode::Loopback.pending(&map), [("a", "1"), ("b", "2")]);
        assert_eq!(CookieMode::Secure.pending(&map), [("d", "6")]);
        for name in [
            "stepgate-oidc-a",
            "__Host-stepgate-oidc-a",
            "__HOST-Stepgate-OIDC-a",
        ] {
            assert!(is_ours(name), "{name}");
        }
        assert!(!is_ours("stepgate-oidcx") && !is_ours("my-stepgate-oidc-a"));
        let set = CookieMode::Secure.set_pending("a", "v", 60);
        let text = set.to_str().unwrap();
        assert!(text.starts_with("__Host-stepgate-oidc-a=v;") && text.contains("HttpOnly"), "{text}");
    }

    #[test]
    fn set_cookies_are_host_only() {
        let value = CookieMode::Secure.set(Ours::Claim, "x", Some(60));
        let text = value.to_str().unwrap();
        for part in [
            "__Host-stepgate=x",
            "Path=/",
            "Secure",
            "HttpOnly",
            "SameSite=Lax",
            "Max-Age=60",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("Domain"));
    }
}
