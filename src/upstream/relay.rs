//! Copies a WebSocket both ways, and takes leave of both sides when it must end.
//!
//! Bytes pass as they come and are never changed. Frames are followed by their headers alone, so that a
//! leave is taken between two of them: the client hears why, the app that the client has gone away
//! (RFC 6455, 5.5.1). Who does not answer within moments is cut off.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

use super::timer::LazyTimer;
use super::watch::Over;
use super::ws_frame::{self, Frames};

/// Silence both ways that ends a tunnel. WebSocket applications ping far more often.
const IDLE: Duration = Duration::from_hours(1);
/// How long both sides may take to end once leave is taken.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// Bytes moved in one go; lives on the stack, so that an idle tunnel holds no buffer.
const CHUNK: usize = 16 * 1024;

/// What the client is told when a tunnel ends before its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    code: u16,
    text: &'static str,
}

impl Farewell {
    /// The process ends, or the page is gone.
    pub(super) const GOING_AWAY: Self = Self { code: 1001, text: "" };

    /// 3000 is "Unauthorized", 1013 "Try Again Later" (IANA, WebSocket Close Code Number Registry).
    pub(super) const fn of(over: Over) -> Self {
        Self { code: if over.try_again { 1013 } else { 3000 }, text: over.text }
    }

    fn for_client(self) -> Bytes {
        ws_frame::close(self.code, self.text, None)
    }

    fn for_app() -> Bytes {
        ws_frame::close(Self::GOING_AWAY.code, "", Some(crate::ambient::random_bytes()))
    }
}

/// Relays until both directions have ended, one fails, nothing has moved for [`IDLE`], or `must_end`
/// says what to tell the client.
pub(super) async fn run<C, U>(client: C, upstream: U, must_end: impl Future<Output = Farewell>)
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    relay(client, upstream, IDLE, must_end).await;
}

/// Copies both ways. The end of one direction closes only that direction: what is still on its way back
/// arrives.
async fn relay<C, U>(mut client: C, mut upstream: U, idle: Duration, must_end: impl Future<Output = Farewell>)
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Direction::default(), Direction::default());
    let mut must_end = pin!(must_end);
    let mut timer = LazyTimer::default();
    let mut moved_at = Instant::now();
    let farewell = poll_fn(|cx| {
        // First: copying can use up this task's turn, and after that nothing is heard.
        if let Poll::Ready(farewell) = must_end.as_mut().poll(cx) {
            return Poll::Ready(Some(farewell));
        }
        let mut moved = 0;
        let there = up.poll_copy(cx, &mut client, &mut upstream, &mut moved);
        let back = down.poll_copy(cx, &mut upstream, &mut client, &mut moved);
        match (there, back) {
            (Poll::Ready(Err(_)), _)
            | (_, Poll::Ready(Err(_)))
            | (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(None),
            _ => {}
        }
        if moved > 0 {
            moved_at = Instant::now();
        }
        timer.poll_until(cx, moved_at + idle).map(|()| None)
    })
    .await;
    let Some(farewell) = farewell else { return };
    up.leave(Farewell::for_app());
    down.leave(farewell.for_client());
    // Whoever has not answered by then is cut off.
    let _ = timeout(LEAVE_WITHIN, take_leave(&mut client, &mut upstream, (up, down))).await;
}

/// Says goodbye to both and waits until both have said it too, or have ended.
async fn take_leave<C, U>(client: &mut C, upstream: &mut U, (mut up, mut down): (Direction, Direction))
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|cx| {
        let mut moved = 0;
        // A side that fails has ended; the other still gets its goodbye.
        let there = up.poll_copy(cx, client, upstream, &mut moved).is_ready();
        let back = down.poll_copy(cx, upstream, client, &mut moved).is_ready();
        if there && back {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    let _ = poll_fn(|cx| Pin::new(&mut *client).poll_shutdown(cx)).await;
    let _ = poll_fn(|cx| Pin::new(&mut *upstream).poll_shutdown(cx)).await;
}

/// One direction of a tunnel.
#[derive(Debug, Default)]
struct Direction {
    /// Read, and not yet taken by the other side.
    pending: BytesMut,
    frames: Frames,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    /// The source has ended; the other side is being told.
    Closing,
    /// At the end of the frame that has begun, this is said, and nothing of the source any more.
    Leaving(Bytes),
    /// It is said. The source is read until it takes leave too.
    Said,
    Closed,
}

impl Direction {
    /// From the next frame on, nothing passes but this goodbye.
    fn leave(&mut self, goodbye: Bytes) {
        if matches!(self.state, State::Open) {
            self.state = State::Leaving(goodbye);
            self.say_goodbye();
        }
    }

    /// Says it, if no frame is begun. After the source's own Close frame there is nothing to add.
    fn say_goodbye(&mut self) {
        if let State::Leaving(goodbye) = &self.state
            && self.frames.between()
        {
            if !self.frames.closing() {
                self.pending.extend_from_slice(goodbye);
            }
            self.state = State::Said;
        }
    }

    fn poll_copy<F, T>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
        moved: &mut usize,
    ) -> Poll<io::Result<()>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        loop {
            while !self.pending.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.pending))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.pending.advance(written);
                *moved += written;
            }
            match self.state {
                State::Said if self.frames.closed() => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.state = State::Closed;
                }
                State::Open | State::Leaving(_) | State::Said => {
                    ready!(self.poll_fill(cx, from, to, moved))?;
                }
                State::Closing => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Closed;
                }
                State::Closed => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads once into a buffer on the stack and keeps only what the other side does not take.
    fn poll_fill<F, T>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
        moved: &mut usize,
    ) -> Poll<io::Result<()>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        // An empty buffer that once held something is given back before the long wait.
        self.pending = BytesMut::new();
        let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        if Pin::new(from).poll_read(cx, &mut chunk)?.is_pending() {
            ready!(Pin::new(to).poll_flush(cx))?;
            return Poll::Pending;
        }
        let bytes = chunk.filled();
        *moved += bytes.len();
        if bytes.is_empty() {
            self.state = State::Closing;
            return Poll::Ready(Ok(()));
        }
        let (passes, rest) = bytes.split_at(self.take_in(bytes));
        if !passes.is_empty() {
            let taken = match Pin::new(to).poll_write(cx, passes)? {
                Poll::Ready(taken) => taken,
                Poll::Pending => 0,
            };
            self.pending.extend_from_slice(passes.get(taken..).unwrap_or_default());
        }
        self.say_goodbye();
        self.frames.pass(rest);
        Poll::Ready(Ok(()))
    }

    /// How many of the bytes read still pass.
    fn take_in(&mut self, bytes: &[u8]) -> usize {
        match self.state {
            State::Leaving(_) => self.frames.finish(bytes),
            State::Said => 0,
            State::Open | State::Closing | State::Closed => {
                self.frames.pass(bytes);
                bytes.len()
            }
        }
    }
}

#[cfg(test)]
mod tests;
