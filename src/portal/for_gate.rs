//! The pages that the gate asks for by name, on sites that are not the portal.

use http::StatusCode;

use super::frame::Frame;
use super::pages::{self, SignedOut};
use super::views::notice::{ConfirmAct, Notice};
use super::views::{Hidden, Link};
use super::{assets, text};
use crate::ambient::UnixTime;
use crate::gate::farewell::Elsewhere;
use crate::gate::pages::{Page, Pages, SendNow};

impl Pages for Frame {
    fn not_allowed(&self, account: Option<&str>, reference: &str) -> Page {
        pages::not_allowed(self, account, None, reference)
    }

    fn not_found(&self, reference: &str) -> Page {
        pages::not_found(self, reference)
    }

    fn unavailable(&self, reference: &str) -> Page {
        pages::unavailable(self, reference)
    }

    fn bad_request(&self, reference: &str) -> Page {
        pages::bad_request(self, reference)
    }

    fn too_many(&self, retry_after: u32, now: UnixTime, reference: &str) -> Page {
        pages::too_many_requests(self, retry_after, now, reference)
    }

    fn sign_in_elsewhere(&self, app: &str, reference: &str) -> Page {
        let view = Notice {
            shell: self.shell(text::SIGN_IN).reference(reference),
            lines: vec![text::signed_in_needed(app).into(), text::SIGN_IN_ELSEWHERE.into()],
            links: Vec::new(),
        };
        self.page(StatusCode::UNAUTHORIZED, &view)
    }

    fn send_now(&self, form: SendNow<'_>) -> Page {
        let (name, value) = form.field;
        let fields = Hidden::default().with(name, value);
        pages::send_it_now(self, None, form.app, form.action, fields, "/")
    }

    /// Carries no token: the site has no session of its own that one could be bound to. Its POST is
    /// accepted from the same origin only.
    fn sign_out(&self, action: &str) -> Page {
        let view = ConfirmAct {
            shell: self.shell(text::SIGN_OUT),
            action: action.to_owned(),
            hidden: Hidden::default(),
            lines: vec![text::SIGN_OUT_TEXT.into()],
            button: text::SIGN_OUT,
            danger: false,
            back: Some(Link::new("/", text::CANCEL)),
        };
        self.page(StatusCode::OK, &view)
    }

    /// Clears what the browser has kept of the app's pages, but not what the app has stored there.
    fn signed_out(&self, elsewhere: Option<&Elsewhere>) -> Page {
        pages::signing_out(self, SignedOut { elsewhere, ..SignedOut::at("/") })
    }

    fn asset(&self, rest: &str) -> Option<Page> {
        let (version, name) = rest.split_once('/')?;
        assets::serve(version, name)
    }
}
