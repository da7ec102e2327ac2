//! Tokens that must and must not count.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: UnixTime = UnixTime(1_700_000_000);

fn source() -> Jwt {
    Jwt::new(
        "sso",
        &settings::Jwt {
            place: JwtPlace::Header("Authorization".to_owned()),
            algorithm: JwtAlgorithm::Hs256,
            key: JwtKey::Secret(SECRET.into()),
            issuer: "https://sso.example".to_owned(),
            audience: "stepgate".to_owned(),
            user: "sub".to_owned(),
            groups: "groups".to_owned(),
            email: "email".to_owned(),
            name: "name".to_owned(),
            session: "sid".to_owned(),
            attributes: BTreeMap::from([("employment".to_owned(), "emp".to_owned())]),
        },
    )
    .unwrap()
}

fn claims() -> Value {
    json!({
        "iss": "https://sso.example", "aud": ["stepgate"], "sub": "Anna", "sid": "s1", "iat": NOW.0 - 5,
        "exp": NOW.0 + 300, "groups": ["hr", "finance"], "emp": "contractor",
    })
}

fn signed(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

async fn ask(token: &str) -> Result<Option<Established>, IdentityError> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    let credentials =
        Credentials { peer: "127.0.0.1".parse().unwrap(), ..crate::identity::testing::of(&headers) };
    source().establish(credentials, NOW).await
}

#[tokio::test]
async fn a_good_token_names_the_person() {
    let anna = ask(&signed(&Header::default(), &claims())).await.unwrap().unwrap().identity;
    assert_eq!(anna.key.as_str(), "sso:Anna");
    assert_eq!(anna.attribute("groups").unwrap(), ["hr", "finance"]);
    assert_eq!(anna.attribute("employment").unwrap(), ["contractor"]);
    assert_eq!(anna.binding, crate::policy::Binding::new("sso", "Anna", "s1"));
}

#[tokio::test]
async fn f04_a_token_cannot_choose_its_algorithm_or_key() {
    let none = format!("{}.{}.", b64(br#"{"alg":"none"}"#), b64(claims().to_string().as_bytes()));
    let mut hs512 = Header::new(jsonwebtoken::Algorithm::HS512);
    let jku = Header { jku: Some("https://evil.example/jwks".to_owned()), ..Header::default() };
    hs512.typ = None;
    for token in [none, signed(&hs512, &claims()), signed(&jku, &claims())] {
        assert!(ask(&token).await.unwrap().is_none(), "{token}");
    }
}

#[tokio::test]
async fn f05_f06_claims_are_required_and_typed() {
    for (name, value) in [
        ("exp", Value::Null),
        ("exp", json!("2000000000")),
        ("exp", json!(NOW.0)),
        ("iat", Value::Null),
        ("iat", json!(NOW.0 + 61)),
        ("nbf", json!(NOW.0 + 61)),
        ("nbf", json!("soon")),
        ("aud", Value::Null),
        ("aud", json!("other")),
        ("aud", json!(["other", 1])),
        ("iss", json!("https://evil.example")),
        ("sub", json!(7)),
    ] {
        let mut changed = claims();
        changed[name] = value.clone();
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        }
        assert!(ask(&signed(&Header::default(), &changed)).await.unwrap().is_none(), "{name}={value}");
    }
    let mut bad_groups = claims();
    bad_groups["groups"] = json!(["hr", 7]);
    assert!(ask(&signed(&Header::default(), &bad_groups)).await.is_err());
}

#[tokio::test]
async fn f02_every_changed_byte_refuses_the_token() {
    let token = signed(&Header::default(), &claims());
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        if changed != token {
            assert!(ask(&changed).await.map_or(true, |answer| answer.is_none()), "byte {index}");
        }
    }
}

#[tokio::test]
async fn d10_oversized_tokens_are_not_decoded() {
    let mut large = claims();
    large["pad"] = json!("x".repeat(9000));
    assert!(ask(&signed(&Header::default(), &large)).await.unwrap().is_none());
}

fn b64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
