//! Grammar of the sections about access: levels, conditions, the floor, routes and their rules.

use super::super::properties::Properties;
use super::form_login::FORM_LOGIN;
use super::outward;
use super::upstream::{TIMEOUTS, UPSTREAM};
use super::{Choice, Key, Map, Scalar, Shape, Table};

/// One level.
pub(super) static LEVEL: Map = Map::new(
    "a level",
    "A named requirement.",
    &[
        Key::required("name", Shape::Scalar(Scalar::Name), "What `require` and `to` call it."),
        Key::new("any_of", Shape::Any(&Shape::Scalar(Scalar::Factor)), "Factors of which one is needed. An empty list asks for an identity only."),
        Key::new(
            "all_of",
            Shape::List(&Shape::Many(&Shape::Scalar(Scalar::Factor))),
            "Groups of factors; one of each group is needed, all of different kinds.",
        ),
        Key::new(
            "valid_for",
            Shape::Scalar(Scalar::Duration),
            "How fresh the proof must be. `0s`: asked every time, for that one request. Without it: as long as the session.",
        ),
        Key::new(
            "properties",
            Shape::List(&Shape::Scalar(Scalar::Word(&Properties::NAMES, &[]))),
            "What every proof that counts must have. Without `any_of` and `all_of`: any factor that has them.",
        ),
        Key::new(
            "remember_device",
            Shape::Scalar(Scalar::Duration),
            "Lets people choose not to be asked again in the same browser for this long, at most `30d`. Without it: asked as `valid_for` says.",
        ),
    ],
)
.choices(&[Choice { keys: &["any_of", "all_of"], exclusive: true }]);

/// One named condition.
pub(super) static CONDITION: Map = Map::new(
    "a condition",
    "One fact about a request.",
    &[
        Key::new("network", Shape::Many(&Shape::Scalar(Scalar::Network)), "The client's address is in one of these networks."),
        Key::new("time", Shape::Map(&TIME), "The time is within this window."),
        Key::new("user", Shape::Table(&ATTRIBUTE_VALUES), "The person's attributes: each must have one of the values given."),
        Key::new("groups", Shape::Many(&Shape::Scalar(Scalar::Text)), "The person is in one of these groups."),
        Key::new(
            "query",
            Shape::Table(&QUERY_VALUES),
            "Query parameters: each must have one of the values given, `true` for any. May only tighten, so not under `not`. The same name in a body is not seen.",
        ),
        Key::new(
            "client_certificate",
            Shape::Either(&[
                Shape::Scalar(Scalar::TextOrTrue),
                Shape::List(&Shape::Scalar(Scalar::Text)),
            ]),
            "The connection has a client certificate that `server.tls.device_authority` vouches for, of one of these issuers, as `CN=Devices, O=Example`; `true` for any. Unknown behind another proxy.",
        ),
    ],
)
.choices(&[Choice {
    keys: &["network", "time", "user", "groups", "query", "client_certificate"],
    exclusive: true,
}])
.later(&["country", "device", "browser", "risk", "cel"]);

static ATTRIBUTE_VALUES: Table = Table { key: "attribute", value: Shape::Many(&Shape::Scalar(Scalar::Text)) };

static QUERY_VALUES: Table = Table {
    key: "parameter",
    value: Shape::Either(&[
        Shape::Scalar(Scalar::TextOrTrue),
        Shape::List(&Shape::Scalar(Scalar::Text)),
    ]),
};

static TIME: Map = Map::new(
    "`time`",
    "A window of the week.",
    &[
        Key::new(
            "days",
            Shape::Many(&Shape::Scalar(Scalar::Word(&super::super::values::time::DAYS, &[]))),
            "Days on which it begins. Without it: all.",
        ),
        Key::new(
            "between",
            Shape::List(&Shape::Scalar(Scalar::TimeOfDay)),
            "From (inclusive) and to (exclusive), in quotes: `[\"07:00\", \"19:00\"]`. May run over midnight.",
        ),
        Key::new(
            "zone",
            Shape::Scalar(Scalar::Zone),
            "Zone that days and times are of. Without it: UTC, with a warning.",
        ),
    ],
)
.choices(&[Choice { keys: &["days", "between"], exclusive: false }]);

/// The alternatives of a combination of conditions.
pub(super) static WHEN: &[Shape] = &[
    Shape::Scalar(Scalar::Condition),
    Shape::List(&WHEN_ITEM),
    Shape::Map(&WHEN_MAP),
];

static WHEN_ITEM: Shape = Shape::Either(WHEN);

static WHEN_MAP: Map = Map::new(
    "a combination of conditions",
    "`any` or `not`.",
    &[
        Key::new("any", Shape::List(&WHEN_ITEM), "One of these holds."),
        Key::new("not", Shape::Either(WHEN), "This does not hold."),
    ],
)
.choices(&[Choice { keys: &["any", "not"], exclusive: true }]);

/// Which requests are activity.
pub(super) const ACTIVITY: Scalar = Scalar::Word(&["any", "actions", "navigation", "false"], &[]);

const REQUIRE_DOC: &str = "A level, or a list of levels that must all be met.";
const OPTIONAL: Key = Key::default(
    "optional",
    Scalar::Bool,
    "false",
    "Ask only people who have enrolled a factor that counts here: an offer, not a duty.",
);

/// The floor.
pub(super) static FLOOR: Map = Map::new(
    "`floor`",
    "What every request must meet, on every route, public ones included.",
    &[
        Key::required("require", Shape::Many(&Shape::Scalar(Scalar::Level)), REQUIRE_DOC),
        OPTIONAL,
        Key::new(
            "except",
            Shape::Any(&Shape::Scalar(Scalar::Path)),
            "Path patterns that the floor does not hold for.",
        ),
    ],
)
.later(&["mode"]);

/// One route.
pub(super) static ROUTE: Map = Map::new(
    "a route",
    "One app.",
    &[
        Key::new(
            "name",
            Shape::Scalar(Scalar::Name),
            "For pages, logs and variables. Without it: the host.",
        ),
        Key::required(
            "host",
            Shape::Many(&Shape::Scalar(Scalar::Host)),
            "Host, or list of hosts. `*.example.com` and `*` are wildcards; an exact host comes first.",
        ),
        Key {
            name: "upstream",
            shape: UPSTREAM,
            doc: "The app: `http://host:port`, `https://host:port`, `h2c://host:port` (HTTP/2 without TLS) or `unix:/path`; a list of such; or the details. Of several the least busy is asked; one that fails is left alone for a while. Without it the route is only for checks by another proxy (forward-auth, `ext_authz`).",
            absent: super::Absent::Nothing,
        },
        Key::new(
            "host_header",
            Shape::Scalar(Scalar::Text),
            "The `Host` the app sees. Without it: what the client sent.",
        ),
        Key::new(
            "allow",
            Shape::Map(&ALLOW),
            "Who may come at all. Without it: anyone who is known. Checked before any challenge.",
        ),
        Key::new(
            "identity",
            Shape::Many(&Shape::Scalar(Scalar::Name)),
            "Names of the identity sources that count here, asked in the order of the top-level `identity`. Without it: all of them.",
        ),
        Key {
            name: "require",
            shape: Shape::Many(&Shape::Scalar(Scalar::Level)),
            doc: "A level, or a list of levels that must all be met.",
            absent: super::Absent::Is("standard"),
        },
        OPTIONAL,
        Key::new(
            "rules",
            Shape::List(&Shape::Map(&RULE)),
            "Exceptions, in order: the first that matches replaces `require`.",
        ),
        Key::new(
            "raise",
            Shape::List(&Shape::Map(&RAISE)),
            "Additions: everything that applies is joined with AND.",
        ),
        Key::default(
            "encoded_slash",
            Scalar::Word(&["refuse", "judge"], &[]),
            "refuse",
            "Paths with `%2f`: refused, or judged under both readings.",
        ),
        Key::new("reason", Shape::Scalar(Scalar::Text), "Shown on the challenge page: why it is asked for."),
        Key::default(
            "answer",
            Scalar::Word(&["auto", "status"], &[]),
            "auto",
            "`auto`: a page for browsers, a 401 with details for everything else. `status`: always the 401.",
        ),
        Key::new("activity", Shape::Scalar(ACTIVITY), "Which requests keep a session from ending as idle, as in `sessions`. Without it: as there."),
        Key::new(
            "max_body",
            Shape::Scalar(Scalar::Size),
            "Largest request body. Without it: `server.max_body`.",
        ),
        Key {
            name: "long_lived",
            shape: Shape::Map(&LONG_LIVED),
            doc: "WebSockets, event streams and long downloads. They end when their request would not be allowed any more.",
            absent: super::Absent::Empty,
        },
        Key::new(
            "max_header",
            Shape::Scalar(Scalar::Size),
            "Largest header block of a request, names and values together; more is 431. At most `server.max_header`, which holds without it.",
        ),
        Key::new(
            "max_target",
            Shape::Scalar(Scalar::Size),
            "Longest target of a request, up to 32 KiB; more is 414. Without it: `server.max_target`.",
        ),
        Key::new("timeouts", Shape::Map(&TIMEOUTS), TIMEOUTS.doc),
        Key::new("to_upstream", Shape::Map(&outward::OF_ROUTE), outward::OF_ROUTE.doc),
        Key::new("form_login", Shape::Map(&FORM_LOGIN), FORM_LOGIN.doc),
    ],
)
.later(&["mode", "remember_device", "administrators", "handoff"]);

static LONG_LIVED: Map = Map::new(
    "`long_lived`",
    "What goes on after it was allowed.",
    &[Key::default(
        "grace",
        Scalar::Duration,
        "0s",
        "How long it may go on after a proof has become too old or a session has run out. A sign-out, a revocation and changed rules end it at once.",
    )],
);

static ALLOW: Map = Map::new(
    "`allow`",
    "Who may come at all: anyone named by either key.",
    &[
        Key::new("users", Shape::Many(&Shape::Scalar(Scalar::Text)), "User names."),
        Key::new("groups", Shape::Many(&Shape::Scalar(Scalar::Text)), "Groups."),
    ],
)
.choices(&[Choice { keys: &["users", "groups"], exclusive: false }]);

/// One rule of a route.
static RULE: Map = Map::new(
    "a rule",
    "All keys that select must match.",
    &[
        Key::new("path", Shape::Many(&Shape::Scalar(Scalar::Path)), "Path pattern, or list of them. `*` stays within one segment; `**` is any number of segments, so `/admin/**` covers `/admin` too."),
        Key::new("method", Shape::Many(&Shape::Scalar(Scalar::Method)), "Method, or list of them."),
        Key::new("when", Shape::Either(WHEN), "Conditions: a name, a list of which all must hold, `{ any: […] }` or `{ not: … }`."),
        Key::new("query", Shape::Table(&QUERY_VALUES), "Query parameters, as in `conditions`. May only tighten."),
        Key::required("require", Shape::Many(&Shape::Scalar(Scalar::Level)), REQUIRE_DOC),
        OPTIONAL,
        Key::new("reason", Shape::Scalar(Scalar::Text), "Shown on the challenge page."),
        Key::new("answer", Shape::Scalar(Scalar::Word(&["auto", "status"], &[])), "As of the route."),
        Key::new("activity", Shape::Scalar(ACTIVITY), "Which requests keep a session from ending as idle; `false` for what pages poll. Without it: as of the route."),
    ],
)
.later(&["path_regex", "mode"]);

/// One raise of a route.
static RAISE: Map = Map::new(
    "a raise",
    "An addition; it applies unless its condition is known to be false.",
    &[
        Key::required("when", Shape::Either(WHEN), "Conditions, as in rules."),
        Key::required("to", Shape::Many(&Shape::Scalar(Scalar::Level)), REQUIRE_DOC),
        OPTIONAL,
    ],
);
