//! Duo's Auth API: who may be asked and how, and asking (duo.com/docs/authapi). It reads what Duo
//! says and judges nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::service::{CallFailed, PATIENCE, Service, opened};
use super::signature::{Canonical, date, parameters};
use crate::ambient::UnixTime;

/// A poll hangs until there is news, for about a minute.
const LONG_POLL: Duration = Duration::from_secs(75);

/// An application of the kind "Auth API".
pub(super) struct AuthApi {
    pub(super) service: Service,
    pub(super) integration_key: String,
    pub(super) secret_key: SecretString,
}

/// Who is asked about.
#[derive(Clone, Copy)]
pub(super) struct Person<'a> {
    pub(super) username: &'a str,
    pub(super) client: IpAddr,
    pub(super) now: UnixTime,
}

/// Whether and how somebody can be asked.
#[derive(Debug, Deserialize)]
pub(super) struct Preauth {
    pub(super) result: String,
    #[serde(default)]
    pub(super) status_msg: Option<String>,
    #[serde(default)]
    pub(super) devices: Vec<Device>,
    /// There, with the two below, when the push must be confirmed by a number.
    #[serde(default)]
    pub(super) txid: Option<String>,
    #[serde(default)]
    pub(super) verification_code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Device {
    pub(super) device: String,
    #[serde(default)]
    pub(super) display_name: Option<String>,
    #[serde(default)]
    pub(super) number: Option<String>,
    #[serde(default)]
    pub(super) capabilities: Vec<String>,
}

/// How one attempt stands.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    /// `waiting`, `allow` or `deny`.
    pub(super) result: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) status_msg: String,
}

#[derive(Deserialize)]
struct Transaction {
    txid: String,
}

#[derive(Deserialize)]
struct Time {
    #[serde(rename = "time")]
    _time: serde_json::Value,
}

impl AuthApi {
    /// Whether Duo is there, knows us, and agrees on the time.
    pub(super) async fn check(&self, now: UnixTime) -> Result<(), CallFailed> {
        self.get::<Time>("/auth/v2/check", &[], now, PATIENCE).await.map(drop)
    }

    pub(super) async fn preauth(&self, person: Person<'_>) -> Result<Preauth, CallFailed> {
        // Without the last one Duo would skip the number where its policy wants one.
        self.post("/auth/v2/preauth", person, &[("client_supports_verified_push", "1")])
            .await
    }

    /// Begins a push or a call and gives back its transaction.
    pub(super) async fn begin(
        &self,
        person: Person<'_>,
        fields: &[(&str, &str)],
    ) -> Result<String, CallFailed> {
        let mut fields = fields.to_vec();
        fields.push(("async", "1"));
        let begun: Transaction = self.post("/auth/v2/auth", person, &fields).await?;
        Ok(begun.txid)
    }

    /// Asks for what is decided at once: a passcode, or that texts are sent.
    pub(super) async fn at_once(
        &self,
        person: Person<'_>,
        fields: &[(&str, &str)],
    ) -> Result<Status, CallFailed> {
        self.post("/auth/v2/auth", person, fields).await
    }

    /// The next news of a transaction. `None`: there was none for as long as Duo waits.
    pub(super) async fn status(&self, txid: &str, now: UnixTime) -> Result<Option<Status>, CallFailed> {
        match self.get("/auth/v2/auth_status", &[("txid", txid)], now, LONG_POLL).await {
            Ok(status) => Ok(Some(status)),
            // Also what a poll that ran out is told.
            Err(CallFailed::Refused { code: 40002, .. }) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        now: UnixTime,
        patience: Duration,
    ) -> Result<T, CallFailed> {
        let query = parameters(fields);
        let (date, host) = (date(now), self.service.name());
        let canonical = Canonical { date: &date, method: "GET", host, path, query: &query, body: "" };
        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!("{}{path}{separator}{query}", self.service.origin());
        self.send(Request::get(url), &canonical, patience).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        person: Person<'_>,
        fields: &[(&str, &str)],
    ) -> Result<T, CallFailed> {
        let address = person.client.to_canonical().to_string();
        let mut all: BTreeMap<&str, &str> = fields.iter().copied().collect();
        all.insert("username", person.username);
        // Duo's policies look at it; the unspecified address is that of a unix socket.
        if !person.client.is_unspecified() {
            all.insert("ipaddr", &address);
        }
        let body =
            serde_json::to_string(&all).map_err(|_| CallFailed::Nonsense("the request cannot be written"))?;
        let (date, host) = (date(person.now), self.service.name());
        let canonical = Canonical { date: &date, method: "POST", host, path, query: "", body: &body };
        let request = Request::post(format!("{}{path}", self.service.origin()))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request, &canonical, PATIENCE).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: http::request::Builder,
        canonical: &Canonical<'_>,
        patience: Duration,
    ) -> Result<T, CallFailed> {
        let authorization = canonical.authorization(&self.integration_key, &self.secret_key);
        let request = request
            .header(header::DATE, canonical.date)
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json")
            .body(Bytes::copy_from_slice(canonical.body.as_bytes()))
            .map_err(|_| CallFailed::Nonsense("the request cannot be written"))?;
        opened(&self.service.call(request, patience).await?)
    }
}

impl Device {
    pub(super) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|one| one == capability)
    }

    /// What the person calls it, as far as Duo says.
    pub(super) fn shown(&self) -> Option<String> {
        let name = self.display_name.as_ref().or(self.number.as_ref())?;
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        (!name.trim().is_empty()).then_some(name)
    }
}

impl Status {
    pub(super) fn is_waiting(&self) -> bool {
        self.result == "waiting"
    }
}

impl Preauth {
    /// The number that the push is confirmed with, if that is what stands there.
    pub(super) fn number(&self) -> Option<String> {
        let number = self.verification_code.as_ref()?;
        number
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| number_of(number.clone()))?
    }
}

/// The number that a push is confirmed with, where it stands only in Duo's words.
pub(super) fn number_in(words: &str) -> Option<String> {
    let (_, rest) = words.split_once("verification code ")?;
    number_of(rest.chars().take_while(char::is_ascii_digit).collect())
}

/// Nothing else is shown to people as a number to type.
fn number_of(digits: String) -> Option<String> {
    (3..=6).contains(&digits.len()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_duo_says_is_read_with_whatever_else_it_says() {
        let told = r#"{"result":"auth","status_msg":"Account is active","txid":"1","verification_code":"708",
            "devices":[{"device":"DP1","type":"phone","name":"","number":"XXX-XXX-0142","display_name":"iOS (XXX-XXX-0142)",
            "capabilities":["auto","push","sms","phone","mobile_otp"],"sms_nextcode":"1"},{"device":"DH1","type":"token","name":"0"}],
            "something_new":{"a":[]}}"#;
        let preauth = preauth_of(told);
        let (phone, token) = (&preauth.devices[0], &preauth.devices[1]);
        assert!(phone.can("push") && !phone.can("pus") && !token.can("push"));
        assert_eq!(phone.shown().as_deref(), Some("iOS (XXX-XXX-0142)"));
        assert_eq!(token.shown(), None);
        assert_eq!(preauth.number().as_deref(), Some("708"));
        for odd in ["", "12", "1234567", "call 5550100", "12<3"] {
            let preauth = Preauth { verification_code: Some(odd.to_owned()), ..preauth_of(told) };
            assert_eq!(preauth.number(), None, "{odd}");
        }
        let status: Status = serde_json::from_str(r#"{"result":"waiting"}"#).unwrap();
        assert!(status.is_waiting() && status.status.is_empty());
    }

    fn preauth_of(told: &str) -> Preauth {
        serde_json::from_str(told).unwrap()
    }

    #[test]
    fn the_number_is_found_in_duo_s_words() {
        assert_eq!(
            number_in("Please enter verification code 376 into Duo Mobile...").as_deref(),
            Some("376")
        );
        for words in [
            "Pushed a login request to your phone...",
            "verification code ",
            "verification code 12",
            "verification code 1234567",
        ] {
            assert_eq!(number_in(words), None, "{words}");
        }
    }
}
