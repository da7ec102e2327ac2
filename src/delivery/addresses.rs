//! Mail addresses as people and directories write them, and the one spelling that is used.
//!
//! Whether anybody reads the mail there is for a code to show; nothing is looked up.

use lettre::Address;

/// RFC 5321 4.5.3.1.3, without the angle brackets.
const LONGEST: usize = 254;

/// The address in the spelling that is used: the domain in lower case, the rest as it is. `None`: it
/// is none, or one that could not be shown safely.
#[must_use]
pub fn address(typed: &str) -> Option<String> {
    let typed = typed.trim();
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"<>,;:\\()[]".contains(c);
    if typed.len() > LONGEST || !typed.chars().all(plain) {
        return None;
    }
    let address: Address = typed.parse().ok()?;
    let domain = address.domain().to_ascii_lowercase();
    let whole = domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
    (whole || domain == "localhost").then(|| format!("{}@{domain}", address.user()))
}

/// What is most likely one mailbox, however the address is written: in lower case, without a tag behind a
/// plus. For counting only; mail goes to the address as it is.
#[must_use]
pub fn mailbox(address: &str) -> String {
    let lower = address.to_lowercase();
    match lower.rsplit_once('@') {
        Some((name, domain)) => format!("{}@{domain}", name.split('+').next().unwrap_or_default()),
        None => lower,
    }
}

/// "a…@example.com": the first letter and the domain.
#[must_use]
pub fn masked(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((name, domain)) => format!("{}…@{domain}", name.chars().take(1).collect::<String>()),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_or_none() {
        for (typed, expected) in [
            (" alice@Example.COM ", Some("alice@example.com")),
            ("Alice.O'Hara+mfa@example.com", Some("Alice.O'Hara+mfa@example.com")),
            ("root@localhost", Some("root@localhost")),
            ("", None),
            ("alice", None),
            ("alice@", None),
            ("@example.com", None),
            ("alice@example", None),
            ("alice@example.com.", None),
            ("a@b@example.com", None),
            ("alice@example.com, bob@example.com", None),
            ("Alice <alice@example.com>", None),
            ("alice@example.com\r\nBcc: bob@example.com", None),
            ("alice@[127.0.0.1]", None),
        ] {
            assert_eq!(address(typed).as_deref(), expected, "{typed}");
        }
        assert_eq!(address(&format!("{}@example.com", "a".repeat(250))), None);
    }

    #[test]
    fn spellings_of_one_mailbox_are_counted_together() {
        for address in [
            "alice@example.com",
            "Alice+1@example.com",
            "ALICE+a+b@Example.com",
        ] {
            assert_eq!(mailbox(address), "alice@example.com", "{address}");
        }
        assert_ne!(mailbox("al.ice@example.com"), "alice@example.com", "most servers tell these apart");
    }

    #[test]
    fn only_a_part_is_shown() {
        assert_eq!(masked("alice@example.com"), "a…@example.com");
        assert_eq!(masked("élodie@example.com"), "é…@example.com");
        assert_eq!((masked(""), masked("@x")), ("…".into(), "…@x".into()));
    }
}
