//! How people are signed in to an app through its own form.

/// An app's form, and what belongs into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormLogin {
    /// Path of the page with the form; with a query, its parameters must all be there.
    pub page: String,
    /// Path, perhaps with a query, that it is sent to; `None`: where the page is, query included.
    pub post: Option<String>,
    pub fields: Vec<(String, FormValue)>,
    pub success: Success,
}

/// What goes into one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormValue {
    Text(String),
    /// Of the credential.
    Username,
    /// Of the credential.
    Password,
    /// The `value` (else `content`) of the first element on the page that this CSS selector finds.
    From(String),
}

/// What the app answers to a right credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    pub statuses: Vec<u16>,
    /// A cookie that it sets then.
    pub cookie: Option<String>,
}

impl FormLogin {
    /// Whether this is the page with the form.
    #[must_use]
    pub fn is_page(&self, path: &str, query: Option<&str>) -> bool {
        let (own, wanted) = self.page.split_once('?').unwrap_or((&self.page, ""));
        let has =
            |parameter: &str| query.is_some_and(|query| query.split('&').any(|other| other == parameter));
        own == path && wanted.split('&').filter(|parameter| !parameter.is_empty()).all(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_known_by_its_path_and_parameters() {
        let form = |page: &str| FormLogin {
            page: page.to_owned(),
            post: None,
            fields: Vec::new(),
            success: Success { statuses: Vec::new(), cookie: None },
        };
        assert!(form("/login").is_page("/login", Some("next=/x")));
        assert!(!form("/login").is_page("/login/", None));
        let wiki = form("/doku.php?do=login");
        assert!(wiki.is_page("/doku.php", Some("id=start&do=login")));
        assert!(!wiki.is_page("/doku.php", Some("id=start&do=loginx")));
        assert!(!wiki.is_page("/doku.php", None));
    }
}
