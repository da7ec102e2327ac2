//! Grammar of the source that is an app's own session.

use super::{NAME, app_signed, app_watch};
use crate::config::grammar::{Choice, Key, Map, Scalar, Shape, Table};

pub(super) static APP_SESSION: Map = Map::new(
    "an app-session identity source",
    "The sign-in that an app has already. Name the source in `identity` of that app's routes.",
    &[
        NAME,
        Key::new("probe", Shape::Map(&PROBE), "The app is asked who is signed in, with the person's cookies."),
        Key::new("basic", Shape::Map(&BASIC), "The app checks the name and password of HTTP Basic."),
        Key::new("watch", Shape::Map(&app_watch::WATCH), "The app's own login is seen as it goes by."),
        Key::new("signed", Shape::Map(&app_signed::SIGNED), "The app's signed cookie is read with its own key."),
        Key::default("recheck", Scalar::Duration, "60s", "How long an answer of the app is believed, at most `1h`. A person who signs out at the app elsewhere is known here for so long."),
        Key::new("sign_in", Shape::Scalar(Scalar::Text), "The app's sign-in page, where browsers are led that nobody knows: `/login`. In it, `{target}` is where the person was going, escaped: `/login?next={target}`."),
        Key::new("sign_out", Shape::Many(&Shape::Scalar(Scalar::Mark)), "Requests by which people sign out at the app: `/logout`, or with parameters `/doku.php?do=logout`. An answer that clears the app's cookie ends the session too."),
        Key::default("case", Scalar::Word(&["ignore", "exact"], &[]), "ignore", "Whether `Anna` and `anna` are one person. `exact` only for an app that keeps them apart: else one person would be several."),
        Key::default("keeps_authorization", Scalar::Bool, "false", "Whether `Authorization` of clients goes on to the app where the session is known by something else. `true` only for an app that lets nobody in by it: else whoever has another person's password would be that person there, and here who they were."),
    ],
)
.choices(&[Choice { keys: &["probe", "basic", "watch", "signed"], exclusive: true }]);

const URL: Key = Key::required(
    "url",
    Shape::Scalar(Scalar::ProbeUrl),
    "What is asked by GET: a path of the app, asked at the route's upstream, or a whole URL.",
);
const STATUS: Key = Key::default(
    "signed_in_status",
    Scalar::Int(200, 299),
    "200",
    "The status that says \"signed in\". 5xx is an app that cannot be asked (503), everything else nobody.",
);
const TIMEOUT: Key = Key::default(
    "timeout",
    Scalar::Duration,
    "3s",
    "How long the app may take, at most `10s`; then nobody is let in (503).",
);
const AUTHORITY: Key = Key::new(
    "authority",
    Shape::Scalar(Scalar::PemFile),
    "Whose certificates are accepted from a whole URL. Without it: the system's.",
);
const GROUPS: Key = Key::new(
    "groups",
    Shape::Map(&PLACE),
    "Where the answer names groups: every element, a list, or text with commas.",
);
const FULL_NAME: Key = Key::new("name", Shape::Map(&PLACE), "Where the answer has the name to show.");
const EMAIL: Key = Key::new("email", Shape::Map(&PLACE), "Where the answer has the mail address.");
const ATTRIBUTES: Key =
    Key::new("attributes", Shape::Table(&ATTRIBUTE_PLACES), "Further attributes for `conditions`.");

static PROBE: Map = Map::new(
    "`probe`",
    "A question to the app, asked once for a session and then every `recheck`.",
    &[
        URL,
        Key::new("cookies", Shape::Many(&Shape::Scalar(Scalar::CookiePattern)), "Cookies that go with the question, and that a session is recognised by. A name may end in `*`. None but these are sent."),
        Key::new("headers", Shape::Many(&Shape::Scalar(Scalar::Header)), "Headers that go with the question. A session is recognised by them too, except for `User-Agent` and `Accept*`."),
        Key::required("user", Shape::Map(&PLACE), "Where the answer names the person."),
        GROUPS,
        FULL_NAME,
        EMAIL,
        ATTRIBUTES,
        STATUS,
        TIMEOUT,
        AUTHORITY,
    ],
)
.choices(&[Choice { keys: &["cookies", "headers"], exclusive: false }]);

static BASIC: Map = Map::new(
    "`basic`",
    "A question to the app with the person's `Authorization`. Wrong passwords are counted as at our own sign-in.",
    &[
        URL,
        Key::default("realm", Scalar::Text, "Sign in", "What browsers show when they ask."),
        Key::new(
            "user",
            Shape::Map(&PLACE),
            "Where the answer names the person. Without it: the name that was sent.",
        ),
        GROUPS,
        FULL_NAME,
        EMAIL,
        ATTRIBUTES,
        STATUS,
        TIMEOUT,
        AUTHORITY,
    ],
);

static ATTRIBUTE_PLACES: Table = Table { key: "attribute", value: Shape::Map(&PLACE) };

static PLACE: Map = Map::new(
    "a place in an answer",
    "Where something stands in the app's answer.",
    &[
        Key::new(
            "json",
            Shape::Scalar(Scalar::Pointer),
            "A JSON pointer to text, or to a list of texts for groups: `/user/name`.",
        ),
        Key::new("header", Shape::Scalar(Scalar::Header), "A header of the answer."),
        Key::new(
            "html",
            Shape::Scalar(Scalar::Selector),
            "A CSS selector: `#user bdi`. All elements that it selects must say the same, except for groups.",
        ),
        Key::new(
            "attribute",
            Shape::Scalar(Scalar::Text),
            "The attribute of the element, instead of its text.",
        ),
    ],
)
.choices(&[Choice { keys: &["json", "header", "html"], exclusive: true }]);
