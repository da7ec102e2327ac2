//! Forms kept over a challenge, so that nobody loses what they typed.
//!
//! Only posts of forms, only from the site's own pages, up to 64 KiB, sealed in the store, for one
//! use, bound to the person and session (or, before a sign-in, to the browser). Nothing is ever
//! sent on without a click, and never without a permit of its own.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use secrecy::ExposeSecret as _;

use super::{Gate, client};
use crate::policy::{Binding, CanonicalRequest, Identity, SubjectKey};
use crate::store::HeldBody;
use crate::upstream::Body;

/// Larger forms are not kept.
const LARGEST: u64 = 64 * 1024;
/// How long reading a form may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The one field of the "Send it now" form.
pub const FIELD: &str = "stepgate-send-kept";

/// Whom a kept form belongs to.
pub struct Owner {
    pub subject: SubjectKey,
    pub binding: Binding,
}

impl Owner {
    /// The person, or before a sign-in the browser, by the nonce that its cookie holds.
    #[must_use]
    pub fn new(identity: Option<&Identity>, nonce: &str) -> Self {
        match identity {
            Some(identity) => Self { subject: identity.key.clone(), binding: identity.binding },
            None => Self {
                subject: SubjectKey::new("browser", &super::journeys::nonce_digest(nonce)),
                binding: Binding::new("browser", nonce, ""),
            },
        }
    }
}

/// Reads the form of a request that is about to be led to a challenge, if it may be kept.
pub async fn read(
    gate: &Gate,
    parts: &Parts,
    body: &mut Option<Incoming>,
    request: &CanonicalRequest,
) -> Option<HeldBody> {
    let content_type = parts.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_form = [
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
    ]
    .iter()
    .any(|kind| {
        content_type.len() >= kind.len()
            && content_type
                .get(..kind.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(kind))
    });
    let own_page = client::same_origin(&parts.headers, &gate.origin_of(&request.host)) == Some(true);
    if request.method != Method::POST || !is_form || !own_page || length(&parts.headers)? > LARGEST {
        return None;
    }
    let bytes = collect(body.take()?, LARGEST).await?;
    Some(HeldBody { content_type: content_type.to_owned(), body: bytes.to_vec().into() })
}

/// For a request that has its permit: if it is the click on "Send it now", the kept form takes the
/// place of its body. `Some` is the body to send instead of the client's.
///
/// # Errors
/// The answer, when the click cannot be honoured.
pub async fn exchange(
    gate: &Gate,
    parts: &mut Parts,
    body: &mut Option<Incoming>,
    request: &CanonicalRequest,
    identity: Option<&std::sync::Arc<Identity>>,
) -> Result<Option<Bytes>, Response<Body>> {
    if !may_be_click(gate, parts, request) {
        return Ok(None);
    }
    let cookies = gate.shared.mode.read(&parts.headers);
    let Some(id) = cookies.held else { return Ok(None) };
    let Some(incoming) = body.take() else {
        return Ok(None);
    };
    let Some(bytes) = collect(incoming, 128).await else {
        return Err(gate
            .answers
            .unavailable(&parts.headers, &"the body of a short form did not come"));
    };
    if *bytes != *format!("{FIELD}={id}").as_bytes() {
        return Ok(Some(bytes));
    }
    let nonce = cookies.browser.unwrap_or_default().to_owned();
    let id = id.to_owned();
    match take(gate, &id, request, identity.map(|identity| &**identity), &nonce).await {
        Ok(Some(held)) => {
            let bytes = Bytes::copy_from_slice(held.body.expose_secret());
            if let Ok(kind) = HeaderValue::try_from(held.content_type) {
                parts.headers.insert(header::CONTENT_TYPE, kind);
            }
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            crate::observe::metrics().held_requests.inc();
            Ok(Some(bytes))
        }
        // Sent already (a double click), or gone: the page itself shows what became of it.
        Ok(None) => {
            let place = gate.place(&request.host, request.target.path());
            Err(gate.answers.see_other(&place, Vec::new()))
        }
        Err(error) => Err(gate.answers.unavailable(&parts.headers, &error)),
    }
}

/// Whether a request has the shape of the click; only then is its body looked at.
pub(super) fn may_be_click(gate: &Gate, parts: &Parts, request: &CanonicalRequest) -> bool {
    let form = || {
        parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/x-www-form-urlencoded")
    };
    request.method == Method::POST
        && form()
        && length(&parts.headers).is_some_and(|length| length <= 128)
        && client::same_origin(&parts.headers, &gate.origin_of(&request.host)) == Some(true)
}

/// The kept form, once, if the journey was for exactly this request and this owner.
async fn take(
    gate: &Gate,
    id: &str,
    request: &CanonicalRequest,
    identity: Option<&Identity>,
    nonce: &str,
) -> Result<Option<HeldBody>, crate::store::StoreError> {
    let store = &gate.shared.store;
    let now = gate.now();
    let Some(journey) = store.journey(id, now).await? else {
        return Ok(None);
    };
    if journey.site != *request.host
        || journey.target != request.target.as_str()
        || journey.method != request.method.as_str()
    {
        return Ok(None);
    }
    let kept_before_sign_in = journey
        .subject
        .as_ref()
        .is_some_and(|subject| subject.as_str().starts_with("browser:"));
    let owner = Owner::new(identity.filter(|_| !kept_before_sign_in), nonce);
    store.take_held(id, &owner.subject, &owner.binding, now).await
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "bounded by `Limited` and by time")]
pub(super) async fn collect(body: Incoming, limit: u64) -> Option<Bytes> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let collected = tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect()).await;
    collected.ok()?.ok().map(http_body_util::Collected::to_bytes)
}
