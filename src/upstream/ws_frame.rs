//! Where one WebSocket frame ends and the next begins (RFC 6455, 5.2).
//!
//! Headers alone are read: operation code and length. Payloads are counted, never looked at, and what is
//! no WebSocket at all is counted just the same.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Operation code of a Close frame.
const CLOSE: u8 = 0x8;
/// Longest text of a Close frame: control frames hold 125 bytes, two of them are the code.
const LONGEST_TEXT: usize = 123;

/// The frames of one direction, as they pass.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Frames {
    place: Place,
    /// The header of a Close frame has passed; it is the last frame.
    closing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Between two frames.
    #[default]
    Between,
    /// The first byte has passed.
    Length,
    /// In the longer form of the length.
    Extended { missing: u8, length: u64, mask: u8 },
    /// In the mask or the payload.
    Payload(u64),
}

impl Frames {
    /// Whether no frame is begun.
    pub(super) fn between(&self) -> bool {
        self.place == Place::Between
    }

    /// Whether a Close frame has begun to pass.
    pub(super) const fn closing(&self) -> bool {
        self.closing
    }

    /// Whether a Close frame has passed.
    pub(super) fn closed(&self) -> bool {
        self.closing && self.between()
    }

    /// Takes note of bytes that pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let step = self.step(bytes);
            bytes = bytes.get(step..).unwrap_or_default();
        }
    }

    /// Takes note of bytes of which only those pass that finish the frame that has begun; returns how
    /// many do.
    pub(super) fn finish(&mut self, bytes: &[u8]) -> usize {
        let mut end = 0;
        while !self.between() && end < bytes.len() {
            end += self.step(bytes.get(end..).unwrap_or_default());
        }
        end
    }

    /// Goes on by as many bytes as one look takes in, at least one; `bytes` is not empty.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let byte = bytes.first().copied().unwrap_or_default();
        let (place, step) = match self.place {
            Place::Between => {
                self.closing |= byte & 0x0f == CLOSE;
                (Place::Length, 1)
            }
            Place::Length => {
                let mask = if byte & 0x80 == 0 { 0 } else { 4 };
                let place = match byte & 0x7f {
                    126 => Place::Extended { missing: 2, length: 0, mask },
                    127 => Place::Extended { missing: 8, length: 0, mask },
                    length => Place::Payload(u64::from(length) + u64::from(mask)),
                };
                (place, 1)
            }
            Place::Extended { missing, length, mask } => {
                let length = length << 8 | u64::from(byte);
                let place = match missing {
                    0 | 1 => Place::Payload(length.saturating_add(u64::from(mask))),
                    missing => Place::Extended { missing: missing - 1, length, mask },
                };
                (place, 1)
            }
            Place::Payload(left) => {
                let step = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                (Place::Payload(left - step as u64), step)
            }
        };
        self.place = if place == Place::Payload(0) {
            Place::Between
        } else {
            place
        };
        step
    }
}

/// A Close frame. `mask` is for those that a client sends.
pub(super) fn close(code: u16, text: &str, mask: Option<[u8; 4]>) -> Bytes {
    let text = text.as_bytes().get(..text.len().min(LONGEST_TEXT)).unwrap_or_default();
    let mut payload = BytesMut::with_capacity(2 + text.len());
    payload.put_u16(code);
    payload.extend_from_slice(text);
    let mut frame = BytesMut::with_capacity(6 + payload.len());
    frame.put_u8(0x80 | CLOSE);
    let length = u8::try_from(payload.len()).unwrap_or_default();
    let Some(mask) = mask else {
        frame.put_u8(length);
        frame.extend_from_slice(&payload);
        return frame.freeze();
    };
    frame.put_u8(0x80 | length);
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame with this operation code and this many bytes of payload.
    fn frame(code: u8, length: usize, masked: bool) -> Vec<u8> {
        let bit = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | code];
        match length {
            0..=125 => frame.push(bit | u8::try_from(length).unwrap()),
            126..=65_535 => {
                frame.push(bit | 0x7e);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(bit | 0x7f);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        // Payloads that look like headers of Close frames.
        frame.resize(frame.len() + length + if masked { 4 } else { 0 }, 0x88);
        frame
    }

    proptest! {
        #[test]
        fn boundaries_are_found_in_pieces_of_any_size(
            frames in prop::collection::vec(
                (0_u8..3, prop::sample::select(vec![0, 1, 125, 126, 300, 65_535, 65_536, 70_000]), any::<bool>()),
                1..5,
            ),
            piece in 1_usize..9_000,
            cut in any::<prop::sample::Index>(),
        ) {
            let frames: Vec<Vec<u8>> = frames.into_iter().map(|(code, length, masked)| frame(code, length, masked)).collect();
            let ends: Vec<usize> = frames.iter().scan(0, |at, frame| { *at += frame.len(); Some(*at) }).collect();
            let stream = frames.concat();
            let cut = cut.index(stream.len() + 1);
            let mut follower = Frames::default();
            for piece in stream[..cut].chunks(piece) {
                follower.pass(piece);
            }
            prop_assert_eq!(follower.between(), cut == 0 || ends.contains(&cut));
            prop_assert!(!follower.closing());
            let rest = if follower.between() { 0 } else { ends.iter().find(|end| **end > cut).unwrap() - cut };
            prop_assert_eq!(follower.finish(&stream[cut..]), rest);
            prop_assert!(follower.between());
        }

        #[test]
        fn any_bytes_are_counted_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let mut follower = Frames::default();
            follower.pass(&bytes);
            let _ = follower.finish(&bytes);
        }
    }

    #[test]
    fn a_close_frame_is_known_by_its_header_and_over_at_its_end() {
        let mut follower = Frames::default();
        follower.pass(&frame(1, 10, true));
        assert!(!follower.closing());
        let close = close(1000, "bye", Some([1, 2, 3, 4]));
        follower.pass(&close[..1]);
        assert!(follower.closing() && !follower.closed());
        follower.pass(&close[1..]);
        assert!(follower.closed());
    }

    #[test]
    fn what_is_said_is_a_frame() {
        assert_eq!(&close(1001, "", None)[..], [0x88, 2, 0x03, 0xe9]);
        assert_eq!(&close(3000, "no", None)[..], [0x88, 4, 0x0b, 0xb8, b'n', b'o']);
        assert_eq!(&close(1001, "", Some([1, 2, 3, 4]))[..], [0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe9 ^ 2]);
        assert_eq!(close(3000, &"x".repeat(200), None).len(), 2 + 125);
    }
}
