//! HTTP/2 spoken by hand: header fields go out as they are given, however malformed, which no library lets
//! pass. Of answers it reads what a test needs: status, body, or that there was none.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A field of a header block, as bytes.
pub type Field = (Vec<u8>, Vec<u8>);

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered {
        status: u16,
        body: Vec<u8>,
    },
    /// The stream was reset, with this code.
    Reset(u32),
    /// The connection ended before an answer.
    Gone,
}

/// One connection with prior knowledge.
pub struct Http2 {
    stream: TcpStream,
    next: u32,
    leaving: bool,
}

impl Http2 {
    /// # Panics
    /// When nobody listens there.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the listener accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("a socket option can be set");
        let mut connection = Self { stream, next: 1, leaving: false };
        let _ = connection.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        // No dynamic table, so that a status can be read without keeping one; no push.
        connection.frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        connection
    }

    /// Whether another request can be sent: the peer has not said that it will go.
    pub fn is_open(&self) -> bool {
        !self.leaving
    }

    /// Sends one request and reads until it has its end.
    pub fn ask(&mut self, fields: &[Field], body: Option<&[u8]>) -> Outcome {
        let id = self.next;
        self.next += 2;
        let end = if body.is_none() { END_STREAM } else { 0 };
        self.frame(HEADERS, END_HEADERS | end, id, &block(fields));
        if let Some(body) = body {
            self.frame(DATA, END_STREAM, id, body);
        }
        self.outcome(id).unwrap_or_else(|_| {
            self.leaving = true;
            Outcome::Gone
        })
    }

    /// Failures to write show themselves when reading.
    fn frame(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(id.to_be_bytes());
        bytes.extend(payload);
        let _ = self.stream.write_all(&bytes);
    }

    fn outcome(&mut self, id: u32) -> io::Result<Outcome> {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head)?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload)?;
            let (kind, flags) = (head[3], head[4]);
            let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match kind {
                SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => self.frame(PING, ACK, 0, &payload),
                GOAWAY => self.leaving = true,
                RST_STREAM if of == id => return Ok(Outcome::Reset(number(&payload))),
                HEADERS if of == id => status = status_of(&payload)?,
                DATA if of == id && !payload.is_empty() => {
                    let taken = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
                    self.frame(WINDOW_UPDATE, 0, 0, &taken);
                    body.extend(payload);
                }
                _ => {}
            }
            if of == id && matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                return Ok(Outcome::Answered { status, body });
            }
        }
    }
}

/// Literal fields, never indexed, without Huffman coding (RFC 7541, 6.2.2).
fn block(fields: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            length(&mut bytes, text.len());
            bytes.extend(text);
        }
    }
    bytes
}

/// An integer with a prefix of seven bits (RFC 7541, 5.1).
fn length(bytes: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        bytes.push(u8::try_from(length).expect("below 127"));
        return;
    };
    bytes.push(127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
}

fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// `:status` is the first field of a response: an entry of the static table, or a literal of three digits.
fn status_of(block: &[u8]) -> io::Result<u16> {
    const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let block: &[u8] = match block {
        [0x20..=0x3f, rest @ ..] => rest, // a change of the table's size comes before
        all => all,
    };
    let unreadable = || io::Error::other("no status in the header block");
    match *block {
        [index @ 0x88..=0x8e, ..] => Ok(STATIC[usize::from(index - 0x88)]),
        [_, 3, ref digits @ ..] => {
            let digits = digits.get(..3).and_then(|d| std::str::from_utf8(d).ok());
            digits.and_then(|d| d.parse().ok()).ok_or_else(unreadable)
        }
        [_, length, ref coded @ ..] if length & 0x80 != 0 => huffman(coded).ok_or_else(unreadable),
        _ => Err(unreadable()),
    }
}

/// Three digits in Huffman coding: five bits for 0 to 2, six for the others (RFC 7541, appendix B).
fn huffman(coded: &[u8]) -> Option<u16> {
    let all = coded.iter().take(3).fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << 8;
    let (mut number, mut at) = (0, 0);
    for _ in 0..3 {
        let five = all << at >> 27;
        let six = all << at >> 26;
        let (digit, width) = match (five, six) {
            (0..=2, _) => (five, 5),
            (_, 0x19..=0x1f) => (six - 0x19 + 3, 6),
            _ => return None,
        };
        number = number * 10 + digit;
        at += width;
    }
    u16::try_from(number).ok()
}
