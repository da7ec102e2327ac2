//! The pages that people see: sign in, confirm, add a way, my MFA settings, and what the gate says.
//!
//! Server-rendered, complete without script. Pages call the challenge and the gate and turn their
//! words into markup; they verify nothing and decide nothing. A GET never changes anything.

pub mod assets;
pub mod frame;
#[cfg(test)]
mod gallery;
#[cfg(test)]
mod lint;
pub mod pages;
pub mod qr;
pub mod text;
pub mod views;
