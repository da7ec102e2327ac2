//! What the gate and the doors answer with when a request may not go on, or not yet; and the end of a session.

use super::super::frame::{Frame, Page};
use super::super::pages::{self, SignedOut};
use super::{NAME, NOW, REFERENCE, hidden};
use crate::challenge::view::Locked;
use crate::gate::farewell::Elsewhere;

pub fn pages(frame: &Frame) -> Vec<(&'static str, Page)> {
    vec![
        ("not-allowed", pages::not_allowed(frame, Some(NAME), None, REFERENCE)),
        ("locked", pages::locked(frame, Some(NAME), Locked::Until(NOW.plus(60)), NOW, REFERENCE)),
        ("stopped", pages::locked(frame, Some(NAME), Locked::Stopped, NOW, REFERENCE)),
        ("locked-hard", pages::locked(frame, Some(NAME), Locked::Hard, NOW, REFERENCE)),
        ("too-many-requests", pages::too_many_requests(frame, 30, NOW, REFERENCE)),
        ("unavailable", pages::unavailable(frame, REFERENCE)),
        ("form-not-sent", pages::form_not_sent(frame, Some(NAME), "Payroll", "/")),
        ("send-it-now", pages::send_it_now(frame, Some(NAME), "Payroll", "/send", hidden(), "/")),
        ("signed-out", pages::signing_out(frame, SignedOut::at("/.stepgate/sign-in"))),
        (
            "signed-out-here",
            pages::signing_out(
                frame,
                SignedOut {
                    elsewhere: Some(&Elsewhere { url: Some("https://sso.example.com/sign-out".to_owned()) }),
                    ..SignedOut::at("/.stepgate/sign-in")
                },
            ),
        ),
        ("bad-request", pages::bad_request(frame, REFERENCE)),
        ("stale-form", pages::stale_form(frame, REFERENCE)),
        ("not-found", pages::not_found(frame, REFERENCE)),
        ("bad-gateway", pages::bad_gateway(frame, REFERENCE)),
        ("gateway-timeout", pages::gateway_timeout(frame, REFERENCE)),
    ]
}
