//! Requests that are known by their path and query, such as the app's sign-out.
//!
//! A way to notice, never a way to allow: what is not recognised changes nothing for the worse but time.

use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

use crate::config::settings::Mark;
use crate::policy::{Case, Pattern};

/// The marks of one kind of request.
pub struct Marks(Box<[Marked]>);

/// A path, and what the query must have.
type Marked = (Pattern, Vec<(String, String)>);

impl Marks {
    #[must_use]
    pub fn new(marks: &[Mark]) -> Self {
        // What is no pattern was refused when the configuration was read.
        let read = |mark: &Mark| Some((Pattern::parse(&mark.path).ok()?, mark.query.clone()));
        Self(marks.iter().filter_map(read).collect())
    }

    /// Whether one of them is on this request.
    #[must_use]
    pub fn are_on(&self, target: &PathAndQuery) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let path = percent_decode_str(target.path()).decode_utf8_lossy();
        let query = target.query().unwrap_or_default();
        let has = |wanted: &(String, String)| {
            form_urlencoded::parse(query.as_bytes())
                .any(|(name, value)| *name == *wanted.0 && *value == *wanted.1)
        };
        self.0
            .iter()
            .any(|(pattern, wanted)| pattern.holds(&path, Case::Folded) && wanted.iter().all(has))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_path_and_what_the_query_must_have() {
        let mark = |path: &str, query: &[(&str, &str)]| Mark {
            path: path.to_owned(),
            query: query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        };
        let marks = Marks::new(&[mark("/logout", &[]), mark("/doku.php", &[("do", "logout")])]);
        let on = |target: &'static str| marks.are_on(&PathAndQuery::from_static(target));
        assert!(on("/logout") && on("/logout/?x=1") && on("/Logout") && on("/log%6fut"));
        assert!(on("/doku.php?id=start&do=logout") && on("/doku.php?do=log%6fut"));
        assert!(!on("/doku.php?do=login") && !on("/doku.php") && !on("/logout/now"));
    }
}
