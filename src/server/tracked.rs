//! A response body that knows when its request is over.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::upstream::{Body, BodyError};

use super::activity::InFlight;

/// Passes everything through; its end is the end of the request for the connection's deadlines.
#[derive(Debug)]
pub(super) struct Tracked {
    body: Body,
    in_flight: InFlight,
    /// On HTTP/2 a response can be held up by its own window, which no socket shows.
    http2: bool,
}

impl Tracked {
    pub(super) const fn new(body: Body, in_flight: InFlight, http2: bool) -> Self {
        Self { body, in_flight, http2 }
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if self.http2 {
            let held = matches!(&frame, Poll::Ready(Some(Ok(_))));
            self.in_flight.hold_up(held);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
