//! The names in a client certificate. Whether the certificate counts was judged elsewhere.

use std::sync::Arc;

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::X509Name;

use crate::ambient::UnixTime;
use crate::identity::ldap::dn::escaped;

/// User principal name, as Microsoft's directories write it (`id-ms-san-upn`).
const UPN: &str = "1.3.6.1.4.1.311.20.2.3";

/// Everything in a certificate that could name somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Distinguished names as text: `CN=laptop-7, O=Example`. Empty where one has a part that is not
    /// text: that is nobody's name, and no issuer's that could be listed.
    pub subject: String,
    pub issuer: Arc<str>,
    pub common_names: Vec<String>,
    pub emails: Vec<String>,
    pub principals: Vec<String>,
    pub uris: Vec<String>,
    pub hosts: Vec<String>,
    /// Basic constraints say that it is an authority's.
    pub is_authority: bool,
    /// Key usage: signatures; certificates and revocation lists.
    pub signs: bool,
    pub signs_certificates: bool,
    pub not_before: UnixTime,
    pub not_after: UnixTime,
}

impl Names {
    /// Reads one certificate in DER; `None` where it is not one, or something follows it.
    #[must_use]
    pub fn of(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let usage = certificate.key_usage().ok()?.map(|usage| usage.value);
        let validity = certificate.validity();
        let mut names = Self {
            subject: written(certificate.subject()).unwrap_or_default(),
            issuer: written(certificate.issuer()).unwrap_or_default().into(),
            is_authority: certificate.is_ca(),
            signs: usage.is_some_and(x509_parser::extensions::KeyUsage::digital_signature),
            signs_certificates: usage.is_some_and(|usage| usage.key_cert_sign() || usage.crl_sign()),
            not_before: UnixTime(validity.not_before.timestamp()),
            not_after: UnixTime(validity.not_after.timestamp()),
            ..Self::default()
        };
        let common = certificate.subject().iter_common_name();
        // One that is not text must not make another the only one.
        names.common_names = common.map(|name| name.as_str().unwrap_or_default().to_owned()).collect();
        if let Some(others) = certificate.subject_alternative_name().ok()? {
            others.value.general_names.iter().for_each(|name| names.take(name));
        }
        Some(names)
    }

    fn take(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::RFC822Name(text) => self.emails.push((*text).to_owned()),
            GeneralName::DNSName(text) => self.hosts.push((*text).to_owned()),
            GeneralName::URI(text) => self.uris.push((*text).to_owned()),
            GeneralName::OtherName(kind, value) if kind.to_id_string() == UPN => {
                self.principals.push(utf8_string(value).unwrap_or_default().to_owned());
            }
            // Of a kind that is read, and unreadable: there is more than one way to see it.
            GeneralName::Invalid(tag, _) => match tag.0 {
                1 => self.emails.push(String::new()),
                2 => self.hosts.push(String::new()),
                6 => self.uris.push(String::new()),
                _ => self.principals.push(String::new()),
            },
            _ => {}
        }
    }
}

/// A distinguished name as text, in its own order. Values are escaped as in RFC 4514 2.4, so that no
/// value reads like a part of its own: two names are never one text. `None`: a value is not text.
fn written(name: &X509Name<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.iter_rdn() {
        let mut values = Vec::new();
        for attribute in part.iter() {
            let kind = match oid2abbrev(attribute.attr_type(), oid_registry()) {
                Ok(short) if !short.is_empty() => short.to_owned(),
                _ => attribute.attr_type().to_id_string(),
            };
            values.push(format!("{kind}={}", escaped(&text(attribute.attr_value())?)));
        }
        parts.push(values.join(" + "));
    }
    Some(parts.join(", "))
}

/// The text of a value whose type is one of the string types.
fn text(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString
        | Tag::T61String => std::str::from_utf8(value.data).ok().map(str::to_owned),
        // Two bytes a sign, the higher first.
        Tag::BmpString => {
            let (pairs, rest) = value.data.as_chunks::<2>();
            let signs: Vec<u16> = pairs.iter().copied().map(u16::from_be_bytes).collect();
            String::from_utf16(&signs).ok().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// `[0] EXPLICIT UTF8String`, in DER, and nothing behind it.
fn utf8_string(value: &[u8]) -> Option<&str> {
    let text = inside(inside(value, 0xa0)?, 0x0c)?;
    std::str::from_utf8(text).ok()
}

/// The content of one value with this tag, of less than 256 bytes.
fn inside(value: &[u8], tag: u8) -> Option<&[u8]> {
    let (first, rest) = value.split_first()?;
    let (length, content) = match rest {
        [0x81, length, content @ ..] if *length >= 0x80 => (*length, content),
        [length, content @ ..] if *length < 0x80 => (*length, content),
        _ => return None,
    };
    (*first == tag && content.len() == usize::from(length)).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_name_is_read_as_der_has_it() {
        assert_eq!(utf8_string(b"\xa0\x06\x0c\x04anna"), Some("anna"));
        for bad in [
            b"".as_slice(),
            b"\xa0\x06\x0c\x04ann",
            b"\xa0\x06\x0c\x04annax",
            b"\xa0\x06\x16\x04anna",
            b"\xa0\x06\x0c\x81\x04anna",
            b"\xa0\x03\x0c\x01\xff",
        ] {
            assert_eq!(utf8_string(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_names() {
        assert_eq!(Names::of(b""), None);
        assert_eq!(Names::of(&[0x30, 0x03, 0x02, 0x01, 0x01]), None);
    }
}
