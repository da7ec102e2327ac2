//! Envoy's gRPC question, `envoy.service.auth.v3.Authorization/Check`, on the same listener.
//!
//! The answer says which headers Envoy sets and which it removes, so that the app gets what it would
//! get from the reverse proxy. An own failure is gRPC's UNAVAILABLE, never an answer: what Envoy does
//! then is its `failure_mode_allow`, which must be off.

mod message;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;
use tonic::Status;
use tower::ServiceExt as _;

use super::Checks;
use super::check::{reason, refuse};
use crate::gate::Judgement;
use crate::policy::Door;
use crate::upstream::{Body, Peer};

/// Largest question: a whole header block of Envoy's with room for its names.
const LARGEST: usize = 128 * 1024;
/// Largest page in an answer.
const LARGEST_PAGE: usize = 256 * 1024;
/// How long a question may take to come and to be judged.
const PATIENCE: Duration = Duration::from_secs(10);

/// One worker's gRPC service.
pub(super) struct ExtAuthz<J> {
    server: AuthorizationServer<Checker<J>>,
}

/// What answers one decoded question.
struct Checker<J> {
    judge: Arc<J>,
}

impl<J: Checks> ExtAuthz<J> {
    pub(super) fn new(judge: Arc<J>) -> Self {
        let server = AuthorizationServer::new(Checker { judge }).max_decoding_message_size(LARGEST);
        Self { server }
    }

    /// Answers one call.
    pub(super) async fn answer(&self, mut request: Request<Incoming>, peer: Peer) -> Response<Body> {
        request.extensions_mut().insert(peer);
        match timeout(PATIENCE, self.server.clone().oneshot(request)).await {
            Ok(Ok(response)) => response.map(Body::boxed),
            Err(_) => Status::unavailable("too slow")
                .into_http::<tonic::body::Body>()
                .map(Body::boxed),
        }
    }
}

#[tonic::async_trait]
impl<J: Checks> Authorization for Checker<J> {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, Status> {
        let peer = *request.extensions().get::<Peer>().ok_or_else(|| Status::internal("no peer"))?;
        let answer = match message::read(request.into_inner()) {
            Ok((asked, mut parts)) => {
                let (judgement, rules) = self.judge.check(Door::EnvoyGrpc, asked, &mut parts, peer).await;
                match judgement {
                    Judgement::Forward { permit, outgoing, .. } => {
                        let response = message::allow(permit, &outgoing, &parts.headers, &rules);
                        return Ok(tonic::Response::new(response));
                    }
                    Judgement::Answer(answer) => answer,
                    Judgement::Portal | Judgement::LogIn(_) => self.judge.nothing(&parts.headers),
                }
            }
            Err(unclear) => self.judge.unclear(Door::EnvoyGrpc, unclear),
        };
        if answer.status().is_server_error() {
            return Err(Status::unavailable(reason(&answer)));
        }
        let (parts, body) = refuse(Door::EnvoyGrpc, answer).into_parts();
        let body = page(body).await?;
        Ok(tonic::Response::new(message::deny(parts.status, &parts.headers, &body)))
    }
}

#[expect(clippy::disallowed_methods, reason = "our own page, bounded by `Limited`")]
async fn page(body: Body) -> Result<Bytes, Status> {
    let page = Limited::new(body, LARGEST_PAGE).collect().await;
    page.map(http_body_util::Collected::to_bytes)
        .map_err(|_| Status::unavailable("the answer could not be drawn"))
}

/// `grpc.health.v1.Health/Check`, whatever service it names.
pub(super) fn health(ready: bool) -> Response<Body> {
    // One uncompressed message of two bytes: field 1, SERVING or NOT_SERVING.
    let message = [0, 0, 0, 0, 2, 8, if ready { 1 } else { 2 }];
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let body =
        Full::new(Bytes::copy_from_slice(&message)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::boxed(body));
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
