//! `stepgate demo`: app, person, factor and gate in one process, for trying things out.
//!
//! It writes a configuration text and then goes the same way as `stepgate run`; nothing in it is special but the
//! prepared person. It serves on loopback only, because its password and secret are printed for all to see.

mod app;
mod pages;
mod place;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use secrecy::SecretString;

use crate::ambient::{Clock, random_token};
use crate::cli::{run, users};
use crate::config::{self, Environment, FactorKind, Sources};
use crate::factors::{self, Setup};
use crate::policy::SubjectKey;
use crate::store::{AuditEvent, NewEnrolment, NewUser, Store};
use app::App;
use place::{Note, Place};

const USER: &str = "demo";

/// Everything embedded: an app, a person, an authenticator secret and the gate.
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to serve; port 0 takes any free one. Loopback only.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", global = true)]
    listen: SocketAddr,
    /// Print one line of JSON for scripts instead of instructions.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the code that the demo person's authenticator app would show now.
    Code,
}

/// What a newcomer or a script needs to know.
struct Opening {
    site: String,
    password: String,
    totp_secret: String,
    operations: Option<SocketAddr>,
    upstream: String,
}

/// Runs the demo until it is told to stop, or prints a code.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(Command::Code) => Ok(print_code(args.listen)),
        None => serve(args.listen, args.json).await,
    }
}
