//! Grammar of the signed tokens that come with each request.

use super::super::{Choice, Key, Map, Scalar, Shape, Table};
use super::NAME;

static CLAIM_ATTRIBUTES: Table = Table { key: "attribute", value: Shape::Scalar(Scalar::Text) };

pub(super) static JWT: Map = Map::new(
    "a JWT identity source",
    "A signed token that comes with each request.",
    &[
        NAME,
        Key::new("header", Shape::Scalar(Scalar::Header), "Header that carries the token; in `Authorization`, after `Bearer`."),
        Key::new("cookie", Shape::Scalar(Scalar::Cookie), "Cookie that carries the token."),
        Key::required(
            "algorithm",
            Shape::Scalar(Scalar::Word(&["HS256", "RS256", "ES256", "EdDSA"], &[])),
            "The one algorithm that is accepted, whatever the token says.",
        ),
        Key::new("secret", Shape::Scalar(Scalar::Secret), "Shared secret, for HS256: at least 32 bytes."),
        Key::new("public_key", Shape::Scalar(Scalar::Text), "PEM public key, for the other algorithms."),
        Key::new("jwks", Shape::Scalar(Scalar::KeyUrl), "Where the issuer publishes its keys. `http` only on this machine."),
        Key::required("issuer", Shape::Scalar(Scalar::Text), "What `iss` must be."),
        Key::required("audience", Shape::Scalar(Scalar::Text), "What `aud` must contain."),
        Key::new("attributes", Shape::Table(&CLAIM_ATTRIBUTES), "Attribute to claim name. Without it: `user: sub`, `groups: groups`, `name: name`, `email: email`."),
        Key::default("session", Scalar::Text, "sid", "Claim that identifies the issuer's session, so that ours end with it."),
    ],
)
.choices(&[
    Choice { keys: &["header", "cookie"], exclusive: true },
    Choice { keys: &["secret", "public_key", "jwks"], exclusive: true },
]);
