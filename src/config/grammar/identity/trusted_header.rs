//! Grammar of the headers that a proxy in front sets.

use super::super::{Key, Map, Scalar, Shape, Table};
use super::NAME;

pub(super) static TRUSTED_HEADER: Map = Map::new(
    "a trusted-header identity source",
    "Headers set by a proxy that has signed the person in.",
    &[
        NAME,
        Key::required(
            "from",
            Shape::Many(&Shape::Scalar(Scalar::Trusted)),
            "Addresses of that proxy; `unix` for peers on a unix socket. From anywhere else the headers are refused. `any` needs `i_understand`.",
        ),
        Key::required(
            "attributes",
            Shape::Table(&HEADER_ATTRIBUTES),
            "Attribute to header name: `user` is needed; `groups` (comma-separated), `name` and `email` have a meaning; any other name is an attribute for `conditions`.",
        ),
        Key::new(
            "session",
            Shape::Scalar(Scalar::Header),
            "Header that identifies the proxy's session, so that claims end with it.",
        ),
        Key::new(
            "sign_out_url",
            Shape::Scalar(Scalar::Link),
            "Where people sign out at the proxy: offered when they have signed out here.",
        ),
        Key::new(
            "i_understand",
            Shape::Scalar(Scalar::Word(&["header-spoofing"], &[])),
            "`header-spoofing`: something outside this file keeps strangers from reaching stepgate directly.",
        ),
    ],
);

static HEADER_ATTRIBUTES: Table = Table { key: "attribute", value: Shape::Scalar(Scalar::Header) };
