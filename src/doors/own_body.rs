//! A request's body on its way to the portal: bounded in bytes and in time. What the portal does with it may
//! take longer than sending it may. It never looks at what passes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Limited;
use tokio::time::{Sleep, sleep};

use crate::upstream::BodyError;

/// How long the whole of a form may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// A body that ends with an error when it is too long or too late.
pub(super) struct OwnBody<B> {
    body: Limited<B>,
    late: Pin<Box<Sleep>>,
}

impl<B> OwnBody<B> {
    /// To be called where a clock runs; time counts from now.
    pub(super) fn new(body: B, most: usize) -> Self {
        Self { body: Limited::new(body, most), late: Box::pin(sleep(ARRIVES_WITHIN)) }
    }
}

impl<B> Body for OwnBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.late.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the body took too long to arrive".into())));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full, StreamBody};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_ended() {
        let began = Instant::now();
        let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BodyError>>());
        let outcome = OwnBody::new(silent, 10).frame().await;
        assert!(outcome.is_some_and(|frame| frame.is_err()));
        assert_eq!(began.elapsed(), ARRIVES_WITHIN);
    }

    #[tokio::test]
    async fn a_body_over_the_bound_is_an_error_and_one_below_passes() {
        let body = |length: usize| OwnBody::new(Full::new(Bytes::from(vec![0; length])), 10);
        assert!(body(11).frame().await.unwrap().is_err());
        assert_eq!(body(10).frame().await.unwrap().unwrap().into_data().unwrap().len(), 10);
    }
}
