//! An app's login, as it goes by.

use http::{Method, StatusCode};

use crate::config::settings::Pointer;

/// What a login is, how it names the person and what says that it worked.
#[derive(Debug, Clone)]
pub struct Watch {
    pub path: String,
    pub method: Method,
    pub user: LoginName,
    /// The cookie that stands for the app's session.
    pub cookie: String,
    /// The answers that may mean success.
    pub status: Vec<StatusCode>,
    /// Paths that a redirect leads to when it did not work.
    pub location_not: Vec<String>,
    /// Whether the app leaves the cookie as it was when somebody signs in.
    pub keeps_cookie: bool,
}

/// Where the name stands in the login's body.
#[derive(Debug, Clone)]
pub enum LoginName {
    /// A form's field.
    Form(String),
    Json(Pointer),
}
