//! The portal's routes, and the layer that gives every failure its page.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::detour::{Detour, page};
use super::state::Portal;
use super::{
    app_sign_in, assets, begin, calls, challenge, enrol, invitation, my_mfa, new_passkey, new_password,
    not_me, pages, receipts, sign_in, sign_in_with, sign_out_there,
};
use crate::api::{self, Entry, Failure};
use crate::gate::passage::Passage;

/// The longest form or document anyone sends here.
const MAX_BODY: usize = 16 * 1024;

/// Pages, assets and API below the reserved prefix, and a front door at `/` for a portal with an
/// origin of its own. Every request must carry an [`Entry`].
pub fn router(portal: Portal) -> Router {
    let prefix = portal.frame.url("");
    let api = api::router(portal.services.clone());
    let drawn = Router::new()
        .route("/", get(front))
        .route("/.well-known/webauthn", get(related_origins))
        .route(&prefix, get(front))
        .nest(prefix.trim_end_matches('/'), pages_router())
        .fallback(nothing)
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(from_fn_with_state(portal.clone(), dress));
    Router::new()
        .nest(&portal.frame.url("api/v1"), api)
        .merge(drawn)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn(portal_only))
        .with_state(portal)
}

fn pages_router() -> Router<Portal> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-in/forgotten", get(new_password::ask_link).post(new_password::send_link))
        .route("/not-me", get(not_me::ask).post(not_me::stop))
        .route("/new-password", get(new_password::show).post(new_password::submit))
        .route("/sign-in/{source}", get(sign_in_with::leave))
        .route("/sign-in/{source}/callback", get(sign_in_with::come_back))
        .route("/sign-out/{source}/back", axum::routing::post(sign_out_there::back_channel))
        .route("/sign-out/{source}/front", get(sign_out_there::front_channel))
        .route("/sign-out", get(sign_in::ask_sign_out).post(sign_in::sign_out))
        .route("/challenge", get(challenge::show).post(challenge::answer))
        .route("/challenge/ways", get(challenge::ways))
        .route("/challenge/start", axum::routing::post(begin::start))
        .route("/challenge/return", get(begin::way_back))
        .route("/app-sign-in", get(app_sign_in::show).post(app_sign_in::submit))
        .route("/enrol", get(enrol::show).post(enrol::begin))
        .route("/enrol/invitation", axum::routing::post(invitation::redeem))
        .route("/enrol/new/{kind}", get(enrol::ask_details))
        .route("/enrol/{id}", get(enrol::show_pending).post(enrol::confirm))
        .route("/enrol/{id}/start", axum::routing::post(begin::start_enrolment))
        .route("/enrol/{id}/recovery-codes.txt", get(enrol::download))
        .route("/my-mfa", get(my_mfa::show))
        .route("/my-mfa/rename/{id}", get(my_mfa::ask_rename).post(my_mfa::rename))
        .route("/my-mfa/new-passkey/{id}", get(new_passkey::show).post(new_passkey::submit))
        .route("/my-mfa/remove/{id}", get(my_mfa::ask_remove).post(my_mfa::remove))
        .route("/my-mfa/first/{id}", get(my_mfa::ask_prefer).post(my_mfa::prefer))
        .route("/my-mfa/forget/{id}", axum::routing::post(my_mfa::forget))
        .route("/my-mfa/app-sign-in/{route}/forget", axum::routing::post(app_sign_in::forget))
        .route("/my-mfa/end/{id}", axum::routing::post(my_mfa::end_session))
        .route("/my-mfa/end-others", axum::routing::post(my_mfa::end_others))
        .route("/my-mfa/recovery-codes", get(my_mfa::ask_renew))
        .route("/my-mfa/password", get(new_password::ask_change).post(new_password::change))
        .route("/my-mfa/sign-out-everywhere", get(sign_in::ask_sign_out_everywhere))
        .route("/calls/{sender}/{token}", get(calls::say).post(calls::say))
        .route("/receipts/{sender}", get(receipts::take).post(receipts::take))
        .route("/assets/{version}/{name}", get(asset))
}

async fn front(State(portal): State<Portal>) -> Detour {
    Detour::To(portal.frame.url("my-mfa"))
}

/// Which other origins may use the passkeys of this host (WebAuthn L3 5.11.1).
async fn related_origins(State(portal): State<Portal>) -> Result<Response, Failure> {
    if portal.related_origins.is_empty() {
        return Err(Failure::NotFound);
    }
    Ok(axum::Json(serde_json::json!({ "origins": &*portal.related_origins })).into_response())
}

async fn nothing() -> Failure {
    Failure::NotFound
}

async fn asset(Path((version, name)): Path<(String, String)>) -> Result<Response, Failure> {
    assets::serve(&version, &name)
        .map(|asset| page(asset, Vec::new()))
        .ok_or(Failure::NotFound)
}

/// Pages and API exist on the portal's origin only (decision 1).
async fn portal_only(request: Request, next: Next) -> Response {
    match request.extensions().get::<Entry>() {
        Some(entry) if entry.is_portal => next.run(request).await,
        Some(_) => StatusCode::NOT_FOUND.into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Draws what went wrong, and sees to the headers of whatever leaves.
async fn dress(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let reference = request
        .extensions()
        .get::<Entry>()
        .map_or_else(String::new, |entry| entry.reference.clone());
    let response = next.run(request).await;
    if let Some(failure) = response.extensions().get::<Failure>() {
        return failed(&portal, failure, &reference);
    }
    let status = response.status();
    if (status.is_client_error() || status.is_server_error())
        && !response.headers().contains_key(http::header::CONTENT_SECURITY_POLICY)
    {
        return page(pages::error(&portal.frame, status, &reference), Vec::new());
    }
    let mut response = response;
    if !response.headers().contains_key(http::header::CACHE_CONTROL) {
        portal.frame.protect(response.headers_mut());
    }
    response
}

fn failed(portal: &Portal, failure: &Failure, reference: &str) -> Response {
    let frame = &portal.frame;
    let now = |passage: &Passage| passage.now();
    let drawn = match failure {
        Failure::Unavailable(why) => {
            tracing::error!(request_id = %reference, %why, "A page could not be served.");
            pages::unavailable(frame, reference)
        }
        Failure::Busy => pages::busy(frame, reference),
        Failure::BadRequest(_) => pages::bad_request(frame, reference),
        Failure::Foreign => pages::stale_form(frame, reference),
        Failure::NotFound => pages::not_found(frame, reference),
        Failure::NotAllowed | Failure::SignInRequired | Failure::SignInFailed | Failure::ProofNeeded => {
            pages::not_allowed(frame, None, None, reference)
        }
        Failure::InvitationNeeded => invitation::plainly_needed(portal),
        Failure::TooMany { retry_after } => {
            pages::too_many_requests(frame, *retry_after, now(&portal.services.passage), reference)
        }
        Failure::Locked(locked) => {
            pages::locked(frame, None, *locked, now(&portal.services.passage), reference)
        }
    };
    page(drawn, Vec::new())
}
