//! Tokens that must and must not count.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::config::settings::{ClaimNames, JwtAlgorithm, JwtContract, JwtKey, JwtPlace};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: UnixTime = UnixTime(1_700_000_000);

fn settings() -> settings::Jwt {
    settings::Jwt {
        place: JwtPlace::Header("Authorization".to_owned()),
        algorithm: JwtAlgorithm::Hs256,
        key: JwtKey::Secret(SECRET.into()),
        authority: None,
        issuers: vec!["https://sso.example".to_owned()],
        audiences: vec!["stepgate".to_owned(), "other app".to_owned()],
        contract: JwtContract::Standard,
        companions: &[],
        names: ClaimNames {
            user: "sub".to_owned(),
            groups: "groups".to_owned(),
            email: "email".to_owned(),
            name: "name".to_owned(),
            session: "sid".to_owned(),
            attributes: BTreeMap::from([("employment".to_owned(), "emp".to_owned())]),
        },
        dpop: false,
    }
}

fn built(settings: &settings::Jwt) -> Jwt {
    let public_url = PublicUrl { https: true, host: "mfa.example".to_owned(), port: None };
    Jwt::new("sso", settings, &public_url, NOW).unwrap()
}

fn source() -> Jwt {
    built(&settings())
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
    let proof = Header { typ: Some("dpop+jwt".to_owned()), ..Header::default() };
    let ours = Header { typ: Some("stepgate-assertion+jwt".to_owned()), ..Header::default() };
    let others = [hs512, jku, proof, ours].map(|header| signed(&header, &claims()));
    for token in others.into_iter().chain([none]) {
        assert!(ask(&token).await.unwrap().is_none(), "{token}");
    }
}

#[tokio::test]
async fn f04_only_tokens_of_a_person_name_one() {
    let token =
        |typ: Option<&str>| signed(&Header { typ: typ.map(str::to_owned), ..Header::default() }, &claims());
    for typ in [
        None,
        Some("JWT"),
        Some("jwt"),
        Some("at+jwt"),
        Some("application/at+jwt"),
        Some("application/JWT"),
    ] {
        assert!(ask(&token(typ)).await.unwrap().is_some(), "{typ:?}");
    }
    for typ in [
        "",
        "logout+jwt",
        "secevent+jwt",
        "application/secevent+jwt",
        "Stepgate-claim+jwt",
        "token-introspection+jwt",
    ] {
        assert!(ask(&token(Some(typ))).await.unwrap().is_none(), "{typ}");
    }
    let mut logout = claims();
    logout["events"] = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    assert!(ask(&signed(&Header::default(), &logout)).await.unwrap().is_none());
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
        ("cnf", json!({ "jkt": "x", "x5t#S256": "y" })),
        ("cnf", json!({ "jkt": "x" })),
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

#[tokio::test]
async fn a_remembered_token_is_checked_anew_after_ten_minutes() {
    let mut long = claims();
    long["exp"] = json!(NOW.0 + 86_400);
    let token = signed(&Header::default(), &long);
    let source = source();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    let credentials = crate::identity::testing::of(&headers);
    source.establish(credentials, NOW).await.unwrap().unwrap();
    assert!(matches!(source.recall(&credentials, NOW.plus(599)), Ok(Recall::Known(_))));
    assert!(matches!(source.recall(&credentials, NOW.plus(600)), Ok(Recall::Ask)));
}

/// Tokens of every algorithm, signed by keys made here.
#[tokio::test]
async fn each_algorithm_counts_with_its_own_kind_of_key_alone() {
    use jsonwebtoken::Algorithm;
    let made = |kind: &'static rcgen::SignatureAlgorithm| rcgen::KeyPair::generate_for(kind).unwrap();
    let rsa = made(&rcgen::PKCS_RSA_SHA256);
    let p256 = made(&rcgen::PKCS_ECDSA_P256_SHA256);
    let p384 = made(&rcgen::PKCS_ECDSA_P384_SHA384);
    let ed = made(&rcgen::PKCS_ED25519);
    let of_rsa = || EncodingKey::from_rsa_pem(rsa.serialize_pem().as_bytes()).unwrap();
    let of_ec = |key: &rcgen::KeyPair| EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
    let of_ed = EncodingKey::from_ed_pem(ed.serialize_pem().as_bytes()).unwrap();
    let pairs = [
        (JwtAlgorithm::Rs256, Algorithm::RS256, of_rsa(), rsa.public_key_pem()),
        (JwtAlgorithm::Rs384, Algorithm::RS384, of_rsa(), rsa.public_key_pem()),
        (JwtAlgorithm::Rs512, Algorithm::RS512, of_rsa(), rsa.public_key_pem()),
        (JwtAlgorithm::Ps256, Algorithm::PS256, of_rsa(), rsa.public_key_pem()),
        (JwtAlgorithm::Es256, Algorithm::ES256, of_ec(&p256), p256.public_key_pem()),
        (JwtAlgorithm::Es384, Algorithm::ES384, of_ec(&p384), p384.public_key_pem()),
        (JwtAlgorithm::EdDsa, Algorithm::EdDSA, of_ed, ed.public_key_pem()),
    ];
    for (algorithm, _, _, public) in &pairs {
        let source = built(&settings::Jwt {
            algorithm: *algorithm,
            key: JwtKey::Public(public.clone()),
            ..settings()
        });
        for (other, theirs, key, _) in &pairs {
            let token = encode(&Header::new(*theirs), &claims(), key).unwrap();
            let mut headers = HeaderMap::new();
            headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
            let answer = source.establish(crate::identity::testing::of(&headers), NOW).await.unwrap();
            assert_eq!(answer.is_some(), algorithm == other, "{algorithm:?} {other:?}");
        }
    }
}
