//! A client certificate that a proxy in front has verified and passes on in a header.
//!
//! Three forms: RFC 9440 (`Client-Cert`), nginx (`$ssl_client_escaped_cert`) and Envoy
//! (`x-forwarded-client-cert`). Who may send it is judged by the caller, before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use crate::config::settings::CertificateForm;
use crate::identity::IdentityError;

/// Longer headers are not decoded.
const LONGEST: usize = 64 * 1024;

const UNREADABLE: IdentityError = IdentityError::Refused("the forwarded client certificate cannot be read");

/// The certificate in a header, as DER; `None` where the proxy says that there is none.
///
/// # Errors
/// When it came twice or cannot be read.
pub(super) fn certificate(
    headers: &HeaderMap,
    name: &HeaderName,
    form: CertificateForm,
) -> Result<Option<Vec<u8>>, IdentityError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(IdentityError::Refused("a forwarded client certificate came twice"));
    }
    let text = value.to_str().map_err(|_| UNREADABLE)?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > LONGEST {
        return Err(UNREADABLE);
    }
    let der = match form {
        CertificateForm::Rfc9440 => byte_sequence(text),
        CertificateForm::Nginx => escaped_pem(text),
        // An element without a certificate tells names alone, which are not read.
        CertificateForm::Envoy => element(text).and_then(|pem| escaped_pem(&pem)),
    };
    der.ok_or(UNREADABLE).map(Some)
}

/// RFC 8941 section 3.3.5: base64 between colons.
fn byte_sequence(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(':')?.strip_suffix(':')?;
    STANDARD.decode(inner).ok()
}

/// PEM with one certificate, URL-encoded; a `+` is itself.
fn escaped_pem(text: &str) -> Option<Vec<u8>> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;
    let pem = percent_decode_str(text).decode_utf8().ok()?;
    let mut found = CertificateDer::pem_slice_iter(pem.as_bytes());
    let first = found.next()?.ok()?;
    found.next().is_none().then(|| first.as_ref().to_vec())
}

/// `Cert` of Envoy's one element. Several elements tell of several proxies, of which all but the last
/// were not seen by ours: they are refused.
fn element(text: &str) -> Option<String> {
    let mut certificate = None;
    for pair in pairs(text)? {
        let (name, value) = pair.split_once('=')?;
        if name.eq_ignore_ascii_case("cert") && certificate.replace(value.to_owned()).is_some() {
            return None;
        }
    }
    certificate
}

/// `key=value` parts of one element, without their quotes. `None` at a comma outside quotes.
fn pairs(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.chars() {
        match byte {
            _ if escaped => {
                part.push(byte);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return None,
            ';' if !quoted => parts.push(std::mem::take(&mut part)),
            _ => part.push(byte),
        }
    }
    parts.push(part);
    (!quoted && !escaped).then_some(parts)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(form: CertificateForm, values: &[&str]) -> Result<Option<Vec<u8>>, IdentityError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("client-cert", HeaderValue::from_str(value).unwrap());
        }
        certificate(&headers, &HeaderName::from_static("client-cert"), form)
    }

    /// Three bytes stand for a certificate: the form is all that is read here.
    const PEM: &str = "-----BEGIN%20CERTIFICATE-----%0AAQID%0A-----END%20CERTIFICATE-----%0A";

    #[test]
    fn each_form_is_read_as_its_maker_has_it() {
        let some = Some(vec![1, 2, 3]);
        assert_eq!(read(CertificateForm::Rfc9440, &[":AQID:"]).unwrap(), some);
        assert_eq!(read(CertificateForm::Nginx, &[PEM]).unwrap(), some);
        let element = format!("Hash=ab;Cert=\"{PEM}\";Subject=\"CN=a\\\"b, O=c;d\";URI=spiffe://a/b");
        assert_eq!(read(CertificateForm::Envoy, &[&element]).unwrap(), some);
        for form in [
            CertificateForm::Rfc9440,
            CertificateForm::Nginx,
            CertificateForm::Envoy,
        ] {
            assert_eq!(read(form, &[]).unwrap(), None);
            assert_eq!(read(form, &[""]).unwrap(), None);
        }
    }

    #[test]
    fn b04_what_could_be_read_in_two_ways_is_refused() {
        let two = format!("{PEM}{PEM}");
        let envoy = format!("Cert=\"{PEM}\"");
        for (form, values) in [
            (CertificateForm::Rfc9440, vec![":AQID:", ":AQID:"]),
            (CertificateForm::Rfc9440, vec![":AQID:, :AQID:"]),
            (CertificateForm::Rfc9440, vec!["AQID"]),
            (CertificateForm::Nginx, vec![two.as_str()]),
            (CertificateForm::Nginx, vec!["anything"]),
            (CertificateForm::Envoy, vec![envoy.as_str(), envoy.as_str()]),
            (CertificateForm::Envoy, vec!["Hash=ab;Subject=\"CN=a\""]),
            (CertificateForm::Envoy, vec!["Hash=ab"]),
        ] {
            assert!(read(form, &values).is_err(), "{form:?} {values:?}");
        }
        for element in [
            format!("{envoy},{envoy}"),
            format!("{envoy};{envoy}"),
            format!("{envoy};Subject=\"CN=a"),
        ] {
            assert!(read(CertificateForm::Envoy, &[&element]).is_err(), "{element}");
        }
    }
}
