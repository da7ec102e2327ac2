//! Grammar of an app's signed cookie.

use crate::config::grammar::{Key, Map, Scalar, Shape, Table};

pub(super) static SIGNED: Map = Map::new(
    "`signed`",
    "A cookie that the app has signed with a secret, which is read here with the same secret. The app is not asked.",
    &[
        Key::required(
            "format",
            Shape::Scalar(Scalar::Word(&["django", "flask", "rails", "hmac", "jwt"], &[])),
            "How it is signed. `django`: sessions of the backend `signed_cookies`, as JSON. `flask`: its session. `rails`: encrypted or signed cookies, as JSON. `hmac`: a value and its HMAC, as apps in PHP do by hand. `jwt`: a token that the app made for itself.",
        ),
        Key::required("cookie", Shape::Scalar(Scalar::Cookie), "The name of the cookie."),
        Key::required(
            "secrets",
            Shape::Many(&Shape::Scalar(Scalar::Secret)),
            "The app's secrets (`SECRET_KEY`, `secret_key_base`), the one that signs now first, then those that still count. At least 16 bytes each.",
        ),
        Key::new(
            "user",
            Shape::Scalar(Scalar::Pointer),
            "JSON pointer to the person in what is signed. Without it: `/_auth_user_id` (django), `/_user_id` (flask), `/sub` (jwt), the whole value (hmac, and a signed cookie of rails).",
        ),
        Key::new(
            "session",
            Shape::Scalar(Scalar::Pointer),
            "JSON pointer to what stays the same while the app's session lasts, so that a proof belongs to that session. Without it: `/_auth_user_hash` (django), `/_id` (flask), `/session_id` (rails), `/sid` (jwt); where there is none, all sessions of a person are one.",
        ),
        Key::new(
            "groups",
            Shape::Scalar(Scalar::Pointer),
            "JSON pointer to a list of groups, or to text with commas.",
        ),
        Key::new("name", Shape::Scalar(Scalar::Pointer), "JSON pointer to the name to show."),
        Key::new("email", Shape::Scalar(Scalar::Pointer), "JSON pointer to the mail address."),
        Key::new("attributes", Shape::Table(&PLACES), "Further attributes for `conditions`."),
        Key::new(
            "max_age",
            Shape::Scalar(Scalar::Duration),
            "How old a cookie may become, where it says when it was signed. Without it: 2 weeks (django), 31 days (flask), as these have it. A JWT without `exp` needs it; one of `hmac`, with `signed_at`.",
        ),
        Key::new(
            "digest",
            Shape::Scalar(Scalar::Word(&["sha1", "sha256", "sha384", "sha512"], &[])),
            "The hash. Without it: `sha1` (flask), `sha256` (the others; rails makes its keys with it, before Rails 7 with `sha1`). Django: always `sha256`.",
        ),
        Key::new(
            "salt",
            Shape::Scalar(Scalar::Text),
            "The salt of django and flask, where the app has its own.",
        ),
        Key::new(
            "encrypted",
            Shape::Scalar(Scalar::Bool),
            "rails: `false` for a cookie that is only signed. Without it: `true`, as sessions are.",
        ),
        Key::new(
            "separator",
            Shape::Scalar(Scalar::Text),
            "hmac: what stands between the value and its HMAC, at the last such place. Without it: `.`",
        ),
        Key::new(
            "signature",
            Shape::Scalar(Scalar::Word(&["hex", "base64"], &[])),
            "hmac: how the HMAC is written. Without it: `hex`.",
        ),
        Key::new(
            "content",
            Shape::Scalar(Scalar::Word(&["text", "json", "base64-json"], &[])),
            "hmac: what the value is. Without it: `text`. The HMAC is over the value as it stands in the cookie.",
        ),
        Key::new(
            "fields",
            Shape::Scalar(Scalar::Text),
            "hmac, text: what stands between its parts, which are then `/0`, `/1`, …",
        ),
        Key::new(
            "ends_at",
            Shape::Scalar(Scalar::Pointer),
            "hmac: JSON pointer to the end, in seconds since 1970.",
        ),
        Key::new(
            "signed_at",
            Shape::Scalar(Scalar::Pointer),
            "hmac: JSON pointer to when it was signed, in seconds since 1970.",
        ),
    ],
);

static PLACES: Table = Table { key: "attribute", value: Shape::Scalar(Scalar::Pointer) };
