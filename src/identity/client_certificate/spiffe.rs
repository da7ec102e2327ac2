//! Names of workloads: SPIFFE ids, and what a certificate must look like to carry one.
//!
//! After the SPIFFE-ID and X509-SVID standards (spiffe.io, `standards/SPIFFE-ID.md` sections 2 and 3,
//! `standards/X509-SVID.md` sections 2, 4 and 5). An id is compared byte by byte and never repaired.

use super::names::Names;

/// Bytes of a trust domain, and of a whole id.
const LONGEST_DOMAIN: usize = 255;
const LONGEST: usize = 2048;

/// Whether a trust domain is spelt as one: lower case, without scheme, port or path.
#[must_use]
pub fn is_trust_domain(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (1..=LONGEST_DOMAIN).contains(&text.len()) && text.bytes().all(good)
}

/// Trust domain and path of a workload's id; `None` where it is not one. The path is not empty: an id
/// without one is the trust domain's own.
#[must_use]
pub fn workload(id: &str) -> Option<(&str, &str)> {
    if id.len() > LONGEST {
        return None;
    }
    let (domain, path) = id.strip_prefix("spiffe://")?.split_once('/')?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let segment =
        |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(good);
    (is_trust_domain(domain) && path.split('/').all(segment)).then_some((domain, path))
}

/// The id that a leaf certificate is for, if it is an SVID of one of these trust domains.
pub(super) fn id<'a>(names: &'a Names, domains: &[String]) -> Option<&'a str> {
    let [id] = names.uris.as_slice() else {
        return None; // exactly one URI, or the SVID is refused
    };
    let (domain, _) = workload(id)?;
    // X509-SVID section 4: a leaf signs no certificates, and its key is for signatures.
    let leaf = !names.is_authority && !names.signs_certificates && names.signs;
    (leaf && domains.iter().any(|ours| ours == domain)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_the_standard_says() {
        assert_eq!(workload("spiffe://prod.example/ns/a/sa/b"), Some(("prod.example", "ns/a/sa/b")));
        assert_eq!(workload("spiffe://a/B_2.x-"), Some(("a", "B_2.x-")));
        let long = format!("spiffe://a/{}", "x".repeat(2048));
        for bad in [
            "spiffe://prod.example",
            "spiffe://prod.example/",
            "spiffe:///a",
            "spiffe://Prod.example/a",
            "SPIFFE://prod.example/a",
            "spiffe://prod.example:80/a",
            "spiffe://anna@prod.example/a",
            "spiffe://prod.example/a/",
            "spiffe://prod.example//a",
            "spiffe://prod.example/./a",
            "spiffe://prod.example/../a",
            "spiffe://prod.example/a%2fb",
            "spiffe://prod.example/a?b",
            "spiffe://prod.example/a#b",
            "https://prod.example/a",
            &long,
        ] {
            assert_eq!(workload(bad), None, "{bad}");
        }
    }
}
