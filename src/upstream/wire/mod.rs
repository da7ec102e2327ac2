//! One HTTP/1.1 exchange without a request body, driven by whoever waits for it.
//!
//! Most requests of the web have no body. For them a head goes out, a response comes back, and the
//! task that serves the client does both: no second task, no channels, no wake-ups between, which
//! together cost more than the rest of the forwarding. Everything else (bodies, upgrades, HTTP/2) is
//! hyper's. It is strict about where a response ends (RFC 9112, 6.3), because what follows on the
//! connection would be taken for the next person's response; whatever is doubtful ends the
//! connection. It must never learn what a request is for.

mod chunked;
mod head;

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::task::unconstrained;

use chunked::Step;
use head::Framing;

/// Largest response header block.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Interim responses (1xx) before the one that counts.
const MAX_INTERIM: u8 = 8;
/// First read of a response: holds most responses whole.
const FIRST_READ: usize = 8 * 1024;
/// Reads grow to this while they are filled.
const LARGEST_READ: usize = 128 * 1024;

/// A connection between two exchanges or in one.
#[derive(Debug)]
pub(super) struct Wire<I> {
    io: I,
    out: Vec<u8>,
    sent: usize,
    input: BytesMut,
    /// Bytes of `input` that are known not to end a header block.
    searched: usize,
    read_size: usize,
    phase: Phase,
    /// Whether another exchange may follow this one.
    lasting: bool,
}

#[derive(Debug)]
enum Phase {
    Idle,
    /// A head is written; no byte has been sent and nothing has been received.
    Ready {
        without_body: bool,
    },
    Waiting {
        without_body: bool,
        interim: u8,
    },
    Body(Framing),
    /// Ended, or not to be trusted any more.
    Over,
}

/// The head of the final response.
#[derive(Debug)]
pub(super) struct Head {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoResponse {
    #[error("the connection had ended before a byte of the request was written")]
    Unsent,
    #[error("the connection ended after the request was written, without a byte of a response")]
    Lost,
    #[error("the response breaks the protocol or off")]
    Broken,
}

/// The body ended early or breaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response body was broken off or breaks the protocol")]
pub(super) struct BrokenBody;

impl<I: AsyncRead + AsyncWrite + Unpin> Wire<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            out: Vec::new(),
            sent: 0,
            input: BytesMut::new(),
            searched: 0,
            read_size: FIRST_READ,
            phase: Phase::Idle,
            lasting: true,
        }
    }

    /// Whether nothing is under way, and nothing has been read that nobody asked for.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Begins an exchange: the caller writes the whole request head into what it gets.
    /// `without_body`: the response to this method never has one (HEAD).
    pub(super) fn begin(&mut self, without_body: bool) -> &mut Vec<u8> {
        self.out.clear();
        (self.sent, self.searched, self.read_size) = (0, 0, FIRST_READ);
        self.phase = if self.is_idle() {
            Phase::Ready { without_body }
        } else {
            Phase::Over
        };
        &mut self.out
    }

    /// The stream itself, from a connection that is idle.
    pub(super) fn into_io(self) -> Option<I> {
        self.is_idle().then_some(self.io)
    }

    /// Looks at the socket of an idle connection: anything there is its end, or bytes nobody asked for.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_idle() {
            ready!(self.poll_fill(cx)).ok();
            self.phase = Phase::Over;
        }
        Poll::Ready(())
    }

    /// Sends the request and reads until the final response's head is there.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, NoResponse>> {
        if let Phase::Ready { without_body } = self.phase {
            // A look first: a connection that has been closed meanwhile must not get the request.
            // A task that has used up its turn would be told "nothing yet" without a look.
            let look = unconstrained(poll_fn(|cx| self.poll_fill(cx)));
            let ended = pin!(look).poll(cx).is_ready();
            if ended {
                self.phase = Phase::Over;
                return Poll::Ready(Err(NoResponse::Unsent));
            }
            self.phase = Phase::Waiting { without_body, interim: 0 };
            return match self.poll_send(cx) {
                // Nothing can have come since the look; it will wake this task.
                Ok(()) => Poll::Pending,
                Err(_) => Poll::Ready(Err(self.fail(NoResponse::Unsent))),
            };
        }
        let unsendable = self.poll_send(cx).is_err();
        loop {
            match self.take_head() {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.fail(error))),
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Pending if !unsendable => return Poll::Pending,
                _ => return Poll::Ready(Err(self.fail(NoResponse::Lost))),
            }
        }
    }

    /// What kind of failure it was, by how far things had come.
    fn fail(&mut self, error: NoResponse) -> NoResponse {
        let heard = !self.input.is_empty() || matches!(self.phase, Phase::Waiting { interim: 1.., .. });
        self.phase = Phase::Over;
        match error {
            NoResponse::Unsent if self.sent > 0 => NoResponse::Lost,
            NoResponse::Lost if heard => NoResponse::Broken,
            error => error,
        }
    }

    /// Writes what the socket takes. Whether all of it went shows in `sent`.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.io).poll_write(cx, rest)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(more) => self.sent += more,
                Poll::Pending => return Ok(()),
            }
        }
        let _ = Pin::new(&mut self.io).poll_flush(cx)?;
        Ok(())
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < FIRST_READ / 8 {
            self.input.reserve(self.read_size);
        }
        let room = self.input.capacity() - self.input.len();
        let read = ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx));
        if matches!(read, Ok(bytes) if bytes == room) {
            self.read_size = LARGEST_READ.min(2 * self.read_size);
        }
        Poll::Ready(read)
    }

    /// The final head, if all of it is there.
    fn take_head(&mut self) -> Result<Option<Head>, NoResponse> {
        while let Phase::Waiting { without_body, interim } = self.phase {
            let Some(end) = head::end(&self.input, &mut self.searched) else {
                let too_long = self.input.len() > MAX_HEADER_BYTES;
                return if too_long {
                    Err(NoResponse::Broken)
                } else {
                    Ok(None)
                };
            };
            let block = self.input.split_to(end).freeze();
            self.searched = 0;
            let parsed = head::parse(&block, without_body).ok_or(NoResponse::Broken)?;
            if let Some((head, framing, lasting)) = parsed {
                self.lasting = lasting;
                self.phase = Phase::Body(framing);
                self.finish();
                return Ok(Some(head));
            }
            if interim == MAX_INTERIM {
                return Err(NoResponse::Broken);
            }
            self.phase = Phase::Waiting { without_body, interim: interim + 1 };
        }
        Err(NoResponse::Broken)
    }

    /// Ends the exchange if the body has. Bytes that are left are nobody's: the connection is over.
    fn finish(&mut self) {
        if !matches!(&self.phase, Phase::Body(Framing::Length(0))) {
            return;
        }
        let whole = self.input.is_empty() && self.sent == self.out.len();
        self.phase = if self.lasting && whole {
            Phase::Idle
        } else {
            Phase::Over
        };
        if self.input.capacity() > 2 * FIRST_READ {
            self.input = BytesMut::new();
        }
    }

    /// The next frame of the body; `None` after the last.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        loop {
            match self.take_frame() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.is_end() => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(self.break_off(error)))),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) if matches!(self.phase, Phase::Body(Framing::UntilClose)) => {
                    self.phase = Phase::Over;
                    return Poll::Ready(None);
                }
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(self.break_off(BrokenBody)))),
            }
        }
    }

    fn break_off(&mut self, error: BrokenBody) -> BrokenBody {
        self.phase = Phase::Over;
        error
    }

    /// A frame from what has been read already.
    fn take_frame(&mut self) -> Result<Option<Frame<Bytes>>, BrokenBody> {
        let Phase::Body(framing) = &mut self.phase else {
            return Ok(None);
        };
        let frame = match framing {
            Framing::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(self.input.len());
                *left -= most as u64;
                (most > 0).then(|| Frame::data(self.input.split_to(most).freeze()))
            }
            Framing::UntilClose => (!self.input.is_empty()).then(|| Frame::data(self.input.split().freeze())),
            Framing::Chunked(chunked) => match chunked.step(&mut self.input)? {
                Step::More => None,
                Step::Data(bytes) => Some(Frame::data(bytes)),
                Step::End(trailers) => {
                    *framing = Framing::Length(0);
                    trailers.map(Frame::trailers)
                }
            },
        };
        self.finish();
        Ok(frame)
    }

    /// The whole body, if it has been read already and its length was said: then the connection is free.
    pub(super) fn take_whole(&mut self) -> Option<Bytes> {
        let Phase::Body(Framing::Length(left)) = &self.phase else {
            return self.is_end().then(Bytes::new);
        };
        let length = usize::try_from(*left).ok().filter(|left| *left <= self.input.len())?;
        let whole = self.input.split_to(length).freeze();
        self.phase = Phase::Body(Framing::Length(0));
        self.finish();
        Some(whole)
    }

    /// Whether no frame is left.
    pub(super) const fn is_end(&self) -> bool {
        !matches!(self.phase, Phase::Body(_))
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.phase {
            Phase::Body(Framing::Length(left)) => SizeHint::with_exact(*left),
            Phase::Body(_) => SizeHint::default(),
            _ => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod against_hyper;
#[cfg(test)]
mod tests;
