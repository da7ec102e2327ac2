//! The one response body of the whole gate.
//!
//! An enum instead of a boxed trait object, so that the common case (bytes from the upstream)
//! costs no allocation and no virtual call. Frames, size hint and end of stream pass through
//! unchanged: otherwise a known length turns into chunks and trailers are lost. It must never
//! collect what streams.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use super::lasting::Lasting;

/// Why a body ended early. What it says is for the log, never for the client.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Body of a response (and of a request handed to the portal).
#[derive(Debug, Default)]
pub enum Body {
    #[default]
    Empty,
    /// All of it at once; our own answers.
    Full(Bytes),
    /// Streams from the upstream. In a box, because a response is moved about and most are here whole.
    Upstream(Box<Lasting>),
    /// Anything else, at the price of a box.
    Boxed(UnsyncBoxBody<Bytes, BodyError>),
}

impl Body {
    /// Boxes a body of another kind, such as the portal's.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self::Boxed(UnsyncBoxBody::new(body.map_err(Into::into)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
            Self::Boxed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Upstream(body) => body.size_hint(),
            Self::Boxed(body) => body.size_hint(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Full(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Full(text.into())
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Full(Bytes::from_static(text.as_bytes()))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's own bodies are bounded")]
mod tests {
    use http_body::Body as _;
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn a_known_length_stays_known_through_the_box() {
        let body = Body::boxed(Full::new(Bytes::from_static(b"four")));
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "four");
    }

    #[tokio::test]
    async fn full_gives_its_bytes_once_and_ends() {
        let mut body = Body::from("once");
        assert!(!body.is_end_stream());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "once");
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }
}
