use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::vectors::*;
use super::*;
use crate::config::settings::{Digest, HmacContent, HmacShape, Pointer, Written};

const NOW: UnixTime = UnixTime(AT + 60);
const DAY: u64 = 86_400;

fn settings(format: SignedFormat, secrets: &[&str]) -> Settings {
    Settings {
        cookie: "sid".to_owned(),
        format,
        secrets: secrets.iter().map(|secret| (*secret).into()).collect(),
        user: None,
        session: None,
        name: None,
        email: None,
        groups: None,
        attributes: std::collections::BTreeMap::new(),
        max_age: Some(std::time::Duration::from_secs(DAY)),
    }
}

fn at(pointer: &str) -> Option<Pointer> {
    Some(Pointer::of(pointer))
}

fn django(secrets: &[&str]) -> Signed {
    let salt = "django.contrib.sessions.backends.signed_cookies".to_owned();
    Signed::new(&Settings {
        user: at("/_auth_user_id"),
        session: at("/_auth_user_hash"),
        ..settings(SignedFormat::Django { salt }, secrets)
    })
}

fn flask(digest: Digest, secrets: &[&str]) -> Signed {
    Signed::new(&Settings {
        user: at("/_user_id"),
        session: at("/_id"),
        groups: at("/groups"),
        ..settings(SignedFormat::Flask { salt: "cookie-session".to_owned(), digest }, secrets)
    })
}

fn rails(cookie: &str, encrypted: bool, digest: Digest) -> Signed {
    Signed::new(&Settings {
        cookie: cookie.to_owned(),
        user: at("/user_id").filter(|_| encrypted),
        session: at("/session_id"),
        max_age: None,
        ..settings(SignedFormat::Rails { encrypted, digest }, &[&"0123456789abcdef".repeat(8)])
    })
}

fn hmac(shape: HmacShape, user: Option<&str>) -> Signed {
    Signed::new(&Settings { user: user.and_then(at), ..settings(SignedFormat::Hmac(shape), &[NEW]) })
}

fn fields() -> Signed {
    let shape = HmacShape {
        digest: Digest::Sha256,
        separator: ".".to_owned(),
        written: Written::Hex,
        content: HmacContent::Fields("|".to_owned()),
        ends: at("/1"),
        signed: None,
    };
    hmac(shape, Some("/0"))
}

fn read(signed: &Signed, value: &str, now: UnixTime) -> Option<(String, String)> {
    let mut headers = HeaderMap::new();
    let cookie = format!("theme=dark; {}={value}", signed.cookie);
    headers.insert(COOKIE, HeaderValue::from_str(&cookie).unwrap());
    let named = signed.read(&headers, now).unwrap();
    named.map(|named| (named.person.user, named.handle))
}

fn named(user: &str, handle: &str) -> Option<(String, String)> {
    Some((user.to_owned(), handle.to_owned()))
}

#[test]
fn what_django_has_signed() {
    let both = django(&[NEW, OLD]);
    for value in [DJANGO, DJANGO_LONG, DJANGO_OLD] {
        assert_eq!(read(&both, value, NOW), named("7", "f00d"), "{value}");
    }
    assert_eq!(read(&django(&[NEW]), DJANGO_OLD, NOW), None);
    assert_eq!(read(&both, DJANGO, UnixTime(AT + 86_399)), named("7", "f00d"));
    assert_eq!(read(&both, DJANGO, UnixTime(AT + 86_400)), None);
    // The app's clock may be a minute ahead, and no more.
    assert_eq!(read(&both, DJANGO, UnixTime(AT - 60)), named("7", "f00d"));
    assert_eq!(read(&both, DJANGO, UnixTime(AT - 61)), None);
}

#[test]
fn what_flask_has_signed() {
    let both = flask(Digest::Sha1, &[NEW, OLD]);
    for value in [FLASK, FLASK_LONG, FLASK_OLD] {
        assert_eq!(read(&both, value, NOW), named("anna", "abc123"), "{value}");
    }
    assert_eq!(read(&flask(Digest::Sha1, &[NEW]), FLASK_OLD, NOW), None);
    assert_eq!(read(&both, FLASK_SHA256, NOW), None);
    assert_eq!(read(&flask(Digest::Sha256, &[NEW]), FLASK_SHA256, NOW), named("anna", "abc123"));
    assert_eq!(read(&both, FLASK, UnixTime(AT + 86_400)), None);
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_str(&format!("sid={FLASK}")).unwrap());
    let person = both.read(&headers, NOW).unwrap().unwrap().person;
    assert_eq!(person.groups.unwrap(), ["hr", "it"]);
}

#[test]
fn what_rails_has_encrypted_and_signed() {
    for (digest, session, ending, signed) in [
        (Digest::Sha256, RAILS_ENCRYPTED_SHA256, RAILS_ENDING_SHA256, RAILS_SIGNED_SHA256),
        (Digest::Sha1, RAILS_ENCRYPTED_SHA1, RAILS_ENDING_SHA1, RAILS_SIGNED_SHA1),
    ] {
        let known = named("7", "0a1b2c");
        assert_eq!(read(&rails("_app_session", true, digest), session, NOW), known);
        let jar = rails("ending", true, digest);
        assert_eq!(read(&jar, ending, UnixTime(AT + 3599)), known);
        assert_eq!(read(&jar, ending, UnixTime(AT + 3600)), None);
        // The content of one cookie is nothing under the name of another.
        assert_eq!(read(&jar, session, NOW), None);
        assert_eq!(read(&rails("user", false, digest), signed, NOW), named("7", ""));
        assert_eq!(read(&rails("admin", false, digest), signed, NOW), None);
    }
    assert_eq!(read(&rails("_app_session", true, Digest::Sha1), RAILS_ENCRYPTED_SHA256, NOW), None);
}

#[test]
fn what_php_has_signed_by_hand() {
    assert_eq!(read(&fields(), PHP_FIELDS, NOW), named("anna", ""));
    assert_eq!(read(&fields(), PHP_FIELDS, UnixTime(AT + 3600)), None);
    let json = HmacShape {
        digest: Digest::Sha512,
        separator: "--".to_owned(),
        written: Written::Base64,
        content: HmacContent::Base64Json,
        ends: None,
        signed: at("/at"),
    };
    assert_eq!(read(&hmac(json.clone(), Some("/user")), PHP_JSON, NOW), named("anna", ""));
    assert_eq!(read(&hmac(json.clone(), Some("/user")), PHP_JSON, UnixTime(AT + 86_400)), None);
    // A time that should be there and is not ends everything.
    let timeless = HmacShape { signed: at("/time"), ..json };
    assert_eq!(read(&hmac(timeless, Some("/user")), PHP_JSON, NOW), None);
    let text = HmacShape {
        digest: Digest::Sha1,
        separator: ":".to_owned(),
        written: Written::Hex,
        content: HmacContent::Text,
        ends: None,
        signed: None,
    };
    assert_eq!(read(&hmac(text, None), PHP_TEXT, NOW), named("Jörg M", ""));
}

#[test]
fn a_token_that_the_app_made_for_itself() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let made = |algorithm, secret: &str, claims: Value| {
        encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    let whole = serde_json::json!({ "sub": "anna", "sid": "s1", "iat": AT, "exp": AT + 3600 });
    let token = Signed::new(&Settings {
        user: at("/sub"),
        session: at("/sid"),
        max_age: None,
        ..settings(SignedFormat::Jwt { digest: Digest::Sha256 }, &[NEW, OLD])
    });
    let ask = |token: &Signed, value: &str| read(token, value, NOW);
    for secret in [NEW, OLD] {
        assert_eq!(ask(&token, &made(Algorithm::HS256, secret, whole.clone())), named("anna", "s1"));
    }
    assert_eq!(read(&token, &made(Algorithm::HS256, NEW, whole.clone()), UnixTime(AT + 3600)), None);
    assert_eq!(ask(&token, &made(Algorithm::HS512, NEW, whole.clone())), None);
    assert_eq!(ask(&token, &made(Algorithm::HS256, "another-secret-of-thirty-two-bytes", whole)), None);
    for claims in [
        serde_json::json!({ "sub": "anna" }),
        serde_json::json!({ "sub": "anna", "exp": "never" }),
        serde_json::json!({ "sub": "anna", "nbf": AT + 600, "exp": AT + 3600 }),
        serde_json::json!({ "sub": null, "exp": AT + 3600 }),
        serde_json::json!({ "sub": { "id": 1 }, "exp": AT + 3600 }),
        serde_json::json!({ "sub": true, "exp": AT + 3600 }),
    ] {
        assert_eq!(ask(&token, &made(Algorithm::HS256, NEW, claims.clone())), None, "{claims}");
    }
}

#[test]
fn not_one_changed_character_passes() {
    let (django, flask, fields) = (django(&[NEW]), flask(Digest::Sha1, &[NEW]), fields());
    let jar = rails("_app_session", true, Digest::Sha256);
    for (signed, value) in [
        (&django, DJANGO),
        (&flask, FLASK),
        (&fields, PHP_FIELDS),
        (&jar, RAILS_ENCRYPTED_SHA256),
    ] {
        assert!(read(signed, value, NOW).is_some());
        for at in 0..value.len() {
            let mut bytes = value.as_bytes().to_vec();
            // Hexadecimal digits mean the same in either case.
            bytes[at] = if bytes[at].eq_ignore_ascii_case(&b'a') {
                b'B'
            } else {
                b'A'
            };
            let changed = String::from_utf8(bytes).unwrap();
            // Escapes may say the same in other letters (`%2b`), which is no change.
            let same = percent_decode_str(&changed).eq(percent_decode_str(value));
            assert!(same || read(signed, &changed, NOW).is_none(), "{changed}");
        }
    }
}

#[test]
fn what_is_packed_too_tightly_is_not_unpacked() {
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; LARGEST + 1], 9);
    assert!(packed.len() < 1024 && unpacked(&packed).is_none());
    assert!(unpacked(&miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; LARGEST], 9)).is_some());
}

#[test]
fn two_cookies_of_the_name_are_refused() {
    let mut headers = HeaderMap::new();
    let both = format!("sid={FLASK}; sid={FLASK_OLD}");
    headers.insert(COOKIE, HeaderValue::from_str(&both).unwrap());
    assert!(flask(Digest::Sha1, &[NEW, OLD]).read(&headers, NOW).is_err());
}

proptest! {
    #[test]
    fn garbage_never_panics(value in "[!-:<-~]{0,300}", tail in "[A-Za-z0-9_=-]{0,40}") {
        let forms = [
            value.clone(),
            format!("{value}.{tail}.{tail}"),
            format!("{value}:{tail}:{tail}"),
            format!("{value}--{tail}--{tail}"),
        ];
        let jars = [
            django(&[NEW]),
            flask(Digest::Sha1, &[NEW]),
            fields(),
        ];
        for (signed, value) in jars.iter().flat_map(|signed| forms.iter().map(move |value| (signed, value))) {
            prop_assert!(signed.open(value, NOW).is_none());
        }
    }
}
