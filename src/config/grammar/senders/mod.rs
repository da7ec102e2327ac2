//! Grammar of senders: the services that messages leave through. One file per family of vendors.

pub(in super::super) mod http;
mod smpp;
mod smtp;
mod vendors;

use super::{Absent, Key, Scalar, Shape, Table, Tagged};

/// `senders`: names to services.
pub(super) static SENDERS: Table = Table { key: "name", value: Shape::Tagged(&SENDER) };

static SENDER: Tagged = Tagged {
    what: "a sender",
    tag: "type",
    tag_doc: "What kind of service.",
    variants: &[
        ("smtp", &smtp::SMTP),
        ("smpp", &smpp::SMPP),
        ("twilio", &vendors::TWILIO),
        ("twilio-verify", &vendors::TWILIO_VERIFY),
        ("vonage", &vendors::VONAGE),
        ("vonage-verify", &vendors::VONAGE_VERIFY),
        ("vonage-voice", &vendors::VONAGE_VOICE),
        ("aws-sms", &vendors::AWS_SMS),
        ("aws-sns", &vendors::AWS_SNS),
        ("plivo", &vendors::PLIVO),
        ("messagebird", &vendors::MESSAGEBIRD),
        ("http", &http::HTTP),
    ],
    later: &[],
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
