//! A running plane, raw clients, and upstreams that do exactly what a test says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::ambient::UnixTime;
use crate::config::Settings;
use crate::config::settings::{Listen, ListenAddress, Require, Requirement, Route, Upstream};
use crate::doors::{Judge, PortalDoor, ReverseProxy};
use crate::gate::Judgement;
use crate::policy::tests_support::{SIGNED_IN, anna, asks, request, route, settings};
use crate::policy::{
    CanonicalRequest, Deadlines, Decision, Enrolled, Facts, Identity, LevelSet, Policy, Question,
};
use crate::server::{Plane, Shutdown};
use crate::upstream::{Body, Forwarder, Outgoing, Oversight, Peer, Rules, UpstreamError, Watched};

/// Longer than anything a test waits for on purpose.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Nothing happens and nobody is told.
struct Nothing;

impl Oversight for Nothing {
    fn now(&self) -> UnixTime {
        UnixTime(0)
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn took_note(&self, _: Vec<Arc<Watched>>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// Judges every request by a policy with one route; `/answer…` and `/portal…` never leave the house.
struct TestJudge {
    rules: Arc<Rules>,
    policy: Policy,
    person: Option<Arc<Identity>>,
}

impl TestJudge {
    fn decide(&self, request: CanonicalRequest) -> Decision {
        let now = UnixTime(0);
        let route = self.policy.route_for("app.example.com").unwrap();
        let facts = Facts { identity: self.person.as_deref(), now };
        let demand = self.policy.demand(route, &request, &facts);
        let deadlines: Deadlines = self.policy.deadlines(&[], now);
        self.policy.decide(Question {
            request,
            route,
            demand,
            identity: self.person.clone(),
            deadlines: Some(&deadlines),
            enrolled: Enrolled::Unknown,
            grace_until: None,
            granted: LevelSet::EMPTY,
            now,
        })
    }
}

impl TestJudge {
    fn judgement(&self, parts: &Parts) -> Judgement {
        match parts.uri.path() {
            path if path.starts_with("/answer") => return Judgement::Answer(Response::new("no".into())),
            path if path.starts_with("/portal") => return Judgement::Portal,
            path if path.starts_with("/panic") => panic!("a handler that panics"),
            _ => {}
        }
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let Decision::Allow(permit) = self.decide(request(parts.method.as_str(), target)) else {
            panic!("the test policy allows");
        };
        let mut outgoing = Outgoing::none();
        if let Some(person) = &self.person {
            let user = HeaderValue::from_str(&person.subject).unwrap();
            outgoing.set(HeaderName::from_static("remote-user"), user);
        }
        Judgement::Forward { permit, outgoing, body: None, onlookers: None }
    }
}

impl Judge for TestJudge {
    async fn judge(
        &self,
        parts: &mut Parts,
        _body: &mut Option<Incoming>,
        _peer: Peer,
    ) -> (Judgement, Arc<Rules>) {
        (self.judgement(parts), Arc::clone(&self.rules))
    }

    fn wants_page(&self, _headers: &HeaderMap) -> bool {
        false
    }

    fn apology(&self, error: &UpstreamError, _page: bool) -> Response<Body> {
        let mut response = Response::new(Body::from(error.code()));
        *response.status_mut() = error.status();
        response
    }
}

/// A running plane.
pub struct Front {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    pub served: JoinHandle<std::io::Result<()>>,
}

/// A plane in front of `upstream` on a public route.
pub async fn public(upstream: SocketAddr) -> Front {
    start(upstream, false, |_| {}).await
}

/// Like [`public`], with other settings.
pub async fn tuned(upstream: SocketAddr, tune: impl FnOnce(&mut Settings)) -> Front {
    start(upstream, false, tune).await
}

/// A route that needs a person, with Anna signed in.
pub async fn protected(upstream: SocketAddr) -> Front {
    start(upstream, true, |_| {}).await
}

pub async fn start(upstream: SocketAddr, protected: bool, tune: impl FnOnce(&mut Settings)) -> Front {
    let requirement = if protected {
        asks(&[SIGNED_IN])
    } else {
        Requirement { require: Require::Public, optional: false }
    };
    let mut only: Route = route(requirement);
    only.upstream = Some(Arc::new(Upstream::plain(&upstream.ip().to_string(), upstream.port())));
    let mut settings = settings(vec![only]);
    settings.server.listen = vec![plain("127.0.0.1:0".parse().unwrap())];
    settings.server.workers = Some(1);
    for period in [
        &mut settings.server.timeouts.handshake,
        &mut settings.server.timeouts.headers,
        &mut settings.server.timeouts.idle,
        &mut settings.server.timeouts.body_idle,
        &mut settings.server.timeouts.upstream_response,
        &mut settings.server.drain,
    ] {
        *period = PATIENCE * 2;
    }
    tune(&mut settings);
    let settings = Arc::new(settings);
    let policy = Policy::compile(&settings).unwrap();
    let judge = Arc::new(TestJudge {
        rules: Arc::new(Rules::new(&settings, None).unwrap()),
        policy,
        person: protected.then(|| Arc::new(anna())),
    });
    let plane = Plane::bind(&settings).unwrap();
    let address = plane.local_addrs()[0].tcp().unwrap();
    let tunnels = plane.tunnels().clone();
    let echo = tower::service_fn(async |request: Request<Body>| {
        let body = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(match body {
            Ok(body) => Body::from(body.to_bytes()),
            Err(_) => Body::from("cut"),
        }))
    });
    let portal = PortalDoor::new(echo, Handle::current());
    let shutdown = Shutdown::new();
    let serving = plane.serve(
        move |_| {
            let forwarder = Forwarder::new(tunnels.clone(), Arc::new(Nothing));
            ReverseProxy::new(Arc::clone(&judge), forwarder, portal.clone())
        },
        shutdown.clone(),
    );
    Front { address, shutdown, served: tokio::spawn(serving) }
}

impl Front {
    pub async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// One exchange on a connection of its own.
    pub async fn exchange(&self, request: &str) -> String {
        let mut client = self.connect().await;
        client.send(request).await;
        client.rest().await
    }
}

/// A socket that says and hears bytes.
pub struct Client(pub TcpStream);

impl Client {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        let reading = async {
            while !heard.ends_with(end.as_bytes()) {
                let mut byte = [0];
                match self.0.read(&mut byte).await {
                    Ok(1) => heard.push(byte[0]),
                    _ => break,
                }
            }
        };
        let in_time = timeout(PATIENCE, reading).await.is_ok();
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(in_time && heard.ends_with(end), "waited for {end:?}, heard {heard:?}");
        heard
    }

    /// Everything until the other side ends the connection.
    pub async fn rest(&mut self) -> String {
        let mut heard = Vec::new();
        let ended = timeout(PATIENCE, self.0.read_to_end(&mut heard)).await;
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(ended.is_ok(), "the connection stays open; heard {heard:?}");
        heard
    }

    /// The head of a message, lower-cased.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await.to_ascii_lowercase()
    }
}

/// A scripted upstream: what it heard and how many connections it had.
#[derive(Clone, Default)]
pub struct Heard {
    bytes: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Heard {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn note(&self, text: impl Into<String>) {
        self.bytes.lock().unwrap().push(text.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.bytes.lock().unwrap().clone()
    }
}

/// Runs `script` for each connection, with its number from zero.
pub async fn upstream<F>(script: impl Fn(Client, usize, Heard) -> F + Send + 'static) -> (SocketAddr, Heard)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let shared = heard.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let number = shared.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(script(Client(stream), number, shared.clone()));
        }
    });
    (address, heard)
}

/// An upstream that notes each head and gives the same answer to all.
pub async fn always(answer: &'static str) -> (SocketAddr, Heard) {
    upstream(move |mut client, _, heard| async move {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if !matches!(client.0.read(&mut byte).await, Ok(1)) {
                    return;
                }
                head.push(byte[0]);
            }
            heard.note(String::from_utf8(head).unwrap());
            client.send(answer).await;
        }
    })
    .await
}

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A GET that ends its connection.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: app.example.com\r\nconnection: close\r\n\r\n")
}

/// A listener without TLS.
pub fn plain(address: SocketAddr) -> Listen {
    Listen { address: ListenAddress::Tcp(address), tls: false, proxy_protocol: false }
}
