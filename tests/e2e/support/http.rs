//! Reads HTTP/1.1 answers off a socket, strictly, and keeps them as they came.

use std::io::{self, BufRead, BufReader, Read};

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// In order, names as sent.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Reply {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// When the body is not JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {} {:?}", self.status, self.text()))
    }

    /// Where a redirect leads.
    ///
    /// # Panics
    /// When this is no redirect.
    #[track_caller]
    pub fn location(&self) -> &str {
        self.header("location")
            .unwrap_or_else(|| panic!("no Location in a {} answer: {}", self.status, self.text()))
    }

    /// Fails with the whole answer in the message unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "headers {:#?}\nbody {}", self.headers, self.text());
        self
    }
}

/// Reads one answer to a request with `method`; the rest of the stream stays in `stream`.
pub fn read_reply<R: Read>(stream: &mut BufReader<R>, method: &str) -> io::Result<Reply> {
    loop {
        let start = line(stream)?;
        let status = start
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| invalid(&format!("status line {start:?}")))?;
        let headers = fields(stream)?;
        if status == 100 {
            continue;
        }
        let mut reply = Reply { status, headers, body: Vec::new(), trailers: Vec::new() };
        if method != "HEAD" && status != 204 && status != 304 && status != 101 {
            read_body(stream, &mut reply)?;
        }
        return Ok(reply);
    }
}

fn read_body<R: Read>(stream: &mut BufReader<R>, reply: &mut Reply) -> io::Result<()> {
    if reply
        .header("transfer-encoding")
        .is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let size = line(stream)?;
            let digits = size.split(';').next().unwrap_or_default();
            let size =
                usize::from_str_radix(digits, 16).map_err(|_| invalid(&format!("chunk size {size:?}")))?;
            if size == 0 {
                reply.trailers = fields(stream)?;
                return Ok(());
            }
            let start = reply.body.len();
            reply.body.resize(start + size, 0);
            stream.read_exact(&mut reply.body[start..])?;
            if !line(stream)?.is_empty() {
                return Err(invalid("no CRLF after a chunk"));
            }
        }
    } else if let Some(length) = reply.header("content-length") {
        let length = length.parse().map_err(|_| invalid("content-length"))?;
        reply.body.resize(length, 0);
        stream.read_exact(&mut reply.body)
    } else {
        stream.read_to_end(&mut reply.body).map(|_| ())
    }
}

pub(super) fn fields<R: Read>(stream: &mut BufReader<R>) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let field = line(stream)?;
        if field.is_empty() {
            return Ok(fields);
        }
        let (name, value) = field.split_once(':').ok_or_else(|| invalid(&format!("field {field:?}")))?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// One line without its CRLF.
pub(super) fn line<R: Read>(stream: &mut BufReader<R>) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') || bytes.pop() != Some(b'\r') {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection ended inside a line"));
    }
    String::from_utf8(bytes).or_else(|e| Ok(e.into_bytes().iter().map(|&b| char::from(b)).collect()))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
