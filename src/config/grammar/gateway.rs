//! Grammar of the file as a whole, and of the sections about the process itself.

use super::access::{CONDITION, FLOOR, LEVEL, ROUTE};
use super::factors::FACTORS;
use super::front::{CONNECTIONS, LISTEN, TLS};
use super::identity::IDENTITY;
use super::outward::TO_UPSTREAM;
use super::passwords::PASSWORDS;
use super::people::{ENROLMENT, LIMITS, SESSIONS};
use super::senders::SENDERS;
use super::{Key, Map, Scalar, Shape, Table};

/// The whole file.
pub(in super::super) static ROOT: Map = Map::new(
    "the configuration",
    "One file, or several that are merged by name.",
    &[
        Key::required("version", Shape::Scalar(Scalar::Int(1, 1)), "The grammar's version. Always 1."),
        Key {
            name: "server",
            shape: Shape::Map(&SERVER),
            doc: "Where stepgate listens and what it is called.",
            absent: super::Absent::Error,
        },
        Key::section("storage", &STORAGE),
        Key::new(
            "identity",
            Shape::Named(&IDENTITY),
            "Who is this? Sources are asked in order, and the first that answers says who. Without this section there is one: `{ name: local, type: local }`.",
        ),
        Key::section("factors", &FACTORS),
        Key::new(
            "senders",
            Shape::Table(&SENDERS),
            "Services that messages leave through, by names of your choice.",
        ),
        Key::new(
            "levels",
            Shape::Named(&Shape::Map(&LEVEL)),
            "Named requirements. They are sets, not a ladder. Built in, and replaced by a level of the same name: `signed-in` (an identity, nothing more), `standard` (any factor, 12h), `sensitive` (whatever is neither sent nor written down, 15m), `critical` (a passkey, or totp where passkeys are off, every time). `public` (nobody is asked anything) and `deny` are fixed.",
        ),
        Key::new(
            "conditions",
            Shape::Table(&CONDITIONS),
            "Named facts about a request. Each is true, false or unknown; unknown never relaxes a requirement.",
        ),
        Key::new("floor", Shape::Map(&FLOOR), FLOOR.doc),
        Key::new(
            "routes",
            Shape::Named(&Shape::Map(&ROUTE)),
            "The sites. A request for a host that no route names is denied.",
        ),
        Key::section("to_upstream", &TO_UPSTREAM),
        Key::section("sessions", &SESSIONS),
        Key::section("enrolment", &ENROLMENT),
        Key::section("passwords", &PASSWORDS),
        Key::section("limits", &LIMITS),
        Key::section("logging", &LOGGING),
        Key::section("branding", &BRANDING),
    ],
)
.later(&["authority", "geo", "administrators", "organisations", "audit", "telemetry", "mode"]);

static CONDITIONS: Table = Table { key: "name", value: Shape::Map(&CONDITION) };

static SERVER: Map = Map::new(
    "`server`",
    "Where stepgate listens and what it is called.",
    &[
        Key {
            name: "listen",
            shape: Shape::Many(&LISTEN),
            doc: "Address, or list of addresses, to serve on: `:8080` (every IPv4 address; add `[::]:8080` for IPv6), `unix:/path`, or a section.",
            absent: super::Absent::Is(":8080"),
        },
        Key::required(
            "public_url",
            Shape::Scalar(Scalar::PublicUrl),
            "Origin of the portal, as browsers see it: challenge pages, enrolment, the API. `http` only for localhost, 127.0.0.1 and [::1]; the scheme decides how cookies are set.",
        ),
        Key::new(
            "tls",
            Shape::Map(&TLS),
            "Certificates to serve TLS with. Without it stepgate speaks plain HTTP, for a proxy in front of it.",
        ),
        Key::new(
            "trusted_proxies",
            Shape::Any(&Shape::Scalar(Scalar::Peers)),
            "Peers whose `X-Forwarded-For`, `X-Forwarded-Host`, `Forwarded` and PROXY headers count, and who may ask at the check doors below `/.stepgate/authz/`. Nobody, unless listed. `unix`: every peer on a unix socket.",
        ),
        Key::section("connections", &CONNECTIONS),
        Key::default(
            "operations",
            Scalar::ListenOrOff,
            "127.0.0.1:9090",
            "Address of `/livez`, `/readyz`, `/healthz` and `/metrics`; `false` switches them off. Never the public port.",
        ),
        Key::new(
            "workers",
            Shape::Scalar(Scalar::Int(1, 1024)),
            "Threads that carry requests. Without it: one per processor.",
        ),
        Key::default(
            "prefix",
            Scalar::Prefix,
            "/.stepgate",
            "Paths under it are answered by stepgate on every site and never forwarded.",
        ),
        Key::section("timeouts", &TIMEOUTS),
        Key::new(
            "max_body",
            Shape::Scalar(Scalar::Size),
            "Largest request body, of every route that does not say its own. Without it: no bound.",
        ),
        Key::default(
            "max_header",
            Scalar::Size,
            "32KiB",
            "Largest header block of a request, 4 to 64 KiB; more is 431.",
        ),
        Key::default(
            "max_target",
            Scalar::Size,
            "8KiB",
            "Longest target of a request, 1 to 32 KiB; more is 414.",
        ),
        Key::default(
            "drain",
            Scalar::Duration,
            "30s",
            "After SIGTERM: how long requests in flight may take to end.",
        ),
    ],
);

static TIMEOUTS: Map = Map::new(
    "`timeouts`",
    "A deadline for each phase of a connection.",
    &[
        Key::default(
            "handshake",
            Scalar::Duration,
            "10s",
            "The TLS handshake, and the first byte of a connection.",
        ),
        Key::default(
            "headers",
            Scalar::Duration,
            "10s",
            "A complete header block, HTTP/2 continuations included.",
        ),
        Key::default("idle", Scalar::Duration, "75s", "A connection with no request in flight."),
        Key::default(
            "body_idle",
            Scalar::Duration,
            "60s",
            "Silence in the middle of a body, in either direction.",
        ),
        Key::default(
            "upstream_connect",
            Scalar::Duration,
            "2s",
            "Reaching the upstream: its name, the connection, TLS; further addresses included.",
        ),
        Key::default(
            "upstream_response",
            Scalar::Duration,
            "60s",
            "From the request being sent to the upstream's response headers.",
        ),
    ],
);

static STORAGE: Map = Map::new(
    "`storage`",
    "What must survive a restart.",
    &[
        Key::new(
            "database",
            Shape::Scalar(Scalar::Database),
            "`sqlite:///path`, or a path. Without it: `stepgate.db` in the state directory.",
        ),
        Key::new(
            "state_directory",
            Shape::Scalar(Scalar::File),
            "Where keys made on first start are kept. Without it: systemd's `STATE_DIRECTORY`, else `/var/lib/stepgate`.",
        ),
        Key::new(
            "encryption_keys",
            Shape::Any(&Shape::Scalar(Scalar::Secret)),
            "Keys that seal factor secrets, newest first; older ones only open what they sealed. Without it: a key file in the state directory, made on first start.",
        ),
    ],
);

static LOGGING: Map = Map::new(
    "`logging`",
    "The log on standard error.",
    &[
        Key::default(
            "format",
            Scalar::Word(&["auto", "json", "human"], &[]),
            "auto",
            "`auto`: human on a terminal, JSON elsewhere.",
        ),
        Key::default(
            "level",
            Scalar::Word(&["error", "warn", "info", "debug", "trace"], &[]),
            "info",
            "The least that is logged.",
        ),
    ],
);

static BRANDING: Map = Map::new(
    "`branding`",
    "What people see on the pages.",
    &[
        Key::default("name", Scalar::Text, "Stepgate", "Name of the organisation."),
        Key::new("support_url", Shape::Scalar(Scalar::Link), "Where people who are stuck find help."),
    ],
)
.later(&["languages", "logo"]);
