//! Host names, exact and with a wildcard.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::BadValue;

const EXAMPLE: &str = "write it as `app.example.com`, `*.example.com` or `*`";

/// A route's host: a name, `*.` before a name, or `*`. Lower case, without port or trailing dot.
pub fn pattern(text: &str) -> Result<String, BadValue> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    if let Some(parent) = text.strip_prefix("*.") {
        let parent = exact(parent)?;
        if parent.starts_with('[') || parent.parse::<Ipv4Addr>().is_ok() {
            return Err(BadValue::new("an address has no subdomains", EXAMPLE));
        }
        return Ok(format!("*.{parent}"));
    }
    if text.contains('*') {
        return Err(BadValue::new("a wildcard stands for whole labels at the front", EXAMPLE));
    }
    exact(text)
}

/// One host: a name, an IPv4 address, or an IPv6 address in brackets. Lower case, no trailing dot.
pub fn exact(text: &str) -> Result<String, BadValue> {
    if !text.is_ascii() {
        return Err(BadValue::new("a host is written in ASCII", "write its `xn--` form"));
    }
    if text.contains("://") {
        return Err(BadValue::new("a host has no scheme", EXAMPLE));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inner
            .parse()
            .map_err(|_| BadValue::new("this is no IPv6 address", "write it as `[2001:db8::1]`"))?;
        return Ok(format!("[{address}]"));
    }
    if name.contains(':') {
        return Err(BadValue::new("a host has no port here", EXAMPLE));
    }
    let good = !name.is_empty() && name.len() <= 253 && name.split('.').all(is_label);
    if !good {
        return Err(BadValue::new("this is no host name", EXAMPLE));
    }
    // "010.1", "1.2.3": readers disagree on which address that is.
    let numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if numeric && name.parse::<Ipv4Addr>().is_err() {
        return Err(BadValue::new("this is neither a name nor an IPv4 address", EXAMPLE));
    }
    Ok(name)
}

fn is_label(label: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(good)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_spelling() {
        assert_eq!(pattern("App.Example.COM.").unwrap(), "app.example.com");
        assert_eq!(pattern("*.Example.com").unwrap(), "*.example.com");
        assert_eq!(pattern("*").unwrap(), "*");
        assert_eq!(pattern("[0:0::1]").unwrap(), "[::1]");
    }

    #[test]
    fn odd_hosts_are_refused() {
        let odd = [
            "",
            "a..b",
            "-a.b",
            "a*.b",
            "*.*",
            "a.*",
            "*.1.2.3.4",
            "a:80",
            "https://a",
            "bücher.de",
            "1.2.3",
            "a b",
        ];
        for text in odd {
            assert!(pattern(text).is_err(), "{text}");
        }
    }
}
