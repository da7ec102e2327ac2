//! HTTP/2 to HTTP/1.1: pseudo-headers and fields that would mean something else once they are lines of text.

use proptest::prelude::*;
use proptest::sample::select;

use super::{CANARY, CASE, Meant, NOBODY_SAYS, Worker, http1, judge};
use crate::support::{Field, Http2, Outcome, Recorded};

#[derive(Clone, Debug)]
pub(super) struct Request {
    method: &'static str,
    path: String,
    /// Which host, and what `host` says beside it.
    authority: Option<char>,
    host: Option<&'static str>,
    fields: Vec<Field>,
    body: Option<&'static str>,
    signed_in: bool,
}

/// Several requests on one connection, each its own stream.
pub(super) fn case() -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec(request(), 1..5)
}

fn request() -> impl Strategy<Value = Request> {
    let methods = prop_oneof![
        5 => Just("GET"),
        1 => Just("POST"),
        1 => select(&["POST", "PUT", "get", "TRACE", "CONNECT", "GET /admin HTTP/1.1\r\nx:", "", "G\0T", "OPTIONS"][..]),
    ];
    let paths = prop_oneof![
        4 => http1::target(),
        1 => select(&["", "*", "x", "/x HTTP/1.1\r\nRemote-User: mallory", "/x y", "//s0.localhost/x", "http://s0.localhost/admin", "/x\n", "/\0"][..])
            .prop_map(str::to_owned),
    ];
    let authorities =
        prop_oneof![9 => Just(Some('a')), 1 => Just(Some('s')), 1 => Just(Some('j')), 1 => Just(None)];
    let hosts = prop_oneof![
        9 => Just(None),
        1 => select(&["a0.localhost", "s0.localhost", "A0.LOCALHOST", "", "a0.localhost\r\nX: y"][..]).prop_map(Some),
    ];
    let fields = prop_oneof![2 => Just(Vec::<Field>::new()), 3 => prop::collection::vec(field(), 1..3)];
    let bodies = select(
        &[
            None,
            None,
            Some(""),
            Some("GET /mallory HTTP/1.1\r\nHost: a0.localhost\r\n\r\n"),
        ][..],
    );
    (methods, paths, authorities, hosts, fields, bodies, any::<bool>()).prop_map(
        |(method, path, authority, host, fields, body, signed_in)| Request {
            method,
            path,
            authority,
            host,
            fields,
            body,
            signed_in,
        },
    )
}

fn field() -> impl Strategy<Value = Field> {
    let spelled = (select(&NOBODY_SAYS[..]), select(&["-", "_", ".", "!"][..]))
        .prop_map(|(name, dash)| (name.replace('-', dash).to_lowercase().into_bytes(), CANARY.into()));
    let odd = select(
        &[
            ("Remote-User", "mallory"),
            ("x-a", "1\r\nRemote-User: mallory"),
            ("x-a", "1\nremote-user: mallory"),
            ("x-a", "1\0"),
            ("x-a\r\nremote-user", "mallory"),
            ("x-a: 1\r\nremote-user", "mallory"),
            ("x a", "mallory"),
            ("", "mallory"),
            ("transfer-encoding", "chunked"),
            ("transfer_encoding", "chunked"),
            ("content-length", "0"),
            ("content-length", "5"),
            ("content-length", "+5"),
            ("connection", "x-forwarded-for"),
            ("upgrade", "websocket"),
            ("te", "gzip"),
            ("te", "trailers"),
            ("keep-alive", "5"),
            ("proxy-connection", "keep-alive"),
            (":path", "/admin"),
            (":authority", "s0.localhost"),
            (":status", "200"),
            (":protocol", "websocket"),
            ("cookie", "stepgate=mallory"),
            ("expect", "100-continue"),
            ("x-forwarded-for", "6.6.6.6"),
        ][..],
    )
    .prop_map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    prop_oneof![1 => spelled, 2 => odd]
}

impl Request {
    fn fields(&self, worker: &Worker<'_>, case: usize) -> Vec<Field> {
        let own = |text: &[u8]| worker.own(&String::from_utf8_lossy(text)).into_bytes();
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), own(value.as_bytes()));
        let mut fields = vec![
            field(":method", self.method),
            field(":scheme", "http"),
            (b":path".to_vec(), self.path.clone().into_bytes()),
        ];
        fields.extend(self.authority.map(|kind| field(":authority", &worker.host(kind))));
        fields.push(field(CASE, &case.to_string()));
        fields.extend(self.host.map(|host| field("host", host)));
        fields.extend(self.signed_in.then(|| field("cookie", &worker.cookie)));
        fields.extend(self.fields.iter().map(|(name, value)| (name.clone(), own(value))));
        fields
    }

    fn is_websocket(&self) -> bool {
        self.method == "CONNECT" && self.fields.iter().any(|(name, _)| name == b":protocol")
    }

    fn says_empty(&self) -> bool {
        self.fields
            .iter()
            .any(|(name, value)| name == b"content-length" && value == b"0")
    }

    fn meant(&self) -> Meant {
        let target = self.path.split('#').next().unwrap_or_default().to_owned();
        Meant { target, body: self.body.unwrap_or_default().into(), signed_in: self.signed_in }
    }
}

/// One after the other on a connection, a new one where the gate has ended it; after each, what arrived.
pub(super) fn check(worker: &Worker<'_>, requests: &[Request]) -> Result<(), TestCaseError> {
    let mut connection = Http2::connect(worker.gate.address());
    for request in requests {
        if !connection.is_open() {
            connection = Http2::connect(worker.gate.address());
        }
        let case = worker.next_case();
        let outcome = connection.ask(&request.fields(worker, case), request.body.map(str::as_bytes));
        let arrived = worker.arrived_of(case);
        worker.count(1, &arrived);
        for got in &arrived {
            if let Err(why) = judge(got, &[request.meant()]) {
                let head = String::from_utf8_lossy(&got.head).into_owned();
                return Err(TestCaseError::fail(format!("{why}: {head:?}\nsent {request:?}")));
            }
        }
        let targets: Vec<String> = arrived.iter().map(Recorded::target).collect();
        match outcome {
            Outcome::Answered { status: 200, body } => {
                prop_assert_eq!(targets, [String::from_utf8_lossy(&body).into_owned()], "sent {:?}", request);
            }
            // An upgrade that the upstream answers with anything but 101 is none.
            Outcome::Answered { status: 502, .. } if request.is_websocket() => {
                prop_assert!(targets.len() <= 1);
            }
            // With `content-length: 0` the head is a whole request; that more follows shows itself later.
            Outcome::Reset(_) if request.says_empty() => prop_assert!(targets.len() <= 1),
            other => {
                prop_assert!(targets.is_empty(), "{other:?} and yet {targets:?} arrived; sent {request:?}");
            }
        }
    }
    Ok(())
}
