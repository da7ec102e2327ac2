//! The label of a token: "issuer:account", or the account alone.

/// Issuer and account. Spaces before the account do not count.
pub(super) fn split(label: &str) -> (Option<String>, String) {
    match label.split_once(':') {
        Some((issuer, account)) => (some(issuer), account.trim().to_owned()),
        None => (None, label.trim().to_owned()),
    }
}

/// Text that says something.
pub(super) fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        assert_eq!(split("ACME: anna@example.com"), (Some("ACME".into()), "anna@example.com".into()));
        assert_eq!(split(" anna"), (None, "anna".into()));
        assert_eq!(split(":anna"), (None, "anna".into()));
    }
}
