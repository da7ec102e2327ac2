//! Answers that must and must not count, by a server of the tests' own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::settings::{ClaimNames, ClientAuth, JwtPlace};
use crate::identity::testing;

const NOW: UnixTime = UnixTime(1_700_000_000);

pub(super) fn settings(endpoint: &str, client_auth: ClientAuth) -> settings::Introspection {
    settings::Introspection {
        endpoint: endpoint.to_owned(),
        client_id: "gate: 1".to_owned(),
        client_secret: "s3/cret".into(),
        client_auth,
        authority: None,
        place: JwtPlace::Header("Authorization".to_owned()),
        issuer: Some("https://sso.example".to_owned()),
        audiences: vec!["stepgate".to_owned()],
        names: ClaimNames {
            user: "sub".to_owned(),
            groups: "groups".to_owned(),
            email: "email".to_owned(),
            name: "name".to_owned(),
            session: "sid".to_owned(),
            attributes: BTreeMap::new(),
        },
        remember: Duration::from_secs(60),
        dpop: false,
    }
}

fn origin() -> PublicUrl {
    PublicUrl { https: true, host: "mfa.example".to_owned(), port: None }
}

/// Answers every question alike once its body has come; how often it was asked.
async fn server(status: &'static str, body: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/introspect", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (body, count) = (body.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.ends_with(b"token_type_hint=access_token") {
                    if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                count.fetch_add(1, Ordering::SeqCst);
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap_or_default();
            });
        }
    });
    (url, asked)
}

fn said() -> Value {
    json!({
        "active": true, "iss": "https://sso.example", "aud": "stepgate", "sub": "Anna", "sid": "s1",
        "exp": NOW.0 + 300, "groups": ["hr"],
    })
}

fn source(url: &str) -> Introspection {
    Introspection::new("sso", &settings(url, ClientAuth::Basic), &origin(), NOW).unwrap()
}

fn headers(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    headers
}

async fn ask(
    source: &Introspection,
    token: &str,
    now: UnixTime,
) -> Result<Option<Established>, IdentityError> {
    source.establish(testing::of(&headers(token)), now).await
}

#[tokio::test]
async fn an_active_token_names_the_person_and_is_asked_about_once_in_a_while() {
    let (url, asked) = server("200 OK", said().to_string()).await;
    let source = source(&url);
    let many = (0..20).map(|_| ask(&source, "opaque", NOW));
    for answer in futures_util::future::join_all(many).await {
        let anna = answer.unwrap().unwrap();
        assert_eq!(anna.identity.key.as_str(), "sso:Anna");
        assert_eq!(anna.expires, NOW.plus(300));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one question for all");
    assert!(matches!(
        source.recall(&testing::of(&headers("opaque")), NOW.plus(59)),
        Ok(Recall::Known(_))
    ));
    assert!(matches!(source.recall(&testing::of(&headers("opaque")), NOW.plus(60)), Ok(Recall::Ask)));
    ask(&source, "opaque", NOW.plus(60)).await.unwrap().unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn made_up_tokens_keep_nobody_from_being_asked_about_who_was_known_before() {
    let (url, _) = server("200 OK", said().to_string()).await;
    let source = Arc::new(source(&url));
    ask(&source, "opaque", NOW).await.unwrap().unwrap();
    let strangers: Vec<_> = std::iter::from_fn(|| source.server.stranger()).collect();
    assert!(!strangers.is_empty());
    ask(&source, "opaque", NOW.plus(60)).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_is_not_believed_for_longer_than_the_token_holds() {
    let mut short = said();
    short["exp"] = json!(NOW.0 + 10);
    let (url, _) = server("200 OK", short.to_string()).await;
    let source = source(&url);
    ask(&source, "opaque", NOW).await.unwrap().unwrap();
    assert!(matches!(
        source.recall(&testing::of(&headers("opaque")), NOW.plus(9)),
        Ok(Recall::Known(_))
    ));
    assert!(matches!(source.recall(&testing::of(&headers("opaque")), NOW.plus(10)), Ok(Recall::Ask)));
    assert!(
        ask(&source, "opaque", NOW.plus(10)).await.unwrap().is_none(),
        "it says itself that it has run out"
    );
}

#[tokio::test]
async fn f05_f06_what_is_not_exactly_active_and_ours_is_nobody() {
    for (name, value) in [
        ("active", json!(false)),
        ("active", json!("true")),
        ("active", json!(1)),
        ("active", Value::Null),
        ("exp", json!(NOW.0)),
        ("exp", json!("2000000000")),
        ("nbf", json!(NOW.0 + 61)),
        ("iss", json!("https://evil.example")),
        ("aud", json!("other")),
        ("aud", Value::Null),
        ("sub", json!(7)),
        ("sub", json!("")),
        ("cnf", json!({})),
        ("cnf", json!({ "jkt": "a" })),
        ("cnf", json!({ "x5t#S256": "a" })),
        ("cnf", json!("jkt")),
    ] {
        let mut changed = said();
        changed[name] = value.clone();
        let (url, asked) = server("200 OK", changed.to_string()).await;
        let source = source(&url);
        assert!(ask(&source, "opaque", NOW).await.unwrap().is_none(), "{name}={value}");
        assert!(ask(&source, "opaque", NOW.plus(9)).await.unwrap().is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 1, "that it is nobody's is remembered for a moment");
    }
}

#[tokio::test]
async fn a18_what_is_no_answer_lets_nobody_in_and_is_asked_again_soon() {
    let long = format!("{{\"active\":true,\"pad\":\"{}\"}}", "x".repeat(300 * 1024));
    for (status, body) in [
        ("200 OK", "<html>".to_owned()),
        ("200 OK", "[true]".to_owned()),
        ("200 OK", long),
        ("401 Unauthorized", said().to_string()),
        ("500 No", said().to_string()),
        ("302 Found", said().to_string()),
    ] {
        let (url, asked) = server(status, body.clone()).await;
        let source = source(&url);
        let first = ask(&source, "opaque", NOW).await;
        assert!(matches!(first, Err(IdentityError::Unavailable(_))), "{status} {}", body.len());
        assert!(ask(&source, "opaque", NOW.plus(1)).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(ask(&source, "opaque", NOW.plus(2)).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{status}");
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_any_are_not_asked_about() {
    let (url, asked) = server("200 OK", said().to_string()).await;
    let source = source(&url);
    for token in [String::new(), "two words".to_owned(), "x".repeat(9000)] {
        assert!(ask(&source, &token, NOW).await.unwrap().is_none());
    }
    let mut twice = headers("a");
    twice.append("authorization", HeaderValue::from_static("Bearer b"));
    assert!(source.establish(testing::of(&twice), NOW).await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
