//! Grammar of the vendors that take messages over HTTP.

use super::super::{Key, Map, Scalar, Shape};
use super::{AUTHORITY, TIMEOUT};

const fn url(default: &'static str) -> Key {
    Key::default("url", Scalar::ServiceUrl, default, "Where the API is; for a proxy in between.")
}

const fn secret(name: &'static str, doc: &'static str) -> Key {
    Key::new(name, Shape::Scalar(Scalar::Secret), doc)
}

const fn text(name: &'static str, doc: &'static str) -> Key {
    Key::new(name, Shape::Scalar(Scalar::Text), doc)
}

const fn needed(name: &'static str, doc: &'static str) -> Key {
    Key::required(name, Shape::Scalar(Scalar::Text), doc)
}

const fn needed_secret(name: &'static str, doc: &'static str) -> Key {
    Key::required(name, Shape::Scalar(Scalar::Secret), doc)
}

const API_KEY_SID: Key = text(
    "api_key_sid",
    "An API key, `SK…`, instead of the account itself. Goes with `api_key_secret`.",
);
const API_KEY_SECRET: Key = secret("api_key_secret", "The secret of that key.");
const WHATSAPP: Key =
    Key::default("whatsapp", Scalar::Bool, "false", "`true`: texts go by WhatsApp instead.");

pub(super) static TWILIO: Map = Map::new(
    "a Twilio sender",
    "Twilio's own API: our text, your number or messaging service; and calls, from a number.",
    &[
        needed("account_sid", "`AC…`"),
        secret(
            "auth_token",
            "The account's token. It also signs delivery receipts, and the question for a code when a key was pressed in a call; without it, or `webhook_secret`, there are neither.",
        ),
        API_KEY_SID,
        API_KEY_SECRET,
        text("from", "A number of yours in E.164, or an alphanumeric sender."),
        text("messaging_service_sid", "`MG…`: Twilio chooses the number. Instead of `from`."),
        secret("webhook_secret", "Shared key of accounts whose receipts are signed with SHA-256."),
        url("https://api.twilio.com"),
        AUTHORITY,
        TIMEOUT,
    ],
);

pub(super) static TWILIO_VERIFY: Map = Map::new(
    "a Twilio Verify sender",
    "Twilio Verify with our own codes: Twilio chooses number and text. The service must allow custom codes. Carries no notices, and has no delivery receipts.",
    &[
        needed("service_sid", "`VA…`"),
        text("account_sid", "`AC…`. Goes with `auth_token`."),
        secret("auth_token", "The account's token."),
        API_KEY_SID,
        API_KEY_SECRET,
        WHATSAPP,
        url("https://verify.twilio.com"),
        AUTHORITY,
        TIMEOUT,
    ],
);

pub(super) static VONAGE: Map = Map::new(
    "a Vonage sender",
    "Vonage's SMS API.",
    &[
        needed("api_key", "The account's key."),
        secret(
            "api_secret",
            "The account's secret. Without it every request is signed with `signature_secret`, where the account allows that.",
        ),
        secret("signature_secret", "Signs delivery receipts; without it none are taken."),
        Key::default(
            "signature_method",
            Scalar::Word(&["sha256", "sha512"], &[]),
            "sha256",
            "The account's signature method.",
        ),
        needed("from", "A number of yours without plus, or an alphanumeric sender."),
        url("https://rest.nexmo.com"),
        AUTHORITY,
        TIMEOUT,
    ],
);

pub(super) static VONAGE_VERIFY: Map = Map::new(
    "a Vonage Verify sender",
    "Vonage Verify v2 with our own codes: Vonage writes the text. Carries no notices, and has no delivery receipts.",
    &[
        needed("api_key", "The account's key."),
        needed_secret("api_secret", "The account's secret."),
        text("from", "Sender, where the country allows one; for WhatsApp, your number there."),
        WHATSAPP,
        url("https://api.nexmo.com"),
        AUTHORITY,
        TIMEOUT,
    ],
);

pub(super) static VONAGE_VOICE: Map = Map::new(
    "a Vonage Voice sender",
    "Calls by Vonage's Voice API. With `signature_secret` a key has to be pressed before the code is said; without it everything is said at once, and machines that answer are hung up on.",
    &[
        needed("application_id", "Of the application that calls."),
        needed_secret("private_key", "The application's RSA key in PEM, best as `{ file: … }`."),
        needed("from", "A number of yours in E.164, linked to the application."),
        secret(
            "signature_secret",
            "The account's, which signs what Vonage asks and reports about calls (signed webhooks).",
        ),
        url("https://api.nexmo.com"),
        AUTHORITY,
        TIMEOUT,
    ],
);

const REGION: Key = needed("region", "Such as `eu-west-1`.");
const ACCESS_KEY_ID: Key = needed(
    "access_key_id",
    "Key of an IAM user or role. Environment, profiles and instance metadata are not read.",
);
const SECRET_ACCESS_KEY: Key = needed_secret("secret_access_key", "Its secret.");
const SESSION_TOKEN: Key = secret("session_token", "Of temporary credentials.");
const AWS_URL: Key = Key::new(
    "url",
    Shape::Scalar(Scalar::ServiceUrl),
    "Where the API is. Without it: the service's own endpoint in the region.",
);
const MAX_PRICE: Key = Key::new(
    "max_price",
    Shape::Scalar(Scalar::Price),
    "The most that one message may cost, in US dollars: `\"0.10\"`.",
);

pub(super) static AWS_SMS: Map = Map::new(
    "an AWS SMS sender",
    "AWS End User Messaging SMS (SMS Voice v2). Needs `sms-voice:SendTextMessage`. Takes no delivery receipts.",
    &[
        REGION,
        ACCESS_KEY_ID,
        SECRET_ACCESS_KEY,
        SESSION_TOKEN,
        text(
            "origination_identity",
            "A number, sender id or pool, or the ARN of one. Without it AWS chooses.",
        ),
        text("configuration_set", "For events and protection."),
        MAX_PRICE,
        AWS_URL,
        AUTHORITY,
        TIMEOUT,
    ],
);

pub(super) static AWS_SNS: Map = Map::new(
    "an AWS SNS sender",
    "AWS SNS, publishing to a number. Needs `sns:Publish`. Takes no delivery receipts, and AWS drops messages to people who have opted out without a word.",
    &[
        REGION,
        ACCESS_KEY_ID,
        SECRET_ACCESS_KEY,
        SESSION_TOKEN,
        text("sender_id", "Shown as sender, where the country allows it."),
        text("origination_number", "A number of yours in E.164."),
        MAX_PRICE,
        AWS_URL,
        AUTHORITY,
        TIMEOUT,
    ],
);

pub(super) static PLIVO: Map = Map::new(
    "a Plivo sender",
    "Plivo's Message API.",
    &[
        needed("auth_id", "`MA…`, or a sub-account's `SA…`."),
        needed_secret("auth_token", "Its token, which also signs delivery receipts."),
        needed("from", "A number of yours, or an alphanumeric sender."),
        url("https://api.plivo.com"),
        AUTHORITY,
        TIMEOUT,
    ],
);

pub(super) static MESSAGEBIRD: Map = Map::new(
    "a MessageBird sender",
    "MessageBird's REST API, now Bird's older one.",
    &[
        needed_secret("access_key", "A live key."),
        secret("signing_key", "Signs delivery receipts; without it none are taken."),
        needed("from", "A number of yours, or an alphanumeric sender."),
        url("https://rest.messagebird.com"),
        AUTHORITY,
        TIMEOUT,
    ],
);
