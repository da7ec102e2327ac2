//! The chunked transfer coding of a response (RFC 9112, 7.1).
//!
//! Sizes are hexadecimal and nothing else, lines end with CR LF, extensions and trailers are bounded.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::BrokenBody;
use super::head::end;

/// Longest size line, its extensions included.
const MAX_LINE: usize = 256;
/// Largest trailer block, and its most fields.
const MAX_TRAILERS: usize = 16 * 1024;
const MAX_TRAILER_FIELDS: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Chunked {
    place: Place,
    searched: usize,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Size,
    Data(u64),
    /// After the data of a chunk: CR LF.
    DataEnd,
    Trailers,
}

/// What became of what had been read.
#[derive(Debug)]
pub(super) enum Step {
    /// More must be read first.
    More,
    Data(Bytes),
    End(Option<HeaderMap>),
}

impl Chunked {
    /// Takes as much off `input` as makes one step.
    pub(super) fn step(&mut self, input: &mut BytesMut) -> Result<Step, BrokenBody> {
        loop {
            match self.place {
                Place::Size => {
                    let Some(size) = take_size(input)? else {
                        return Ok(Step::More);
                    };
                    self.place = if size == 0 {
                        Place::Trailers
                    } else {
                        Place::Data(size)
                    };
                }
                Place::Data(left) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    if most == 0 {
                        return Ok(Step::More);
                    }
                    self.place = match left - most as u64 {
                        0 => Place::DataEnd,
                        left => Place::Data(left),
                    };
                    return Ok(Step::Data(input.split_to(most).freeze()));
                }
                Place::DataEnd => match input.get(..2) {
                    Some(b"\r\n") => {
                        input.advance(2);
                        self.place = Place::Size;
                    }
                    Some(_) => return Err(BrokenBody),
                    None => return Ok(Step::More),
                },
                Place::Trailers => return self.take_trailers(input),
            }
        }
    }

    fn take_trailers(&mut self, input: &mut BytesMut) -> Result<Step, BrokenBody> {
        if input.starts_with(b"\r\n") {
            input.advance(2);
            return Ok(Step::End(None));
        }
        let Some(end) = end(input, &mut self.searched) else {
            let too_long = input.len() > MAX_TRAILERS;
            return if too_long { Err(BrokenBody) } else { Ok(Step::More) };
        };
        let block = input.split_to(end).freeze();
        parse(&block).map(|trailers| Step::End(Some(trailers))).ok_or(BrokenBody)
    }
}

/// The size of the next chunk, once its line is whole.
fn take_size(input: &mut BytesMut) -> Result<Option<u64>, BrokenBody> {
    let seen = input.get(..MAX_LINE).unwrap_or(input);
    let Some(end) = memchr::memchr(b'\n', seen) else {
        return if seen.len() == MAX_LINE {
            Err(BrokenBody)
        } else {
            Ok(None)
        };
    };
    let line = seen.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(BrokenBody)?;
    let mut parts = line.splitn(2, |byte| *byte == b';');
    let mut digits = parts.next().unwrap_or_default();
    while let Some((b' ' | b'\t', rest)) = digits.split_last() {
        digits = rest;
    }
    let extension = parts.next().unwrap_or_default();
    let hexadecimal = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    if !hexadecimal || extension.contains(&b'\r') {
        return Err(BrokenBody);
    }
    let size = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| u64::from_str_radix(text, 16).ok());
    input.advance(end + 1);
    size.map(Some).ok_or(BrokenBody)
}

fn parse(block: &Bytes) -> Option<HeaderMap> {
    let mut room = [const { httparse::EMPTY_HEADER }; MAX_TRAILER_FIELDS];
    let Ok(httparse::Status::Complete((length, fields))) = httparse::parse_headers(block, &mut room) else {
        return None;
    };
    if length != block.len() {
        return None;
    }
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        trailers.append(name, HeaderValue::from_maybe_shared(block.slice_ref(field.value)).ok()?);
    }
    Some(trailers)
}
