//! What vendors with an HTTP API have in common: one request, one answer, one judgement.
//!
//! A vendor is pure: it writes the request and reads the answer. The exchange itself and what a
//! broken connection means are here, once. A vendor's own words go to the log alone, where
//! [`super::Delivery`] takes code and number out of them; what people and metrics see is a [`Reason`].

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{Accepted, BoxFuture, Message, NotSent, Reason, Sender};
use crate::ambient::{Clock, UnixTime};
use crate::calls::{CallError, Https, Trouble, Unwell};
use crate::config::settings::Login;

/// Characters of a vendor's own text that are looked at: more than reach the log, so that nothing secret is
/// cut in two before it is taken out.
const SAYS: usize = 1024;
/// The deadline that counts is the sender's, which is shorter.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a vendor finds us, as far as it may come.
#[derive(Clone, Default)]
pub(super) struct Ours {
    /// Where delivery receipts are wanted.
    pub receipts: Option<String>,
    /// Where it asks what a call says, up to the call's own token.
    pub calls: Option<String>,
}

/// The API of one vendor.
pub(super) trait Vendor: Send + Sync {
    /// The request that sends a message.
    ///
    /// # Errors
    /// When this vendor cannot carry it.
    fn request(&self, message: &Message, now: UnixTime) -> Result<Request<Bytes>, NotSent>;

    /// What has to be asked before it, if anything; the answer does not matter, only that there is one.
    ///
    /// # Errors
    /// When the request cannot be made.
    fn before(&self, _message: &Message) -> Result<Option<Request<Bytes>>, NotSent> {
        Ok(None)
    }

    /// What the answer means.
    ///
    /// # Errors
    /// When the message was refused, with the reason.
    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent>;

    /// A request that shows whether address and credentials are right, and sends nothing.
    ///
    /// # Errors
    /// When it cannot be made.
    fn probe(&self, now: UnixTime) -> Result<Request<Bytes>, NotSent>;

    /// As [`Sender::asks_back`].
    fn asks_back(&self) -> bool {
        false
    }

    /// Whether the answer to [`Vendor::probe`] is the one hoped for.
    fn is_well(&self, answer: &Response<Bytes>) -> bool {
        answer.status().is_success()
    }
}

/// A vendor with the client that reaches it.
pub(super) struct OverHttp<V> {
    pub name: String,
    pub vendor: V,
    pub client: Https,
    pub clock: Clock,
}

impl<V: Vendor> OverHttp<V> {
    async fn exchange(&self, message: &Message) -> Result<Accepted, NotSent> {
        let request = self.vendor.request(message, self.clock.now())?;
        if let Some(first) = self.vendor.before(message)? {
            let answered = self.client.call(first, PATIENCE).await;
            // Nothing of the message itself has left.
            answered.map_err(|error| NotSent { certain: true, ..unanswered(error) })?;
        }
        let answer = self.client.call(request, PATIENCE).await.map_err(unanswered)?;
        self.vendor.judge(&answer)
    }

    async fn try_out(&self) -> Result<(), Unwell> {
        let unwritten = |not: NotSent| Unwell::new(Trouble::Odd, not.says);
        let request = self.vendor.probe(self.clock.now()).map_err(unwritten)?;
        let answer = self.client.call(request, PATIENCE).await?;
        if self.vendor.is_well(&answer) {
            return Ok(());
        }
        let status = answer.status().as_u16();
        let (trouble, what) = match status {
            401 | 403 => (Trouble::NotAdmitted, "the credentials are not accepted"),
            404 => (Trouble::NotAdmitted, "the account or service is not known there"),
            _ => (Trouble::Odd, "an unexpected answer"),
        };
        Err(Unwell::new(trouble, format!("{what} (HTTP {status}): {}", excerpt(answer.body()))))
    }
}

impl<V: Vendor> Sender for OverHttp<V> {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Accepted, NotSent>> {
        Box::pin(self.exchange(message))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        Box::pin(self.try_out())
    }

    fn asks_back(&self) -> bool {
        self.vendor.asks_back()
    }
}

fn unanswered(error: CallError) -> NotSent {
    NotSent {
        // A certificate that is not believed is so until somebody mends it.
        reason: match error {
            CallError::Untrusted(_) => Reason::Misconfigured,
            _ => Reason::Unavailable,
        },
        certain: error.is_certain(),
        slow: matches!(error, CallError::Slow(_)),
        says: error.to_string(),
    }
}

/// The beginning of a body as one line for the log.
pub(super) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.chars().take(SAYS).collect()
}

/// What an answer's class means where the vendor's own code is not known.
///
/// 429 and 503 say that nothing was done; after another 5xx nobody knows.
pub(super) fn by_status(answer: &Response<Bytes>) -> NotSent {
    let status = answer.status().as_u16();
    let says = format!("HTTP {status}: {}", excerpt(answer.body()));
    match status {
        429 => NotSent::surely(Reason::Throttled, says),
        503 => NotSent::surely(Reason::Unavailable, says),
        300..=499 => NotSent::surely(Reason::Misconfigured, says),
        _ => NotSent::perhaps(says),
    }
}

/// The answer as JSON; `Null` where it is none.
pub(super) fn json(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

/// A value that a vendor may write as text or as a number.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Adds a member to a JSON object.
pub(super) fn put(body: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(members) = body {
        members.insert(key.to_owned(), value.into());
    }
}

/// The reference at a place of an accepted answer.
pub(super) fn accepted(document: &Value, pointer: &str) -> Accepted {
    Accepted { reference: document.pointer(pointer).and_then(text_of) }
}

/// A request that cannot be written: something in the configuration is not fit for HTTP.
pub(super) fn unwritable(error: &http::Error) -> NotSent {
    NotSent::surely(Reason::Misconfigured, error.to_string())
}

/// What this vendor does not carry.
pub(super) fn not_carried(what: &str) -> NotSent {
    NotSent::surely(Reason::Misconfigured, format!("this kind of sender carries no {what}"))
}

/// `Authorization` of HTTP Basic (RFC 7617).
pub(super) fn basic(login: &Login) -> Result<HeaderValue, NotSent> {
    let pair = format!("{}:{}", login.user, login.password.expose_secret());
    authorization(&format!("Basic {}", STANDARD.encode(pair)))
}

/// A value that no log shows.
pub(super) fn authorization(text: &str) -> Result<HeaderValue, NotSent> {
    let mut value = HeaderValue::try_from(text).map_err(|error| unwritable(&error.into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `POST` of a form.
pub(super) fn form(
    url: &str,
    authorization: Option<HeaderValue>,
    fields: &[(&str, &str)],
) -> Result<Request<Bytes>, NotSent> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    post(url, authorization, "application/x-www-form-urlencoded", body)
}

/// `POST` of JSON.
pub(super) fn post_json(
    url: &str,
    authorization: Option<HeaderValue>,
    body: &Value,
) -> Result<Request<Bytes>, NotSent> {
    post(url, authorization, "application/json", body.to_string())
}

fn post(
    url: &str,
    authorization: Option<HeaderValue>,
    content_type: &'static str,
    body: String,
) -> Result<Request<Bytes>, NotSent> {
    let mut request = Request::post(url)
        .header(CONTENT_TYPE, HeaderValue::from_static(content_type))
        .body(Bytes::from(body))
        .map_err(|error| unwritable(&error))?;
    request.headers_mut().extend(authorization.map(|value| (AUTHORIZATION, value)));
    Ok(request)
}

/// `GET`.
pub(super) fn get(url: &str, authorization: Option<HeaderValue>) -> Result<Request<Bytes>, NotSent> {
    let mut request = Request::get(url).body(Bytes::new()).map_err(|error| unwritable(&error))?;
    request.headers_mut().extend(authorization.map(|value| (AUTHORIZATION, value)));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sms::testing::answer;

    #[test]
    fn a_body_is_one_line_of_the_log() {
        assert_eq!(excerpt(b"a\r\nb\xff"), "a  b\u{fffd}");
        assert_eq!(excerpt(&[b'x'; 2 * SAYS]).len(), SAYS);
    }

    #[test]
    fn classes_of_answers() {
        let table = [
            (401, Reason::Misconfigured, true),
            (404, Reason::Misconfigured, true),
            (302, Reason::Misconfigured, true),
            (429, Reason::Throttled, true),
            (500, Reason::Unavailable, false),
            (502, Reason::Unavailable, false),
            (503, Reason::Unavailable, true),
        ];
        for (status, reason, certain) in table {
            let not = by_status(&answer(status, "no"));
            assert_eq!((not.reason, not.certain), (reason, certain), "{status}");
        }
    }

    #[test]
    fn credentials_are_marked_as_such() {
        let login = Login { user: "AC1".into(), password: "t".into() };
        let value = basic(&login).unwrap();
        assert!(value.is_sensitive() && value == "Basic QUMxOnQ=");
        assert!(authorization("Bearer a\nb").is_err());
    }
}
