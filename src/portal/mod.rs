//! The pages that people see: sign in, confirm, add a way, my MFA settings, and what the gate says.
//!
//! Server-rendered, complete without script. Pages call the challenge and the gate and turn their
//! words into markup; they verify nothing and decide nothing. A GET never changes anything.

mod app_sign_in;
pub mod assets;
mod begin;
mod calls;
mod challenge;
mod detour;
mod enrol;
mod fields;
mod for_gate;
pub mod frame;
#[cfg(test)]
mod gallery;
#[cfg(test)]
mod in_browser;
mod invitation;
#[cfg(test)]
mod lint;
mod my_mfa;
mod new_passkey;
mod new_password;
mod not_me;
mod onward;
pub mod pages;
mod qr;
mod receipts;
mod routes;
mod sign_in;
mod sign_in_with;
mod sign_out_there;
mod state;
#[cfg(test)]
mod tests;
pub mod text;
mod told;
pub mod views;

pub use frame::Frame;
pub use routes::router;
pub use state::Portal;
