//! The head of a response, and how its body ends.
//!
//! Whatever could be read in two ways is no response (security.md R04): the caller drops the
//! connection.

use std::mem::MaybeUninit;
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use memchr::memmem::Finder;

use super::Head;
use super::chunked::Chunked;

/// Most header fields of a response.
const MAX_FIELDS: usize = 100;

/// What ends nearly every header block.
static EMPTY_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// How the end of a body is found (RFC 9112, 6.3).
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunked),
    /// With the connection, which serves nobody after.
    UntilClose,
}

/// Where a header block ends in what has been read: after an empty line. What has been `searched` is
/// not looked at again, so that a slow sender costs no more than a fast one.
pub(super) fn end(input: &[u8], searched: &mut usize) -> Option<usize> {
    let from = searched.saturating_sub(EMPTY_LINE.needle().len() - 1);
    if let Some(at) = EMPTY_LINE.find(input.get(from..)?) {
        return Some(from + at + EMPTY_LINE.needle().len());
    }
    // Lines may end with LF alone, as some old programs write them.
    let mut from = *searched;
    while let Some(line) = input.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let next = from + line + 1;
        match input.get(next..) {
            Some([b'\n', ..]) => return Some(next + 1),
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            // The line that decides is not all there.
            Some([] | [b'\r']) | None => {
                *searched = next - 1;
                return None;
            }
            Some(_) => from = next,
        }
    }
    *searched = input.len();
    None
}

/// What a header block says: `None` is an error, `Some(None)` an interim response. The flag says
/// whether the connection lasts beyond it.
#[expect(clippy::option_option, reason = "an error has nothing to say here but that it is one")]
pub(super) fn parse(block: &Bytes, without_body: bool) -> Option<Option<(Head, Framing, bool)>> {
    let mut room = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, block, &mut room);
    if !matches!(parsed, Ok(httparse::Status::Complete(length)) if length == block.len()) {
        return None;
    }
    let status = StatusCode::from_u16(response.code?).ok()?;
    if status.is_informational() {
        // 101 answers a question that was not asked.
        return (status != StatusCode::SWITCHING_PROTOCOLS).then_some(None);
    }
    let mut said = Said::default();
    // Room for what is added on the way out as well.
    let mut headers = HeaderMap::with_capacity(response.headers.len() + 2);
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(block.slice_ref(field.value)).ok()?;
        if said.hear(&name, field.value)? {
            headers.append(name, value);
        }
    }
    let version = if response.version? == 0 {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    let (framing, lasting) = said.framing(status, without_body, version == Version::HTTP_11)?;
    Some(Some((Head { status, version, headers }, framing, lasting)))
}

/// What the fields say about the message itself.
#[derive(Debug, Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Said {
    /// Whether the field says something beyond this connection. `None`: it contradicts itself or says
    /// what nobody can go by.
    fn hear(&mut self, name: &HeaderName, value: &[u8]) -> Option<bool> {
        if *name == CONTENT_LENGTH {
            // Twice is once too often, whatever it says.
            let length = length(value)?;
            return self.length.replace(length).is_none().then_some(true);
        }
        if *name == TRANSFER_ENCODING {
            let known = value.trim_ascii().eq_ignore_ascii_case(b"chunked") && !self.chunked;
            self.chunked = true;
            return known.then_some(true);
        }
        if *name != CONNECTION {
            return Some(true);
        }
        let mut nominates = false;
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let close = token.eq_ignore_ascii_case(b"close");
            let keep_alive = token.eq_ignore_ascii_case(b"keep-alive");
            self.close |= close;
            self.keep_alive |= keep_alive;
            nominates |= !close && !keep_alive;
        }
        Some(nominates)
    }

    /// How the body ends, and whether the connection lasts beyond it.
    fn framing(&self, status: StatusCode, without_body: bool, http_11: bool) -> Option<(Framing, bool)> {
        let lasting = !self.close && (http_11 || self.keep_alive);
        if without_body || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Some((Framing::Length(0), lasting));
        }
        match (self.chunked, self.length) {
            // HTTP/1.0 knows no chunks: one of the two did not mean it (RFC 9112, 6.1).
            (true, _) if !http_11 => None,
            // Both: chunked wins, and the connection is not trusted further.
            (true, length) => Some((Framing::Chunked(Chunked::default()), lasting && length.is_none())),
            (false, Some(length)) => Some((Framing::Length(length), lasting)),
            (false, None) => Some((Framing::UntilClose, false)),
        }
    }
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}
