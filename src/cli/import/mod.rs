//! `stepgate enrolments import`: tokens and authenticator apps that people have already, so that
//! nobody must enrol anew.
//!
//! A file is taken whole or not at all: every line that cannot be taken is named, and then nothing is
//! written. Without `--yes` nothing is written in any case. Secrets are never printed, not even those
//! of lines that are wrong.

mod csv;
mod label;
mod migration;
mod rows;
mod uris;
pub mod users;

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde_json::json;
use zeroize::Zeroizing;

use self::rows::{Row, Rows, Wrong};
use super::records::Records;
use crate::config::FactorKind;
use crate::factors::{self, About, Material, Parameters, secret_of};
use crate::policy::SubjectKey;
use crate::store::{AuditEvent, NewEnrolment, StoreError, Tx};

/// Bytes of a file.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Tokens of a file: a server waits while they are written.
const MAX_ROWS: usize = 20_000;
/// Enrolments of one person, as for people themselves.
const MAX_EACH: usize = 20;
/// Characters of a name, likewise.
const MAX_NAME: usize = 64;
/// For the whole write.
const PATIENCE: Duration = Duration::from_mins(2);
/// Reasons that are printed; the rest is counted.
const SHOWN: usize = 50;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to read; `-` is standard input
    file: PathBuf,
    #[arg(long, value_enum)]
    format: Format,
    /// Give everything in the file to this person: `source:subject`, or a local user's name
    #[arg(long)]
    subject: Option<String>,
    /// Identity source of names without one; without it they are local users
    #[arg(long, conflicts_with = "subject")]
    source: Option<String>,
    /// Take only entries of this issuer; for URIs and migrations
    #[arg(long)]
    issuer: Option<String>,
    /// Write; without it the command only says what it would do
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// `otpauth-migration://…` lines, as Google Authenticator exports them
    OtpauthMigration,
    /// `otpauth://…` lines
    OtpauthUris,
    /// A table with a heading: `subject`, `secret` (base32) or `secret_hex`, and `kind`, `digits`, `period`,
    /// `algorithm`, `counter`, `serial`, `issuer`; tables of Authelia and of Microsoft's tokens as they are
    Csv,
}

/// A row whose person is known.
struct Planned {
    line: usize,
    key: SubjectKey,
    new: NewEnrolment,
    says: String,
}

impl Records {
    pub(super) async fn import(&self, args: Args) -> anyhow::Result<()> {
        let text = read(&args.file)?;
        let Rows { taken, mut wrong, skipped } = match args.format {
            Format::OtpauthMigration => migration::read(&text),
            Format::OtpauthUris => uris::read(&text),
            Format::Csv => csv::read(&text),
        }
        .of_issuer(args.issuer.as_deref());
        if taken.len() > MAX_ROWS {
            bail!("more than {MAX_ROWS} tokens: split the file");
        }
        let planned = self.plan(taken, &args, &mut wrong).await?;
        refuse(wrong)?;
        if planned.is_empty() {
            bail!("there is nothing to import in {}", args.file.display());
        }
        let says: Vec<String> =
            planned.iter().map(|one| format!("line {}: {}", one.line, one.says)).collect();
        let count = planned.len();
        let (now, yes) = (self.now, args.yes);
        let events: Vec<AuditEvent> = planned.iter().map(|one| self.imported(one)).collect();
        let clashes = self
            .store
            .write_patiently(PATIENCE, move |tx| write(tx, planned, events, now, yes))
            .await?;
        refuse(clashes)?;
        self.tell(&says, count, skipped, yes);
        Ok(())
    }

    fn imported(&self, one: &Planned) -> AuditEvent {
        let event = self.event("enrolment.imported", &one.key).with("factor", one.new.factor.name());
        match &one.new.material.about.note {
            Some(note) => event.with("token", note.as_str()),
            None => event,
        }
    }

    fn tell(&self, says: &[String], count: usize, skipped: usize, yes: bool) {
        let mut human = says.join("\n");
        if skipped > 0 {
            human.push_str(&format!("\n{skipped} of other issuers left out"));
        }
        human.push_str(&if yes {
            format!("\nimported {count}; the file still holds the secrets: remove it")
        } else {
            format!("\nwould import {count}; nothing is written without --yes")
        });
        self.say(&human, &json!({ "tokens": count, "skipped": skipped, "written": yes }));
    }

    async fn plan(
        &self,
        rows: Vec<Row>,
        args: &Args,
        wrong: &mut Vec<Wrong>,
    ) -> anyhow::Result<Vec<Planned>> {
        let factors = factors::all(&self.settings)?;
        let mut people: HashMap<String, SubjectKey> = HashMap::new();
        let mut secrets: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut serials: HashMap<String, usize> = HashMap::new();
        let mut planned = Vec::with_capacity(rows.len());
        for row in rows {
            let line = row.line;
            let mut refuse = |what: String| wrong.push(Wrong { line, what });
            let Some(factor) = factors.get(row.kind) else {
                refuse(format!("`factors.{}` is off in this configuration", row.kind.section()));
                continue;
            };
            let name = args.subject.as_deref().unwrap_or(&row.subject);
            let key = match people.get(name) {
                Some(key) => key.clone(),
                None => match self.person(name, args.source.as_deref()).await {
                    Ok(key) => people.entry(name.to_owned()).or_insert(key).clone(),
                    Err(reason) => {
                        refuse(format!("{reason:#}"));
                        continue;
                    }
                },
            };
            if let Some(first) = secrets.insert(sha256(&row.secret), line) {
                refuse(format!("the same secret as in line {first}"));
            }
            if let Some(serial) = &row.serial
                && let Some(first) = serials.insert(serial.clone(), line)
            {
                refuse(format!("the same serial number as in line {first}"));
            }
            match material(&row) {
                Ok(material) => {
                    let says = format!("{key}  {}", row.describe());
                    let name = name_of(&row).unwrap_or_else(|| factor.default_name(&material));
                    let new = NewEnrolment { factor: row.kind, name, material };
                    planned.push(Planned { line, key, new, says });
                }
                Err(bad) => refuse(bad.to_string()),
            }
        }
        Ok(planned)
    }

    async fn person(&self, name: &str, source: Option<&str>) -> anyhow::Result<SubjectKey> {
        let qualified = match source {
            Some(source) => format!("{source}:{name}"),
            None => name.to_owned(),
        };
        Ok(self.subject(&qualified).await?.key)
    }
}

/// Stands for a secret where it is only compared.
fn sha256(secret: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret).as_ref().to_vec()
}

fn material(row: &Row) -> Result<Material, factors::BadToken> {
    let secret = factors::imported(&row.secret, row.parameters)?;
    let state = match row.kind {
        FactorKind::Hotp => i64::try_from(row.counter).unwrap_or(i64::MAX),
        _ => 0,
    };
    let note = row.serial.as_ref().map(|serial| format!("serial {serial}"));
    // A token of hardware names no issuer on its display, an app does.
    let hint = row
        .issuer
        .clone()
        .filter(|_| row.kind == FactorKind::Totp && row.serial.is_none());
    let digits = Some(row.parameters.digits).filter(|digits| *digits != Parameters::default().digits);
    Ok(Material { secret, state, about: About { hint, note, digits, ..About::default() } })
}

/// What a token with a number is called, so that its owner finds it among others.
fn name_of(row: &Row) -> Option<String> {
    let serial = row.serial.as_ref()?;
    Some(format!("Key fob {serial}").chars().take(MAX_NAME).collect())
}

/// "Phone", or "Phone 2" where there is one.
fn numbered(name: String, taken: &HashSet<String>) -> String {
    let others = (2..=MAX_EACH + 1).map(|n| format!("{name} {n}"));
    let free = std::iter::once(name.clone()).chain(others).find(|name| !taken.contains(name));
    free.unwrap_or(name)
}

/// Looks for what is there already, and writes everything when nothing is and it is wanted.
async fn write(
    mut tx: Tx,
    mut planned: Vec<Planned>,
    events: Vec<AuditEvent>,
    now: crate::ambient::UnixTime,
    yes: bool,
) -> Result<Vec<Wrong>, StoreError> {
    let mut clashes = Vec::new();
    // Of each person, what there is and what is to come.
    let mut names: HashMap<SubjectKey, (usize, HashSet<String>)> = HashMap::new();
    for one in &mut planned {
        let enrolled = tx.enrolments(&one.key).await?;
        let (count, taken) = names
            .entry(one.key.clone())
            .or_insert_with(|| (enrolled.len(), enrolled.iter().map(|old| old.name.clone()).collect()));
        *count += 1;
        one.new.name = numbered(std::mem::take(&mut one.new.name), taken);
        taken.insert(one.new.name.clone());
        if *count > MAX_EACH {
            let what = format!("{} would have more than {MAX_EACH} factors", one.key);
            clashes.push(Wrong { line: one.line, what });
        }
        for old in enrolled
            .iter()
            .filter(|old| matches!(old.factor, FactorKind::Totp | FactorKind::Hotp))
        {
            let old = tx.material(&one.key, &old.id).await?;
            if old.is_some_and(|old| secret_of(&old.secret) == secret_of(&one.new.material.secret)) {
                clashes.push(Wrong { line: one.line, what: format!("{} has this token already", one.key) });
            }
        }
    }
    if !clashes.is_empty() || !yes {
        return Ok(clashes);
    }
    for (one, event) in planned.iter().zip(events) {
        tx.insert_enrolment(&one.key, &one.new, now).await?;
        tx.audit(event).await?;
    }
    tx.commit(clashes).await
}

fn refuse(mut wrong: Vec<Wrong>) -> anyhow::Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort_by_key(|one| one.line);
    let mut lines: Vec<String> = wrong
        .iter()
        .take(SHOWN)
        .map(|one| format!("line {}: {}", one.line, one.what))
        .collect();
    if wrong.len() > SHOWN {
        lines.push(format!("and {} more", wrong.len() - SHOWN));
    }
    bail!("nothing was imported:\n{}", lines.join("\n"))
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let length = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_FILE + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        file.take(MAX_FILE + 1).read_to_string(&mut text)
    }
    .with_context(|| path.display().to_string())?;
    if u64::try_from(length).unwrap_or(u64::MAX) > MAX_FILE {
        bail!("{} is larger than 16 MiB", path.display());
    }
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        text = Zeroizing::new(rest.to_owned());
    }
    Ok(text)
}
