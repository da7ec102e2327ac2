//! Black-box tests: everything goes through the built binary, its sockets, its files and its exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::option_option,
    clippy::too_many_lines,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    reason = "in a test the panic is the message"
)]

#[path = "../oracle/lenient.rs"]
mod lenient;
mod support;

mod abuse;
mod acme;
mod api;
mod app_login;
mod assertions;
mod back_channel;
mod browser;
mod browser_side;
mod calls;
mod canaries;
mod canonical;
mod certificates;
mod cli;
mod connect;
mod deadlines;
mod decisions;
mod differential;
mod directory;
mod doors;
mod drain;
mod duo;
mod ending;
mod enrolment;
mod entrances;
mod exhaustion;
mod files;
mod floods;
mod form_login;
mod forwarded;
mod framing;
mod grpc;
mod headers;
mod identity;
mod imports;
mod kill9;
mod legacy;
mod lifetimes;
mod limits;
mod listeners;
mod mail;
mod main_job;
mod message_caps;
mod number_page;
mod oidc;
mod oidc_lies;
mod operations;
mod outward;
mod packaging;
mod pairing;
mod passkey_sources;
mod passkeys;
mod passwords;
mod proxies;
mod radius;
mod recovery;
mod relay;
mod renewal;
mod seen_logins;
mod senders;
mod sent;
mod sessions;
mod several_sites;
mod signed_headers;
mod smpp;
mod sources;
mod spoofing;
mod streaming;
mod switched_off;
mod text_messages;
mod threats;
mod totp;
mod trusted;
mod vouch;
mod ways;
mod websocket;
mod yubikey;
