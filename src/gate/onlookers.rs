//! Sources that look on while a request is forwarded, between the gate and the door.
//!
//! Most routes have none and pay one comparison. A login that a source watches has its body kept, up to
//! 64 KiB, and sent on byte for byte; what the source makes of the app's answer is durable before the
//! answer is released, or the answer is not released.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;

use super::judge::Asker;
use super::{Gate, held};
use crate::ambient::{Clock, UnixTime};
use crate::identity::{Credentials, IdentityError, Onlooker};
use crate::policy::{CanonicalRequest, Route};

/// Larger bodies go on unread.
const LARGEST: u64 = 64 * 1024;

/// Whoever wants to see the answer to one request.
pub struct Onlookers {
    ones: Vec<Box<dyn Onlooker>>,
    clock: Clock,
}

impl std::fmt::Debug for Onlookers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Onlookers")
            .field("count", &self.ones.len())
            .finish_non_exhaustive()
    }
}

impl Onlookers {
    /// Shows them the answer. Whoever cannot write down what it means keeps it back.
    ///
    /// # Errors
    /// Then the answer must not be released.
    pub async fn answered(self, status: StatusCode, headers: &HeaderMap) -> Result<(), IdentityError> {
        let now = self.clock.now();
        for one in self.ones {
            one.answered(status, headers, now).await?;
        }
        Ok(())
    }

    async fn sending(&mut self, now: UnixTime) -> Result<(), IdentityError> {
        for one in &mut self.ones {
            one.sending(now).await?;
        }
        Ok(())
    }
}

impl Gate {
    /// Whether a source wants to read the body of this request.
    pub(super) fn is_watched(&self, route: &Route, request: &CanonicalRequest) -> bool {
        self.sources.read_body(route.identity, &request.method, &request.target)
    }

    /// Who wants to see the answer to a request that is allowed.
    pub(super) fn onlookers(
        &self,
        (route, request): (&Route, &CanonicalRequest),
        headers: &HeaderMap,
        asker: Option<&Asker>,
        body: Option<&Bytes>,
    ) -> Result<Option<Box<Onlookers>>, IdentityError> {
        if !self.sources.look_on(route.identity) {
            return Ok(None);
        }
        let credentials = Credentials {
            site: &request.host,
            method: &request.method,
            target: &request.target,
            headers,
            // The socket's peer is judged where a source says who it is; looking on asks for no peer.
            peer: request.client,
            client: request.client,
            cookies: self.shared.mode.read(headers),
            certificate: None,
        };
        let known = asker.map(|asker| &asker.established);
        let ones = self.sources.onlookers(&credentials, route.identity, known, body)?;
        let clock = self.shared.clock.clone();
        Ok((!ones.is_empty()).then(|| Box::new(Onlookers { ones, clock })))
    }

    /// The same for a request that a source watches: its body is read, and what has to be done before it
    /// is sent has been done. `body` becomes what is to be sent instead of the client's.
    pub(super) async fn watch_login(
        &self,
        target: (&Route, &CanonicalRequest),
        parts: &Parts,
        (incoming, body): (&mut Option<Incoming>, &mut Option<Bytes>),
        asker: Option<&Asker>,
    ) -> Result<Option<Box<Onlookers>>, IdentityError> {
        if body.is_none() {
            *body = read(&parts.headers, incoming).await?;
        }
        let mut onlookers = self.onlookers(target, &parts.headers, asker, body.as_ref())?;
        if let Some(onlookers) = &mut onlookers {
            onlookers.sending(self.now()).await?;
        }
        Ok(onlookers)
    }
}

/// All of a body whose length is known and small; `None` where there is none to be read.
async fn read(headers: &HeaderMap, incoming: &mut Option<Incoming>) -> Result<Option<Bytes>, IdentityError> {
    let length = incoming.as_ref().and_then(|body| body.size_hint().exact());
    let framed = headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING);
    if !framed || length.is_none_or(|length| length > LARGEST) {
        return Ok(None);
    }
    let Some(body) = incoming.take() else {
        return Ok(None);
    };
    let bytes = held::collect(body, LARGEST).await;
    bytes
        .map(Some)
        .ok_or(IdentityError::Refused("the body of a sign-in at the app did not come"))
}
