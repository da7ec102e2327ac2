//! Grammar of the signed tokens that come with each request.

use super::super::{Choice, Key, Map, Scalar, Shape, Table};
use super::NAME;

pub(super) static CLAIM_ATTRIBUTES: Table = Table { key: "attribute", value: Shape::Scalar(Scalar::Text) };

pub(super) const ATTRIBUTES: Key = Key::new(
    "attributes",
    Shape::Table(&CLAIM_ATTRIBUTES),
    "Attribute to claim name, or to a JSON pointer such as `/realm_access/roles`. Without it: `user: sub`, `groups: groups`, `name: name`, `email: email`.",
);

pub(super) const DPOP: Key = Key::new(
    "dpop",
    Shape::Scalar(Scalar::Word(&["required"], &[])),
    "`required`: only tokens that are bound to a key (RFC 9449) count. Without it tokens that are bound count with their proof alone, others as they are.",
);

pub(super) const AUTHORITY: Key = Key::new(
    "authority",
    Shape::Scalar(Scalar::PemFile),
    "PEM file with the authorities of the issuer's certificate, instead of the system's.",
);

pub(super) static JWT: Map = Map::new(
    "a JWT identity source",
    "A signed token that comes with each request.",
    &[
        NAME,
        Key::new(
            "preset",
            Shape::Scalar(Scalar::Word(
                &["cloudflare-access", "google-iap", "aws-alb", "pomerium", "authentik"],
                &[],
            )),
            "The signed header of this product: header, algorithm, address of the keys and claims are known then. `issuer` and `audience` are still needed, but for `google-iap` the issuer and for `pomerium` the audience.",
        ),
        Key::new("header", Shape::Scalar(Scalar::Header), "Header that carries the token; in `Authorization`, after `Bearer` or `DPoP`."),
        Key::new("cookie", Shape::Scalar(Scalar::Cookie), "Cookie that carries the token."),
        Key::new(
            "algorithm",
            Shape::Scalar(Scalar::Word(
                &["HS256", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"],
                &[],
            )),
            "The one algorithm that is accepted, whatever the token says.",
        ),
        Key::new("secret", Shape::Scalar(Scalar::Secret), "Shared secret, for HS256: at least 32 bytes."),
        Key::new("public_key", Shape::Scalar(Scalar::Text), "PEM public key, for the other algorithms."),
        Key::new("jwks", Shape::Scalar(Scalar::KeyUrl), "Where the issuer publishes its keys; for `aws-alb` what stands before the key's name. `http` only on this machine."),
        AUTHORITY,
        Key::new("issuer", Shape::Many(&Shape::Scalar(Scalar::Text)), "What `iss` must be: one of these. For `cloudflare-access` `https://TEAM.cloudflareaccess.com`, for `pomerium` the host of the route there, for `authentik` the address that ends in `/application/o/NAME/`."),
        Key::new("audience", Shape::Many(&Shape::Scalar(Scalar::Text)), "What `aud` must contain: one of these. For `aws-alb` and `authentik` the client id."),
        Key::new("signer", Shape::Many(&Shape::Scalar(Scalar::Text)), "For `aws-alb`: the ARN of the load balancer; tokens of another one do not count."),
        ATTRIBUTES,
        Key::new("session", Shape::Scalar(Scalar::Text), "Claim that identifies the issuer's session, so that ours end with it; `sid` unless the preset knows another."),
        DPOP,
    ],
)
.choices(&[
    Choice { keys: &["preset", "header", "cookie"], exclusive: true },
    Choice { keys: &["preset", "secret", "public_key", "jwks"], exclusive: false },
]);
