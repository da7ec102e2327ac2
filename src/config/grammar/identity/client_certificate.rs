//! Grammar of client certificates.

use super::super::{Key, Map, Scalar, Shape};
use super::NAME;

pub(super) static CLIENT_CERTIFICATE: Map = Map::new(
    "a client-certificate identity source",
    "A client certificate: our own listener's (`server.tls.device_authority`), or one that a proxy in front has verified and passes on.",
    &[
        NAME,
        Key::default(
            "user",
            Scalar::Word(&["common-name", "email", "upn", "host", "uri", "spiffe", "subject"], &[]),
            "common-name",
            "What names the person: `CN`, or the one mail address, principal name, host or URI among the alternative names, or the whole subject. `spiffe` is for workloads and needs `trust_domains`.",
        ),
        Key::new(
            "trust_domains",
            Shape::Many(&Shape::Scalar(Scalar::Text)),
            "For `user: spiffe`: the trust domains whose ids count.",
        ),
        Key::new(
            "issuers",
            Shape::Many(&Shape::Scalar(Scalar::Text)),
            "Issuers that count, as `CN=Staff CA, O=Example`; without it all that were verified.",
        ),
        Key::new(
            "forwarded",
            Shape::Map(&FORWARDED),
            "Where the certificate comes in a header; without it our own listener's counts, but for the addresses in `server.trusted_proxies`.",
        ),
    ],
);

static FORWARDED: Map = Map::new(
    "`forwarded`",
    "A certificate that a proxy in front passes on.",
    &[
        Key::required(
            "from",
            Shape::Many(&Shape::Scalar(Scalar::Peers)),
            "Addresses of that proxy; `unix` for peers on a unix socket. From anywhere else the headers are nothing.",
        ),
        Key::required(
            "form",
            Shape::Scalar(Scalar::Word(&["client-cert", "nginx", "envoy"], &[])),
            "`client-cert`: RFC 9440. `nginx`: `$ssl_client_escaped_cert`. `envoy`: the field `Cert` of `x-forwarded-client-cert`, as one element.",
        ),
        Key::new(
            "header",
            Shape::Scalar(Scalar::Header),
            "Header that carries it: `Client-Cert`, `X-SSL-Client-Cert` or `X-Forwarded-Client-Cert` unless said otherwise.",
        ),
        Key::new(
            "verified",
            Shape::Scalar(Scalar::Header),
            "Header that must say `SUCCESS`, as nginx's `$ssl_client_verify` does.",
        ),
        Key::new(
            "authority",
            Shape::Scalar(Scalar::PemFile),
            "PEM file with the authorities that sign such certificates, intermediate ones too: they are verified again here.",
        ),
    ],
);
