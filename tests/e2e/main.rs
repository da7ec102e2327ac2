//! Black-box tests: everything goes through the built binary, its sockets, its files and its exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::format_push_string,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    reason = "in a test the panic is the message"
)]

mod support;
