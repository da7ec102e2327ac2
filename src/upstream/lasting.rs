//! A response body that ends when its exchange must, not only when the app ends it.
//!
//! An event stream ends in good order between two events, with a hint when to come back. Of anything
//! else the client must see that it is broken off: a clean end would forge a complete answer. Where
//! nobody is concerned (public routes) and where the body is over before it first waits, this is one
//! look at an enum.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use super::body::BodyError;
use super::download::Download;
use super::error::{Fault, UpstreamError};
use super::event_stream::Events;
use super::timer::LazyTimer;
use super::watch::{InSight, Kind, Watch, Watches};

/// Frames after which a body that never had to wait is taken in sight.
const MANY_FRAMES: u8 = 8;
/// How long the app may take to come to the end of an event.
const PATIENCE: Duration = Duration::from_secs(5);

/// A response body from the upstream.
#[derive(Debug)]
pub struct Lasting {
    body: Download,
    watch: State,
}

#[derive(Default)]
enum State {
    /// Nobody's proof can end it.
    #[default]
    Free,
    /// Not long enough yet to be looked at.
    Short(Watch, Arc<Watches>, u8, Option<Events>),
    Watched(InSight, Option<Events>),
    /// It must end, at the end of an event.
    Ending(Events, Instant, LazyTimer),
    Over,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Free => "Free",
            Self::Short(..) => "Short",
            Self::Watched(..) => "Watched",
            Self::Ending(..) => "Ending",
            Self::Over => "Over",
        })
    }
}

impl Lasting {
    /// A body that only the app ends.
    pub(super) const fn free(body: Download) -> Self {
        Self { body, watch: State::Free }
    }

    /// A body that ends with its watch. `events`: it is an event stream that we may end.
    pub(super) fn watched(body: Download, watch: Watch, watches: &Arc<Watches>, events: bool) -> Self {
        if body.is_end_stream() {
            return Self::free(body);
        }
        let events = events.then(Events::default);
        Self { body, watch: State::Short(watch, Arc::clone(watches), 0, events) }
    }

    /// Counts a frame, or notes that the body waits: what goes on for long is taken in sight.
    fn goes_on(&mut self, cx: &Context<'_>, waits: bool) {
        if let State::Short(_, _, frames, _) = &mut self.watch {
            *frames += 1;
            if !waits && *frames < MANY_FRAMES {
                return;
            }
            if let State::Short(watch, watches, _, events) = std::mem::take(&mut self.watch) {
                let kind = if events.is_some() {
                    Kind::EventStream
                } else {
                    Kind::Download
                };
                self.watch = State::Watched(watches.add(watch, kind), events);
            }
        }
        if waits && let State::Watched(in_sight, _) = &self.watch {
            // That it is over already shows when this is polled again.
            if in_sight.poll_over(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Begins the end if it must begin now. Ready: that was all.
    fn begin_to_end(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let State::Watched(in_sight, events) = &mut self.watch else {
            return Poll::Pending;
        };
        if in_sight.over().is_none() {
            return Poll::Pending;
        }
        match events.take() {
            Some(events) if !events.between() => {
                self.watch = State::Ending(events, Instant::now() + PATIENCE, LazyTimer::default());
                Poll::Pending
            }
            Some(_) => self.end_well(Bytes::new()),
            None => self.break_off(),
        }
    }

    /// The last bytes of the app, the hint, and then a clean end.
    fn end_well(&mut self, last: Bytes) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.watch = State::Over;
        self.body.abandon();
        Poll::Ready(Some(Ok(Frame::data(Events::with_hint(&last)))))
    }

    fn break_off(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.watch = State::Over;
        self.body.abandon();
        Poll::Ready(Some(Err(UpstreamError::sent(Fault::Lapsed).into())))
    }

    fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        frame: Poll<Option<Result<Frame<Bytes>, BodyError>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let State::Ending(events, until, timer) = &mut self.watch else {
            return frame;
        };
        if Instant::now() >= *until {
            return self.break_off();
        }
        match frame {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => match events.end_in(&data) {
                    Some(end) => self.end_well(data.slice(..end)),
                    None => Poll::Ready(Some(Ok(Frame::data(data)))),
                },
                Err(trailers) => Poll::Ready(Some(Ok(trailers))),
            },
            Poll::Pending if timer.poll_until(cx, *until).is_ready() => self.break_off(),
            other => other,
        }
    }
}

impl http_body::Body for Lasting {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match &this.watch {
            State::Free => return Pin::new(&mut this.body).poll_frame(cx),
            State::Over => return Poll::Ready(None),
            State::Short(..) | State::Watched(..) | State::Ending(..) => {}
        }
        if let Poll::Ready(end) = this.begin_to_end() {
            return Poll::Ready(end);
        }
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
            && let State::Short(.., Some(events)) | State::Watched(_, Some(events)) = &mut this.watch
        {
            events.pass(data);
        }
        match &frame {
            Poll::Pending => this.goes_on(cx, true),
            Poll::Ready(Some(Ok(_))) if !this.body.is_end_stream() => this.goes_on(cx, false),
            Poll::Ready(_) => {}
        }
        this.poll_rest(cx, frame)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.watch, State::Over) || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
