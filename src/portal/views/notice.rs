//! Pages that only say something, and pages that ask once more before something is done.

use askama::Template;

use super::{Hidden, Line, Link, Shell, text};

/// A message, with somewhere to go.
#[derive(Template)]
#[template(path = "notice.html")]
pub struct Notice {
    pub shell: Shell,
    pub lines: Vec<Line>,
    /// The first is the one to take.
    pub links: Vec<Link>,
}

/// A question whose answer is a POST.
#[derive(Template)]
#[template(path = "confirm_act.html")]
pub struct ConfirmAct {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    pub lines: Vec<Line>,
    pub button: &'static str,
    /// Whether the act cannot be taken back.
    pub danger: bool,
    pub back: Option<Link>,
}
