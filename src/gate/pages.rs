//! The pages the gate needs on sites that are not the portal.
//!
//! The portal draws them; the gate only says which. So the words live in one room, and the gate
//! does not import it.

use bytes::Bytes;
use http::Response;

use super::farewell::Elsewhere;
use crate::ambient::UnixTime;

/// A drawn page.
pub type Page = Response<Bytes>;

/// A form that was kept over a challenge, about to be sent on by a click.
#[derive(Clone, Copy, Debug)]
pub struct SendNow<'a> {
    /// Where the form posts to: path and query, or a URL of the same origin.
    pub action: &'a str,
    /// Name and value of the one field that stands for the kept body.
    pub field: (&'a str, &'a str),
    pub app: &'a str,
}

/// Draws what a person meets outside the portal.
pub trait Pages: Send + Sync {
    /// 403: `account` is who was refused, if anyone is known.
    fn not_allowed(&self, account: Option<&str>, reference: &str) -> Page;
    /// 404 below the reserved prefix, or a site nobody configured.
    fn not_found(&self, reference: &str) -> Page;
    /// 503: something that must be asked does not answer.
    fn unavailable(&self, reference: &str) -> Page;
    /// 400 and its relatives.
    fn bad_request(&self, reference: &str) -> Page;
    /// 429.
    fn too_many(&self, retry_after: u32, now: UnixTime, reference: &str) -> Page;
    /// 401: signed in elsewhere, and not there yet.
    fn sign_in_elsewhere(&self, app: &str, reference: &str) -> Page;
    /// "Send it now".
    fn send_now(&self, form: SendNow<'_>) -> Page;
    /// Asks before it acts.
    fn sign_out(&self, action: &str) -> Page;
    /// Signed out, everywhere this browser was signed in; but for what goes on elsewhere.
    fn signed_out(&self, elsewhere: Option<&Elsewhere>) -> Page;
    /// Static files of these pages: `rest` is what follows `assets/`.
    fn asset(&self, rest: &str) -> Option<Page>;
}
