//! The Universal Prompt: the person goes to Duo's page and comes back with a code, which is exchanged
//! for what happened there (duo.com/docs/oauthapi).
//!
//! Whether the person who comes back is the one who went is the challenge room's to know: it keeps
//! `state`, for one session and one use. Nothing here opens on an error.

use bytes::Bytes;
use http::Response;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::Judgement;
use super::service::{CallFailed, PATIENCE, Service, form, opened, said};
use super::token::{self, Expected};
use crate::ambient::{UnixTime, random_bytes};

/// Seconds that anything we sign holds: the longest that Duo accepts.
const HOLDS: i64 = 300;
/// Characters of ids that nobody may guess: 214 bits.
const ID: usize = 36;

/// An application of the kind "Web SDK".
pub(super) struct Universal {
    pub(super) service: Service,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    pub(super) normalise_usernames: bool,
    pub(super) accept_bypass: bool,
}

/// What the way back must agree with.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Sent {
    username: String,
    nonce: String,
    redirect_uri: String,
}

/// A person about to be sent to Duo.
pub(super) struct Leaving {
    pub(super) url: String,
    /// Comes back with the person, and with nobody else.
    pub(super) state: String,
    pub(super) sent: Sent,
}

/// Who we are, to one endpoint, for a short time. The order is that of Duo's own clients.
#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    jti: String,
}

/// What we ask of Duo.
#[derive(Serialize)]
struct Request<'a> {
    scope: &'a str,
    redirect_uri: &'a str,
    client_id: &'a str,
    iss: &'a str,
    aud: &'a str,
    exp: i64,
    state: &'a str,
    response_type: &'a str,
    duo_uname: &'a str,
    /// `false`: the code comes back under the name that OAuth gives it.
    use_duo_code_attribute: bool,
}

#[derive(Deserialize)]
struct Health {
    #[serde(rename = "timestamp")]
    _timestamp: serde_json::Value,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct OauthError {
    error: String,
    error_description: Option<String>,
}

impl Universal {
    /// Whether Duo is there and knows us. Always asked before anybody is sent away.
    pub(super) async fn health_check(&self, now: UnixTime) -> Result<(), CallFailed> {
        let url = format!("{}/oauth/v1/health_check", self.service.origin());
        let assertion = self.assertion(&url, now)?;
        let fields = [
            ("client_assertion", assertion.as_str()),
            ("client_id", &self.client_id),
        ];
        let response = self.service.call(form(&url, &fields)?, PATIENCE).await?;
        opened::<Health>(&response).map(drop)
    }

    /// Where to send the person.
    pub(super) fn leave(&self, username: &str, back: &str, now: UnixTime) -> Result<Leaving, CallFailed> {
        let origin = self.service.origin();
        let (state, nonce) = (alphanumeric(), alphanumeric());
        let request = Request {
            scope: "openid",
            redirect_uri: back,
            client_id: &self.client_id,
            iss: &self.client_id,
            aud: &origin,
            exp: now.plus(HOLDS).0,
            state: &state,
            response_type: "code",
            duo_uname: username,
            use_duo_code_attribute: false,
        };
        let request = token::sign(&request, &self.client_secret).ok_or(UNSIGNED)?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("request", &request)
            .append_pair("nonce", &nonce);
        let url = format!("{origin}/oauth/v1/authorize?{}", query.finish());
        let (username, redirect_uri) = (username.to_owned(), back.to_owned());
        Ok(Leaving { url, state, sent: Sent { username, nonce, redirect_uri } })
    }

    /// What happened at Duo, by the code that came back.
    pub(super) async fn judge(
        &self,
        sent: &Sent,
        code: &str,
        now: UnixTime,
    ) -> Result<Judgement, CallFailed> {
        let url = format!("{}/oauth/v1/token", self.service.origin());
        let assertion = self.assertion(&url, now)?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &sent.redirect_uri),
            ("client_id", &self.client_id),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        let response = self.service.call(form(&url, &fields)?, PATIENCE).await?;
        if !response.status().is_success() {
            return refused(&response);
        }
        let tokens: Tokens = serde_json::from_slice(response.body())
            .map_err(|_| CallFailed::Nonsense("there is no ID token in it"))?;
        let expected = Expected {
            issuer: &url,
            audience: &self.client_id,
            username: &sent.username,
            nonce: &sent.nonce,
            normalise: self.normalise_usernames,
            now,
        };
        Ok(match token::read(&tokens.id_token, &self.client_secret, &expected) {
            Ok(said) => self.weigh(&said),
            Err(why) => {
                tracing::warn!(%why, "an ID token of Duo's does not count");
                Judgement::Denied
            }
        })
    }

    fn weigh(&self, said: &token::Said) -> Judgement {
        if said.is_fraud() {
            return Judgement::Fraud;
        }
        if said.is_allowed() && said.is_exception() && !self.accept_bypass {
            tracing::warn!("Duo let somebody pass by an exception, which `accept_bypass` does not accept");
            return Judgement::Denied;
        }
        if said.is_allowed() {
            Judgement::Allowed
        } else {
            Judgement::Denied
        }
    }

    fn assertion(&self, endpoint: &str, now: UnixTime) -> Result<String, CallFailed> {
        let assertion = Assertion {
            iss: &self.client_id,
            sub: &self.client_id,
            aud: endpoint,
            exp: now.plus(HOLDS).0,
            jti: alphanumeric(),
        };
        token::sign(&assertion, &self.client_secret).ok_or(UNSIGNED)
    }
}

const UNSIGNED: CallFailed = CallFailed::Nonsense("our own token could not be signed");

/// An error of the token endpoint: a code that Duo does not know is a wrong answer; that it does not
/// know us is nobody's but the operator's.
fn refused(response: &Response<Bytes>) -> Result<Judgement, CallFailed> {
    let Ok(error) = serde_json::from_slice::<OauthError>(response.body()) else {
        return Err(CallFailed::Nonsense("an error without a name"));
    };
    if error.error == "invalid_grant" {
        return Ok(Judgement::Wrong);
    }
    let code = i64::from(response.status().as_u16());
    Err(CallFailed::Refused { code, message: said(Some(error.error), error.error_description) })
}

/// Letters and digits, each as likely as any other.
fn alphanumeric() -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut id = String::with_capacity(ID);
    while id.len() < ID {
        // 248 is four times 62: what lies above would favour the first letters.
        let fair = random_bytes::<ID>().into_iter().filter(|byte| *byte < 248);
        let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte) % ALPHABET.len()));
        id.extend(letters.take(ID - id.len()).map(|letter| char::from(*letter)));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    use secrecy::ExposeSecret as _;
    use serde_json::Value;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    fn universal() -> Universal {
        Universal {
            service: Service::new("api-1.duo.test", None).unwrap(),
            client_id: "DIXXXXXXXXXXXXXXXXXX".to_owned(),
            client_secret: "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef".into(),
            normalise_usernames: false,
            accept_bypass: false,
        }
    }

    fn claims(token: &str) -> Value {
        let secret = universal().client_secret;
        let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
        let mut form = Validation::new(Algorithm::HS512);
        (form.validate_exp, form.validate_aud) = (false, false);
        jsonwebtoken::decode(token, &key, &form).unwrap().claims
    }

    #[test]
    fn a_person_leaves_with_a_signed_request_and_two_secrets() {
        let leaving = universal().leave("anna & söhne", "https://mfa.test/back?x=1", NOW).unwrap();
        let (address, query) = leaving.url.split_once('?').unwrap();
        assert_eq!(address, "https://api-1.duo.test/oauth/v1/authorize");
        let query: std::collections::BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        assert_eq!((&*query["response_type"], &*query["client_id"]), ("code", "DIXXXXXXXXXXXXXXXXXX"));
        assert_eq!(*query["nonce"], leaving.sent.nonce);
        let request = claims(&query["request"]);
        assert_eq!(request["state"], leaving.state);
        assert_eq!(request["duo_uname"], "anna & söhne");
        assert_eq!(request["redirect_uri"], "https://mfa.test/back?x=1");
        assert_eq!(request["aud"], "https://api-1.duo.test");
        assert_eq!(request["exp"], NOW.0 + 300);
        assert_eq!((&request["scope"], &request["response_type"]), (&"openid".into(), &"code".into()));
        assert_ne!(leaving.state, leaving.sent.nonce);
    }

    #[test]
    fn an_assertion_is_for_one_endpoint_and_five_minutes() {
        let token = universal().assertion("https://api-1.duo.test/oauth/v1/token", NOW).unwrap();
        let claims = claims(&token);
        assert_eq!((&claims["iss"], &claims["sub"]), (&claims["sub"], &"DIXXXXXXXXXXXXXXXXXX".into()));
        assert_eq!(claims["aud"], "https://api-1.duo.test/oauth/v1/token");
        assert_eq!(claims["exp"], NOW.0 + 300);
        assert_eq!(claims["jti"].as_str().map(str::len), Some(36));
        assert_eq!(claims.as_object().map(serde_json::Map::len), Some(5));
    }

    #[test]
    fn ids_are_letters_and_digits_and_never_twice() {
        let ids: std::collections::BTreeSet<String> = (0..200).map(|_| alphanumeric()).collect();
        assert_eq!(ids.len(), 200);
        assert!(
            ids.iter()
                .all(|id| id.len() == 36 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
        );
    }

    #[test]
    fn an_unknown_code_is_wrong_and_every_other_error_is_the_operator_s() {
        let answer =
            |body: &'static str| refused(&Response::builder().status(400).body(Bytes::from(body)).unwrap());
        assert_eq!(answer(r#"{"error":"invalid_grant"}"#).unwrap(), Judgement::Wrong);
        for body in [r#"{"error":"invalid_client"}"#, "", "{}", "<html>"] {
            assert!(answer(body).is_err_and(|why| !why.is_outage()), "{body}");
        }
    }
}
