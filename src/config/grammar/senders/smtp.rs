//! Grammar of mail servers.

use super::super::{Key, Map, Scalar, Shape};
use super::{AUTHORITY, TIMEOUT};

pub(super) static SMTP: Map = Map::new(
    "an SMTP sender",
    "A mail server that takes our mail and delivers it.",
    &[
        Key::required("host", Shape::Scalar(Scalar::ServerName), "Its name; the certificate must be for it."),
        Key::new(
            "port",
            Shape::Scalar(Scalar::Int(1, 65_535)),
            "Without it: 465 for `tls`, 587 for `starttls`, 25 for `none`.",
        ),
        Key::new(
            "security",
            Shape::Scalar(Scalar::Word(&["tls", "starttls", "none"], &[])),
            "`tls`: from the first byte. `starttls`: required, or nothing is sent. `none`: only for a server on this machine. Without it: `starttls` for the ports 25 and 587, else `tls`.",
        ),
        Key::new("username", Shape::Scalar(Scalar::Text), "Who we are to it. Goes with `password`."),
        Key::new("password", Shape::Scalar(Scalar::Secret), "Best as `{ file: … }`."),
        Key::required(
            "from",
            Shape::Scalar(Scalar::Mailbox),
            "Sender of every message: `Example security <security@example.com>`, or the address alone.",
        ),
        AUTHORITY,
        TIMEOUT,
    ],
);
