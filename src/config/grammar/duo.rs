//! Grammar of `factors.duo`.

use super::factors::{ENABLED, STANDALONE};
use super::{Key, Map, Scalar, Shape};

pub(super) static DUO: Map = Map::new(
    "`duo`",
    "Duo Security, by one of its two kinds of application.",
    &[
        ENABLED,
        STANDALONE,
        Key::default(
            "mode",
            Scalar::Word(&["universal", "api"], &[]),
            "universal",
            "`universal`: people go to Duo's page and come back (a \"Web SDK\" application). `api`: push, call and passcode on stepgate's own pages (an \"Auth API\" application).",
        ),
        Key::new(
            "api_host",
            Shape::Scalar(Scalar::Text),
            "The application's API hostname: `api-XXXXXXXX.duosecurity.com`.",
        ),
        Key::new("client_id", Shape::Scalar(Scalar::Text), "Client ID, for `universal`: 20 characters."),
        Key::new(
            "client_secret",
            Shape::Scalar(Scalar::Secret),
            "Client secret, for `universal`: 40 characters.",
        ),
        Key::new("integration_key", Shape::Scalar(Scalar::Text), "Integration key, for `api`."),
        Key::new("secret_key", Shape::Scalar(Scalar::Secret), "Secret key, for `api`."),
        Key::default(
            "on_failure",
            Scalar::Word(&["closed", "open"], &[]),
            "closed",
            "When Duo cannot be reached before anybody is asked. `open` lets people through as if they had proved it, except for levels with `valid_for: 0s` or `properties`.",
        ),
        Key::default(
            "normalise_usernames",
            Scalar::Bool,
            "false",
            "Takes `DOMAIN\\anna`, `anna@example.com` and `Anna` for one name, as \"simple\" normalisation does at Duo. Without it Duo must answer with exactly the name it was asked about.",
        ),
        Key::default(
            "accept_bypass",
            Scalar::Bool,
            "false",
            "Whether Duo's own exceptions count as a proof: bypass status, remembered devices, trusted networks, people who are not enrolled there.",
        ),
        Key::default(
            "automatic",
            Scalar::Bool,
            "false",
            "Whether everybody has it, by their name, without setting it up here.",
        ),
        Key::default(
            "only_if_sole",
            Scalar::Bool,
            "false",
            "Whether it is offered and accepted only where a person has no other factor that the level accepts.",
        ),
        Key::new(
            "authority",
            Shape::Scalar(Scalar::PemFile),
            "PEM file with the authorities that count, instead of the system's.",
        ),
    ],
);
