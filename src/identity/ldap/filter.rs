//! What a search filter of the configuration looks like on the wire (RFC 4511 4.5.1.7).

use super::ber::{OCTETS, SEQUENCE, Writer};
use crate::config::settings::{Filter, FilterPart, FilterPiece, FilterValue};

/// Names of the filter and what they stand for here; others stand for nothing.
pub type Known<'a> = [(&'a str, &'a str)];

/// Writes the filter with every value filled in.
pub(super) fn write(filter: &Filter, writer: &mut Writer, known: &Known<'_>) {
    part(&filter.0, writer, known);
}

fn part(one: &FilterPart, writer: &mut Writer, known: &Known<'_>) {
    match one {
        FilterPart::Join(tag, parts) => writer.within(*tag, |inside| {
            for one in parts {
                part(one, inside, known);
            }
        }),
        FilterPart::Not(not) => writer.within(0xa2, |inside| part(not, inside, known)),
        FilterPart::Compare(tag, attribute, value) => writer.within(*tag, |inside| {
            inside.put(OCTETS, attribute.as_bytes()).put(OCTETS, &filled(value, known));
        }),
        FilterPart::Present(attribute) => writer.put(0x87, attribute.as_bytes()),
        FilterPart::Substrings(attribute, pieces) => writer.within(0xa4, |inside| {
            inside.put(OCTETS, attribute.as_bytes()).within(SEQUENCE, |inside| {
                for (tag, value) in pieces {
                    inside.put(*tag, &filled(value, known));
                }
            });
        }),
        FilterPart::Extensible { rule, attribute, value, with_dn } => writer.within(0xa9, |inside| {
            if let Some(rule) = rule {
                inside.put(0x81, rule.as_bytes());
            }
            if let Some(attribute) = attribute {
                inside.put(0x82, attribute.as_bytes());
            }
            inside.put(0x83, &filled(value, known));
            if *with_dn {
                inside.flag(0x84, true);
            }
        }),
    };
}

fn filled(value: &FilterValue, known: &Known<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in value {
        match piece {
            FilterPiece::Bytes(fixed) => bytes.extend_from_slice(fixed),
            FilterPiece::Open(name) => {
                let filling = known.iter().find(|(open, _)| open == name).map_or("", |(_, value)| value);
                bytes.extend_from_slice(filling.as_bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(filter: &str, user: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&Filter::of(filter), &mut writer, &[("user", user)]);
        writer.bytes().to_vec()
    }

    #[test]
    fn filters_are_what_rfc_4511_says() {
        assert_eq!(written("(uid={user})", "anna"), b"\xa3\x0b\x04\x03uid\x04\x04anna");
        assert_eq!(written("(mail=*)", ""), b"\x87\x04mail");
        assert_eq!(written("(!(a=b))", ""), b"\xa2\x08\xa3\x06\x04\x01a\x04\x01b");
        assert_eq!(written("(&(a=1)(|(b>=2)(c~=3)))", "")[..4], *b"\xa0\x1a\xa3\x06");
        assert_eq!(written("(cn=a*b*c)", ""), b"\xa4\x0f\x04\x02cn\x30\x09\x80\x01a\x81\x01b\x82\x01c");
        assert_eq!(
            written("(member:1.2.840.113556.1.4.1941:={user})", "cn=x"),
            b"\xa9\x27\x81\x171.2.840.113556.1.4.1941\x82\x06member\x83\x04cn=x"
        );
        assert_eq!(written(r"(cn=\2a\29)", ""), b"\xa3\x08\x04\x02cn\x04\x02*)");
        assert_eq!(written("(ou:dn:=x)", ""), b"\xa9\x0a\x82\x02ou\x83\x01x\x84\x01\xff");
    }

    #[test]
    fn h01_what_was_typed_is_a_value_and_nothing_else() {
        for typed in ["*", "a)(uid=*", "x)(|(objectClass=*", "\\2a", "a\0b", "{user}"] {
            let mut expected = b"\x04\x03uid\x04".to_vec();
            expected.push(u8::try_from(typed.len()).unwrap());
            expected.extend_from_slice(typed.as_bytes());
            let bytes = written("(&(objectClass=person)(uid={user}))", typed);
            assert!(bytes.ends_with(&expected), "{typed}");
        }
    }
}
