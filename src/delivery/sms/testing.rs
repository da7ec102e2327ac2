//! What the tests of vendors share: a message, an answer, and what a request says.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use super::super::{Accepted, Channel, Code, Content, Event, Language, Message, NotSent, Notice, Reason};
use crate::ambient::UnixTime;

/// A code for a number that exists nowhere.
pub(in super::super) fn code() -> Message {
    let code = Code {
        code: "12345678".into(),
        lives: Duration::from_secs(300),
        app: "Payroll".into(),
        brand: "Example Ltd".into(),
        domain: "mfa.example.com".into(),
        call: None,
    };
    message(Content::Code(code))
}

/// The same code in a call; with this token where it is asked for.
pub(in super::super) fn call(token: Option<&str>) -> Message {
    let mut message = Message { channel: Channel::Voice, ..code() };
    if let Content::Code(code) = &mut message.content {
        code.call = token.map(str::to_owned);
    }
    message
}

/// A notice for the same number.
pub(in super::super) fn notice() -> Message {
    message(Content::Notice(Notice {
        event: Event::TemporaryCodeUsed,
        at: UnixTime(0),
        origin: None,
        not_me: None,
        brand: "Example Ltd".into(),
        page: "https://mfa.example.com/.stepgate/my-mfa".into(),
        support: None,
    }))
}

fn message(content: Content) -> Message {
    let (to, id) = ("+15005550006".to_owned(), "m1".to_owned());
    Message { channel: Channel::Sms, to, content, language: Language::En, id }
}

pub(in super::super) fn answer(status: u16, body: &str) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

/// The fields of a form.
pub(in super::super) fn fields(request: &Request<Bytes>) -> BTreeMap<String, String> {
    let content_type = request.headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("application/x-www-form-urlencoded"), "{content_type}");
    form_urlencoded::parse(request.body()).into_owned().collect()
}

/// The body as JSON.
pub(in super::super) fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

pub(in super::super) fn refused(judged: Result<Accepted, NotSent>) -> (Reason, bool) {
    let not = judged.unwrap_err();
    (not.reason, not.certain)
}

/// Signatures that the vendors' own clients have made.
pub(in super::super) fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}
