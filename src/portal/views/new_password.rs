//! Choosing another password, and asking for the link to it (P-31). Never says whose password it is
//! before they have shown that they may change it.

use askama::Template;

use super::{Hidden, Problem, Shell, text};

/// A new password; with the present one where somebody signed in changes it.
#[derive(Template)]
#[template(path = "new_password.html")]
pub struct NewPassword {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    /// For password managers, which keep it beside the password; empty where it is not known here.
    pub username: String,
    /// Why they are here.
    pub lead: Option<&'static str>,
    /// Whether the present password is asked for.
    pub current: bool,
    /// "At least 8 characters…"
    pub hint: String,
    /// Where "Cancel" leads.
    pub back: Option<String>,
    pub problem: Option<Problem>,
}

impl NewPassword {
    fn problem_at(&self, field: &str) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.field == field)
    }
}

/// Whose password is forgotten.
#[derive(Template)]
#[template(path = "forgotten.html")]
pub struct Forgotten {
    pub shell: Shell,
    pub action: String,
    pub hidden: Hidden,
    pub username: String,
    pub back: String,
    pub problem: Option<Problem>,
}
