//! A source that looks on while a request is forwarded: at a login that the app judges, at a log-out.
//!
//! It sees the status and the headers of the app's answer before anybody else does, and the answer is
//! released only once it has written down what follows from it. It changes neither request nor answer.

use std::future::Future;
use std::pin::Pin;

use http::{HeaderMap, StatusCode};

use super::IdentityError;
use crate::ambient::UnixTime;

/// Work of an onlooker that must be done before anything goes on.
pub type Noting<'a> = Pin<Box<dyn Future<Output = Result<(), IdentityError>> + Send + 'a>>;

/// What a source wants to know about one request. Dropped without a call where the app did not answer.
pub trait Onlooker: Send {
    /// The request is about to be sent. Only called where [`super::IdentitySource::reads_body`] said so.
    fn sending(&mut self, now: UnixTime) -> Noting<'_> {
        let _ = now;
        Box::pin(std::future::ready(Ok(())))
    }

    /// The app has answered. An error keeps the answer back.
    fn answered(self: Box<Self>, status: StatusCode, headers: &HeaderMap, now: UnixTime) -> Noting<'_>;
}
