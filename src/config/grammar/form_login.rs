//! Grammar of the sign-in to an app through its own form.

use super::{Absent, Key, Map, Scalar, Shape, Table};

/// One route's.
pub(super) static FORM_LOGIN: Map = Map::new(
    "`form_login`",
    "Signs people in to the app through its own form, with a credential that they or an administrator have given once and that is kept sealed. Only for people who have passed, where stepgate itself forwards to the app; the page must not be `public`.",
    &[
        Key::required(
            "page",
            Shape::Scalar(Scalar::Target),
            "Path of the page with the form, such as `/login`. With a query, its parameters must all be there: `/doku.php?do=login`.",
        ),
        Key::new(
            "post",
            Shape::Scalar(Scalar::Target),
            "Path that the form is sent to. Without it: the page's own address, query included.",
        ),
        Key::required(
            "fields",
            Shape::Table(&FIELDS),
            "What goes into each field: text, `\"{credential.user}\"`, `\"{credential.password}\"`, or `{ from: SELECTOR }`, the value of what a CSS selector finds on the page.",
        ),
        Key {
            name: "success",
            shape: Shape::Map(&SUCCESS),
            doc: SUCCESS.doc,
            absent: Absent::Empty,
        },
    ],
);

static FIELDS: Table = Table {
    key: "field",
    value: Shape::Either(&[Shape::Scalar(Scalar::FormText), Shape::Map(&FROM)]),
};

static FROM: Map = Map::new(
    "a field from the page",
    "A value that the app has put on the page, such as its token against forged requests.",
    &[Key::required(
        "from",
        Shape::Scalar(Scalar::Selector),
        "CSS selector: `input[name=csrf]`, `meta[name=csrf-token]`. Its `value` counts, else its `content`.",
    )],
);

static SUCCESS: Map = Map::new(
    "`success`",
    "How the app answers to a right credential. Any other answer counts as a refusal: it is not tried again, and the person is asked.",
    &[
        Key {
            name: "status",
            shape: Shape::Many(&Shape::Scalar(Scalar::Int(200, 399))),
            doc: "Its status, or a list of such.",
            absent: Absent::Is("302"),
        },
        Key::new("cookie", Shape::Scalar(Scalar::Cookie), "A cookie that it must set."),
    ],
);
