//! One proof of possession (RFC 9449 section 4.3), judged by itself.
//!
//! Its key comes with it, and is worth nothing by itself: it counts only as the key that the token
//! names. Whether the proof was used before is judged elsewhere.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::ambient::UnixTime;
use crate::identity::claims::{Claims, number, text};
use crate::identity::jwt::jwks::fits;

/// Seconds that a proof may be old, or its maker's clock ahead.
pub(super) const WINDOW: i64 = 60;
const LONGEST: usize = 4 * 1024;
const LONGEST_ID: usize = 256;
/// Members by which a JWK would hold a private or a shared key (RFC 7518 sections 6.2 to 6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What a proof must be for.
pub(super) struct Wanted<'a> {
    pub method: &'a str,
    /// Without query and fragment.
    pub url: &'a str,
    pub token: &'a str,
    pub thumbprint: &'a str,
}

/// A proof that holds, if it was not used before.
#[derive(Debug)]
pub(super) struct Good {
    pub id: String,
    pub issued: UnixTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    jwk: Map<String, Value>,
}

/// `None` where anything is not as it must be.
pub(super) fn check(proof: &str, wanted: &Wanted<'_>, now: UnixTime) -> Option<Good> {
    if proof.len() > LONGEST {
        return None;
    }
    let claims = signed_by(proof, wanted.thumbprint)?;
    let fits = text(&claims, "htm")? == wanted.method
        && text(&claims, "htu").and_then(resource)? == resource(wanted.url)?
        && text(&claims, "ath")? == BASE64.encode(digest(&SHA256, wanted.token.as_bytes()));
    let issued = UnixTime(number(&claims, "iat")?);
    let fresh = (-WINDOW..=WINDOW).contains(&now.since(issued));
    let id = text(&claims, "jti").filter(|id| (1..=LONGEST_ID).contains(&id.len()))?;
    (fits && fresh).then(|| Good { id: id.to_owned(), issued })
}

/// The claims, if the key that comes along has signed them and has this thumbprint.
fn signed_by(proof: &str, thumbprint: &str) -> Option<Claims> {
    let header: Header = serde_json::from_slice(&BASE64.decode(proof.split('.').next()?).ok()?).ok()?;
    let algorithm = match header.alg.as_str() {
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        "RS256" => Algorithm::RS256,
        "PS256" => Algorithm::PS256,
        _ => return None,
    };
    let private = PRIVATE.iter().any(|member| header.jwk.contains_key(*member));
    if private || header.typ != "dpop+jwt" {
        return None;
    }
    let jwk: Jwk = serde_json::from_value(Value::Object(header.jwk)).ok()?;
    if !fits(&jwk, algorithm) {
        return None;
    }
    // Read first: only a key that can be read is of the form that the thumbprint relies on.
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    if jwk.thumbprint(ThumbprintHash::SHA256).ok()? != thumbprint {
        return None;
    }
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(proof, &key, &validation)
        .ok()
        .map(|data| data.claims)
}

/// An address in the form in which two are compared: without query and fragment, normalised as RFC
/// 3986 section 6.2 has it.
fn resource(text: &str) -> Option<(String, String)> {
    let url = Url::parse(text).ok()?;
    let plain =
        matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
    plain.then(|| (url.origin().ascii_serialization(), unescaped(url.path())))
}

/// Escapes of unreserved characters undone, the others in capitals.
fn unescaped(path: &str) -> String {
    let mut rest = path;
    let mut normal = String::with_capacity(path.len());
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let hex = after.get(..2).unwrap_or_default();
        match u8::from_str_radix(hex, 16) {
            Ok(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
            }
            _ => {
                normal.push('%');
                normal.push_str(&hex.to_ascii_uppercase());
            }
        }
        rest = after.get(hex.len()..).unwrap_or_default();
    }
    normal.push_str(rest);
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_as_rfc_3986_has_it() {
        let same = resource("https://app.example/a/b~c").unwrap();
        for other in [
            "https://app.example/a/b~c?x=1#y",
            "HTTPS://APP.example:443/a/b%7ec",
            "https://app.example/%61/b%7Ec",
            "https://app.example/x/../a/b~c",
        ] {
            assert_eq!(resource(other).unwrap(), same, "{other}");
        }
        for other in [
            "http://app.example/a/b~c",
            "https://app.example:8443/a/b~c",
            "https://app.example/a/b~c/",
            "https://app.example/a/B~c",
            "https://app.example/a%2Fb~c",
        ] {
            assert_ne!(resource(other).unwrap(), same, "{other}");
        }
        assert_eq!(resource("https://anna@app.example/a/b~c"), None);
        assert_eq!(resource("/a/b~c"), None);
        assert_eq!(unescaped("/%c3%a9%2f%"), "/%C3%A9%2F%");
    }
}
