//! What an identity value may look like (security.md B07), whatever source it comes from.
//!
//! One grammar for all sources: a value that breaks it is refused, never repaired.

use unicode_normalization::UnicodeNormalization as _;

use super::IdentityError;

/// Bytes of a subject, name, e-mail address or attribute value.
const LONGEST: usize = 256;

/// Groups of one person at most.
pub const MOST_GROUPS: usize = 256;

/// A value that is acceptable as it stands: no controls, no blanks at the ends, at most one `@`.
///
/// # Errors
/// Names the rule that is broken.
pub fn value(text: &str) -> Result<&str, IdentityError> {
    if text.is_empty() {
        return Err(IdentityError::Refused("an identity value is empty"));
    }
    if text.len() > LONGEST {
        return Err(IdentityError::Refused("an identity value is longer than 256 bytes"));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(IdentityError::Refused("an identity value has control characters or outer blanks"));
    }
    if text.matches('@').count() > 1 {
        return Err(IdentityError::Refused("an identity value has more than one @"));
    }
    Ok(text)
}

/// The canonical spelling for sources that do not tell upper from lower case (B08).
#[must_use]
pub fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).collect()
}

/// Groups from one comma-separated value; blanks around each are not part of it.
///
/// # Errors
/// When there are too many or one breaks the grammar.
pub fn groups(text: &str) -> Result<Vec<std::sync::Arc<str>>, IdentityError> {
    let groups: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .map(|group| value(group).map(Into::into))
        .collect::<Result<_, _>>()?;
    if groups.len() > MOST_GROUPS {
        return Err(IdentityError::Refused("more than 256 groups"));
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b07_malformed_values_are_refused() {
        for bad in [
            "",
            " anna",
            "anna\n",
            "a\u{0}b",
            "a@b@c",
            "x\u{1b}[0m",
            &"a".repeat(257),
        ] {
            assert!(value(bad).is_err(), "{bad:?}");
        }
        for good in ["anna", "anna@example.com", "Ünal, Ayşe", "o'neill"] {
            assert_eq!(value(good).unwrap(), good);
        }
    }

    #[test]
    fn b08_one_person_has_one_spelling() {
        assert_eq!(fold("Anna"), fold("ＡＮＮＡ"));
        assert_eq!(fold("anna"), "anna");
    }

    #[test]
    fn groups_are_split_and_trimmed() {
        let names: Vec<String> =
            groups("admin, finance ,,hr").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["admin", "finance", "hr"]);
        assert!(groups(&vec!["g"; 257].join(",")).is_err());
    }
}
