//! The entrances to a gate, asked alike: the reverse proxy and each check door, as its proxy would ask.
//!
//! One [`Ask`] goes in, one [`Outcome`] comes out, whatever the door. A further door, or a real proxy, is a
//! further way to make the one from the other.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use envoy_types::pb::envoy::config::core::v3::address::Address as AnyAddress;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::http::{Reply, read_reply};
use super::{Gate, PATIENCE, Upstream};

/// Where a client's request comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Proxy,
    Forward,
    Nginx,
    EnvoyHttp,
    EnvoyGrpc,
}

impl Door {
    /// Those that stand beside another proxy.
    pub const CHECKS: [Self; 4] = [Self::Forward, Self::Nginx, Self::EnvoyHttp, Self::EnvoyGrpc];
}

/// A request as the client sends it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    pub host: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// 401 that names this level; the empty name where nobody is known.
    Asked(String),
    /// Led away, to this page of the portal.
    Led(String),
    Refused,
    Unavailable,
}

/// A door's answer.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub decision: Decision,
    /// What the app is told, of all names that say anything about a person; nothing where the value is empty.
    pub told: BTreeMap<String, String>,
    /// The door's own status.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Every name that tells an app about a person.
pub const TOLD: [&str; 8] = [
    "remote-user",
    "remote-groups",
    "remote-name",
    "remote-email",
    "stepgate-acr",
    "stepgate-amr",
    "stepgate-auth-time",
    "stepgate-assertion",
];

impl Ask {
    pub fn get(target: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            host: "localhost".to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As a browser that navigates.
    #[must_use]
    pub fn navigating(self) -> Self {
        self.with("Accept", "text/html,*/*;q=0.8")
            .with("Sec-Fetch-Mode", "navigate")
            .with("Sec-Fetch-Dest", "document")
    }

    fn authority(&self, gate: &Gate) -> String {
        format!("{}:{}", self.host, gate.setup.port())
    }
}

impl Outcome {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    fn of(reply: Reply, told: impl Fn(&str) -> Option<String>) -> Self {
        let decision = decision(&reply);
        let told = TOLD
            .into_iter()
            .filter(|_| decision == Decision::Allowed)
            .filter_map(|name| Some((name.to_owned(), told(name).filter(|value| !value.is_empty())?)))
            .map(|(name, value)| {
                if name == "stepgate-assertion" {
                    (name, claims(&value))
                } else {
                    (name, value)
                }
            })
            .collect();
        Self { decision, told, status: reply.status, headers: reply.headers, body: reply.body }
    }
}

fn decision(reply: &Reply) -> Decision {
    let led = || {
        let location = reply.location().split('?').next().unwrap_or_default();
        Decision::Led(location.rsplit('/').next().unwrap_or_default().to_owned())
    };
    match reply.status {
        200 => Decision::Allowed,
        303 => led(),
        401 if reply.header("location").is_some() => led(),
        401 => {
            let challenge = reply.header("www-authenticate").unwrap_or_default();
            let level = challenge.split_once("acr_values=\"").and_then(|(_, rest)| rest.split_once('"'));
            Decision::Asked(level.map_or(String::new(), |(level, _)| level.to_owned()))
        }
        400 | 403 | 404 | 405 | 414 => Decision::Refused,
        503 => Decision::Unavailable,
        other => panic!("status {other}: {:?} {}", reply.headers, reply.text()),
    }
}

/// The payload of a signed assertion but for its times and its identity, to be compared.
fn claims(token: &str) -> String {
    let payload = token.split('.').nth(1).expect("a JWT");
    let mut claims: serde_json::Value =
        serde_json::from_slice(&BASE64.decode(payload).expect("base64")).expect("JSON");
    for time in ["iat", "exp"] {
        claims.as_object_mut().expect("claims").remove(time);
    }
    claims.to_string()
}

/// Sends a client's request through a door. The peer is 127.0.0.1, and so is the client.
#[track_caller]
pub fn through(door: Door, gate: &Gate, upstream: &Upstream, ask: &Ask) -> Outcome {
    let authority = ask.authority(gate);
    let own = ask.headers.clone();
    let end_to_end = || {
        own.iter()
            .filter(|(name, _)| !["connection", "upgrade"].contains(&&*name.to_lowercase()))
    };
    let with = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let more = more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        end_to_end().cloned().chain(more).collect()
    };
    let check = |method: &str, target: &str, headers: &[(String, String)]| {
        let reply = send(gate, Ipv4Addr::LOCALHOST.into(), method, target, headers);
        let told = reply.headers.clone();
        Outcome::of(reply, |name| {
            told.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
        })
    };
    match door {
        Door::Proxy => {
            upstream.take();
            let mut headers = own.clone();
            headers.push(("Host".to_owned(), authority));
            let reply = send(gate, Ipv4Addr::LOCALHOST.into(), &ask.method, &ask.target, &headers);
            let seen = upstream.take();
            Outcome::of(reply, |name| {
                let values = seen.last().map(|seen| seen.twins(name)).unwrap_or_default();
                assert!(values.len() < 2, "{name} twice: {values:?}");
                values.into_iter().next()
            })
        }
        Door::Forward => {
            let said = [
                ("Host", "stepgate"),
                ("X-Forwarded-Method", &ask.method),
                ("X-Forwarded-Proto", "http"),
                ("X-Forwarded-Host", &authority),
                ("X-Forwarded-Uri", &ask.target),
                ("X-Forwarded-For", "127.0.0.1"),
            ];
            check("GET", "/.stepgate/authz/forward", &with(&said))
        }
        Door::Nginx => {
            let url = format!("http://{authority}{}", ask.target);
            let said = [
                ("Host", "stepgate"),
                ("X-Original-Method", &*ask.method),
                ("X-Original-URL", &url),
                ("X-Forwarded-For", "127.0.0.1"),
            ];
            check("GET", "/.stepgate/authz/nginx", &with(&said))
        }
        Door::EnvoyHttp => {
            let said = [
                ("Host", &*authority),
                ("X-Forwarded-Proto", "http"),
                ("X-Forwarded-For", "127.0.0.1"),
                ("Content-Length", "0"),
            ];
            check(&ask.method, &format!("/.stepgate/authz/envoy{}", ask.target), &with(&said))
        }
        Door::EnvoyGrpc => grpc(gate, ask),
    }
}

/// One request with exactly these headers, from this loopback address.
#[track_caller]
pub fn send(gate: &Gate, from: IpAddr, method: &str, target: &str, headers: &[(String, String)]) -> Reply {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("Connection: close\r\n\r\n");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("a loopback address");
    socket.connect(&gate.address().into()).expect("the gate accepts");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(head.as_bytes()).expect("the gate reads");
    read_reply(&mut BufReader::new(stream), method).expect("an answer")
}

/// A question as Envoy makes it.
pub fn question(gate: &Gate, ask: &Ask) -> CheckRequest {
    let authority = ask.authority(gate);
    let pseudo = [
        (":authority", &*authority),
        (":method", &ask.method),
        (":path", &ask.target),
        (":scheme", "http"),
    ];
    let own = ask.headers.iter().map(|(n, v)| (n.to_lowercase(), v.clone()));
    let all = pseudo.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).chain(own);
    let headers = all
        .map(|(key, value)| HeaderValue { key, raw_value: value.into_bytes(), ..HeaderValue::default() })
        .collect();
    let http = HttpRequest {
        method: ask.method.clone(),
        host: authority.clone(),
        path: ask.target.clone(),
        scheme: "http".to_owned(),
        header_map: Some(HeaderMap { headers }),
        ..HttpRequest::default()
    };
    let socket = SocketAddress { address: "127.0.0.1".to_owned(), ..SocketAddress::default() };
    let address = Address { address: Some(AnyAddress::SocketAddress(socket)) };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer { address: Some(address), ..Peer::default() }),
            request: Some(Request { http: Some(http), ..Request::default() }),
            ..AttributeContext::default()
        }),
    }
}

/// Asks over gRPC, to this `:authority`.
pub fn ask_envoy(
    gate: &Gate,
    authority: &str,
    question: CheckRequest,
) -> Result<CheckResponse, tonic::Status> {
    let origin = format!("http://{authority}").parse().expect("a URL");
    over_http2(gate, async |sender: SendRequest<tonic::body::Body>| {
        let service = tower::service_fn(move |request| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let mut client = AuthorizationClient::with_origin(service, origin);
        client.check(question).await.map(tonic::Response::into_inner)
    })
}

/// Calls a method with an empty message: the status, what came back, and gRPC's own status.
#[expect(clippy::disallowed_methods, reason = "a test's own short answer")]
pub fn call(
    gate: &Gate,
    authority: &str,
    path: &str,
    more: Option<(&str, &str)>,
) -> (u16, Vec<u8>, Option<String>) {
    let mut request =
        ::http::Request::post(format!("http://{authority}{path}")).header("content-type", "application/grpc");
    if let Some((name, value)) = more {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from_static(&[0; 5]))).expect("a request");
    over_http2(gate, async |mut sender: SendRequest<Full<Bytes>>| {
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body");
        let trailer = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
        let status = trailer.and_then(|value| value.to_str().ok()).map(str::to_owned);
        (head.status.as_u16(), body.to_bytes().to_vec(), status)
    })
}

/// Does something with an HTTP/2 connection, in good time.
fn over_http2<B, T>(gate: &Gate, act: impl AsyncFnOnce(SendRequest<B>) -> T) -> T
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let address = gate.address();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("the gate accepts");
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("HTTP/2");
        tokio::spawn(connection);
        tokio::time::timeout(PATIENCE, act(sender)).await.expect("an answer in time")
    })
}

#[track_caller]
fn grpc(gate: &Gate, ask: &Ask) -> Outcome {
    let answer = match ask_envoy(gate, "stepgate", question(gate, ask)) {
        Ok(answer) => answer,
        Err(status) if status.code() == tonic::Code::Unavailable => {
            let reply = Reply { status: 503, headers: Vec::new(), body: Vec::new(), trailers: Vec::new() };
            return Outcome::of(reply, |_| None);
        }
        Err(status) => panic!("{status}"),
    };
    let code = answer.status.expect("a status").code;
    let field = |option: &envoy_types::pb::envoy::config::core::v3::HeaderValueOption| {
        let header = option.header.clone().expect("a header");
        (header.key, header.value)
    };
    match answer.http_response.expect("an answer") {
        HttpResponse::OkResponse(ok) => {
            assert_eq!(code, 0);
            let headers: Vec<_> = ok.headers.iter().map(field).collect();
            for (name, _) in &headers {
                assert!(!ok.headers_to_remove.contains(name), "Envoy would remove {name} again");
            }
            let sent: Vec<String> = ask.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
            let told = |name: &str| {
                let set = headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                let removed = ok.headers_to_remove.iter().any(|removed| removed == name);
                assert!(set.is_some() || removed, "{name} is neither set nor removed");
                // Twins of the client's would reach the app beside it.
                for twin in sent.iter().filter(|sent| *sent != name && sent.replace('_', "-") == name) {
                    assert!(ok.headers_to_remove.contains(twin), "{twin} stays");
                }
                set
            };
            let reply =
                Reply { status: 200, headers: headers.clone(), body: Vec::new(), trailers: Vec::new() };
            Outcome::of(reply, told)
        }
        HttpResponse::DeniedResponse(denied) => {
            assert_ne!(code, 0);
            let status = u16::try_from(denied.status.expect("a status").code).expect("a status");
            let headers = denied.headers.iter().map(field).collect();
            Outcome::of(
                Reply { status, headers, body: denied.body.into_bytes(), trailers: Vec::new() },
                |_| None,
            )
        }
        HttpResponse::ErrorResponse(_) => panic!("an error response"),
    }
}
