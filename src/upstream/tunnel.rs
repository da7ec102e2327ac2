//! Upgraded connections: bytes both ways, counted, bounded, and cut when they must end.
//!
//! hyper forgets a connection once it is upgraded, so this registry is what knows of it: drain
//! waits for it, and its deadline ends it. Nothing here looks into the bytes.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::timer::LazyTimer;

/// Silence both ways that ends a tunnel. WebSocket applications ping far more often.
const IDLE: Duration = Duration::from_hours(1);
/// Most tunnels at once, over all workers.
const MOST: usize = 16 * 1024;
/// Bytes moved in one go; lives on the stack, so that an idle tunnel holds no buffer.
const CHUNK: usize = 16 * 1024;

/// All tunnels of the process. Clones are the same registry.
#[derive(Debug, Clone)]
pub struct Tunnels {
    open: TaskTracker,
    cut: CancellationToken,
    room: Arc<Semaphore>,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self {
            open: TaskTracker::new(),
            cut: CancellationToken::new(),
            room: Arc::new(Semaphore::new(MOST)),
        }
    }
}

/// Room for one tunnel.
pub(super) struct Slot {
    _room: OwnedSemaphorePermit,
}

impl Tunnels {
    /// How many are open now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Lets no further tunnel open.
    pub fn refuse_more(&self) {
        self.room.close();
        self.open.close();
    }

    /// Ends every tunnel now.
    pub fn cut(&self) {
        self.refuse_more();
        self.cut.cancel();
    }

    /// Returns once the last one has ended. Only after [`Tunnels::refuse_more`].
    pub async fn ended(&self) {
        self.open.wait().await;
    }

    pub(super) fn reserve(&self) -> Option<Slot> {
        Arc::clone(&self.room).try_acquire_owned().ok().map(|room| Slot { _room: room })
    }

    /// Runs a tunnel in a task of its own. `ends` gives both sockets once both have switched.
    pub(super) fn open<C, U>(&self, slot: Slot, ends: impl Future<Output = Option<(C, U)>> + Send + 'static)
    where
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        U: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let cut = self.cut.clone();
        self.open.spawn(async move {
            let _slot = slot;
            let relay = async {
                if let Some((client, upstream)) = ends.await {
                    relay(client, upstream, IDLE).await;
                }
            };
            tokio::select! {
                () = cut.cancelled() => {}
                () = relay => {}
            }
        });
    }
}

/// Copies both ways until both directions have ended, one fails, or nothing has moved for `idle`.
///
/// The end of one direction closes only that direction: what is still on its way back arrives.
async fn relay<C, U>(mut client: C, mut upstream: U, idle: Duration)
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Direction::default(), Direction::default());
    let mut timer = LazyTimer::default();
    let mut moved_at = Instant::now();
    poll_fn(|cx| {
        let mut moved = 0;
        let there = up.poll_copy(cx, &mut client, &mut upstream, &mut moved);
        let back = down.poll_copy(cx, &mut upstream, &mut client, &mut moved);
        match (there, back) {
            (Poll::Ready(Err(_)), _)
            | (_, Poll::Ready(Err(_)))
            | (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                return Poll::Ready(());
            }
            _ => {}
        }
        if moved > 0 {
            moved_at = Instant::now();
        }
        timer.poll_until(cx, moved_at + idle)
    })
    .await;
}

/// One direction of a tunnel.
#[derive(Debug, Default)]
struct Direction {
    /// Read, and not yet taken by the other side.
    pending: BytesMut,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The source has ended; the other side is being told.
    Closing,
    Closed,
}

impl Direction {
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
                State::Open => ready!(self.poll_fill(cx, from, to, moved))?,
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
        let taken = match Pin::new(to).poll_write(cx, bytes)? {
            Poll::Ready(taken) => taken,
            Poll::Pending => 0,
        };
        self.pending.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn one_direction_may_end_before_the_other() {
        let (mut client, client_end) = duplex(8);
        let (mut app, app_end) = duplex(8);
        tokio::spawn(relay(client_end, app_end, IDLE));
        let mut heard = String::new();
        let ask = async {
            client.write_all(b"question, longer than the pipe").await.unwrap();
            client.shutdown().await.unwrap();
        };
        let ((), read) = tokio::join!(ask, app.read_to_string(&mut heard));
        read.unwrap();
        assert_eq!(heard, "question, longer than the pipe");
        app.write_all(b"answer").await.unwrap();
        drop(app);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it() {
        let (mut client, client_end) = duplex(8);
        let (_app, app_end) = duplex(8);
        let start = Instant::now();
        relay(client_end, app_end, Duration::from_mins(1)).await;
        assert!(start.elapsed() >= Duration::from_mins(1));
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_registry_counts_cuts_and_refuses() {
        let tunnels = Tunnels::default();
        let (_client, client_end) = duplex(8);
        let (_app, app_end) = duplex(8);
        let slot = tunnels.reserve().unwrap();
        tunnels.open(slot, async { Some((client_end, app_end)) });
        assert_eq!(tunnels.count(), 1);
        tunnels.refuse_more();
        assert!(tunnels.reserve().is_none());
        tunnels.cut();
        tunnels.ended().await;
        assert_eq!(tunnels.count(), 0);
    }
}
