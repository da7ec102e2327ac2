//! Grammar of the factors that organisations bring along: RADIUS, YubiKeys, counting tokens.

use super::factors::{ENABLED, STANDALONE};
use super::{Key, Map, Scalar, Shape};

pub(super) static RADIUS: Map = Map::new(
    "`radius`",
    "Codes that a RADIUS server judges.",
    &[
        ENABLED,
        STANDALONE,
        Key::default(
            "label",
            Scalar::Text,
            "Company code",
            "What people call it; the name of new enrolments.",
        ),
        Key::new(
            "servers",
            Shape::List(&Shape::Map(&RADIUS_SERVER)),
            "The servers, in the order in which they are asked. One that was silent is asked last for a minute.",
        ),
        Key::default(
            "message_authenticator",
            Scalar::Word(&["required", "server-is-old"], &[]),
            "required",
            "`required`: replies must be protected against CVE-2024-3596. `server-is-old`: replies without that protection count; then nobody may be able to change packets on the way.",
        ),
        Key::new(
            "nas_identifier",
            Shape::Scalar(Scalar::Text),
            "How this gate is named to the servers. Without it: the portal's host.",
        ),
        Key::default(
            "timeout",
            Scalar::Duration,
            "15s",
            "How long one server may take, repetitions included; at most 60s, for servers that wait for a push.",
        ),
    ],
);

static RADIUS_SERVER: Map = Map::new(
    "a RADIUS server",
    "One server.",
    &[
        Key::required("address", Shape::Scalar(Scalar::HostPort), "Host and port; RADIUS has 1812."),
        Key::required("secret", Shape::Scalar(Scalar::Secret), "The shared secret: at least 16 characters."),
    ],
);

pub(super) static YUBIKEY: Map = Map::new(
    "`yubikey`",
    "The one-time password that a YubiKey types when touched.",
    &[
        ENABLED,
        STANDALONE,
        Key::new(
            "client_id",
            Shape::Scalar(Scalar::Int(1, 4_294_967_295)),
            "The client's number at the validation service; for YubiCloud from upgrade.yubico.com/getapikey.",
        ),
        Key::new(
            "api_key",
            Shape::Scalar(Scalar::Secret),
            "The client's key, in base64. It signs what is asked and what is answered.",
        ),
        Key {
            name: "servers",
            shape: Shape::Many(&Shape::Scalar(Scalar::ServiceUrl)),
            doc: "Validation servers of one service, asked at the same time. `http` only on this machine.",
            absent: super::Absent::Is("https://api.yubico.com/wsapi/2.0/verify"),
        },
    ],
);

pub(super) static HOTP: Map = Map::new(
    "`hotp`",
    "Tokens that count (RFC 4226). People cannot enrol them: `stepgate enrolments import` does.",
    &[
        ENABLED,
        STANDALONE,
        Key::default(
            "look_ahead",
            Scalar::Int(1, 50),
            "10",
            "How many codes may have been made and not used. Who is further on types two codes one after the other.",
        ),
    ],
);

pub(super) static TEMPORARY_CODES: Map = Map::new(
    "`temporary_codes`",
    "One-time codes that an administrator issues with `stepgate users temporary-code`. They count where recovery codes do.",
    &[
        Key::default("enabled", Scalar::Bool, "true", "Whether they can be issued and used."),
        STANDALONE,
    ],
);
