//! The same steps as the pages, as JSON under `api/v1/`.
//!
//! JSON in, JSON out, problems as problem+json (RFC 9457). It stands on the same calls as the pages
//! and verifies nothing itself. Only same-origin pages and clients that are no browsers may use it.

mod browsers;
mod call;
mod challenges;
mod enrolments;
mod failure;
mod openapi;
mod operations;
mod passwords;
mod problem;
mod services;
mod session;
mod sessions;
mod visit;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};

pub use failure::Failure;
pub use openapi::document;
pub use services::{Services, Standing};
pub use visit::{Entry, Visit};

/// Everything below `api/v1`. Every request must carry an [`Entry`].
pub fn router<S>(services: Services) -> Router<S> {
    let passage = services.passage.clone();
    let tell = move |request: Request, next: Next| {
        let passage = passage.clone();
        problem::tell(move || passage.now(), request, next)
    };
    operations::routes()
        .fallback(|| async { Failure::NotFound })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(from_fn(tell))
        .with_state(services)
}
