//! `stepgate keys`: what signs claims and assertions, and putting a new key in front.
//!
//! Private keys are never printed.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;

use super::records::{Common, Records};
use crate::session::KeyRing;
use crate::session::keys::KeyInfo;
use crate::store::{AuditEvent, RevocationKind};

/// The keys that sign claims and assertions.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the keys: what each signs, and since when
    List,
    /// Make new keys; old ones verify until what they signed has expired
    Rotate,
}

/// Carries out the subcommand.
///
/// # Errors
/// When the key ring or the store cannot be read or written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let records = match Records::open(&args.common).await {
        Ok(records) => records,
        Err(code) => return Ok(code),
    };
    let state = &records.settings.storage.state_directory;
    let infos = match args.command {
        Command::List => KeyRing::list(state, records.now)?,
        Command::Rotate => {
            let longest = i64::try_from(records.settings.sessions.absolute_timeout.as_secs())?;
            let infos = KeyRing::rotate(state, records.now, longest)?;
            let newest = infos.first().context("a ring is never empty")?;
            // Running processes read the ring again when the feed says so.
            records.store.revoke(RevocationKind::Keys, &newest.kid, records.now).await?;
            let event = AuditEvent::new(records.now, "keys.rotated", "ok").with("by", "command line");
            records.store.append_audit(event).await?;
            infos
        }
    };
    let human: Vec<String> = infos.iter().map(line).collect();
    records.say(&human.join("\n"), &serde_json::to_value(&infos)?);
    Ok(ExitCode::SUCCESS)
}

fn line(key: &KeyInfo) -> String {
    let created = jiff::Timestamp::from_second(key.created.0)
        .map(|t| t.to_string())
        .unwrap_or_default();
    let role = if key.signs {
        "signs and verifies"
    } else {
        "verifies"
    };
    format!("{:<9} {}  made {created}  {role}", format!("{:?}", key.purpose).to_lowercase(), key.kid)
}
