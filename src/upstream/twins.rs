//! Names of headers that no client may send, compared as lenient back ends would read them.
//!
//! Some servers fold `_`, `.` and the like to `-`, or to `_` all alike, so names are compared with
//! every non-alphanumeric byte mapped to `-` (security.md B02). A spelling nobody has thought of
//! here must still be caught.

use http::HeaderName;

use crate::config::Settings;
use crate::config::settings::{CertificateOrigin, IdentityKind, Preset};

/// Beginnings of names: all of ours, what proxies say about the client's request, and what they say about
/// people in conventions that have a beginning of their own.
const PREFIXES: [&[u8]; 6] = [
    b"stepgate-",
    b"x-forwarded",
    b"x-original-",
    b"x-rewrite-",
    b"x-auth-request-",
    b"x-pomerium-",
];

/// Removed from every request: what ends at this hop, what frames a message, what claims to speak
/// for another proxy, what overrides the judged method or target.
const ALWAYS: [&str; 32] = [
    // Ends here (RFC 9110 7.6.1), or frames this hop's message alone.
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "http2-settings",
    "expect",
    // Says where the client is, or under which name it came.
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "fastly-client-ip",
    "x-host",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-azure-clientip",
    "x-remote-ip",
    "x-remote-addr",
    // Overrides what was judged (security.md A02, A15), or the app's own settings (httpoxy).
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-http-path-override",
    "proxy",
];

/// A set of folded names, looked up without allocating.
#[derive(Debug)]
pub(super) struct Twins {
    /// Index: length of the name.
    by_length: Vec<Vec<Box<[u8]>>>,
}

impl Twins {
    /// What [`ALWAYS`] goes, and these names with all their twins.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut by_length: Vec<Vec<Box<[u8]>>> = Vec::new();
        for name in names.into_iter().chain(ALWAYS) {
            let folded: Box<[u8]> = name.bytes().map(fold).collect();
            if by_length.len() <= folded.len() {
                by_length.resize_with(folded.len() + 1, Vec::new);
            }
            if let Some(bucket) = by_length.get_mut(folded.len())
                && !bucket.contains(&folded)
            {
                bucket.push(folded);
            }
        }
        Self { by_length }
    }

    /// Every header of the configuration that says who someone is or what they have proved,
    /// whether we read it or write it.
    pub(super) fn configured(settings: &Settings) -> Self {
        // Of every convention: an app may read another than the one that is configured.
        let mut names: Vec<&str> = Preset::every_header().collect();
        names.extend(settings.told());
        for source in &settings.identity {
            match &source.kind {
                IdentityKind::Local
                | IdentityKind::Oidc(_)
                | IdentityKind::AppSession(_)
                | IdentityKind::Ldap(_) => {}
                IdentityKind::TrustedHeader(header) => {
                    names.push(&header.user);
                    let optional = [&header.groups, &header.email, &header.name, &header.session];
                    names.extend(optional.into_iter().flatten().map(String::as_str));
                    names.extend(header.attributes.values().map(String::as_str));
                }
                IdentityKind::Jwt(jwt) => {
                    names.extend(jwt.place.own_header());
                    names.extend(jwt.companions);
                }
                IdentityKind::Introspection(asked) => names.extend(asked.place.own_header()),
                IdentityKind::ClientCertificate(shown) => {
                    if let CertificateOrigin::Forwarded(forwarded) = &shown.origin {
                        names.extend(forwarded.headers());
                    }
                }
            }
        }
        Self::new(names)
    }

    pub(super) fn contains(&self, name: &HeaderName) -> bool {
        let name = name.as_str().as_bytes();
        let listed = self
            .by_length
            .get(name.len())
            .is_some_and(|bucket| bucket.iter().any(|folded| is_twin(name, folded)));
        listed || (matches!(name.first(), Some(b'x' | b's')) && PREFIXES.iter().any(|p| begins(name, p)))
    }
}

/// Names arrive in lower case; the configuration's may not.
const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

fn is_twin(name: &[u8], folded: &[u8]) -> bool {
    name.len() == folded.len() && name.iter().zip(folded).all(|(byte, other)| fold(*byte) == *other)
}

fn begins(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| is_twin(start, prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn b02_every_spelling_that_folds_to_a_listed_name_is_one() {
        let twins = Twins::new(["Remote-User", "X-Auth.Email"]);
        for twin in [
            "remote-user",
            "Remote_User",
            "REMOTE.USER",
            "remote!user",
            "x-auth-email",
            "x_auth_email",
        ] {
            assert!(twins.contains(&name(twin)), "{twin}");
        }
        for other in [
            "remote-users",
            "remoteuser",
            "x-auth",
            "user-agent",
            "x-request-id",
            "set-cookie",
        ] {
            assert!(!twins.contains(&name(other)), "{other}");
        }
    }

    #[test]
    fn a02_targets_methods_and_addresses_from_outside_are_ours_to_say() {
        let twins = Twins::new([]);
        for listed in [
            "x-original-url",
            "x-rewrite-url",
            "x_original_url",
            "x-forwarded-uri",
            "x-forwarded-for",
            "X_Forwarded_Host",
            "x-forwarded",
            "forwarded",
            "x-real-ip",
            "x-http-method-override",
            "stepgate-code",
            "Stepgate_Anything",
            "transfer_encoding",
            "expect",
        ] {
            assert!(twins.contains(&name(listed)), "{listed}");
        }
    }

    proptest! {
        #[test]
        fn b02_any_bytes_between_the_words_fold(a in "[!#$%&'*+.^_`|~-]") {
            let twins = Twins::new(["remote-user"]);
            let spelled = format!("remote{a}user");
            prop_assert!(twins.contains(&name(&spelled)));
        }
    }
}
