//! Grammar of tokens that their issuer is asked about.

use super::super::{Key, Map, Scalar, Shape};
use super::NAME;
use super::jwt::{ATTRIBUTES, AUTHORITY, DPOP};

pub(super) static INTROSPECTION: Map = Map::new(
    "an introspection identity source",
    "A token that says nothing itself: the server that issued it is asked (RFC 7662).",
    &[
        NAME,
        Key::required(
            "endpoint",
            Shape::Scalar(Scalar::ServiceUrl),
            "Address of the server's introspection endpoint.",
        ),
        Key::required("client_id", Shape::Scalar(Scalar::Text), "Our own name there."),
        Key::required("client_secret", Shape::Scalar(Scalar::Secret), "Our own secret there."),
        Key::default(
            "client_auth",
            Scalar::Word(&["basic", "post"], &[]),
            "basic",
            "Whether they go in a header or in the body.",
        ),
        AUTHORITY,
        Key::default(
            "header",
            Scalar::Header,
            "Authorization",
            "Header that carries the token; in `Authorization`, after `Bearer` or `DPoP`.",
        ),
        Key::new("issuer", Shape::Scalar(Scalar::Text), "What `iss` must be, if it must."),
        Key::new(
            "audience",
            Shape::Many(&Shape::Scalar(Scalar::Text)),
            "What `aud` must contain: one of these. Without it every token counts that the server calls active.",
        ),
        ATTRIBUTES,
        Key::default(
            "session",
            Scalar::Text,
            "sid",
            "Member of the answer that identifies the issuer's session, so that ours end with it.",
        ),
        Key::default(
            "remember",
            Scalar::Duration,
            "60s",
            "How long an answer is believed, and so how long a token counts after it was revoked; at most 5m.",
        ),
        DPOP,
    ],
);
