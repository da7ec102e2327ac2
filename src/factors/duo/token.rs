//! The JSON Web Tokens between us and Duo's Universal Prompt, HS512 in both directions. What Duo says
//! in its ID token counts only after every check here (duo.com/docs/oauthapi, "ID Token").

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use crate::ambient::UnixTime;

/// Seconds that Duo's clock and ours may differ, as in Duo's own clients.
const LEEWAY: i64 = 60;

/// Signs what we say. Lengths and kinds are right by construction, so it fails only for a defect.
pub(super) fn sign(claims: &impl Serialize, secret: &SecretString) -> Option<String> {
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS512), claims, &key).ok()
}

/// What an ID token must agree with.
pub(super) struct Expected<'a> {
    /// The token endpoint.
    pub(super) issuer: &'a str,
    /// Our client id.
    pub(super) audience: &'a str,
    pub(super) username: &'a str,
    pub(super) nonce: &'a str,
    pub(super) normalise: bool,
    pub(super) now: UnixTime,
}

/// Why an ID token counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadToken {
    #[error("its signature or form is wrong")]
    Signature,
    #[error("it comes from another issuer")]
    Issuer,
    #[error("it is for another application")]
    Audience,
    #[error("it is too old, or from the future: compare the clocks")]
    Time,
    #[error("it is for another sign-in")]
    Nonce,
    /// See `normalise_usernames`.
    #[error("it names another person than was asked about")]
    Username,
}

/// What Duo says of the person's attempt.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    auth_result: Option<AuthResult>,
    #[serde(default)]
    auth_context: Option<AuthContext>,
}

#[derive(Debug, Default, Deserialize)]
struct AuthResult {
    result: Option<String>,
    status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct AuthContext {
    reason: Option<String>,
}

/// Reasons that say that the person has shown something now. Every other one is an exception of Duo's;
/// where none is given, its status alone tells.
const SHOWN: [&str; 3] = ["user_approved", "valid_passcode", "verification_code_correct"];

impl Said {
    pub(super) fn is_allowed(&self) -> bool {
        self.auth_result.as_ref().and_then(|result| result.result.as_deref()) == Some("allow")
    }

    /// Whether it was reported as "not me".
    pub(super) fn is_fraud(&self) -> bool {
        let status = self.auth_result.as_ref().and_then(|result| result.status.as_deref());
        status == Some("fraud") || self.reason() == Some("user_marked_fraud")
    }

    /// Whether an exception of Duo's took the place of a proof.
    pub(super) fn is_exception(&self) -> bool {
        let status = self.auth_result.as_ref().and_then(|result| result.status.as_deref());
        status == Some("bypass") || self.reason().is_some_and(|reason| !SHOWN.contains(&reason))
    }

    fn reason(&self) -> Option<&str> {
        self.auth_context.as_ref()?.reason.as_deref()
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    exp: f64,
    iat: f64,
    preferred_username: String,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(flatten)]
    said: Said,
}

/// What a token says, if it is Duo's answer to this very question.
pub(super) fn read(token: &str, secret: &SecretString, expected: &Expected<'_>) -> Result<Said, BadToken> {
    let mut form = Validation::new(Algorithm::HS512);
    // Times are judged below, by the one clock; the others too, so that each failure has its name.
    form.required_spec_claims.clear();
    (form.validate_exp, form.validate_aud) = (false, false);
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    let claims: Claims = jsonwebtoken::decode(token, &key, &form)
        .map_err(|_| BadToken::Signature)?
        .claims;
    if claims.iss != expected.issuer {
        return Err(BadToken::Issuer);
    }
    if !is_for(&claims.aud, expected.audience) {
        return Err(BadToken::Audience);
    }
    if !holds(claims.exp, claims.iat, expected.now) {
        return Err(BadToken::Time);
    }
    let nonce = claims.nonce.unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(BadToken::Nonce);
    }
    if !same_person(&claims.preferred_username, expected.username, expected.normalise) {
        return Err(BadToken::Username);
    }
    Ok(claims.said)
}

fn is_for(audience: &Value, us: &str) -> bool {
    match audience {
        Value::String(one) => one == us,
        Value::Array(many) => many.iter().any(|one| one.as_str() == Some(us)),
        _ => false,
    }
}

fn holds(expires: f64, issued: f64, now: UnixTime) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "seconds of our age are far below 2^53")]
    let (now, leeway) = (now.0 as f64, LEEWAY as f64);
    expires > now - leeway && issued <= now + leeway
}

/// Whether Duo speaks of the person it was asked about.
pub(super) fn same_person(said: &str, asked: &str, normalise: bool) -> bool {
    if normalise {
        simple(said) == simple(asked) && !simple(asked).is_empty()
    } else {
        bool::from(said.as_bytes().ct_eq(asked.as_bytes()))
    }
}

/// Duo's "simple" username normalisation: `DOMAIN\anna`, `anna@example.com` and `Anna` are `anna`.
fn simple(name: &str) -> String {
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    fn secret() -> SecretString {
        "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef".into()
    }

    fn expected(username: &str, normalise: bool) -> Expected<'_> {
        Expected {
            issuer: "https://api.test/oauth/v1/token",
            audience: "DIXXXXXXXXXXXXXXXXXX",
            username,
            nonce: "the nonce of this sign-in",
            normalise,
            now: NOW,
        }
    }

    fn right() -> Value {
        json!({
            "iss": "https://api.test/oauth/v1/token", "aud": "DIXXXXXXXXXXXXXXXXXX", "sub": "x",
            "exp": NOW.0 + 300, "iat": NOW.0, "preferred_username": "anna",
            "nonce": "the nonce of this sign-in",
            "auth_result": { "result": "allow", "status": "allow", "status_msg": "Login Successful" },
            "auth_context": { "reason": "user_approved", "alias": null, "user": { "groups": [] } },
        })
    }

    fn ask(claims: &Value) -> Result<Said, BadToken> {
        read(&sign(claims, &secret()).unwrap(), &secret(), &expected("anna", false))
    }

    #[test]
    fn what_we_sign_is_what_duo_s_clients_sign() {
        // vectors.json, duo_universal_client_assertion_hs512: the mac is over the exact text.
        let vector = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJESVhYWFhYWFhYWFhYWFhYWFhYWCIsInN1YiI6IkRJWFhYWFhYWFhYWFhYWFhYWFhYIiwiYXVkIjoiaHR0cHM6Ly9hcGktWFhYWFhYWC50ZXN0LmR1b3NlY3VyaXR5LmNvbS9vYXV0aC92MS9oZWFsdGhfY2hlY2siLCJleHAiOjE3MDAwMDAzMDAsImp0aSI6ImFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6MDEyMzQ1Njc4OSJ9.T8hOYSY0tXzmrlUlY7K-b0cFDhVcFTBd14wwjbq244Rf0riYm0iajzzqLLek6QNzzudrV36fkZ24_bqk7-OK6g";
        let (text, mac) = vector.rsplit_once('.').unwrap();
        let key = EncodingKey::from_secret(secret().expose_secret().as_bytes());
        assert_eq!(jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS512).unwrap(), mac);
    }

    #[test]
    fn every_check_of_the_id_token() {
        assert!(ask(&right()).unwrap().is_allowed());
        for (name, value, why) in [
            ("iss", json!("https://api.test"), BadToken::Issuer),
            ("iss", json!("https://api.test/oauth/v1/token/"), BadToken::Issuer),
            ("iss", Value::Null, BadToken::Signature),
            ("aud", json!("SOMEBODYELSE"), BadToken::Audience),
            ("aud", json!(["SOMEBODYELSE"]), BadToken::Audience),
            ("aud", json!({ "DIXXXXXXXXXXXXXXXXXX": 1 }), BadToken::Audience),
            ("exp", json!(NOW.0 - 60), BadToken::Time),
            ("exp", Value::Null, BadToken::Signature),
            ("iat", json!(NOW.0 + 61), BadToken::Time),
            ("iat", Value::Null, BadToken::Signature),
            ("nonce", json!("that of another"), BadToken::Nonce),
            ("nonce", Value::Null, BadToken::Nonce),
            ("preferred_username", json!("Anna"), BadToken::Username),
            ("preferred_username", json!("anna@example.com"), BadToken::Username),
            ("preferred_username", json!(""), BadToken::Username),
            ("preferred_username", Value::Null, BadToken::Signature),
        ] {
            let mut claims = right();
            claims[name] = value.clone();
            assert_eq!(ask(&claims).unwrap_err(), why, "{name}: {value}");
        }
        for (name, value) in [
            ("aud", json!(["OTHER", "DIXXXXXXXXXXXXXXXXXX"])),
            ("exp", json!(1_700_000_299.5)),
            ("exp", json!(NOW.0 - 59)),
            ("iat", json!(NOW.0 + 60)),
        ] {
            let mut claims = right();
            claims[name] = value;
            assert!(ask(&claims).is_ok(), "{name}");
        }
    }

    #[test]
    fn only_hs512_with_our_secret() {
        let read = |token: &str| super::read(token, &secret(), &expected("anna", false));
        let token = sign(&right(), &secret()).unwrap();
        assert!(read(&token).is_ok());
        let key = EncodingKey::from_secret(secret().expose_secret().as_bytes());
        for algorithm in [Algorithm::HS256, Algorithm::HS384] {
            let weaker = jsonwebtoken::encode(&Header::new(algorithm), &right(), &key).unwrap();
            assert_eq!(read(&weaker).unwrap_err(), BadToken::Signature);
        }
        let other = sign(&right(), &"x".repeat(40).into()).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        for bad in [
            other,
            unsigned,
            format!("{token}x"),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(read(&bad).unwrap_err(), BadToken::Signature, "{bad}");
        }
    }

    #[test]
    fn only_allow_is_allowed_and_an_exception_is_no_proof() {
        for (result, context, allowed, exception, fraud) in [
            (
                json!({ "result": "allow", "status": "allow" }),
                json!({ "reason": "user_approved" }),
                true,
                false,
                false,
            ),
            (json!({ "result": "allow" }), Value::Null, true, false, false),
            (json!({ "result": "allow", "status": "bypass" }), json!({}), true, true, false),
            (json!({ "result": "allow" }), json!({ "reason": "remembered_device" }), true, true, false),
            (json!({ "result": "allow" }), json!({ "reason": "some_new_exemption" }), true, true, false),
            (json!({ "result": "deny", "status": "fraud" }), json!({}), false, false, true),
            (json!({ "result": "Allow" }), json!({}), false, false, false),
            (json!({ "result": null }), json!({ "result": "SUCCESS" }), false, false, false),
            (Value::Null, Value::Null, false, false, false),
        ] {
            let mut claims = right();
            (claims["auth_result"], claims["auth_context"]) = (result.clone(), context);
            let said = ask(&claims).unwrap();
            assert_eq!(
                (said.is_allowed(), said.is_exception(), said.is_fraud()),
                (allowed, exception, fraud),
                "{result}"
            );
        }
    }

    #[test]
    fn names_are_one_only_where_that_was_asked_for() {
        for (said, asked) in [
            ("anna", "EXAMPLE\\Anna"),
            ("ANNA", "anna@example.com"),
            ("a@b", "c\\A@d"),
        ] {
            assert!(same_person(said, asked, true) && !same_person(said, asked, false), "{said} {asked}");
        }
        for (said, asked) in [("anna", "ben"), ("", ""), ("@x", "@y"), ("ann", "anna")] {
            assert!(!same_person(said, asked, true), "{said} {asked}");
        }
    }
}
