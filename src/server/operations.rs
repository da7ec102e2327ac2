//! The operations listener: alive, ready, metrics. On the control runtime, on an address of its own.
//!
//! Nothing here is meant for the public network, and nothing here names a person.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::settings::Timeouts;
use crate::doors::Handler;
use crate::upstream::{Body, Peer};

use super::census::Census;
use super::connection::{Drain, Entrance, Line, Terms};
use super::listen::{self, Bound, Listener};
use super::trust::{Seldom, Trust};
use super::{Shutdown, worker};

/// Most connections at once; scrapers and probes need few.
const MAX_CONNECTIONS: usize = 64;
/// Bytes of a request's header block.
const MAX_HEADER: usize = 8 * 1024;

/// One thing that must hold for the process to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub fine: bool,
}

type Checks = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;
type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The listener before it serves.
pub struct Operations {
    listener: Listener,
    address: SocketAddr,
    timeouts: Timeouts,
    checks: Checks,
    metrics: Metrics,
}

impl Operations {
    /// Opens the listener. `checks` say whether the process is ready, besides not being about to
    /// end; `metrics` gives the text exposition. Must be called on a runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(
        address: SocketAddr,
        timeouts: &Timeouts,
        checks: impl Fn() -> Vec<Check> + Send + Sync + 'static,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("server.operations {address}: {error}"));
        let opened = listen::open_tcp(address, 1).map_err(named)?;
        let listener = opened.into_iter().next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener: Bound::Tcp(listener).take_over()?,
            timeouts: timeouts.clone(),
            checks: Arc::new(checks),
            metrics: Arc::new(metrics),
        })
    }

    /// Where it listens, with its real port.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves for as long as it is polled, also while the data plane drains: that is when probes
    /// must learn that it does.
    pub async fn serve(self, shutdown: Shutdown) {
        let probes = Probes { shutdown, checks: self.checks, metrics: self.metrics };
        let nobody: &[IpNet] = &[];
        let terms = Terms {
            timeouts: self.timeouts,
            max_header: MAX_HEADER,
            trust: Trust::new(nobody),
            census: Census::new(MAX_CONNECTIONS),
            drain: Arc::new(Drain::default()),
            strangers: Seldom::default(),
        };
        let line = Arc::new(Line::new(probes, Arc::new(terms)));
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        worker::accept(self.listener, Entrance::default(), line, room, TaskTracker::new()).await;
    }
}

struct Probes {
    shutdown: Shutdown,
    checks: Checks,
    metrics: Metrics,
}

impl Probes {
    fn answer(&self, method: &Method, path: &str, query: Option<&str>) -> Response<Body> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match path {
            "/livez" | "/healthz" => text(StatusCode::OK, "ok\n".into()),
            "/readyz" => self.ready(query.is_some_and(is_verbose)),
            "/metrics" => {
                let mut metrics = text(StatusCode::OK, (self.metrics)());
                let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                metrics
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(openmetrics));
                metrics
            }
            _ => text(StatusCode::NOT_FOUND, "/livez /readyz /healthz /metrics\n".into()),
        }
    }

    fn ready(&self, verbose: bool) -> Response<Body> {
        let mut checks = vec![Check { name: "not-draining", fine: !self.shutdown.has_begun() }];
        checks.extend((self.checks)());
        let fine = checks.iter().all(|check| check.fine);
        let mut body = String::new();
        for check in checks.iter().filter(|check| verbose || !check.fine) {
            let (mark, word) = if check.fine { ('+', "ok") } else { ('-', "failed") };
            // Writing to a string cannot fail.
            let _ = writeln!(body, "[{mark}] {} {word}", check.name);
        }
        body.push_str(if fine { "ok\n" } else { "not ready\n" });
        text(
            if fine {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            },
            body,
        )
    }
}

fn is_verbose(query: &str) -> bool {
    query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose="))
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Handler for Probes {
    async fn handle(&self, request: Request<Incoming>, _peer: Peer) -> Response<Body> {
        self.answer(request.method(), request.uri().path(), request.uri().query())
    }
}
