//! Grammar of SMS centres.

use super::super::{Key, Map, Scalar, Shape};
use super::{AUTHORITY, TIMEOUT};

pub(super) static SMPP: Map = Map::new(
    "an SMPP sender",
    "An SMS centre that speaks SMPP 3.4, for those who have one.",
    &[
        Key::required("host", Shape::Scalar(Scalar::ServerName), "Its name; a certificate must be for it."),
        Key::new(
            "port",
            Shape::Scalar(Scalar::Int(1, 65_535)),
            "Without it: 3550 for `tls`, 2775 for `none`.",
        ),
        Key::default(
            "security",
            Scalar::Word(&["tls", "none"], &[]),
            "tls",
            "`none` sends password and codes in the clear: on this machine, or where the network itself is secret.",
        ),
        Key::required("system_id", Shape::Scalar(Scalar::Text), "Who we are to it: at most 15 characters."),
        Key::required(
            "password",
            Shape::Scalar(Scalar::Secret),
            "At most 8 characters. Best as `{ file: … }`.",
        ),
        Key::new(
            "system_type",
            Shape::Scalar(Scalar::Text),
            "Where the centre asks for one: at most 12 characters.",
        ),
        Key::required(
            "from",
            Shape::Scalar(Scalar::Text),
            "What people see as the sender: a number, a short code, or a name of at most 11 letters and digits.",
        ),
        Key::default(
            "alphabet",
            Scalar::Word(&["gsm", "latin1", "ucs2"], &[]),
            "gsm",
            "How texts are written. `gsm`: the centre's default is the GSM alphabet. `latin1` or `ucs2`: where `@` arrives as another character.",
        ),
        AUTHORITY,
        TIMEOUT,
    ],
);
