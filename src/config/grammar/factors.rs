//! Grammar of `factors`: one map for each kind.

use super::duo::DUO;
use super::senders::SENDER_OF_FACTOR;
use super::tokens::{HOTP, RADIUS, TEMPORARY_CODES, YUBIKEY};
use super::{Absent, Key, Map, Scalar, Shape};

/// Which factors exist, and their settings.
pub(super) static FACTORS: Map = Map::new(
    "`factors`",
    "What people can prove themselves with.",
    &[
        Key::section("totp", &TOTP),
        Key::section("recovery_codes", &RECOVERY_CODES),
        Key::section("passkey", &PASSKEY),
        Key::section("email", &EMAIL),
        Key::section("sms", &SMS),
        Key::section("voice", &VOICE),
        Key::section("duo", &DUO),
        Key::section("radius", &RADIUS),
        Key::section("yubikey", &YUBIKEY),
        Key::section("hotp", &HOTP),
        Key::section("temporary_codes", &TEMPORARY_CODES),
    ],
)
.later(&super::scalar::LATER_FACTORS);

/// For kinds that are off unless the file says otherwise.
pub(super) const ENABLED: Key =
    Key::default("enabled", Scalar::Bool, "false", "Whether it can be enrolled and used.");

pub(super) const STANDALONE: Key = standalone("true");
/// Whoever reads somebody's mail can usually reset their password as well.
pub(super) const STANDALONE_EMAIL: Key = standalone("false");

const fn standalone(default: &'static str) -> Key {
    Key::default(
        "standalone",
        Scalar::Bool,
        default,
        "Whether it counts by itself. `false`: only in a level with several groups, beside a factor that does.",
    )
}

static TOTP: Map = Map::new(
    "`totp`",
    "Codes from an authenticator app.",
    &[
        Key::default("enabled", Scalar::Bool, "true", "Whether it can be enrolled and used."),
        STANDALONE,
        Key::new(
            "issuer",
            Shape::Scalar(Scalar::Text),
            "Shown in the app beside the account. Without it: `branding.name` where given, else the portal's host.",
        ),
    ],
);

static RECOVERY_CODES: Map = Map::new(
    "`recovery_codes`",
    "A printed list of codes, each of which counts once.",
    &[
        Key::default("enabled", Scalar::Bool, "true", "Whether they can be made and used."),
        STANDALONE,
        Key::default("count", Scalar::Int(4, 20), "10", "How many codes a list has."),
    ],
);

static PASSKEY: Map = Map::new(
    "`passkey`",
    "Passkeys: of this device, of a phone, of a password manager, or on a security key.",
    &[
        Key::default(
            "enabled",
            Scalar::Bool,
            "true",
            "Whether they can be enrolled and used. Browsers know none for a portal that is reached by an IP address: there they are off.",
        ),
        STANDALONE,
        Key::new(
            "relying_party",
            Shape::Scalar(Scalar::ServerName),
            "The domain that passkeys are made for: the host of `server.public_url`, which is the default, or a parent of it. Choose once: passkeys made for another domain stop working.",
        ),
        Key::default(
            "user_verification",
            Scalar::Word(&["required", "preferred"], &[]),
            "required",
            "Whether the authenticator must make sure of its user by PIN, finger or face, or only where it can. A sign-in by passkey alone always asks for it.",
        ),
        Key::new(
            "models",
            Shape::List(&Shape::Scalar(Scalar::Model)),
            "Makes of authenticators that are accepted, by AAGUID. Without it every one is.",
        ),
        Key::new(
            "attestation_roots",
            Shape::Scalar(Scalar::PemFile),
            "Certificates of the makers. With them an authenticator must prove its make by an attestation that leads to one; synced passkeys cannot. Needs `models`.",
        ),
        Key::new(
            "related_origins",
            Shape::Many(&Shape::Scalar(Scalar::PublicUrl)),
            "Further origins whose pages may use these passkeys. They are listed at `/.well-known/webauthn` of the relying party's host and the portal's, where these lead here.",
        ),
    ],
);

static EMAIL: Map = Map::new(
    "`email`",
    "A code sent by e-mail.",
    &[
        ENABLED,
        STANDALONE_EMAIL,
        SENDER_OF_FACTOR,
        Key::default("digits", Scalar::Int(6, 8), "8", "Digits of a code."),
        Key::default(
            "address",
            Scalar::Word(&["identity", "own"], &[]),
            "identity",
            "`identity`: the address that the identity source has, and no other. `own`: people may give one themselves.",
        ),
        Key {
            name: "use_for",
            shape: Shape::Many(&Shape::Scalar(Scalar::Word(&["recovery", "factor"], &[]))),
            doc: "`recovery`: to get back in when other ways are lost. `factor`: counts at levels too; who reads the person's mail then passes them.",
            absent: Absent::Is("recovery"),
        },
    ],
);

const COUNTRIES: Key = Key::new(
    "countries",
    Shape::Many(&Shape::Scalar(Scalar::Country)),
    "Countries whose numbers are accepted (ISO 3166). Needed where this is enabled: each country that is open is one that fraud can be paid in.",
);

const INTERNET_TELEPHONY: Key = Key::default(
    "internet_telephony",
    Scalar::Bool,
    "false",
    "Whether numbers of internet telephony are accepted, which anybody can have by the thousand.",
);

static SMS: Map = Map::new(
    "`sms`",
    "A code sent by text message.",
    &[
        ENABLED,
        STANDALONE,
        SENDER_OF_FACTOR,
        Key::default("digits", Scalar::Int(6, 8), "8", "Digits of a code."),
        COUNTRIES,
        INTERNET_TELEPHONY,
    ],
);

static VOICE: Map = Map::new(
    "`voice`",
    "A code read out in a telephone call.",
    &[
        ENABLED,
        STANDALONE,
        SENDER_OF_FACTOR,
        Key::default("digits", Scalar::Int(6, 8), "8", "Digits of a code."),
        COUNTRIES,
        INTERNET_TELEPHONY,
        Key::default(
            "language",
            Scalar::Word(&["en", "de", "fr", "es", "it", "nl"], &[]),
            "en",
            "The language of calls to people whose browser asks for none that is spoken here.",
        ),
    ],
);
