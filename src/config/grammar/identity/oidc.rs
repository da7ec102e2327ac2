//! Grammar of the OpenID Connect providers.

use super::super::{Key, Map, Scalar, Shape, Table};
use super::NAME;

static CLAIMS: Table = Table { key: "attribute", value: Shape::Scalar(Scalar::Text) };

pub(super) static OIDC: Map = Map::new(
    "an OpenID Connect identity source",
    "A provider where people sign in, and which sends them back (code flow with PKCE).",
    &[
        NAME,
        Key::required(
            "issuer",
            Shape::Scalar(Scalar::KeyUrl),
            "The provider's own name, exactly as it publishes it; below it lies `/.well-known/openid-configuration`. `http` only on this machine.",
        ),
        Key::required("client_id", Shape::Scalar(Scalar::Text), "What the provider calls stepgate."),
        Key::new(
            "client_secret",
            Shape::Scalar(Scalar::Secret),
            "The secret that goes with it. Without one stepgate is a public client, with PKCE alone.",
        ),
        Key::new(
            "scopes",
            Shape::Many(&Shape::Scalar(Scalar::Text)),
            "What is asked for: `openid`, `profile` and `email` if absent. With `offline_access` most providers give a refresh token.",
        ),
        Key::new("label", Shape::Scalar(Scalar::Text), "What people know it by; the name if absent."),
        Key::new(
            "attributes",
            Shape::Table(&CLAIMS),
            "Attribute to claim name. Without it: `user: sub`, `groups: groups`, `name: name`, `email: email`. Other claims than `sub` may be given to somebody else one day.",
        ),
        Key::default(
            "emails_are_verified",
            Scalar::Bool,
            "false",
            "Whether the provider's addresses count although it does not say `email_verified: true`.",
        ),
        Key::default(
            "refresh",
            Scalar::Duration,
            "5m",
            "How old what the provider said may become before it is asked again, in the background of a request. Needs a refresh token. Who is gone there is signed out.",
        ),
        Key::new(
            "acr_values",
            Shape::Many(&Shape::Scalar(Scalar::Text)),
            "How the provider shall authenticate people, in its own words and order. Its answer (`acr`) must be one of them, or nobody is signed in.",
        ),
        Key::new(
            "max_age",
            Shape::Scalar(Scalar::Duration),
            "How long ago people may have been authenticated there. Its answer (`auth_time`) is checked.",
        ),
        Key::new(
            "prompt",
            Shape::Scalar(Scalar::Word(&["login", "consent", "select_account"], &[])),
            "What the provider's pages ask for in any case.",
        ),
        Key::new(
            "authority",
            Shape::Scalar(Scalar::PemFile),
            "PEM file with the certificates of the authorities that count, instead of the system's.",
        ),
    ],
);
