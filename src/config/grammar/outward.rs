//! Grammar of what apps are told about the person.

use super::{Absent, Choice, Key, Map, Scalar, Shape, Table};

const PRESETS: Scalar = Scalar::Word(
    &[
        "remote",
        "stepgate",
        "x-forwarded",
        "x-auth-request",
        "pomerium",
        "none",
    ],
    &[],
);

/// What every app is told.
pub(super) static TO_UPSTREAM: Map = Map::new(
    "`to_upstream`",
    "What apps are told about the person. Copies of these headers sent by clients, those of all presets, are always removed.",
    &[
        Key::default(
            "preset",
            PRESETS,
            "remote",
            "Names of the headers. `remote`: `Remote-User`, `Remote-Groups`, `Remote-Name`, `Remote-Email`. `stepgate`: the same behind `Stepgate-`. `x-forwarded` and `x-auth-request`: `X-Forwarded-` or `X-Auth-Request-` with `User`, `Groups`, `Preferred-Username`, `Email`. `pomerium`: `X-Pomerium-Claim-` with `User`, `Groups`, `Name`, `Email`, and the assertion in `X-Pomerium-Jwt-Assertion`. All of them add `Stepgate-Acr`, `Stepgate-Amr` and `Stepgate-Auth-Time`. `none`: only what `headers` and `assertion` say.",
        ),
        Key::new("headers", Shape::Table(&HEADERS), HEADERS_DOC),
        Key {
            name: "assertion",
            shape: ASSERTIONS,
            doc: "A signed assertion (JWT) for apps that check it; `false` switches it off.",
            absent: Absent::Empty,
        },
    ],
);

/// What the app of one route is told, where it differs.
pub(super) static OF_ROUTE: Map = Map::new(
    "`to_upstream` of a route",
    "What this app is told and given, where it differs from `to_upstream`.",
    &[
        Key::new("preset", Shape::Scalar(PRESETS), "Instead of `to_upstream.preset`."),
        Key::new("headers", Shape::Table(&HEADERS), "Instead of all of `to_upstream.headers`."),
        Key::new("assertion", ASSERTIONS, "Instead of `to_upstream.assertion`."),
        Key::new("inject", Shape::Map(&INJECT), INJECT.doc),
    ],
);

const HEADERS_DOC: &str = "Further headers, by name: text with `{user}`, `{groups}`, `{name}`, `{email}` or `{attribute:NAME}` in it. Several values are joined by commas, or as `{groups|;}` says. A header whose value is missing is not sent.";

static HEADERS: Table = Table { key: "header", value: Shape::Scalar(Scalar::IdentityText) };

const ASSERTIONS: Shape = Shape::Either(&[Shape::Map(&ASSERTION), Shape::Scalar(Scalar::Off)]);

static ASSERTION: Map = Map::new(
    "`assertion`",
    "The signed assertion.",
    &[Key::new(
        "header",
        Shape::Scalar(Scalar::Header),
        "Header that carries it. Without it: `Stepgate-Assertion`, or the preset's own.",
    )],
)
.later(&["algorithm", "valid_for"]);

static INJECT: Map = Map::new(
    "`inject`",
    "A credential of the app's own, sent in `Authorization` for people who have passed. What clients send there never reaches this app. Only where stepgate itself forwards to the app.",
    &[
        Key::new("basic", Shape::Map(&BASIC), "HTTP Basic (RFC 7617)."),
        Key::new("bearer", Shape::Map(&BEARER), "A bearer token (RFC 6750)."),
    ],
)
.choices(&[Choice { keys: &["basic", "bearer"], exclusive: true }]);

static BASIC: Map = Map::new(
    "`basic`",
    "HTTP Basic (RFC 7617).",
    &[
        Key::required(
            "username",
            Shape::Scalar(Scalar::IdentityText),
            "Name for the app, such as `\"{user}\"`, or one for everybody.",
        ),
        Key::required("password", Shape::Scalar(Scalar::Secret), "The password that goes with it."),
    ],
);

static BEARER: Map = Map::new(
    "`bearer`",
    "A bearer token (RFC 6750).",
    &[Key::required(
        "token",
        Shape::Scalar(Scalar::Secret),
        "The token, the same for everybody.",
    )],
);
