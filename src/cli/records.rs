//! What commands that act on people share: opening the configured store, and naming a person.
//!
//! They write to the same database as a running server, which hears of it by the revocation feed.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};

use super::files::Files;
use super::{REFUSED, UNREACHABLE};
use crate::ambient::{Clock, UnixTime};
use crate::config::Settings;
use crate::identity::grammar;
use crate::policy::SubjectKey;
use crate::store::{AuditEvent, OpenError, Store, canonical_user_name};

/// Where the configuration is and how to answer.
#[derive(Debug, clap::Args)]
pub struct Common {
    #[command(flatten)]
    pub files: Files,

    /// Print JSON for scripts
    #[arg(long, global = true)]
    pub json: bool,
}

/// The configuration and its store.
pub(super) struct Records {
    pub(super) settings: Arc<Settings>,
    pub(super) store: Store,
    pub(super) now: UnixTime,
    json: bool,
}

/// A person as named on the command line.
pub(super) struct Subject {
    pub(super) key: SubjectKey,
    /// The canonical name, when it is a local user's.
    pub(super) local: Option<String>,
}

impl Records {
    /// Opens the store that the configuration names. An exit code instead means that the reason
    /// has been printed.
    pub(super) async fn open(common: &Common) -> Result<Self, ExitCode> {
        let settings = common.files.load()?;
        match Store::open(&settings.storage).await {
            Ok(store) => Ok(Self { settings, store, now: Clock::system().now(), json: common.json }),
            Err(error) => {
                eprintln!("stepgate: {error}");
                let unreachable = matches!(error, OpenError::File { .. } | OpenError::Database { .. });
                Err(ExitCode::from(if unreachable { UNREACHABLE } else { REFUSED }))
            }
        }
    }

    /// Prints the answer as this command was asked to.
    pub(super) fn say(&self, human: &str, json: &serde_json::Value) {
        if self.json {
            println!("{json}");
        } else {
            println!("{human}");
        }
    }

    /// An audit event of this command.
    pub(super) fn event(&self, what: &str, subject: &SubjectKey) -> AuditEvent {
        AuditEvent::new(self.now, what, "ok")
            .who(subject.as_str())
            .with("by", "command line")
    }

    /// The local user of this name, whether there is one or not.
    pub(super) fn local(&self, name: &str) -> anyhow::Result<Subject> {
        let source = self
            .settings
            .local_source()
            .context("the configuration has no identity source `local`")?;
        let name = canonical_user_name(name)?;
        Ok(Subject { key: SubjectKey::new(source, &name), local: Some(name) })
    }

    /// The person meant by `source:subject`, or by the bare name of a local user. A local user has
    /// to exist.
    pub(super) async fn subject(&self, text: &str) -> anyhow::Result<Subject> {
        let subject = match text.split_once(':') {
            Some((source, name)) if Some(source) == self.settings.local_source() => self.local(name)?,
            Some((source, name)) => self.foreign(source, name)?,
            None => self.local(text)?,
        };
        if let Some(name) = &subject.local
            && self.store.user(name).await?.is_none()
        {
            bail!("there is no local user `{name}`");
        }
        Ok(subject)
    }

    /// As the source itself spells it: else what is given to `Anna` would never be found when she comes.
    fn foreign(&self, source: &str, name: &str) -> anyhow::Result<Subject> {
        let sources = &self.settings.identity;
        let Some(known) = sources.iter().find(|known| known.name == source) else {
            let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            bail!("there is no identity source `{source}`; the configuration has: {}", names.join(", "));
        };
        let name = if known.kind.ignores_case() {
            grammar::fold(name)
        } else {
            name.to_owned()
        };
        let subject = grammar::value(&name).map_err(|why| {
            anyhow!("`{source}:` must be followed by the subject as that source spells it: {why}")
        })?;
        Ok(Subject { key: SubjectKey::new(source, subject), local: None })
    }
}

/// Ends a command whose answer is no: the reason on standard error, exit code 1.
pub(super) fn no(reason: &anyhow::Error) -> ExitCode {
    eprintln!("stepgate: {reason:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    enum Cli {
        Users(crate::cli::users::Args),
        Enrolments(crate::cli::enrolments::Args),
    }

    /// A directory with a configuration; commands run against it.
    struct Place {
        directory: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let state = directory.path().join("state");
            let text = format!(
                "version: 1\nserver: {{ listen: \":8080\", public_url: \"http://localhost:8080\" }}\n\
                 storage: {{ database: \"{0}/stepgate.db\", state_directory: \"{0}\" }}\n\
                 identity: [{{ name: local, type: local }}, {{ name: front, type: trusted-header, from: [127.0.0.1], \
                 attributes: {{ user: X-User }} }}]\n\
                 routes:\n  - {{ name: app, host: localhost, upstream: \"http://127.0.0.1:8000\" }}\n",
                state.display()
            );
            std::fs::write(directory.path().join("stepgate.yaml"), text).unwrap();
            Self { directory }
        }

        fn config(&self) -> String {
            self.directory.path().join("stepgate.yaml").display().to_string()
        }

        async fn run(&self, words: &str) -> bool {
            let config = self.config();
            let words = ["stepgate"].into_iter().chain(words.split_whitespace()).chain(["-c", &config]);
            let code = match Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")) {
                Cli::Users(args) => crate::cli::users::run(args).await.unwrap(),
                Cli::Enrolments(args) => crate::cli::enrolments::run(args).await.unwrap(),
            };
            code == ExitCode::SUCCESS
        }

        async fn records(&self) -> Records {
            let common = Common { files: Files { config: vec![self.config().into()] }, json: false };
            Records::open(&common).await.unwrap_or_else(|code| panic!("{code:?}"))
        }
    }

    #[tokio::test]
    async fn users_come_are_invited_and_reset_and_every_act_is_audited() {
        let place = Place::new();
        assert!(place.run("users add Anna --name Anna --groups ops,finance").await);
        assert!(!place.run("users add anna").await, "the name is taken");
        assert!(!place.run("users invite bob").await, "nobody");
        assert!(!place.run("users invite ldap:bob").await, "no such source");
        assert!(place.run("users invite local:anna --json").await);
        assert!(place.run("users unlock anna").await);
        assert!(place.run("users reset anna").await);
        assert!(place.run("users list").await);
        assert!(place.run("enrolments list anna").await);
        assert!(!place.run("enrolments remove anna nothing").await);

        let records = place.records().await;
        let user = records.store.user("anna").await.unwrap().unwrap();
        assert_eq!(user.groups, ["ops", "finance"]);
        let audit = records.store.audit_after(0, 100).await.unwrap();
        let acts: Vec<&str> = audit.iter().map(|record| record.event.what.as_str()).collect();
        assert_eq!(
            acts,
            [
                "user.added",
                "invitation.created",
                "person.unlocked",
                "person.reset"
            ]
        );
        assert!(audit.iter().all(|record| record.event.who.as_deref() == Some("local:anna")));
        assert!(!records.store.revocations_after(0).await.unwrap().is_empty(), "a server hears of it");
    }

    #[tokio::test]
    async fn a_person_is_one_in_every_spelling() {
        let place = Place::new();
        assert!(place.run("users add anna").await);
        let records = place.records().await;
        for text in ["anna", "ANNA", "local:Anna"] {
            assert_eq!(records.subject(text).await.unwrap().key.as_str(), "local:anna");
        }
        for text in ["front:Anna@Example.com", "front:ANNA@example.com"] {
            assert_eq!(records.subject(text).await.unwrap().key.as_str(), "front:anna@example.com");
        }
        for odd in ["front:", "front: anna", "front:a@b@c"] {
            assert!(records.subject(odd).await.is_err(), "nobody can come by that name: {odd}");
        }
    }
}
