//! Sign in (ux.md P-8). It must never say which part of a failed sign-in was wrong.

use askama::Template;

use super::{Hidden, Problem, Shell, text};

/// The form for a user name and a password.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    pub username: String,
    /// Where the person is going, if known.
    pub app: Option<String>,
    /// Whether they come with an invitation.
    pub invited: bool,
    pub problem: Option<Problem>,
}
