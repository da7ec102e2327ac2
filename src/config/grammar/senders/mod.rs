//! Grammar of senders: the services that messages leave through. One file per family of vendors.

mod smtp;

use super::{Absent, Key, Scalar, Shape, Table, Tagged};

/// `senders`: names to services.
pub(super) static SENDERS: Table = Table { key: "name", value: Shape::Tagged(&SENDER) };

static SENDER: Tagged = Tagged {
    what: "a sender",
    tag: "type",
    tag_doc: "What kind of service.",
    variants: &[("smtp", &smtp::SMTP)],
    later: &[
        "twilio",
        "twilio-verify",
        "vonage",
        "vonage-verify",
        "aws-sms",
        "aws-sns",
        "plivo",
        "messagebird",
        "http",
        "smpp",
    ],
};

/// For every sender.
const TIMEOUT: Key = Key::default(
    "timeout",
    Scalar::Duration,
    "10s",
    "How long it may take for one message, 1 s to 30 s. Then the person is told that it did not work.",
);

/// For every sender that is reached over TLS.
const AUTHORITY: Key = Key::new(
    "authority",
    Shape::Scalar(Scalar::PemFile),
    "PEM file with the certificates of the authorities that count, instead of the system's. The certificate is always checked.",
);

/// `sender` of a factor whose codes are sent.
pub(super) const SENDER_OF_FACTOR: Key = Key {
    name: "sender",
    shape: Shape::Many(&Shape::Scalar(Scalar::Sender)),
    doc: "A sender, or several in the order in which they are asked: the next one only where the one before surely sent nothing. Without it: every sender that can carry it, in the order of the file.",
    absent: Absent::Nothing,
};
