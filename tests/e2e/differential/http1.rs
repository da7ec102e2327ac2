//! HTTP/1.1: request lines, fields and framings that somebody could read in another way, several on one
//! connection.

use std::io::{BufReader, Read as _};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::{CANARY, CASE, Meant, NOBODY_SAYS, Worker, judge};
use crate::lenient::BITS;
use crate::support::{Raw, Recorded, read_reply};

/// A request that no valid framing contains: whoever gets it has read a body as a request.
const HIDDEN: &str = "GET /mallory HTTP/1.1\r\nHost: a0.localhost\r\n\r\n";

/// Silence after which a connection that did not close is given up. Decides how fast the test is, not what
/// it says.
const QUIET: Duration = Duration::from_millis(400);

#[derive(Clone, Debug)]
pub(super) struct Request {
    method: &'static str,
    form: Form,
    target: String,
    version: &'static str,
    host: Host,
    /// Lines as they stand, with their ends.
    fields: Vec<String>,
    framing: usize,
    signed_in: bool,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Origin,
    /// With this kind of host.
    Absolute(char),
    /// As an authority, or without anything.
    Bare,
}

#[derive(Clone, Copy, Debug)]
enum Host {
    Plain(char),
    Upper,
    Dotted,
    Port,
    Twice,
    None,
    Written(&'static str),
}

/// Several requests for one connection.
pub(super) fn case() -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec(request(), 1..4)
}

fn request() -> impl Strategy<Value = Request> {
    let methods = prop_oneof![
        6 => Just("GET"),
        2 => Just("POST"),
        3 => select(&["PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "get", "Post", "TRACE", "CONNECT", "M-SEARCH", "HEAD"][..]),
    ];
    let forms = prop_oneof![
        12 => Just(Form::Origin),
        1 => select(&['a', 's', 'j'][..]).prop_map(Form::Absolute),
        1 => Just(Form::Bare),
    ];
    let versions = prop_oneof![
        20 => Just("HTTP/1.1"),
        1 => select(&["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", ""][..]),
    ];
    let fields = prop_oneof![2 => Just(Vec::<String>::new()), 3 => prop::collection::vec(field(), 1..4)];
    (methods, forms, target(), versions, host(), fields, framing(), any::<bool>()).prop_map(
        |(method, form, target, version, host, fields, framing, signed_in)| Request {
            method,
            form,
            target,
            version,
            host,
            fields,
            framing,
            signed_in,
        },
    )
}

fn framing() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 2 => 1..4_usize, 1 => 4..FRAMINGS]
}

/// Paths of bits, and of bits around prefixes that are protected; then a query.
pub(super) fn target() -> impl Strategy<Value = String> {
    let starts = select(
        &[
            "/",
            "/x/",
            "/private/",
            "/write/",
            "/admin",
            "/.stepgate",
            "/private",
            "/x/../",
        ][..],
    );
    let more = select(
        &[
            "\\", "%5c", "#", "/..;/", ";/../", "%", "%zz", "%2e./", "..%00/", "private", "\t", "%0d%0a",
            "\u{7f}", "*", "é",
        ][..],
    );
    let bits = prop_oneof![9 => select(&BITS[..]), 1 => more];
    let queries = select(
        &[
            "",
            "",
            "",
            "?",
            "?x=1",
            "?/../admin",
            "?a=%2f..%2fadmin",
            "??",
            "?x#/admin",
            "?;x",
            "?_method=DELETE",
        ][..],
    );
    (starts, prop::collection::vec(bits, 0..5), queries)
        .prop_map(|(start, bits, query)| format!("{start}{}{query}", bits.concat()))
}

fn host() -> impl Strategy<Value = Host> {
    let odd = prop_oneof![
        select(&['s', 'j'][..]).prop_map(Host::Plain),
        Just(Host::Upper),
        Just(Host::Dotted),
        Just(Host::Port),
        Just(Host::Twice),
        Just(Host::None),
        select(
            &[
                "",
                "a0.localhost, s0.localhost",
                "x@a0.localhost",
                "a0.localhost/",
                "[::1]",
                "a0.localhost:x"
            ][..]
        )
        .prop_map(Host::Written),
    ];
    prop_oneof![9 => Just(Host::Plain('a')), 2 => odd]
}

/// A field that no client may send, in some spelling; or a line that is no field; or an honest one.
fn field() -> impl Strategy<Value = String> {
    let spelled = (select(&NOBODY_SAYS[..]), select(&["-", "_", ".", "!", "~", "'", "|"][..]), any::<bool>())
        .prop_map(|(name, dash, lower)| {
            let name = name.replace('-', dash);
            format!("{}: {CANARY}\r\n", if lower { name.to_lowercase() } else { name })
        });
    let odd = select(
        &[
            "X-A: 1\r\n Remote-User: mallory\r\n",
            "X-A: 1\nRemote-User: mallory\r\n",
            "X-A: 1\rRemote-User: mallory\r\n",
            "Remote-User : mallory\r\n",
            " Remote-User: mallory\r\n",
            "Remote-User\0: mallory\r\n",
            "Remote\u{b}User: mallory\r\n",
            ": mallory\r\n",
            "mallory\r\n",
            "Connection: Remote-User, Host, X-Forwarded-For\r\n",
            "Connection: keep-alive, Cookie, Content-Length\r\n",
            "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
            "TE: trailers, gzip\r\n",
            "Trailer: Remote-User\r\n",
            "Expect: 100-continue\r\n",
            "Keep-Alive: 5\r\n",
            "X-Forwarded-For: 6.6.6.6\r\n",
            "X_Forwarded_For: 6.6.6.6\r\n",
            "X-Forwarded-Host: s0.localhost\r\n",
            "Cookie: stepgate=mallory; stepgate-id=mallory\r\n",
            "Host : a0.localhost\r\n",
        ][..],
    )
    .prop_map(str::to_owned);
    let honest = select(&["Accept: */*\r\n", "X-Kept: 1\r\n", "Cookie: a=1\r\n"][..]).prop_map(str::to_owned);
    prop_oneof![2 => spelled, 2 => odd, 1 => honest]
}

/// How many ways there are to frame a body; those from 4 on are broken or ambiguous.
const FRAMINGS: usize = 24;

/// Header lines, and what follows the head.
fn framed(kind: usize) -> (String, Vec<u8>) {
    let length = HIDDEN.len();
    let chunk = format!("{length:x}\r\n{HIDDEN}\r\n");
    let (fields, body) = match kind {
        0 => (String::new(), String::new()),
        1 => (format!("Content-Length: {length}\r\n"), HIDDEN.to_owned()),
        2 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("{chunk}0\r\n\r\n")),
        3 => (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{chunk}0\r\nRemote-User: mallory\r\n\r\n"),
        ),
        4 => (
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            format!("0\r\n\r\n{HIDDEN}"),
        ),
        5 => (
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
            format!("0\r\n\r\n{HIDDEN}"),
        ),
        6 => (format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), HIDDEN.to_owned()),
        7 => (format!("Content-Length: 0, {length}\r\n"), HIDDEN.to_owned()),
        8 => ("Content-Length: +0\r\n".to_owned(), HIDDEN.to_owned()),
        9 => ("Content-Length: 0x0\r\n".to_owned(), HIDDEN.to_owned()),
        10 => ("Transfer-Encoding: xchunked\r\n".to_owned(), format!("0\r\n\r\n{HIDDEN}")),
        11 => ("Transfer-Encoding: gzip, chunked\r\n".to_owned(), format!("0\r\n\r\n{HIDDEN}")),
        12 => (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
            format!("0\r\n\r\n{HIDDEN}"),
        ),
        13 => ("Transfer-Encoding : chunked\r\n".to_owned(), format!("0\r\n\r\n{HIDDEN}")),
        14 => ("Transfer-Encoding:\u{b}chunked\r\n".to_owned(), format!("0\r\n\r\n{HIDDEN}")),
        15 => ("X: x\nTransfer-Encoding: chunked, x\r\n".to_owned(), format!("0\r\n\r\n{HIDDEN}")),
        16 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("0x0\r\n\r\n{HIDDEN}")),
        17 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("-1\r\n\r\n{HIDDEN}")),
        18 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("1\r\nxx0\r\n\r\n{HIDDEN}")),
        19 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("ffffffffffffffff0\r\n{HIDDEN}")),
        20 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("0;\n\r\n\r\n{HIDDEN}")),
        21 => (" Content-Length: 0\r\n".to_owned(), HIDDEN.to_owned()),
        22 => ("Content_Length: 5\r\nContent-Length: 0\r\n".to_owned(), String::new()),
        _ => ("Content-Length: 0\r\nTransfer_Encoding: chunked\r\n".to_owned(), String::new()),
    };
    (fields, body.into_bytes())
}

impl Request {
    fn bytes(&self, worker: &Worker<'_>, case: usize, last: bool) -> Vec<u8> {
        let target = match self.form {
            Form::Origin => self.target.clone(),
            Form::Absolute(kind) => format!("http://{}{}", worker.host(kind), self.target),
            Form::Bare => self.target.trim_start_matches('/').to_owned(),
        };
        let mut head = format!("{} {target} {}\r\n", self.method, self.version);
        let plain = worker.host('a');
        head.push_str(&match self.host {
            Host::Plain(kind) => format!("Host: {}\r\n", worker.host(kind)),
            Host::Upper => format!("Host: {}\r\n", plain.to_uppercase()),
            Host::Dotted => format!("Host: {plain}.\r\n"),
            Host::Port => format!("Host: {plain}:{}\r\n", worker.gate.setup.port()),
            Host::Twice => format!("Host: {plain}\r\nHost: {}\r\n", worker.host('s')),
            Host::None => String::new(),
            Host::Written(text) => format!("Host: {}\r\n", worker.own(text)),
        });
        head.push_str(&format!("{CASE}: {case}\r\n"));
        if self.signed_in {
            head.push_str(&format!("Cookie: {}\r\n", worker.cookie));
        }
        for field in &self.fields {
            head.push_str(&worker.own(field));
        }
        let (fields, body) = framed(self.framing);
        head.push_str(&fields);
        if last {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(body);
        bytes
    }

    fn meant(&self) -> Meant {
        let body = if matches!(self.framing, 1..=3) {
            HIDDEN.into()
        } else {
            Vec::new()
        };
        // What stands after `#` is nobody's; a path that is missing is `/`.
        let target = self.target.split('#').next().unwrap_or_default().to_owned();
        Meant { target, body, signed_in: self.signed_in }
    }
}

/// Sends the whole at once, reads every answer, and has the oracle judge what arrived.
pub(super) fn check(worker: &Worker<'_>, requests: &[Request]) -> Result<(), TestCaseError> {
    // The length of an answer depends on the method: whoever asks HEAD asks nothing more.
    let end = requests
        .iter()
        .position(|r| r.method == "HEAD")
        .map_or(requests.len(), |at| at + 1);
    let requests = &requests[..end];
    let case = worker.next_case();
    let mut stream = Vec::new();
    for (at, request) in requests.iter().enumerate() {
        stream.extend(request.bytes(worker, case, at + 1 == end));
    }
    let mut raw = Raw::connect(worker.gate.address()).send(&stream);
    let (mut bytes, whole) = raw.rest(QUIET);
    if !whole {
        // It waits for more of a body that never comes, or is slow: what comes after this is not counted.
        raw.finish_sending();
        bytes.extend(raw.rest(crate::support::PATIENCE).0);
    }
    let mut answers = BufReader::new(&bytes[..]);
    let mut served = Vec::new();
    for request in requests {
        match read_reply(&mut answers, request.method) {
            Ok(reply) if reply.status == 200 => served.push(reply.text()),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let mut rest = Vec::new();
    let _ = answers.read_to_end(&mut rest);
    let arrived = worker.arrived_of(case);
    worker.count(requests.len(), &arrived);
    let show = || {
        let lines: Vec<String> = arrived.iter().map(Recorded::line).collect();
        format!("sent {:?}\narrived {lines:?}", String::from_utf8_lossy(&stream))
    };
    let sent: Vec<Meant> = requests.iter().map(Request::meant).collect();
    for request in &arrived {
        if let Err(why) = judge(request, &sent) {
            let head = String::from_utf8_lossy(&request.head).into_owned();
            return Err(TestCaseError::fail(format!("{why}: {head:?}\n{}", show())));
        }
    }
    prop_assert!(
        rest.is_empty() || !whole,
        "more answers than requests: {:?}\n{}",
        String::from_utf8_lossy(&rest),
        show()
    );
    let targets: Vec<String> = arrived.iter().map(Recorded::target).collect();
    if whole && requests.iter().all(|r| r.method != "HEAD") {
        prop_assert_eq!(&served, &targets, "answers and requests do not match\n{}", show());
    }
    prop_assert!(arrived.len() <= requests.len(), "more requests than were sent\n{}", show());
    Ok(())
}
