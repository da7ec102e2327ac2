//! Reads the frame headers of HTTP/2, to know whether a header block is incomplete.
//!
//! hyper and h2 have no deadline for a block whose END_HEADERS never comes (security.md D05). This
//! looks at types, flags and lengths alone; everything else is h2's to judge.

/// The client's connection preface (RFC 9113 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const FRAME_HEADER: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x4;

/// Where in the stream of frames we are.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; FRAME_HEADER],
    have: usize,
    /// Bytes to pass over: the preface at first, then payloads.
    skip: usize,
    /// A header block has begun whose last frame has not come.
    open: bool,
    /// The frame being passed over is that last one.
    last: bool,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self {
            header: [0; FRAME_HEADER],
            have: 0,
            skip: PREFACE.len(),
            open: false,
            last: false,
        }
    }

    /// Follows what has been read, and says whether a header block is incomplete now.
    pub(super) fn observe(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            if self.skip > 0 {
                break;
            }
            if self.last {
                (self.open, self.last) = (false, false);
            }
            bytes = self.take_header(bytes);
        }
        self.open
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(FRAME_HEADER - self.have));
        for byte in taken {
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *byte;
                self.have += 1;
            }
        }
        if self.have == FRAME_HEADER {
            self.have = 0;
            let [a, b, c, kind, flags, ..] = self.header;
            self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if matches!(kind, HEADERS | CONTINUATION) {
                self.open = true;
                self.last = flags & END_HEADERS != 0;
                if self.last && self.skip == 0 {
                    (self.open, self.last) = (false, false);
                }
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    /// The state after each prefix must not depend on how the bytes are cut.
    fn after(bytes: &[u8]) -> bool {
        let whole = Frames::new().observe(bytes);
        let mut frames = Frames::new();
        let mut open = false;
        for byte in bytes {
            open = frames.observe(&[*byte]);
        }
        assert_eq!(open, whole);
        whole
    }

    #[test]
    fn d05_a_block_is_open_until_the_last_byte_of_its_last_frame() {
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(4, 0, b""));
        assert!(!after(&bytes));
        bytes.extend(frame(HEADERS, 0, b"abc"));
        assert!(after(&bytes));
        bytes.extend(frame(CONTINUATION, 0, b""));
        assert!(after(&bytes));
        bytes.extend(frame(CONTINUATION, END_HEADERS, b"xyz"));
        assert!(after(&bytes[..bytes.len() - 1]));
        assert!(!after(&bytes));
        bytes.extend(frame(0, 1, b"data"));
        assert!(!after(&bytes));
        bytes.extend(frame(HEADERS, END_HEADERS, b""));
        assert!(!after(&bytes));
    }
}
