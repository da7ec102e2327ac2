//! Sign in (ux.md P-8). It must never say which part of a failed sign-in was wrong.

use askama::Template;

use super::{Hidden, Link, Problem, Shell, text};

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
    /// A sign-in by passkey alone, where there is one.
    pub passkey: Option<PasskeyForm>,
    /// Where a link for a new password can be asked for.
    pub forgotten: Option<String>,
    /// Whether there is a password to be asked for.
    pub password: bool,
    /// Other sites to sign in at.
    pub providers: Vec<Link>,
    pub problem: Option<Problem>,
}

impl SignIn {
    fn problem_at(&self, field: &str) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.field == field)
    }
}

/// The form for what an app knows the person by.
#[derive(Template)]
#[template(path = "app_sign_in.html")]
pub struct AppSignIn {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    pub app: String,
    pub username: String,
    pub problem: Option<Problem>,
}

/// What the browser needs to sign somebody in by passkey.
pub struct PasskeyForm {
    /// Of `navigator.credentials.get`.
    pub options: serde_json::Value,
    pub ceremony: String,
    /// Id of a passkey that is nobody's any more, for the browser to forget.
    pub gone: Option<String>,
}
