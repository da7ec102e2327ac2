//! The question itself: one POST with the token, and our own credentials for the server.
//!
//! Its errors are for the log and hold neither the token nor our secret.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::calls::{Https, Trouble, Unwell};
use crate::config::settings::{ClientAuth, Introspection};
use crate::identity::turns::Turns;

/// For one answer (security.md A18); and for the turn before it.
const PATIENCE: Duration = Duration::from_secs(3);

/// The server that knows the tokens.
pub(super) struct Server {
    https: Https,
    endpoint: String,
    client: String,
    secret: SecretString,
    auth: ClientAuth,
    turns: Turns,
}

impl Server {
    pub(super) fn new(settings: &Introspection) -> Result<Self, String> {
        let https = Https::new(settings.authority.as_deref()).map_err(|error| error.to_string())?;
        Ok(Self {
            https,
            endpoint: settings.endpoint.clone(),
            client: settings.client_id.clone(),
            secret: settings.client_secret.clone(),
            auth: settings.client_auth,
            turns: Turns::default(),
        })
    }

    /// The body of a 200; anything else is a failure of the server's or of our credentials. `known`: whether
    /// the token was somebody's before.
    pub(super) async fn ask(&self, token: &str, known: bool) -> Result<Bytes, String> {
        let Some(_turn) = self.turns.take(known, Instant::now() + PATIENCE).await else {
            return Err("too many questions at once".to_owned());
        };
        let answer = self.https.call(self.request(token)?, PATIENCE).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status() == StatusCode::OK {
            Ok(answer.into_body())
        } else {
            Err(format!("answered {}", answer.status()))
        }
    }

    /// A turn that somebody unknown holds, while one is free.
    #[cfg(test)]
    pub(super) fn stranger(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        futures_util::FutureExt::now_or_never(self.turns.take(false, Instant::now())).flatten()
    }

    /// Asks about a token that nobody has: whether the server is there, and knows us.
    pub(super) async fn probe(&self) -> Result<(), Unwell> {
        let odd = |why: String| Unwell::new(Trouble::Odd, why);
        let answer = self.https.call(self.request("stepgate-check").map_err(odd)?, PATIENCE).await?;
        if answer.status() != StatusCode::OK {
            return Err(Unwell::answered(answer.status()));
        }
        let said = serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap_or_default();
        match said.get("active") {
            Some(serde_json::Value::Bool(_)) => Ok(()),
            _ => Err(odd("its answer does not say whether a token is active (RFC 7662)".to_owned())),
        }
    }

    fn request(&self, token: &str) -> Result<Request<Bytes>, String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token).append_pair("token_type_hint", "access_token");
        let mut request = Request::post(&self.endpoint)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        match self.auth {
            ClientAuth::Basic => request = request.header(header::AUTHORIZATION, self.basic()?),
            ClientAuth::Post => {
                form.append_pair("client_id", &self.client)
                    .append_pair("client_secret", self.secret.expose_secret());
            }
        }
        request.body(form.finish().into()).map_err(|error| error.to_string())
    }

    /// RFC 6749 section 2.3.1: name and secret are form-encoded before they are joined.
    fn basic(&self) -> Result<HeaderValue, String> {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(&self.client), encoded(self.secret.expose_secret()));
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a19_nothing_but_the_token_and_our_own_credentials_leaves() {
        let server =
            Server::new(&super::super::tests::settings("https://sso.example/introspect", ClientAuth::Basic))
                .unwrap();
        let request = server.request("t&k=n").unwrap();
        assert_eq!(request.body(), "token=t%26k%3Dn&token_type_hint=access_token");
        let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "accept", "authorization"]);
        // `gate: 1` and `s3/cret` as RFC 6749 has it.
        let basic = request.headers()["authorization"].to_str().unwrap();
        assert_eq!(basic, format!("Basic {}", STANDARD.encode("gate%3A+1:s3%2Fcret")));
    }
}
