//! One call to Duo: to the configured host alone, over the shared client, with its answer judged as
//! far as every call's is. Duo's own words go to the log, never to people.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde::de::DeserializeOwned;

use crate::calls::{CallError, Https, HttpsError, Trouble, Unwell};

/// For every call but a poll: people wait for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call gave nothing that could be used. The texts are for the log.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum CallFailed {
    /// Nothing has left.
    #[error("Duo is out of reach: {0}")]
    OutOfReach(String),
    /// Duo was asked and nobody answered, or a server that says itself that it cannot.
    #[error("Duo was asked and does not answer: {0}")]
    Silent(String),
    /// Nothing has left, because whoever is there is not believed to be Duo.
    #[error("whoever is there is not believed to be Duo: {0}")]
    Untrusted(String),
    /// Duo has understood, and refuses.
    #[error("Duo refuses: {code} {message}")]
    Refused { code: i64, message: String },
    /// Something answered that does not speak as Duo does.
    #[error("the answer makes no sense: {0}")]
    Nonsense(&'static str),
}

impl CallFailed {
    /// Whether it is an outage. A refusal is not: wrong credentials, a wrong clock, or an
    /// application that was switched off at Duo must never open anything.
    pub(super) const fn is_outage(&self) -> bool {
        matches!(self, Self::OutOfReach(_) | Self::Silent(_))
    }

    /// Whether Duo may have judged all the same.
    pub(super) const fn may_have_judged(&self) -> bool {
        matches!(self, Self::Silent(_) | Self::Nonsense(_))
    }
}

impl From<CallError> for CallFailed {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Untrusted(why) => Self::Untrusted(why),
            CallError::TooLarge => Self::Nonsense("it is longer than any of Duo's"),
            CallError::NotReached(why) => Self::OutOfReach(why),
            broken @ (CallError::Slow(_) | CallError::Broken(_)) => Self::Silent(broken.to_string()),
        }
    }
}

impl From<CallFailed> for Unwell {
    fn from(failed: CallFailed) -> Self {
        let trouble = match failed {
            CallFailed::OutOfReach(_) | CallFailed::Silent(_) => Trouble::Unreachable,
            CallFailed::Untrusted(_) => Trouble::Untrusted,
            CallFailed::Refused { .. } => Trouble::NotAdmitted,
            CallFailed::Nonsense(_) => Trouble::Odd,
        };
        Self::new(trouble, failed.to_string())
    }
}

/// Duo's host, and the way there.
pub(super) struct Service {
    https: Https,
    /// As configured: in lower case, with its port where it has one.
    host: String,
}

impl Service {
    /// # Errors
    /// When there is no authority to believe.
    pub(super) fn new(host: &str, authority: Option<&str>) -> Result<Self, HttpsError> {
        Ok(Self { https: Https::new(authority)?, host: host.to_owned() })
    }

    /// `https://HOST`.
    pub(super) fn origin(&self) -> String {
        format!("https://{}", self.host)
    }

    /// The host without its port.
    pub(super) fn name(&self) -> &str {
        match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &self.host,
        }
    }

    /// Sends a request and gives back whatever was answered.
    pub(super) async fn call(
        &self,
        request: Request<Bytes>,
        patience: Duration,
    ) -> Result<Response<Bytes>, CallFailed> {
        let response = self.https.call(request, patience).await?;
        if response.status().is_server_error() {
            return Err(CallFailed::Silent(format!("it answers {}", response.status())));
        }
        Ok(response)
    }
}

/// A request for `path` with these fields as a form.
pub(super) fn form(url: &str, fields: &[(&str, &str)]) -> Result<Request<Bytes>, CallFailed> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    Request::post(url)
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(http::header::ACCEPT, "application/json")
        .body(body.finish().into())
        .map_err(|_| CallFailed::Nonsense("the request cannot be written"))
}

/// Duo's envelope around every answer but that of the token endpoint.
#[derive(serde::Deserialize)]
struct Envelope<T> {
    stat: String,
    response: Option<T>,
    code: Option<i64>,
    message: Option<String>,
    message_detail: Option<String>,
}

/// What is inside the envelope.
pub(super) fn opened<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, CallFailed> {
    let envelope: Envelope<T> = serde_json::from_slice(response.body())
        .map_err(|_| CallFailed::Nonsense("it is not the JSON that was expected"))?;
    match (envelope.stat.as_str(), envelope.response) {
        ("OK", Some(inside)) if response.status().is_success() => Ok(inside),
        ("OK", _) => Err(CallFailed::Nonsense("it is empty")),
        _ => Err(CallFailed::Refused {
            code: envelope.code.unwrap_or_default(),
            message: said(envelope.message, envelope.message_detail),
        }),
    }
}

/// Duo's own words, short enough for a line of the log.
pub(super) fn said(message: Option<String>, detail: Option<String>) -> String {
    let words = [message, detail].into_iter().flatten().collect::<Vec<_>>().join(": ");
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn answer(status: u16, body: &'static str) -> Result<Value, CallFailed> {
        opened(&Response::builder().status(status).body(Bytes::from(body)).unwrap())
    }

    #[test]
    fn the_envelope_says_whether_it_went_well() {
        let ok = answer(200, r#"{"stat":"OK","response":{"time":1,"new":null}}"#).unwrap();
        assert_eq!(ok["time"], 1);
        let failed =
            r#"{"code":40105,"message":"Bad request timestamp","message_detail":null,"stat":"FAIL"}"#;
        let refused = answer(401, failed).unwrap_err();
        assert_eq!(refused.to_string(), "Duo refuses: 40105 Bad request timestamp");
        assert!(!refused.is_outage());
        for (status, body) in [
            (200, ""),
            (200, "<html>"),
            (200, "{}"),
            (200, r#"{"stat":"OK"}"#),
            (403, r#"{"stat":"OK","response":{}}"#),
            (200, r#"{"stat":"MAYBE","response":{}}"#),
            (200, r#"{"response":{}}"#),
        ] {
            assert!(answer(status, body).is_err_and(|why| !why.is_outage()), "{body}");
        }
    }

    #[test]
    fn what_was_asked_and_not_answered_may_have_been_judged() {
        let slow = || CallError::Slow(PATIENCE);
        for (error, outage, judged) in [
            (CallError::NotReached("refused".to_owned()), true, false),
            (CallError::Untrusted("another certificate".to_owned()), false, false),
            (slow(), true, true),
            (CallError::Broken("reset".to_owned()), true, true),
            (CallError::TooLarge, false, true),
        ] {
            let failed = CallFailed::from(error);
            assert_eq!((failed.is_outage(), failed.may_have_judged()), (outage, judged), "{failed}");
        }
        let refused = CallFailed::Refused { code: 40102, message: String::new() };
        assert!(!refused.may_have_judged(), "it has judged nothing but us");
    }

    #[test]
    fn a_port_is_part_of_the_origin_and_not_of_the_name() {
        let service = Service::new("localhost:8443", None).unwrap();
        assert_eq!((service.origin().as_str(), service.name()), ("https://localhost:8443", "localhost"));
        assert_eq!(Service::new("api-1.duo.test", None).unwrap().name(), "api-1.duo.test");
    }
}
