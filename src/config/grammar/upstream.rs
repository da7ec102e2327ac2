//! Grammar of what is said about the app behind a route.

use super::{Key, Map, Scalar, Shape};

/// What may stand at `upstream`.
pub(super) const UPSTREAM: Shape = Shape::Either(&[
    Shape::Scalar(Scalar::Upstream),
    Shape::List(&Shape::Scalar(Scalar::Upstream)),
    Shape::Map(&DETAILS),
]);

static DETAILS: Map = Map::new(
    "`upstream`",
    "The app, in detail.",
    &[
        Key::required(
            "addresses",
            Shape::Many(&Shape::Scalar(Scalar::Upstream)),
            "Address, or list of addresses, as `upstream` itself takes them.",
        ),
        Key::default(
            "protocol",
            Scalar::Word(&["auto", "http1", "http2"], &[]),
            "auto",
            "HTTP version. `auto`: what TLS agrees on; without TLS HTTP/1.1. `http2` without TLS is by prior knowledge, as with `h2c://`. WebSockets use HTTP/1.1 in any case.",
        ),
        Key::new("tls", Shape::Map(&TLS), TLS.doc),
    ],
);

static TLS: Map = Map::new(
    "`tls` of an upstream",
    "How the app proves who it is, for `https` addresses. Its certificate is always checked.",
    &[
        Key::new(
            "authority",
            Shape::Scalar(Scalar::PemFile),
            "PEM file with the certificates of the authorities that count, instead of the system's.",
        ),
        Key::new(
            "server_name",
            Shape::Scalar(Scalar::ServerName),
            "Name that the certificate must be for. Without it: the host of the address.",
        ),
        Key::new(
            "certificate",
            Shape::Scalar(Scalar::PemFile),
            "PEM file with the certificate that we show, and what signed it.",
        ),
        Key::new(
            "key",
            Shape::Scalar(Scalar::KeyFile),
            "PEM file with its private key. `{ file: … }` means the same.",
        ),
    ],
);

/// Deadlines of one route.
pub(super) static TIMEOUTS: Map = Map::new(
    "`timeouts` of a route",
    "Deadlines of this route, where they differ from `server.timeouts`.",
    &[
        Key::new("connect", Shape::Scalar(Scalar::Duration), "Instead of `upstream_connect`."),
        Key::new("response", Shape::Scalar(Scalar::Duration), "Instead of `upstream_response`."),
        Key::new("body_idle", Shape::Scalar(Scalar::Duration), "Instead of `body_idle`."),
    ],
);
