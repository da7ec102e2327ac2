//! Receipts of each vendor: believed, altered, stale, of others, told once.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::HMAC_SHA256;
use base64::Engine as _;
use http::HeaderMap;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::super::sms::signature::{hex, hmac};
use super::super::sms::testing::vectors;
use super::*;
use crate::config::settings::{
    self, AnswerPlace, HttpAuth, HttpBody, HttpErrors, HttpGateway, HttpReceipts, Login, MessageBird, Plivo,
    SignatureMethod, Template, Vonage, VonageSecret,
};

const URL: &str = "https://mfa.example.com/.stepgate/receipts/texts";
const NOW: UnixTime = UnixTime(1_700_000_000);
const SECRET: &str = "a secret of thirty-two bytes, ok";

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

fn post<'a>(headers: &'a HeaderMap, body: &'a str) -> Report<'a> {
    Report { is_post: true, query: "", headers, body: body.as_bytes() }
}

fn sha256(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

fn token(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn delivered(reference: &str) -> Receipt {
    Receipt { reference: reference.to_owned(), outcome: Outcome::Delivered }
}

fn failed(reference: &str, reason: Reason) -> Receipt {
    Receipt { reference: reference.to_owned(), outcome: Outcome::Failed(reason) }
}

fn plivo() -> Vendor {
    Vendor::Plivo(Plivo {
        url: "https://api.plivo.com".into(),
        login: Login { user: "MA1".into(), password: "authtoken".into() },
        from: "1".into(),
    })
}

fn vonage() -> Vendor {
    Vendor::Vonage(Vonage {
        url: "https://rest.nexmo.com".into(),
        api_key: "k".into(),
        secret: VonageSecret::Api("s".into()),
        from: "x".into(),
        signature_secret: Some(SECRET.into()),
        signature_method: SignatureMethod::Sha256,
    })
}

fn messagebird() -> Vendor {
    Vendor::MessageBird(MessageBird {
        url: "https://rest.messagebird.com".into(),
        access_key: "k".into(),
        from: "x".into(),
        signing_key: Some(SECRET.into()),
    })
}

fn gateway() -> Vendor {
    Vendor::Http(Box::new(HttpGateway {
        calls: false,
        method: http::Method::POST,
        url: Template::of("https://sms.example/"),
        headers: Vec::new(),
        auth: HttpAuth::None,
        body: HttpBody::None,
        accepted: settings::Accepted { status: Vec::new(), value: None },
        reference: None,
        errors: Some(HttpErrors {
            at: AnswerPlace::of("/code"),
            reasons: vec![("7".into(), "opted_out".into())],
        }),
        receipts: Some(HttpReceipts {
            secret: SECRET.into(),
            header: http::HeaderName::from_static("x-signature"),
            reference: AnswerPlace::of("/id"),
            status: AnswerPlace::of("/state"),
            delivered: vec!["arrived".into()],
            failed: vec!["lost".into()],
        }),
    }))
}

#[test]
fn plivos_signatures_are_those_of_its_own_client() {
    for vector in vectors()["plivo_v3"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let (url, is_post) = (text("uri"), text("method") == "POST");
        let query = url.split_once('?').unwrap().1;
        let pairs = vector["params"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k, v.as_str().unwrap()));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let read = |signature: &str| {
            let signed = [
                ("x-plivo-signature-v3", signature),
                ("x-plivo-signature-v3-nonce", text("nonce")),
            ];
            let headers = headers(&signed);
            genuine(&plivo(), url, &Report { is_post, query, headers: &headers, body: body.as_bytes() }, NOW)
        };
        // The one of a GET says nothing that is a receipt, but it is believed.
        let expected = if is_post {
            Ok(delivered("abc"))
        } else {
            Err(NotTaken::Unreadable)
        };
        assert_eq!(read(text("signature")), expected);
        assert_eq!(read(&format!("AAAA,{}", text("signature"))), expected, "one of two tokens");
        assert_eq!(read("AAAA"), Err(NotTaken::NotGenuine));
    }
}

#[test]
fn vonages_token_covers_the_body_and_is_fresh() {
    let body = r#"{"messageId":"0A","status":"rejected","err-code":"9","price":0.03}"#;
    let claims =
        |at: i64| json!({ "iss": "Vonage", "iat": at, "payload_hash": sha256(body), "api_key": "k" });
    let read = |claims: &Value, body: &str| {
        let bearer = format!("Bearer {}", token(claims));
        let headers = headers(&[("authorization", &bearer), ("content-type", "application/json")]);
        genuine(&vonage(), URL, &post(&headers, body), NOW)
    };
    assert_eq!(read(&claims(NOW.0 - 5), body), Ok(failed("0A", Reason::InvalidDestination)));
    assert_eq!(read(&claims(NOW.0 - 5), &body.replace("0A", "0B")), Err(NotTaken::NotGenuine));
    assert_eq!(read(&claims(NOW.0 - 3_600), body), Err(NotTaken::NotGenuine));
    assert_eq!(read(&json!({ "iat": NOW.0 }), body), Err(NotTaken::NotGenuine), "no digest");
}

#[test]
fn vonages_older_signature_too() {
    let fields = |at: i64| {
        vec![
            ("messageId", "0A".to_owned()),
            ("status", "delivered".to_owned()),
            ("timestamp", at.to_string()),
        ]
    };
    let read = |at: i64, last: &str| {
        let fields = fields(at);
        let text: String = fields.iter().map(|(key, value)| format!("&{key}={value}")).collect();
        let sig = hex(hmac(HMAC_SHA256, SECRET.as_bytes(), text.as_bytes()).as_ref());
        let sig = format!("{}{last}", sig.chars().take(63).collect::<String>());
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .append_pair("sig", &sig)
            .finish();
        genuine(
            &vonage(),
            URL,
            &Report { is_post: false, query: &query, headers: &HeaderMap::new(), body: b"" },
            NOW,
        )
    };
    let last = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f",
    ];
    let believed = last.iter().filter(|last| read(NOW.0, last) == Ok(delivered("0A"))).count();
    assert_eq!(believed, 1, "exactly one last digit is right");
    assert!(last.iter().all(|last| read(NOW.0 - 3_600, last).is_err()));
}

#[test]
fn messagebirds_token_covers_address_body_and_time() {
    let body = r#"{"id":"b1","status":"delivery_failed","statusReason":"unknown subscriber"}"#;
    let good = || {
        json!({ "iss": "MessageBird", "nbf": NOW.0 - 1, "exp": NOW.0 + 60,
            "url_hash": sha256(URL), "payload_hash": sha256(body) })
    };
    let read = |claims: &Value, body: &str| {
        let token = token(claims);
        let headers = headers(&[
            ("messagebird-signature-jwt", &token),
            ("content-type", "application/json"),
        ]);
        genuine(&messagebird(), URL, &post(&headers, body), NOW)
    };
    assert_eq!(read(&good(), body), Ok(failed("b1", Reason::InvalidDestination)));
    let table = [
        ("iss", json!("Someone")),
        ("nbf", json!(NOW.0 + 60)),
        ("exp", json!(NOW.0 - 60)),
        ("exp", Value::Null),
        ("url_hash", json!(sha256("https://other.example/"))),
        ("payload_hash", Value::Null),
    ];
    for (name, value) in table {
        let mut claims = good();
        claims[name] = value;
        assert_eq!(read(&claims, body), Err(NotTaken::NotGenuine), "{name}");
    }
    assert_eq!(read(&good(), ""), Err(NotTaken::NotGenuine));
}

#[test]
fn a_described_gateway_signs_its_body() {
    let body = r#"{"id":7,"state":"lost","code":7}"#;
    let tag = hmac(HMAC_SHA256, SECRET.as_bytes(), body.as_bytes());
    let read = |signature: &str, body: &str| {
        let headers = headers(&[("x-signature", signature)]);
        genuine(&gateway(), URL, &post(&headers, body), NOW)
    };
    let lost = Ok(failed("7", Reason::OptedOut));
    assert_eq!(read(&hex(tag.as_ref()), body), lost);
    assert_eq!(read(&format!("sha256={}", hex(tag.as_ref())), body), lost);
    assert_eq!(read(&base64::engine::general_purpose::STANDARD.encode(tag), body), lost);
    assert_eq!(read(&hex(tag.as_ref()), "{}"), Err(NotTaken::NotGenuine));
    assert_eq!(read(&"é".repeat(32), body), Err(NotTaken::NotGenuine));
    assert_eq!(read("", body), Err(NotTaken::NotGenuine));
}

#[test]
fn each_outcome_is_told_once_and_strangers_are_not_heard() {
    let senders = [("bird".to_owned(), messagebird())].into_iter().collect();
    let base = "https://mfa.example.com/.stepgate".to_owned();
    let receipts = Receipts(Arc::new(Inner { base, senders, told: Cache::new(10) }));
    let url = "https://mfa.example.com/.stepgate/receipts/bird";
    let read = |status: &str| {
        let body = json!({ "id": "b1", "status": status }).to_string();
        let claims = json!({ "iss": "MessageBird", "nbf": NOW.0, "exp": NOW.0 + 60,
            "url_hash": sha256(url), "payload_hash": sha256(&body) });
        let token = token(&claims);
        let headers = headers(&[
            ("messagebird-signature-jwt", &token),
            ("content-type", "application/json"),
        ]);
        let read = receipts.read("bird", &post(&headers, &body), NOW);
        if let Ok(Some(receipt)) = &read {
            receipts.told("bird", receipt);
        }
        read
    };
    assert_eq!(read("delivered"), Ok(Some(delivered("b1"))));
    assert_eq!(read("delivered"), Ok(None));
    assert_eq!(read("sent"), Ok(None), "late, and says nothing new");
    assert_eq!(read("expired"), Ok(Some(failed("b1", Reason::Unavailable))));
    let nothing = HeaderMap::new();
    assert_eq!(receipts.read("bird", &post(&nothing, "{}"), NOW), Err(NotTaken::NotGenuine));
    assert_eq!(receipts.read("other", &post(&nothing, "{}"), NOW), Err(NotTaken::Unknown));
    let text = metrics().render();
    for (outcome, count) in [("repeated", 1), ("underway", 1), ("delivered", 1), ("refused", 1)] {
        let line =
            format!(r#"stepgate_receipts_total{{sender="bird",outcome="{outcome}",reason="none"}} {count}"#);
        assert!(text.contains(&line), "{line}\n{text}");
    }
}
