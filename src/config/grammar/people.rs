//! Grammar of the sections about people: who they are, what they prove, and how often they may try.

use super::access::WHEN;
use super::{Choice, Key, Map, Scalar, Shape, Table, Tagged};

/// One identity source.
pub(super) static IDENTITY: Shape = Shape::Tagged(&Tagged {
    what: "an identity source",
    tag: "type",
    tag_doc: "What kind of source.",
    variants: &[
        ("local", &LOCAL),
        ("trusted-header", &TRUSTED_HEADER),
        ("jwt", &JWT),
    ],
    later: &["oidc", "ldap", "app-session", "client-certificate", "saml"],
});

const NAME: Key = Key::required(
    "name",
    Shape::Scalar(Scalar::Name),
    "Qualifies every person of this source. Changing it makes them other people.",
);

static LOCAL: Map = Map::new(
    "a local identity source",
    "People kept by stepgate itself, with passwords; `stepgate users add` makes them.",
    &[NAME],
);

static TRUSTED_HEADER: Map = Map::new(
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
            "i_understand",
            Shape::Scalar(Scalar::Word(&["header-spoofing"], &[])),
            "`header-spoofing`: something outside this file keeps strangers from reaching stepgate directly.",
        ),
    ],
);

static HEADER_ATTRIBUTES: Table = Table { key: "attribute", value: Shape::Scalar(Scalar::Header) };

static CLAIM_ATTRIBUTES: Table = Table { key: "attribute", value: Shape::Scalar(Scalar::Text) };

static JWT: Map = Map::new(
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

/// How long sessions last.
pub(super) static SESSIONS: Map = Map::new(
    "`sessions`",
    "How long a sign-in and the proofs within it last.",
    &[
        Key::default("idle_timeout", Scalar::Duration, "1h", "Ends after so long without a request."),
        Key::default(
            "absolute_timeout",
            Scalar::Duration,
            "12h",
            "Ends after so long in any case; at most 24h.",
        ),
    ],
)
.later(&["end_all_on", "remember_device"]);

/// How a first factor is enrolled.
pub(super) static ENROLMENT: Map = Map::new(
    "`enrolment`",
    "How people get their first factor.",
    &[
        Key {
            name: "first_factor",
            shape: Shape::Either(&[Shape::Scalar(Scalar::Word(&["invitation", "open"], &[])), Shape::Map(&FIRST_FACTOR)]),
            doc: "`invitation`: by a one-time link from `stepgate users invite`. `open`: anyone who is signed in, which lets a stolen password enrol a factor.",
            absent: super::Absent::Is("invitation"),
        },
        Key::new("grace_period", Shape::Scalar(Scalar::Duration), "How long after first being seen a person may go on without a factor. Without it: not at all."),
    ],
)
.later(&["required_for", "minimum_factors", "tell_user_by"]);

static FIRST_FACTOR: Map = Map::new(
    "`first_factor`",
    "By condition.",
    &[
        Key::required(
            "allow_when",
            Shape::Either(WHEN),
            "The combination of conditions under which anyone signed in may enrol.",
        ),
        Key::default("otherwise", Scalar::Word(&["invitation"], &[]), "invitation", "What holds elsewhere."),
    ],
);

/// How often people may try.
pub(super) static LIMITS: Map = Map::new(
    "`limits`",
    "How often people may try.",
    &[
        Key::default("wrong_answers", Scalar::Rate, "5 per 15m", "Wrong answers per person, over all factors and sessions, before waits begin that double each time."),
        Key::default("lock_user_after", Scalar::Int(5, 50), "50", "Wrong answers in a row after which only an administrator can help."),
        Key::default("per_network", Scalar::Rate, "60 per 1m", "Requests to sign-in, challenge and enrolment per client network (IPv4 /32, IPv6 /64)."),
        Key::section("messages", &MESSAGES),
    ],
)
.later(&["push_prompts", "resend_interval"]);

static MESSAGES: Map = Map::new(
    "`messages`",
    "How many messages with codes may leave. A person, and a number or address, gets 3 in 10 minutes and 10 a day, a minute apart.",
    &[
        Key::default(
            "per_prefix",
            Scalar::Rate,
            "30 per 1h",
            "Texts and calls to numbers that differ in their last four digits only. At most a day.",
        ),
        Key::default(
            "overall",
            Scalar::Rate,
            "1000 per 1h",
            "Texts, calls and mails to everybody, each counted by itself. At most a day.",
        ),
    ],
);
