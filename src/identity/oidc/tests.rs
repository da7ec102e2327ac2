//! What only looks inside can tell; everything a provider can do wrong is `tests/e2e/oidc_lies.rs`.

use serde_json::{Map, Value, json};

use super::claims;
use crate::config::settings::Oidc;

fn settings() -> Oidc {
    Oidc {
        issuer: "https://login.example.com".to_owned(),
        client_id: "stepgate".to_owned(),
        client_secret: None,
        scopes: vec!["openid".to_owned()],
        label: None,
        user: "sub".to_owned(),
        groups: "groups".to_owned(),
        email: "email".to_owned(),
        name: "name".to_owned(),
        attributes: [("department".to_owned(), "dept".to_owned())].into(),
        emails_are_verified: false,
        refresh: std::time::Duration::from_secs(300),
        acr_values: Vec::new(),
        max_age: None,
        prompt: None,
        authority: None,
    }
}

fn of(claims: Value) -> Map<String, Value> {
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

#[test]
fn a_person_is_what_the_claims_say_and_no_more() {
    let said = of(json!({
        "sub": "u1", "preferred_username": "anna", "email": "a@example.com", "email_verified": true,
        "groups": "staff", "dept": ["it", "hr"],
    }));
    let person = claims::person("sso", &settings(), &said).unwrap();
    assert_eq!((person.source.as_str(), person.subject.as_str()), ("sso", "u1"));
    assert_eq!(person.name.as_deref(), Some("anna"), "where there is no `name`");
    assert_eq!(person.groups, Some(vec!["staff".to_owned()]));
    assert_eq!(person.attributes["department"], ["it", "hr"]);
    let silent = claims::person("sso", &settings(), &of(json!({ "sub": "u1" }))).unwrap();
    assert_eq!((silent.groups, silent.email, silent.name), (None, None, None));
}

#[test]
fn an_address_names_nobody_unless_it_is_verified() {
    let settings = Oidc { user: "email".to_owned(), ..settings() };
    let mut said = of(json!({ "sub": "u1", "email": "a@example.com" }));
    assert!(claims::person("sso", &settings, &said).is_err());
    said.insert("email_verified".to_owned(), json!(true));
    assert_eq!(claims::person("sso", &settings, &said).unwrap().subject, "a@example.com");
}

#[test]
fn userinfo_completes_and_never_overrules_what_is_signed() {
    let mut said = of(json!({ "sub": "u1", "email": "a@example.com", "groups": [] }));
    assert!(claims::are_incomplete(&settings(), &said));
    claims::complete(&mut said, of(json!({ "email": "b@example.com", "groups": ["admin"], "name": "Anna" })));
    assert_eq!(
        (&said["email"], &said["groups"], &said["name"]),
        (&json!("a@example.com"), &json!([]), &json!("Anna"))
    );
}
