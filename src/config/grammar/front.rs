//! Grammar of listeners, certificates and connection bounds.

use super::{Choice, Key, Map, Scalar, Shape};

/// An address alone, or a section.
pub(super) static LISTEN: Shape = Shape::Either(&[Shape::Scalar(Scalar::Listener), Shape::Map(&LISTENER)]);

static LISTENER: Map = Map::new(
    "a listener",
    "One place to listen on.",
    &[
        Key::required(
            "address",
            Shape::Scalar(Scalar::Listener),
            "As it would stand alone: `:8443`, `127.0.0.1:8080`, `unix:/run/stepgate/gate.sock`. A unix socket has mode 0660.",
        ),
        Key::new(
            "tls",
            Shape::Scalar(Scalar::Bool),
            "Whether connections begin with TLS. Without it: yes where `server.tls` is there, and never on a unix socket.",
        ),
        Key::default(
            "proxy_protocol",
            Scalar::Bool,
            "false",
            "Every connection begins with a PROXY protocol header, version 1 or 2, from a peer in `trusted_proxies`; all others are closed. The address it names is then the client's.",
        ),
    ],
);

pub(super) static TLS: Map = Map::new(
    "`tls`",
    "Certificates and keys, as PEM files. Changed files are taken into use within seconds; a pair that does not fit is refused, and the old one stays.",
    &[
        Key::new(
            "certificate",
            Shape::Scalar(Scalar::File),
            "PEM file with the certificate and what signed it, the site's own first. Needs `key`.",
        ),
        Key::new(
            "key",
            Shape::Scalar(Scalar::KeyFile),
            "PEM file with the private key. `{ file: … }` means the same.",
        ),
        Key::new(
            "certificates",
            Shape::List(&Shape::Map(&CERTIFICATE)),
            "Several pairs. The host that a client names chooses: an exact name, then a wildcard, else the first pair.",
        ),
        Key::default(
            "minimum",
            Scalar::Word(&["1.2", "1.3"], &[]),
            "1.2",
            "Lowest version of TLS, in quotes. Older ones than 1.2 are never spoken.",
        ),
        Key::new(
            "device_authority",
            Shape::Scalar(Scalar::File),
            "PEM file with the authorities of client certificates. They are asked for, never required.",
        ),
        Key::new("acme", Shape::Map(&ACME), "Certificates that are obtained and renewed by themselves."),
    ],
)
.choices(&[Choice { keys: &["certificate", "certificates", "acme"], exclusive: false }]);

static ACME: Map = Map::new(
    "`acme`",
    "Certificates that are obtained and renewed by themselves (RFC 8555), for hosts that no other certificate names. Hosts are proved on port 443 (TLS-ALPN-01), or on port 80 where a listener without TLS is there (HTTP-01).",
    &[
        Key::new(
            "contact",
            Shape::Any(&Shape::Scalar(Scalar::Mail)),
            "Mail addresses that the directory may write to when something is wrong.",
        ),
        Key::default(
            "directory",
            Scalar::Directory,
            "https://acme-v02.api.letsencrypt.org/directory",
            "URL of the directory. Serving with it means agreeing to its terms.",
        ),
        Key::new(
            "authority",
            Shape::Scalar(Scalar::File),
            "PEM file with the authority of the directory's own certificate, for a private one. Without it: the system's authorities.",
        ),
        Key::new(
            "hosts",
            Shape::List(&Shape::Scalar(Scalar::Host)),
            "Hosts to obtain a certificate for. Without it: the portal's and every route's, wildcards left out.",
        ),
    ],
);

static CERTIFICATE: Map = Map::new(
    "a certificate",
    "A certificate with its key.",
    &[
        Key::required(
            "certificate",
            Shape::Scalar(Scalar::File),
            "PEM file with the certificate and what signed it, the site's own first.",
        ),
        Key::required("key", Shape::Scalar(Scalar::KeyFile), "PEM file with the private key."),
    ],
);

pub(super) static CONNECTIONS: Map = Map::new(
    "`connections`",
    "Bounds on client connections, over all listeners.",
    &[
        Key::default(
            "most",
            Scalar::Int(16, 1_000_000),
            "16384",
            "At once. Further ones wait in the system's queue.",
        ),
        Key::default(
            "per_address",
            Scalar::Int(1, 1_000_000),
            "1024",
            "At once from one IPv4 address or IPv6 /64; further ones are closed. Peers in `trusted_proxies` and this machine's own addresses are not counted.",
        ),
    ],
);
