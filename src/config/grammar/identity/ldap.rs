//! Grammar of directories.

use super::super::{Choice, Key, Map, Scalar, Shape, Table};
use super::NAME;

static ATTRIBUTES: Table = Table { key: "attribute", value: Shape::Scalar(Scalar::Text) };

pub(super) static LDAP: Map = Map::new(
    "an LDAP identity source",
    "People of a directory (LDAP, Active Directory), who sign in here with their password there.",
    &[
        NAME,
        Key::default("label", Scalar::Text, "your directory", "What people call it: \"Your password must be changed in … first\"."),
        Key::required(
            "servers",
            Shape::Many(&Shape::Scalar(Scalar::Text)),
            "`ldaps://host` or `ldap://host`, perhaps with a port, in the order in which they are asked. One that is not there is left alone for 30 seconds.",
        ),
        Key::default(
            "start_tls",
            Scalar::Bool,
            "true",
            "TLS on `ldap://`. `false` only for servers on this machine: passwords would travel in the clear.",
        ),
        Key::new(
            "authority",
            Shape::Scalar(Scalar::PemFile),
            "PEM file with the authorities that alone are believed. Without it: the system's.",
        ),
        Key::new(
            "bind",
            Shape::Scalar(Scalar::Text),
            "The name to sign in with, with `{user}` for what was typed: `uid={user},ou=people,dc=example,dc=com`, or `{user}@example.com` for Active Directory, which needs `search` besides.",
        ),
        Key::new("search", Shape::Map(&SEARCH), SEARCH.doc),
        Key::new(
            "attributes",
            Shape::Table(&ATTRIBUTES),
            "Attribute to attribute of the entry. Without it: `user: uid`, `name: cn`, `email: mail`. `user` is the person's one name here and has exactly one value; any other name is an attribute for `conditions`.",
        ),
        Key::section("groups", &GROUPS),
        Key::new(
            "recheck",
            Shape::Scalar(Scalar::Duration),
            "How often people who are signed in are looked for again by the account of `search`: who is gone or disabled is signed out, other groups count at once. At least 1m. Without it: not at all.",
        ),
    ],
)
.choices(&[Choice { keys: &["bind", "search"], exclusive: false }]);

static SEARCH: Map = Map::new(
    "`search`",
    "Where people's entries are. Without `bind` the entry is looked for first and then signed in as.",
    &[
        Key::required("base", Shape::Scalar(Scalar::Text), "Entries below it are people."),
        Key::required(
            "filter",
            Shape::Scalar(Scalar::Text),
            "Which entry is meant, with `{user}` for what was typed: `(&(objectClass=person)(uid={user}))`. It must find one at most.",
        ),
        Key::new(
            "bind_dn",
            Shape::Scalar(Scalar::Text),
            "The account that looks. Without it: nobody in particular.",
        ),
        Key::new("password", Shape::Scalar(Scalar::Secret), "Its password."),
    ],
);

static GROUPS: Map = Map::new(
    "`groups`",
    "Where groups come from: the names in an attribute of the person's entry, or with `base` a search.",
    &[
        Key::default("attribute", Scalar::Text, "memberOf", "Attribute of the person's entry."),
        Key::new("base", Shape::Scalar(Scalar::Text), "Entries below it are groups."),
        Key::default(
            "filter",
            Scalar::Text,
            "(|(member={dn})(uniqueMember={dn}))",
            "Which groups somebody is in, with `{dn}` for their entry and `{user}` for what was typed. Active Directory follows groups of groups itself: `(member:1.2.840.113556.1.4.1941:={dn})`.",
        ),
        Key::default(
            "nested",
            Scalar::Bool,
            "false",
            "Whether groups of groups are followed, by up to 64 searches.",
        ),
        Key::default(
            "name",
            Scalar::Word(&["cn", "dn"], &[]),
            "cn",
            "What conditions call a group: the first value of its name, or all of it.",
        ),
    ],
);
