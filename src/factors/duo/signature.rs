//! How a request to Duo's Auth API is signed: HMAC-SHA-512 over its canonical form, version 5
//! (duo.com/docs/authapi, "Authentication"). Sends nothing.

use std::time::{Duration, SystemTime};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::ambient::UnixTime;

/// What stays as it is: RFC 3986's unreserved characters.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What is signed.
pub(super) struct Canonical<'a> {
    /// The very text of the `Date` header.
    pub(super) date: &'a str,
    pub(super) method: &'a str,
    /// In lower case, without a port.
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// As [`parameters`] writes it; empty where they are in the body.
    pub(super) query: &'a str,
    /// The exact JSON; empty for GET.
    pub(super) body: &'a str,
}

impl Canonical<'_> {
    /// Version 5. Its last line is for `X-Duo-*` headers, of which we send none.
    fn text(&self) -> String {
        [
            self.date,
            self.method,
            self.host,
            self.path,
            self.query,
            &sha512(self.body.as_bytes()),
            &sha512(&[]),
        ]
        .join("\n")
    }

    /// The value of the `Authorization` header.
    pub(super) fn authorization(&self, integration_key: &str, secret_key: &SecretString) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA512, secret_key.expose_secret().as_bytes());
        let signature = hex(hmac::sign(&key, self.text().as_bytes()).as_ref());
        format!("Basic {}", STANDARD.encode(format!("{integration_key}:{signature}")))
    }
}

/// Parameters in their canonical order and spelling, which is also how they stand in a URL.
pub(super) fn parameters(pairs: &[(&str, &str)]) -> String {
    let quoted = |text| utf8_percent_encode(text, QUOTED).to_string();
    let mut pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| (quoted(name), quoted(value))).collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// A time as the `Date` header has it.
pub(super) fn date(now: UnixTime) -> String {
    let seconds = u64::try_from(now.0).unwrap_or_default();
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn sha512(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA512, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Tue, 21 Aug 2012 17:29:18 -0000";

    /// The signature inside an `Authorization` header.
    fn signed(canonical: &Canonical<'_>, secret: &str) -> String {
        let header = canonical.authorization("DIWJ8X6AEYOR5OMC6TQ1", &secret.into());
        let text = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        text.strip_prefix("DIWJ8X6AEYOR5OMC6TQ1:").unwrap().to_owned()
    }

    #[test]
    fn a_request_is_signed_as_duo_s_own_client_does() {
        // Computed with duo_client 5.7.0.
        let canonical = Canonical {
            date: DATE,
            method: "POST",
            host: "api-xxxxxxxx.duosecurity.com",
            path: "/auth/v2/auth",
            query: "",
            body: r#"{"async":"1","device":"auto","factor":"push","username":"jdoe"}"#,
        };
        assert_eq!(
            signed(&canonical, "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"),
            "73cf01fdcee678dbe2bb220f4a247c88c977a12f47fdbaee4c73cb4ec40b3ea455f2976988552c2d59185fee1257607b77a05eb448e7c018a340221ef792cc87"
        );
        assert!(canonical.text().ends_with(
            "\n\n60ce5a5c309b2b097f0c03ddf3d1b887d25f1e51e9767b7294c8fab5c44b470e0944830a27aceb5467d0371717f59ef44cc6343ae8879b04470cabb750699a78\n\
             cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
        ));
    }

    #[test]
    fn parameters_are_spelled_as_in_duo_s_own_tests() {
        let punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
        for (pairs, expected) in [
            (
                &[("username", "root"), ("realname", "First Last")][..],
                "realname=First%20Last&username=root",
            ),
            (
                &[("words", "First Last"), ("success", "true"), ("digit", "5")],
                "digit=5&success=true&words=First%20Last",
            ),
            (&[("foo_bar", "2"), ("foo", "1")], "foo=1&foo_bar=2"),
            (
                &[("punctuation", punctuation)],
                "punctuation=%21%22%23%24%25%26%27%28%29%2A%2B%2C-.%2F%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E_%60%7B%7C%7D~",
            ),
            (
                &[("realname", "First Last"), ("a", "\u{469a}\u{287b}")],
                "a=%E4%9A%9A%E2%A1%BB&realname=First%20Last",
            ),
        ] {
            assert_eq!(parameters(pairs), expected);
        }
    }

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(date(UnixTime(1_345_570_158)), "Tue, 21 Aug 2012 17:29:18 GMT");
    }
}
