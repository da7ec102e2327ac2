//! Entrances: each translates a request, asks the gate and answers. A door never decides.

mod reverse_proxy;

use std::future::Future;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::upstream::Peer;

pub use crate::upstream::Body;
pub use reverse_proxy::{Judge, PortalDoor, ReverseProxy};

/// Answers requests. May be dropped at every await: the client has gone then.
pub trait Handler: Send + Sync + 'static {
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;
}
