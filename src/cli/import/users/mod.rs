//! `stepgate users import`: people and their passwords from another program's user file, so that nobody
//! has to choose a new one. Their hashes are kept as they are and replaced by ours at the first sign-in.
//!
//! As with tokens, a file is taken whole or not at all, and nothing is written without `--yes`. People
//! whose hash cannot be compared with here are named with what to do, and left out. No hash is printed.

mod authelia;
mod htpasswd;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::rows::Wrong;
use super::{MAX_ROWS, PATIENCE, read, refuse};
use crate::ambient::UnixTime;
use crate::cli::records::Records;
use crate::cli::users::check_attributes;
use crate::identity::local::usable;
use crate::policy::SubjectKey;
use crate::store::{AuditEvent, NewUser, StoreError, Tx, canonical_user_name};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to read; `-` is standard input
    file: PathBuf,
    #[arg(long, value_enum)]
    format: Format,
    /// Write; without it the command only says what it would do
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// `name:hash` lines of Apache's htpasswd: bcrypt, MD5, SHA-1, SHA-256 and SHA-512
    Htpasswd,
    /// Authelia's `users_database.yml`
    Authelia,
}

/// One person of a file.
struct Person {
    line: usize,
    name: String,
    display_name: Option<String>,
    email: Option<String>,
    groups: Vec<String>,
    hash: SecretString,
    disabled: bool,
}

/// A file, read.
#[derive(Default)]
struct People {
    taken: Vec<Person>,
    wrong: Vec<Wrong>,
}

/// Somebody who will be a user.
struct Planned {
    line: usize,
    key: SubjectKey,
    user: NewUser,
}

impl Records {
    pub(in crate::cli) async fn import_users(&self, args: Args) -> anyhow::Result<()> {
        let text = read(&args.file)?;
        let People { taken, mut wrong } = match args.format {
            Format::Htpasswd => htpasswd::read(&text),
            Format::Authelia => authelia::read(&text),
        };
        if taken.len() > MAX_ROWS {
            bail!("more than {MAX_ROWS} people: split the file");
        }
        let (planned, skipped) = self.plan_users(taken, &mut wrong)?;
        refuse(wrong)?;
        if planned.is_empty() && skipped.is_empty() {
            bail!("there is nobody to import in {}", args.file.display());
        }
        let lines: Vec<String> = planned.iter().map(describe).chain(skipped.iter().map(left_out)).collect();
        let (count, now, yes) = (planned.len(), self.now, args.yes);
        let events: Vec<AuditEvent> =
            planned.iter().map(|one| self.event("user.imported", &one.key)).collect();
        let clashes = self
            .store
            .write_patiently(PATIENCE, move |tx| write(tx, planned, events, now, yes))
            .await?;
        refuse(clashes)?;
        let mut human = lines.join("\n");
        human.push_str(&if yes {
            format!("\nimported {count}, left out {}", skipped.len())
        } else {
            format!("\nwould import {count}, leave out {}; nothing is written without --yes", skipped.len())
        });
        self.say(&human, &json!({ "users": count, "left_out": skipped.len(), "written": yes }));
        Ok(())
    }

    /// Who will be a user, and who is left out.
    fn plan_users(
        &self,
        people: Vec<Person>,
        wrong: &mut Vec<Wrong>,
    ) -> anyhow::Result<(Vec<Planned>, Vec<Wrong>)> {
        let (mut planned, mut skipped) = (Vec::with_capacity(people.len()), Vec::new());
        let mut names: HashMap<String, usize> = HashMap::new();
        for person in people {
            let line = person.line;
            let name = match canonical_user_name(&person.name) {
                Ok(name) => name,
                Err(bad) => {
                    wrong.push(Wrong { line, what: bad.to_string() });
                    continue;
                }
            };
            if let Some(first) = names.insert(name.clone(), line) {
                wrong.push(Wrong { line, what: format!("{name} is in line {first} already") });
                continue;
            }
            if let Err(why) = usable(person.hash.expose_secret()) {
                skipped.push(Wrong { line, what: format!("{name}: {why}") });
                continue;
            }
            let user = user(person, name);
            if let Err(bad) = check_attributes(&user) {
                wrong.push(Wrong { line, what: format!("{}: {bad}", user.name) });
                continue;
            }
            let key = self.local(&user.name)?.key;
            planned.push(Planned { line, key, user });
        }
        Ok((planned, skipped))
    }
}

fn user(person: Person, name: String) -> NewUser {
    let Person { display_name, email, groups, hash, disabled, .. } = person;
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    NewUser {
        name,
        display_name: some(display_name),
        email: some(email),
        groups: groups.into_iter().filter(|group| !group.is_empty()).collect(),
        password_hash: hash,
        disabled,
        must_change: false,
    }
}

fn describe(one: &Planned) -> String {
    let groups = match one.user.groups.as_slice() {
        [] => String::new(),
        groups => format!(", groups {}", groups.join(", ")),
    };
    let disabled = if one.user.disabled { ", disabled" } else { "" };
    format!("line {}: {}{groups}{disabled}", one.line, one.key)
}

fn left_out(one: &Wrong) -> String {
    format!(
        "line {}: left out: {}; make them with `stepgate users add`, which prints a new password",
        one.line, one.what
    )
}

/// Adds everybody, if nobody is there already and it is wanted.
async fn write(
    mut tx: Tx,
    planned: Vec<Planned>,
    events: Vec<AuditEvent>,
    now: UnixTime,
    yes: bool,
) -> Result<Vec<Wrong>, StoreError> {
    let mut clashes = Vec::new();
    for (one, event) in planned.iter().zip(events) {
        if tx.insert_user(&one.user, now).await? {
            tx.audit(event).await?;
        } else {
            let what = format!("there is a user `{}` already", one.user.name);
            clashes.push(Wrong { line: one.line, what });
        }
    }
    // Dropped, the transaction has done nothing.
    if clashes.is_empty() && yes {
        return tx.commit(clashes).await;
    }
    Ok(clashes)
}
