//! `stepgate enrolments`: the factors that people have registered, without their secrets.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::import;
use super::records::{Common, Records, no};
use crate::delivery::Event;
use crate::policy::EnrolmentId;
use crate::store::EnrolmentRecord;

/// The factors that a person has registered.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List a person's factors
    List {
        /// `source:subject`, or a local user's name
        subject: String,
    },
    /// Remove one factor; what it proved counts no more
    Remove {
        /// `source:subject`, or a local user's name
        subject: String,
        /// As listed
        id: String,
    },
    /// Take over tokens and authenticator apps that people have already
    Import(import::Args),
}

/// Exit code 0 when done, 1 when the answer is no, 69 and 78 when the store cannot be opened.
///
/// # Errors
/// None today: every reason is printed.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let records = match Records::open(&args.common).await {
        Ok(records) => records,
        Err(code) => return Ok(code),
    };
    let done = match args.command {
        Command::List { subject } => records.list_enrolments(&subject).await,
        Command::Remove { subject, id } => records.remove_enrolment(&subject, &id).await,
        Command::Import(args) => records.import(args).await,
    };
    records.store.close().await;
    Ok(done.map_or_else(|error| no(&error), |()| ExitCode::SUCCESS))
}

impl Records {
    async fn list_enrolments(&self, text: &str) -> anyhow::Result<()> {
        let key = self.subject(text).await?.key;
        let enrolled = self.store.enrolments(&key).await?;
        let lines: Vec<String> = enrolled
            .iter()
            .map(|one| format!("{:<12} {:<14} {:<24} {}", one.id.0, one.factor.name(), one.name, used(one)))
            .collect();
        let human = if lines.is_empty() {
            format!("{key} has no factor")
        } else {
            lines.join("\n")
        };
        let rows: Vec<_> = enrolled.iter().map(row).collect();
        self.say(&human, &json!(rows));
        Ok(())
    }

    async fn remove_enrolment(&self, text: &str, id: &str) -> anyhow::Result<()> {
        let subject = self.subject(text).await?;
        let id = EnrolmentId(Arc::from(id));
        let enrolled = self.store.enrolments(&subject.key).await?;
        let name = enrolled.into_iter().find(|one| one.id == id).map(|one| one.name);
        let event = Event::FactorRemoved { name: name.unwrap_or_default() };
        let telling = self.telling(&subject, event, Some(&id)).await;
        let key = subject.key;
        let event = self.event("enrolment.removed", &key).with("enrolment", &*id.0);
        if !self.store.remove_enrolment(&key, &id, self.now, Some(event)).await? {
            bail!("{key} has no factor `{}`", id.0);
        }
        self.say(&format!("removed {} of {key}", id.0), &json!({ "subject": key, "removed": id }));
        telling.tell().await;
        Ok(())
    }
}

fn used(one: &EnrolmentRecord) -> String {
    one.last_used
        .and_then(|at| jiff::Timestamp::from_second(at.0).ok())
        .map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"))
}

fn row(one: &EnrolmentRecord) -> serde_json::Value {
    json!({
        "id": one.id,
        "factor": one.factor,
        "name": one.name,
        "created": one.created,
        "last_used": one.last_used,
    })
}
