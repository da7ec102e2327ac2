//! Where one server-sent event ends and the next begins (WHATWG HTML, 9.2).
//!
//! Only the ends of lines are looked at. An event that was cut in the middle would reach the page as if
//! it were whole, so a stream is never ended there.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};

/// Tells the page to come back in a moment; it carries no event.
const HINT: &[u8] = b"retry: 3000\n\n";

/// Whether these headers announce an event stream that we can end: readable, and of no fixed length.
pub(super) fn is_endable(headers: &HeaderMap) -> bool {
    let essence = |value: &http::HeaderValue| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    };
    headers.get(CONTENT_TYPE).is_some_and(essence)
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_LENGTH)
}

/// How the bytes that have passed end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Events {
    /// The last three, oldest first; zeros before the beginning.
    tail: [u8; 3],
}

impl Events {
    /// Takes note of bytes that pass.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default() {
            self.push(*byte);
        }
    }

    const fn push(&mut self, byte: u8) {
        let [_, second, third] = self.tail;
        self.tail = [second, third, byte];
    }

    /// Whether no event is begun: an empty line was the last, or nothing has passed.
    pub(super) const fn between(self) -> bool {
        matches!(
            self.tail,
            [0, 0, 0] | [_, b'\n', b'\n'] | [_, b'\r', b'\r'] | [b'\n' | b'\r', b'\r', b'\n']
        )
    }

    /// How many of these bytes belong to the event that has begun, if it ends in them.
    pub(super) fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            self.push(*byte);
            if self.between() {
                return Some(at + 1);
            }
        }
        None
    }

    /// The last bytes of a stream, and the hint.
    pub(super) fn with_hint(last: &[u8]) -> Bytes {
        let mut bytes = BytesMut::with_capacity(last.len() + HINT.len());
        bytes.extend_from_slice(last);
        bytes.extend_from_slice(HINT);
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_an_empty_line_however_lines_end() {
        for whole in [
            "",
            "data: x\n\n",
            "data: x\r\r",
            "data: x\r\n\r\n",
            "data: x\n\r\n",
            ": ping\r\r\n",
        ] {
            let mut events = Events::default();
            events.pass(whole.as_bytes());
            assert!(events.between(), "{whole:?}");
        }
        for begun in [
            "d",
            "data: x",
            "data: x\n",
            "data: x\r\n",
            "data: x\n\ndata",
            "data: x\n\r",
        ] {
            let mut events = Events::default();
            events.pass(begun.as_bytes());
            assert!(!events.between(), "{begun:?}");
        }
    }

    #[test]
    fn pieces_of_any_size_say_the_same() {
        let stream = b"id: 1\r\ndata: a\r\n\r\nda";
        let mut events = Events::default();
        let ends: Vec<bool> = stream
            .iter()
            .map(|byte| {
                events.pass(&[*byte]);
                events.between()
            })
            .collect();
        assert_eq!(ends.iter().position(|end| *end), Some(stream.len() - 3));
        let mut events = Events::default();
        events.pass(b"da");
        assert_eq!(events.end_in(b"ta: b\n"), None);
        assert_eq!(events.end_in(b"\ndata: c\n\n"), Some(1));
    }

    #[test]
    fn what_is_packed_or_counted_is_not_ours_to_end() {
        let with = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, http::HeaderValue::from_static(value));
            }
            is_endable(&headers)
        };
        let plain = ("content-type", "Text/Event-Stream; charset=utf-8");
        assert!(with(&[plain]));
        assert!(!with(&[plain, ("content-encoding", "gzip")]));
        assert!(!with(&[plain, ("content-length", "10")]));
        assert!(!with(&[("content-type", "text/plain")]) && !with(&[]));
    }
}
