//! LDAP and Active Directory: people, their passwords and their groups, in a directory (RFC 4511).
//!
//! Two ways: bind with the typed name in a template, or look for the entry by an account of our own and
//! bind as what was found. TLS always, this machine's loopback aside. What was typed is only ever a value,
//! an empty password never leaves, referrals and aliases are never followed (security.md H01). The client
//! is our own (`ber`, `message`, `connection`) because what a server says before TLS stands is said by
//! anybody: reading it must not use up memory or stack, nor end a task. Guesses are counted by the
//! challenge room, not here.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, timeout};

use super::password::{Asking, Probing};
use super::{Candidate, PasswordAnswer, PasswordSource, SourceDown, SourceError, Stop, StopReason, grammar};
use crate::calls;
use crate::config::settings::{BindName, Filter, Ldap as Settings};
use crate::observe::metrics;
use crate::session::NewPerson;

mod ber;
mod connection;
pub(super) mod dn;
mod filter;
mod groups;
mod message;
mod person;
mod pool;
mod reasons;
mod recheck;

pub use recheck::Rechecked;

use connection::LdapError;
use groups::Seeker;
use message::{Entry, Scope, Search};
use pool::{Judged, Pool};
use reasons::Verdict;

/// For everything about one person once their password was right.
const PATIENCE: Duration = Duration::from_secs(10);

/// One configured directory. Cheap to clone; the connections are shared.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    name: String,
    settings: Settings,
    pool: Pool,
    /// What the entry that a name stands for always is.
    anything: Filter,
}

/// Where the person's entry was, kept sealed beside the session to look again.
#[derive(Serialize, Deserialize)]
struct Kept {
    dn: String,
    /// What was typed: the filter may look at it.
    user: String,
}

/// Somebody whose password is to be judged.
struct Named {
    directory: Directory,
    typed: String,
    subject: String,
    dn: String,
    /// Found before; with a template nothing was.
    entry: Option<Entry>,
}

impl Directory {
    /// The directory of a configuration.
    ///
    /// # Errors
    /// When its authority cannot be used.
    pub fn new(name: &str, settings: &Settings) -> Result<Self, SourceError> {
        let unfit = |error: calls::HttpsError| SourceError { name: name.to_owned(), why: error.to_string() };
        let tls = calls::tls(settings.authority.as_deref()).map_err(unfit)?;
        let account = settings.search.as_ref().and_then(|search| search.account.clone());
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            pool: Pool::new(&settings.servers, tls, account),
            settings: settings.clone(),
            anything: Filter::anything(),
        })))
    }

    /// Who is meant, by looking or by the template alone.
    async fn named(&self, typed: &str) -> Result<Option<Named>, LdapError> {
        let settings = &self.0.settings;
        if !is_name(typed, settings.bind.is_some()) {
            return Ok(None);
        }
        let named = |subject, dn, entry| Named {
            directory: self.clone(),
            typed: typed.to_owned(),
            subject,
            dn,
            entry,
        };
        if let Some(template) = &settings.bind {
            return Ok(Some(named(grammar::fold(typed), dn::bind_name(template, typed), None)));
        }
        let Some(entry) = self.look_for(typed, &mut Seeker::Service(&self.0.pool)).await? else {
            return Ok(None);
        };
        let subject = self.subject(&entry)?;
        Ok(Some(named(subject, entry.dn.clone(), Some(entry))))
    }

    /// The one entry that the configured search finds.
    async fn look_for(&self, typed: &str, seeker: &mut Seeker<'_, '_>) -> Result<Option<Entry>, LdapError> {
        let settings = &self.0.settings;
        let Some(search) = &settings.search else {
            return Ok(None);
        };
        let mut found = seeker
            .search(&Search {
                base: &search.base,
                scope: Scope::Subtree,
                filter: &search.filter,
                known: &[("user", typed)],
                attributes: &person::asked(settings),
                // One more than there may be, to tell.
                most: 2,
            })
            .await?;
        let first = found.pop();
        if found.is_empty() {
            return Ok(first);
        }
        Err(LdapError::Lies("the filter finds more than one entry for this name"))
    }

    /// An entry by its name, if it is still what the search asks for.
    async fn read(&self, kept: &Kept, seeker: &mut Seeker<'_, '_>) -> Result<Option<Entry>, LdapError> {
        let settings = &self.0.settings;
        let filter = settings.search.as_ref().map_or(&self.0.anything, |search| &search.filter);
        let found = seeker
            .search(&Search {
                base: &kept.dn,
                scope: Scope::Base,
                filter,
                known: &[("user", &kept.user)],
                attributes: &person::asked(settings),
                most: 1,
            })
            .await?;
        Ok(found.into_iter().next())
    }

    fn subject(&self, entry: &Entry) -> Result<String, LdapError> {
        person::subject(&self.0.settings, entry)
            .ok_or(LdapError::Lies("the entry has not exactly one usable value of the attribute `user`"))
    }

    /// The person of an entry, with groups.
    async fn person(
        &self,
        kept: &Kept,
        entry: &Entry,
        seeker: &mut Seeker<'_, '_>,
    ) -> Result<NewPerson, LdapError> {
        let settings = &self.0.settings;
        let subject = self.subject(entry)?;
        let groups = groups::of(&settings.groups, seeker, &kept.user, entry).await?;
        let kept = serde_json::to_vec(kept).map_err(|_| LdapError::Lies("a name that cannot be kept"))?;
        Ok(NewPerson {
            groups: Some(groups),
            kept: Some(SecretSlice::from(kept)),
            ..person::person(&self.0.name, settings, &subject, entry)
        })
    }

    fn stop(&self, why: StopReason, proved: bool) -> PasswordAnswer {
        PasswordAnswer::Stopped(Stop { why, source: self.0.settings.label.clone(), proved })
    }

    /// Says in log and metrics what a question came to.
    fn told<T>(
        &self,
        result: Result<T, LdapError>,
        known: impl FnOnce(&T) -> &'static str,
    ) -> Result<T, SourceDown> {
        let name = &*self.0.name;
        match result {
            Ok(answer) => {
                metrics().source_asked(name, known(&answer));
                Ok(answer)
            }
            Err(error) => {
                metrics().source_asked(name, "unavailable");
                tracing::warn!(source = name, %error, "A directory could not be asked.");
                let asked = !matches!(error, LdapError::NotReached(_) | LdapError::Untrusted(_));
                Err(SourceDown { why: format!("{name}: {error}"), asked })
            }
        }
    }
}

impl PasswordSource for Directory {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn find<'a>(&'a self, typed: &'a str) -> Asking<'a, Option<Box<dyn Candidate>>> {
        Box::pin(async move {
            let named = self.named(typed).await;
            let named = self.told(named, |named| if named.is_some() { "known" } else { "nobody" })?;
            Ok(named.map(|named| Box::new(named) as Box<dyn Candidate>))
        })
    }

    fn probe(&self) -> Probing<'_> {
        Box::pin(async move {
            self.0.pool.probe().await?;
            if self.0.settings.bind.is_none() {
                // A name that nobody has: the base and the filter are tried all the same.
                let nobody = self.look_for("stepgate-check", &mut Seeker::Service(&self.0.pool)).await;
                nobody?;
            }
            Ok(())
        })
    }
}

impl Candidate for Named {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn is_known(&self) -> bool {
        self.entry.is_some()
    }

    fn judge(&self, password: SecretString) -> Asking<'_, PasswordAnswer> {
        Box::pin(async move {
            let answer = self.answer(password).await;
            self.directory.told(answer, |answer| match answer {
                PasswordAnswer::Right(_) => "known",
                PasswordAnswer::Wrong | PasswordAnswer::Stopped(_) => "refused",
            })
        })
    }
}

impl Named {
    async fn answer(&self, password: SecretString) -> Result<PasswordAnswer, LdapError> {
        let directory = &self.directory;
        if password.expose_secret().is_empty() {
            return Ok(PasswordAnswer::Wrong);
        }
        let judged = directory.0.pool.judge(&self.dn, &password).await?;
        match reasons::verdict(&judged.outcome) {
            Verdict::Right => {
                // The password was right: what goes wrong from here on is no guess.
                let welcome = timeout(PATIENCE, self.welcome(judged, &password)).await;
                let late = || LdapError::NotReached("no entry and groups within 10 s".to_owned());
                welcome
                    .map_err(|_| late())?
                    .map_err(|error| LdapError::NotReached(error.to_string()))
            }
            Verdict::Wrong => {
                judged.done();
                Ok(PasswordAnswer::Wrong)
            }
            Verdict::Stopped { why, proved } => {
                judged.done();
                Ok(directory.stop(why, proved))
            }
            Verdict::Unable => {
                let text = format!("result {}: {}", judged.outcome.code, judged.outcome.text);
                Err(LdapError::NotReached(text))
            }
        }
    }

    async fn welcome(
        &self,
        mut judged: Judged<'_>,
        password: &SecretString,
    ) -> Result<PasswordAnswer, LdapError> {
        if let Some(entry) = &self.entry {
            // Its room first: with many at once each would wait for another's.
            judged.done();
            return self.believed(entry, &mut Seeker::Service(&self.directory.0.pool)).await;
        }
        let entry = self.own_entry(&mut judged).await?;
        if self.directory.0.settings.search.is_some() {
            self.prove_own(&entry, &mut judged, password).await?;
        }
        let answer = self.believed(&entry, &mut Seeker::Person(&mut judged)).await?;
        judged.done();
        Ok(answer)
    }

    /// The person of the entry whose password was right.
    async fn believed(
        &self,
        entry: &Entry,
        seeker: &mut Seeker<'_, '_>,
    ) -> Result<PasswordAnswer, LdapError> {
        if person::is_disabled(entry) {
            return Ok(self.directory.stop(StopReason::Barred, true));
        }
        let kept = Kept { dn: entry.dn.clone(), user: self.typed.clone() };
        let person = self.directory.person(&kept, entry, seeker).await?;
        Ok(PasswordAnswer::Right(Box::new(person)))
    }

    /// That the entry a search found is the one whose password was right. A filter may find another.
    async fn prove_own(
        &self,
        entry: &Entry,
        judged: &mut Judged<'_>,
        password: &SecretString,
    ) -> Result<(), LdapError> {
        let by_entry = self.directory.0.settings.bind.as_ref().is_some_and(BindName::is_dn);
        let own = if by_entry {
            dn::same(&entry.dn, &self.dn)
        } else {
            // A login name does not say which entry it is of; its password does.
            let outcome = judged.bind(&entry.dn, password).await?;
            matches!(reasons::verdict(&outcome), Verdict::Right)
        };
        if own {
            return Ok(());
        }
        Err(LdapError::Lies("the search finds another entry than the one whose password was right"))
    }

    /// The person's entry, read by themselves.
    async fn own_entry(&self, judged: &mut Judged<'_>) -> Result<Entry, LdapError> {
        let mut seeker = Seeker::Person(judged);
        let found = if self.directory.0.settings.search.is_some() {
            self.directory.look_for(&self.typed, &mut seeker).await?
        } else {
            let kept = Kept { dn: self.dn.clone(), user: self.typed.clone() };
            self.directory.read(&kept, &mut seeker).await?
        };
        found.ok_or(LdapError::Lies("a person who is signed in may not read their own entry"))
    }
}

/// What can be a name here. With a template nothing is looked up before guesses are counted, so only
/// spellings count that no directory takes for another's.
fn is_name(typed: &str, by_template: bool) -> bool {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "._-@+' ".contains(sign);
    grammar::value(typed).is_ok() && !typed.contains("  ") && (!by_template || typed.chars().all(plain))
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_template_only_plain_names_are_names() {
        for name in ["anna", "Anna.Smith", "o'neill", "anna@corp.example", "Anna Smith"] {
            assert!(is_name(name, true) && is_name(name, false), "{name}");
        }
        for name in ["änna", "anna\u{ad}", "cn=anna", "a*", "a\\b", "a,b"] {
            assert!(!is_name(name, true), "{name}");
        }
        for name in ["", " anna", "anna  smith", "a\0b"] {
            assert!(!is_name(name, false), "{name:?}");
        }
        assert!(is_name("änna", false));
    }
}
