//! Grammar of the sections about people: who they are, what they prove, and how often they may try.

use super::access::WHEN;
use super::{Key, Map, Scalar, Shape};

/// How long sessions last.
pub(super) static SESSIONS: Map = Map::new(
    "`sessions`",
    "How long a sign-in and the proofs within it last.",
    &[
        Key::default("idle_timeout", Scalar::Duration, "1h", "Ends after so long without a request that counts as activity."),
        Key::default(
            "absolute_timeout",
            Scalar::Duration,
            "12h",
            "Ends after so long in any case; at most 24h.",
        ),
        Key::default(
            "activity",
            super::access::ACTIVITY,
            "actions",
            "Which requests keep a session from ending as idle. `actions`: all but what pages fetch by themselves (by `Sec-Fetch-*`: what scripts read, sockets, frames that reload). `navigation`: only pages that people open and forms that they send. `any`: every one. `false`: none. Programs that send no `Sec-Fetch-*` count as `any`.",
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
            "per_country",
            Scalar::Rate,
            "500 per 1h",
            "Texts and calls to numbers of one country, together. At most a day.",
        ),
        Key::default(
            "per_network",
            Scalar::Rate,
            "100 per 10m",
            "Texts and calls asked for from one client network (IPv4 /32, IPv6 /64), together. At most a day.",
        ),
        Key::default(
            "overall",
            Scalar::Rate,
            "1000 per 1h",
            "Texts, calls and mails to everybody, each counted by itself. At most a day.",
        ),
        Key::default(
            "unanswered",
            Scalar::Rate,
            "20 per 1d",
            "So many texts and calls in a row to numbers that differ in their last four digits only, none of which was answered by its code, and no more go there until the oldest is older than this. At most a day.",
        ),
    ],
);
