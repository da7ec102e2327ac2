//! Grammar of an app's login that is watched.

use crate::config::grammar::{Choice, Key, Map, Scalar, Shape};

pub(super) static WATCH: Map = Map::new(
    "`watch`",
    "The app's own login, seen by the reverse proxy as it goes by. The password is not looked at.",
    &[
        Key::required(
            "path",
            Shape::Scalar(Scalar::Text),
            "The path that the login form is sent to, exactly: `/login.php`.",
        ),
        Key::default("method", Scalar::Word(&["POST", "PUT"], &[]), "POST", "Its method."),
        Key::required("user", Shape::Map(&USER), "Where the name stands in what is sent."),
        Key::required(
            "cookie",
            Shape::Scalar(Scalar::Cookie),
            "The app's cookie that stands for the session from then on.",
        ),
        Key::section("success", &SUCCESS),
    ],
);

static USER: Map = Map::new(
    "`user` of a login",
    "Where the name stands. A login in which an app could read two names is nobody's.",
    &[
        Key::new("form", Shape::Scalar(Scalar::Text), "The field of the form: `username`."),
        Key::new("json", Shape::Scalar(Scalar::Pointer), "A JSON pointer: `/user`."),
    ],
)
.choices(&[Choice { keys: &["form", "json"], exclusive: true }]);

static SUCCESS: Map = Map::new(
    "`success`",
    "What the app answers to a login that worked. It must set the cookie to a new value, too.",
    &[
        Key::new(
            "status",
            Shape::Many(&Shape::Scalar(Scalar::Int(200, 399))),
            "The statuses that can mean success. Without it: 302 and 303.",
        ),
        Key::new(
            "location_not",
            Shape::Any(&Shape::Scalar(Scalar::Text)),
            "Paths that a redirect leads to when the login did not work. Without it: the login's own.",
        ),
        Key::default(
            "keeps_cookie",
            Scalar::Bool,
            "false",
            "`true`: the app leaves its cookie as it was when somebody signs in. Then every login of the app must go by this path: by another, a person could become somebody else at the app and stay who they were here.",
        ),
    ],
);
