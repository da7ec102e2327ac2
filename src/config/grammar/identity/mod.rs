//! Grammar of the identity sources: one file for each kind.

mod app_session;
mod app_signed;
mod app_watch;
mod client_certificate;
mod introspection;
mod jwt;
mod ldap;
mod oidc;
mod trusted_header;

use super::{Key, Map, Scalar, Shape, Tagged};

/// One identity source.
pub(in super::super) static IDENTITY: Shape = Shape::Tagged(&Tagged {
    what: "an identity source",
    tag: "type",
    tag_doc: "What kind of source.",
    variants: &[
        ("local", &LOCAL),
        ("trusted-header", &trusted_header::TRUSTED_HEADER),
        ("jwt", &jwt::JWT),
        ("app-session", &app_session::APP_SESSION),
        ("introspection", &introspection::INTROSPECTION),
        ("client-certificate", &client_certificate::CLIENT_CERTIFICATE),
        ("oidc", &oidc::OIDC),
        ("ldap", &ldap::LDAP),
    ],
    later: &["saml", "kerberos"],
});

const NAME: Key = Key::required(
    "name",
    Shape::Scalar(Scalar::Name),
    "Qualifies every person of this source. Changing it makes them other people.",
);

static LOCAL: Map = Map::new(
    "a local identity source",
    "People kept by stepgate itself, with passwords; `stepgate users add` makes them.",
    &[NAME],
);
