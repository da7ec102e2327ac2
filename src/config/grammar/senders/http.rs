//! Grammar of a gateway that is described rather than known.

use super::super::{Absent, Choice, Key, Map, Scalar, Shape, Table};
use super::{AUTHORITY, TIMEOUT};

/// What errors may mean: the words of `delivery::Reason`.
pub(in super::super::super) const REASONS: &[&str] = &[
    "invalid_destination",
    "not_mobile",
    "opted_out",
    "region_blocked",
    "blocked",
    "throttled",
    "misconfigured",
    "unavailable",
];

static TEMPLATES: Table = Table { key: "name", value: Shape::Scalar(Scalar::Template) };
static WORDS: Table = Table { key: "code", value: Shape::Scalar(Scalar::Word(REASONS, &[])) };

pub(super) static HTTP: Map = Map::new(
    "an HTTP sender",
    "Any other gateway with an HTTP API, described. Placeholders: `{{ to }}` (E.164), `{{ digits }}` (the same without the plus), `{{ text }}`, `{{ code }}`, `{{ id }}`; each is escaped for where it stands.",
    &[
        Key::required(
            "url",
            Shape::Scalar(Scalar::UrlTemplate),
            "Where to send; placeholders after the host.",
        ),
        Key::default(
            "carries",
            Scalar::Word(&["sms", "voice"], &[]),
            "sms",
            "`voice`: it calls, and `{{ text }}` is what is spoken, the digits one by one and twice.",
        ),
        Key::default("method", Scalar::Word(&["POST", "PUT", "GET"], &[]), "POST", "The request's method."),
        Key::new("headers", Shape::Table(&TEMPLATES), "Further headers."),
        Key::new("auth", Shape::Map(&AUTH), AUTH.doc),
        Key::new("form", Shape::Table(&TEMPLATES), "Fields of a form, which is encoded as a whole."),
        Key::new(
            "json",
            Shape::Scalar(Scalar::Template),
            "JSON, with placeholders inside its strings: `'{ \"to\": \"{{ to }}\", \"text\": \"{{ text }}\" }'`.",
        ),
        Key::new("xml", Shape::Scalar(Scalar::Template), "XML, with placeholders in text or attributes."),
        Key::new("plain", Shape::Scalar(Scalar::Template), "Plain text, where nothing is escaped."),
        Key::new(
            "content_type",
            Shape::Scalar(Scalar::Text),
            "Other than the usual one of the body's kind.",
        ),
        Key {
            name: "accepted",
            shape: Shape::Map(&ACCEPTED),
            doc: ACCEPTED.doc,
            absent: Absent::Nothing,
        },
        Key::new(
            "reference",
            Shape::Scalar(Scalar::AnswerPlace),
            "Where an accepted answer has the gateway's own name for the message: a JSON pointer, or a regular expression.",
        ),
        Key::new("errors", Shape::Map(&ERRORS), ERRORS.doc),
        Key::new("receipts", Shape::Map(&RECEIPTS), RECEIPTS.doc),
        AUTHORITY,
        TIMEOUT,
    ],
);

static AUTH: Map = Map::new(
    "`auth`",
    "How requests are authorised: `bearer`, or `username` with `password`. Without it: not at all, or by a header or field of yours.",
    &[
        Key::new("bearer", Shape::Scalar(Scalar::Secret), "Sent as `Authorization: Bearer …`."),
        Key::new("username", Shape::Scalar(Scalar::Text), "Of HTTP Basic."),
        Key::new("password", Shape::Scalar(Scalar::Secret), "Of HTTP Basic."),
    ],
)
.choices(&[Choice { keys: &["bearer", "username"], exclusive: true }]);

static ACCEPTED: Map = Map::new(
    "`accepted`",
    "What counts as accepted. Without it: every 2xx, though many gateways say so of what they refuse.",
    &[
        Key::new(
            "status",
            Shape::Many(&Shape::Scalar(Scalar::Int(200, 299))),
            "HTTP statuses. Without it: every 2xx.",
        ),
        Key::new(
            "at",
            Shape::Scalar(Scalar::AnswerPlace),
            "A place in the answer that must have one of `values`: a JSON pointer (`/result/status`), or, for text and XML, a regular expression whose group is the value (`'^([0-9]+)'`).",
        ),
        Key::new("values", Shape::Many(&Shape::Scalar(Scalar::Text)), "Goes with `at`."),
    ],
);

static ERRORS: Map = Map::new(
    "`errors`",
    "How a refusal is read. Codes that are not listed are judged by the HTTP status.",
    &[
        Key::required(
            "at",
            Shape::Scalar(Scalar::AnswerPlace),
            "Where the answer has its error code: a JSON pointer, or a regular expression whose group is the code.",
        ),
        Key::required("reasons", Shape::Table(&WORDS), "What the gateway's codes mean."),
    ],
);

static RECEIPTS: Map = Map::new(
    "`receipts`",
    "Delivery receipts posted to `/.stepgate/receipts/<name>` on the portal, with an HMAC-SHA-256 over the body.",
    &[
        Key::required("secret", Shape::Scalar(Scalar::Secret), "Of the HMAC."),
        Key::default(
            "header",
            Scalar::Header,
            "X-Signature",
            "Header with the HMAC in hex or base64, perhaps after `sha256=`.",
        ),
        Key::required(
            "reference",
            Shape::Scalar(Scalar::AnswerPlace),
            "Where the gateway's name for the message is: a JSON pointer, or a regular expression.",
        ),
        Key::required("status", Shape::Scalar(Scalar::AnswerPlace), "Where the status is, likewise."),
        Key::required("delivered", Shape::Many(&Shape::Scalar(Scalar::Text)), "Statuses of what arrived."),
        Key::required("failed", Shape::Many(&Shape::Scalar(Scalar::Text)), "Statuses of what never will."),
    ],
);
