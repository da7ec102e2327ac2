//! Names of entries (RFC 4514): a typed name as a value in one, and the first value out of one.

use crate::config::settings::BindName;

/// The name to bind with: of an entry, or a login name like `{user}@example.com`.
#[must_use]
pub fn bind_name(template: &BindName, user: &str) -> String {
    let user = if template.is_dn() {
        escaped(user)
    } else {
        user.to_owned()
    };
    format!("{}{user}{}", template.before, template.after)
}

/// A text as a value in the name of an entry (RFC 4514 2.4), whatever is in it.
#[must_use]
pub fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, sign) in value.char_indices() {
        match sign {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => text.extend(['\\', sign]),
            '#' if at == 0 => text.push_str("\\#"),
            ' ' if at == 0 || at == last => text.push_str("\\20"),
            sign if sign.is_ascii_control() => text.push_str(&format!("\\{:02x}", u32::from(sign))),
            sign => text.push(sign),
        }
    }
    text
}

/// The value of the first part of an entry's name: `Admins` of `cn=Admins,ou=groups`. `None` where it
/// is no such name, or its value is no text.
#[must_use]
pub fn first_value(dn: &str) -> Option<String> {
    let (_, rest) = dn.split_once('=')?;
    let rest = rest.trim_start();
    if rest.starts_with('#') {
        return None;
    }
    let (value, _) = value(&mut rest.bytes())?;
    Some(value.trim_end().to_owned()).filter(|value| !value.is_empty())
}

/// The value that begins here, and the sign that ended it if one did.
fn value(signs: &mut impl Iterator<Item = u8>) -> Option<(String, Option<u8>)> {
    let mut bytes = Vec::new();
    while let Some(sign) = signs.next() {
        match sign {
            b',' | b'+' | b';' => return Some((String::from_utf8(bytes).ok()?, Some(sign))),
            b'\\' => {
                let first = signs.next()?;
                match char::from(first).to_digit(16).and_then(|digit| u8::try_from(digit).ok()) {
                    Some(high) => {
                        let low = char::from(signs.next()?).to_digit(16)?;
                        bytes.push((high << 4) | u8::try_from(low).ok()?);
                    }
                    None => bytes.push(first),
                }
            }
            sign => bytes.push(sign),
        }
    }
    Some((String::from_utf8(bytes).ok()?, None))
}

/// Whether two names are of one entry: blanks, escapes and upper case aside, as directories compare
/// them (RFC 4518). What cannot be read is like nothing else.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one == other || parts(one).is_some_and(|parts_of_one| parts(other) == Some(parts_of_one))
}

/// Attribute, value, and whether one more of the same level follows.
fn parts(dn: &str) -> Option<Vec<(String, String, bool)>> {
    let mut signs = dn.bytes().peekable();
    let mut parts = Vec::new();
    loop {
        let kind: Vec<u8> = signs.by_ref().take_while(|sign| *sign != b'=').collect();
        let kind = String::from_utf8(kind).ok()?.trim().to_ascii_lowercase();
        while signs.next_if_eq(&b' ').is_some() {}
        // Encoded in BER, which is not read here.
        if signs.peek() == Some(&b'#') {
            return None;
        }
        let (value, end) = value(&mut signs)?;
        let value = value.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        parts.push((kind, value, end == Some(b'+')));
        if end.is_none() {
            return Some(parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h01_a_typed_name_stays_one_value() {
        let name = |template: &str, user| bind_name(&BindName::parse(template).unwrap(), user);
        assert_eq!(name("uid={user},ou=people", "anna"), "uid=anna,ou=people");
        assert_eq!(name("uid={user},ou=people", "a,ou=x"), "uid=a\\,ou\\=x,ou=people");
        assert_eq!(name("{user}@example.com", "anna"), "anna@example.com");
        assert_eq!(escaped("#a+b\\c\"<>;= "), "\\#a\\+b\\\\c\\\"\\<\\>\\;\\=\\20");
        assert_eq!(escaped(" \0"), "\\20\\00");
    }

    #[test]
    fn names_of_one_entry_are_spelt_in_many_ways() {
        let anna = "uid=anna,ou=people,dc=example";
        for same_as in [
            "UID=Anna, OU=People,DC=example",
            "uid = anna ,ou=peopl\\65;dc=example",
        ] {
            assert!(same(anna, same_as), "{same_as}");
        }
        for other in [
            "uid=ann,ou=people,dc=example",
            "uid=anna+ou=people,dc=example",
            "uid=anna\\,ou=people,dc=example",
            "uid=anna,ou=people",
            "cn=anna,ou=people,dc=example",
            "",
        ] {
            assert!(!same(anna, other), "{other}");
        }
        assert!(!same("uid=#04", "uid=\\#04"));
    }

    #[test]
    fn groups_have_the_name_that_their_entry_begins_with() {
        for (dn, name) in [
            ("cn=admins,ou=groups,dc=example", "admins"),
            ("CN=Domain Users,CN=Users", "Domain Users"),
            ("cn=a\\,b,dc=x", "a,b"),
            ("cn=M\\c3\\bcller", "Müller"),
            ("cn=M\u{fc}ller + uid=1", "Müller"),
        ] {
            assert_eq!(first_value(dn).as_deref(), Some(name), "{dn}");
        }
        for dn in ["", "admins", "cn=", "cn=#04", "cn=\\", "cn=\\ff"] {
            assert_eq!(first_value(dn), None, "{dn}");
        }
        for value in ["a,b", "x=y", "M\u{fc}ller", " a", "#1", "\u{7f}"] {
            let dn = format!("cn={},dc=x", escaped(value));
            assert_eq!(first_value(&dn).as_deref(), Some(value), "{dn}");
        }
    }
}
