//! Entrances: each translates a request, asks the gate and answers. A door never decides.
//!
//! The reverse proxy forwards what it is allowed to. The check doors stand beside another proxy,
//! which asks before it forwards: [`check`] over HTTP, [`ext_authz`] over gRPC. What every door has
//! in common is that an allow costs a [`Permit`](crate::policy::Permit), taken by value.

mod asked;
mod check;
mod ext_authz;
mod log_in;
mod own_body;
mod reverse_proxy;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use http::header::HeaderMap;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use tower::Service;

use crate::gate::Judgement;
use crate::gate::check::{Asked, Unclear};
use crate::gate::entrance::Entrance;
use crate::policy::Door;
use crate::upstream::{Peer, Rules};

pub use crate::upstream::Body;
pub use reverse_proxy::{Judge, PortalDoor, ReverseProxy};

/// Answers requests. May be dropped at every await: the client has gone then.
pub trait Handler: Send + Sync + 'static {
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;
}

/// Whoever judges for other proxies: the gate.
pub trait Checks: Send + Sync + 'static {
    /// Which way a request goes. Every request passes here: one comparison for ordinary ones.
    fn entrance(&self, parts: &Parts, peer: Peer) -> Entrance;

    /// Judges the request another proxy asks about; `parts` has the client's own headers. To forward
    /// means to allow.
    fn check(
        &self,
        door: Door,
        asked: Asked,
        parts: &mut Parts,
        peer: Peer,
    ) -> impl Future<Output = (Judgement, Arc<Rules>)> + Send;

    /// The answer to a proxy that does not say which request it asks about.
    fn unclear(&self, door: Door, unclear: Unclear) -> Response<Body>;

    /// The answer where nothing is.
    fn nothing(&self, headers: &HeaderMap) -> Response<Body>;

    /// Whether requests can be judged at all at the moment.
    fn is_ready(&self) -> bool;
}

/// One worker's entrances, behind one listener.
pub struct Doors<J, S> {
    judge: Arc<J>,
    proxy: ReverseProxy<J, S>,
    ext_authz: ext_authz::ExtAuthz<J>,
}

impl<J: Checks, S> Doors<J, S>
where
    J: Judge,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    #[must_use]
    pub fn new(judge: Arc<J>, proxy: ReverseProxy<J, S>) -> Self {
        let ext_authz = ext_authz::ExtAuthz::new(Arc::clone(&judge));
        Self { judge, proxy, ext_authz }
    }

    /// Answers what is not for the reverse proxy.
    async fn beside(&self, entrance: Entrance, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        match entrance {
            Entrance::Proxy => self.proxy.handle(request, peer).await,
            Entrance::Check(Door::EnvoyGrpc, _) => self.ext_authz.answer(request, peer).await,
            Entrance::Check(door, at) => check::answer(&*self.judge, (door, at), request, peer).await,
            Entrance::Health => ext_authz::health(self.judge.is_ready()),
            Entrance::Nothing => {
                let (parts, body) = request.into_parts();
                let answer = self.judge.nothing(&parts.headers);
                reverse_proxy::after_unread(answer, &parts, Some(body)).await
            }
        }
    }
}

impl<J, S> Handler for Doors<J, S>
where
    J: Checks + Judge,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        match self.judge.entrance(&parts, peer) {
            Entrance::Proxy => self.proxy.answer(parts, body, peer).await,
            // Boxed, so that ordinary requests do not carry the room that these need.
            entrance => Box::pin(self.beside(entrance, Request::from_parts(parts, body), peer)).await,
        }
    }
}
