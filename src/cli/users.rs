//! `stepgate users`: local users, invitations, temporary codes, resets and locks.
//!
//! What is printed here is printed once: a generated password, an invitation and a temporary code are
//! nowhere else.

use std::io::{BufRead as _, Read as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::records::{Common, Records, Subject, no};
use super::{import, temporary_codes};
use crate::ambient::{random_bytes, random_token};
use crate::delivery::Event;
use crate::identity::local::{Owner, Rules};
use crate::store::{NewUser, User};

/// Seconds that an invitation lives (decision 24).
const INVITATION_LIFE: i64 = 86_400;
/// Users listed at most.
const LISTED: u32 = 10_000;

/// Local users, invitations, resets and locks.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a local user; prints a generated password unless one is given
    Add(Add),
    /// Replace a local user's password and end their sessions
    Password(Password),
    /// Print an address at which a person may set up their first factor: one use, 24 hours
    Invite {
        /// `source:subject`, or a local user's name
        subject: String,
    },
    /// Print a code that counts once as a recovery code does, for somebody who has lost everything else
    TemporaryCode {
        /// `source:subject`, or a local user's name
        subject: String,
        /// How long it may be used: `60m`, at most 24h
        #[arg(long, value_name = "DURATION", default_value = "60m", value_parser = temporary_codes::lifetime)]
        valid_for: Duration,
    },
    /// Remove all factors of a person and end their sessions
    Reset {
        /// `source:subject`, or a local user's name
        subject: String,
    },
    /// Forget the wrong answers counted against a person
    Unlock {
        /// `source:subject`, or a local user's name
        subject: String,
    },
    /// List where a person is signed in, or end all of it
    Sessions {
        /// `source:subject`, or a local user's name
        subject: String,
        /// End them all
        #[arg(long)]
        end: bool,
    },
    /// Refuse a local user's password and end their sessions
    Disable { name: String },
    /// Accept a local user's password again
    Enable { name: String },
    /// List local users
    List,
    /// Take over people and their passwords from htpasswd or from Authelia's users file
    Import(import::users::Args),
    /// What a person is signed in to an app with (`form_login`)
    #[command(subcommand)]
    Credential(Credential),
}

#[derive(Debug, Subcommand)]
enum Credential {
    /// Keep a user name and a password for an app, sealed
    Set {
        /// `source:subject`, or a local user's name
        subject: String,
        /// Name of the route
        #[arg(long)]
        route: String,
        /// What the app calls them
        #[arg(long)]
        username: String,
        /// Read the password from the first line of standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Forget it
    Remove {
        /// `source:subject`, or a local user's name
        subject: String,
        /// Name of the route
        #[arg(long)]
        route: String,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    name: String,
    /// Name to show
    #[arg(long = "name", value_name = "NAME")]
    display_name: Option<String>,
    #[arg(long)]
    email: Option<String>,
    /// Separated by commas
    #[arg(long, value_delimiter = ',')]
    groups: Vec<String>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// Ask for a new password at the next sign-in
    #[arg(long)]
    must_change: bool,
}

#[derive(Debug, clap::Args)]
struct Password {
    name: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// Ask for a new password at the next sign-in
    #[arg(long)]
    must_change: bool,
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
        Command::Add(add) => records.add(add).await,
        Command::Password(password) => records.password(password).await,
        Command::Invite { subject } => records.invite(&subject).await,
        Command::TemporaryCode { subject, valid_for } => records.temporary_code(&subject, valid_for).await,
        Command::Reset { subject } => records.reset(&subject).await,
        Command::Unlock { subject } => records.unlock(&subject).await,
        Command::Sessions { subject, end } => records.sessions(&subject, end).await,
        Command::Disable { name } => records.set_disabled(&name, true).await,
        Command::Enable { name } => records.set_disabled(&name, false).await,
        Command::List => records.list().await,
        Command::Import(args) => records.import_users(args).await,
        Command::Credential(Credential::Set { subject, route, username, .. }) => {
            records.set_credential(&subject, &route, &username).await
        }
        Command::Credential(Credential::Remove { subject, route }) => {
            records.remove_credential(&subject, &route).await
        }
    };
    records.store.close().await;
    Ok(done.map_or_else(|error| no(&error), |()| ExitCode::SUCCESS))
}

/// A password with 100 random bits that is easy to read out and to type.
#[must_use]
pub fn generate_password() -> SecretString {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bits = u128::from_be_bytes(random_bytes::<16>());
    let mut text = String::with_capacity(23);
    for at in 0..20_u32 {
        if at > 0 && at % 5 == 0 {
            text.push('-');
        }
        let index = usize::try_from((bits >> (5 * at)) & 31).unwrap_or(0);
        text.extend(ALPHABET.get(index).map(|byte| char::from(*byte)));
    }
    SecretString::from(text)
}

/// The password to set, and whether it has to be printed.
fn password(from_stdin: bool) -> anyhow::Result<(SecretString, bool)> {
    if !from_stdin {
        return Ok((generate_password(), true));
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(4096)
        .read_line(&mut line)
        .context("standard input")?;
    let typed = line.strip_suffix('\n').unwrap_or(&line);
    Ok((SecretString::from(typed.strip_suffix('\r').unwrap_or(typed)), false))
}

impl Records {
    async fn add(&self, add: Add) -> anyhow::Result<()> {
        let Subject { key, local } = self.local(&add.name)?;
        let name = local.unwrap_or_default();
        let (password, print) = password(add.password_stdin)?;
        let user = NewUser {
            name: name.clone(),
            display_name: add.display_name,
            email: add.email,
            groups: add.groups.into_iter().filter(|group| !group.is_empty()).collect(),
            password_hash: SecretString::default(),
            disabled: false,
            must_change: add.must_change,
        };
        check_attributes(&user)?;
        let user = NewUser { password_hash: self.hashed(&password, &owner(&user))?, ..user };
        if !self
            .store
            .add_user(user, self.now, Some(self.event("user.added", &key)))
            .await?
        {
            bail!("there is a user `{name}` already");
        }
        self.tell_password(&format!("added {name}"), &name, print.then_some(&password));
        Ok(())
    }

    async fn password(&self, change: Password) -> anyhow::Result<()> {
        let subject = self.subject(&change.name).await?;
        let telling = self.telling(&subject, Event::PasswordChanged, None).await;
        let Subject { key, local } = subject;
        let name = local.context("only local users have a password here")?;
        let (password, print) = password(change.password_stdin)?;
        let user = self.store.user(&name).await?.context("there is no such user")?;
        let (display_name, email) = (user.display_name.as_deref(), user.email.as_deref());
        let hash = self.hashed(&password, &Owner { name: &user.name, display_name, email })?;
        let event = self.event("user.password_changed", &key);
        let (now, must_change) = (self.now, change.must_change);
        self.store
            .write(move |mut tx| async move {
                tx.set_password(&user.name, &key, &hash, must_change, None, now).await?;
                tx.audit(event).await?;
                tx.commit(()).await
            })
            .await?;
        self.tell_password(&format!("changed the password of {name}"), &name, print.then_some(&password));
        telling.tell().await;
        Ok(())
    }

    /// By the same rules as in the portal.
    fn hashed(&self, password: &SecretString, owner: &Owner<'_>) -> anyhow::Result<SecretString> {
        let rules = Rules::of(&self.settings).context("`passwords.breach_list`")?;
        Ok(rules.hash(password, owner)?)
    }

    fn tell_password(&self, done: &str, name: &str, password: Option<&SecretString>) {
        let shown = password.map(ExposeSecret::expose_secret);
        let human = match shown {
            Some(password) => format!("{done}\npassword: {password}"),
            None => done.to_owned(),
        };
        self.say(&human, &json!({ "user": name, "password": shown }));
    }

    async fn invite(&self, text: &str) -> anyhow::Result<()> {
        let Subject { key, .. } = self.subject(text).await?;
        // One that is off proves nothing, so its owner needs an invitation like anybody without one.
        let on = self.settings.factors.enabled;
        let enrolled = self.store.enrolments(&key).await?;
        let enrolled = enrolled.iter().filter(|one| on.contains(one.factor)).count();
        if enrolled > 0 {
            bail!(
                "{key} has factors already ({enrolled}): an invitation is for the first; \
                 `stepgate users reset` removes them"
            );
        }
        let token = random_token();
        let expires = self.now.plus(INVITATION_LIFE);
        let event = self.event("invitation.created", &key);
        self.store
            .create_invitation(&token, &key, self.now, expires, Some(event))
            .await?;
        let server = &self.settings.server;
        let url = format!("{}{}/enrol?invitation={token}", server.public_url.origin(), server.prefix);
        let human = format!("{url}\nfor {key} alone: one use, within 24 hours");
        self.say(&human, &json!({ "subject": key, "url": url, "expires_at": expires }));
        Ok(())
    }

    async fn reset(&self, text: &str) -> anyhow::Result<()> {
        let subject = self.subject(text).await?;
        // Before it, since it removes what reaches them.
        let telling = self.telling(&subject, Event::Reset, None).await;
        let key = subject.key;
        let event = self.event("person.reset", &key);
        let removed = self.store.reset_person(&key, self.now, Some(event)).await?;
        let human = format!(
            "removed {removed} {} of {key} and ended their sessions\n\
             they can set up a new one after: stepgate users invite {key}",
            if removed == 1 { "factor" } else { "factors" }
        );
        self.say(&human, &json!({ "subject": key, "removed": removed }));
        telling.tell().await;
        Ok(())
    }

    async fn unlock(&self, text: &str) -> anyhow::Result<()> {
        let Subject { key, .. } = self.subject(text).await?;
        let counted = self
            .store
            .unlock_person(&key, Some(self.event("person.unlocked", &key)))
            .await?;
        let human = if counted {
            "unlocked"
        } else {
            "nothing was counted against"
        };
        self.say(&format!("{human} {key}"), &json!({ "subject": key, "had_wrong_answers": counted }));
        Ok(())
    }

    async fn set_credential(&self, text: &str, route: &str, username: &str) -> anyhow::Result<()> {
        let Subject { key, .. } = self.subject(text).await?;
        let configured = self.settings.routes.iter().find(|one| one.name == route);
        if configured.is_none_or(|route| route.form_login.is_none()) {
            bail!("there is no route `{route}` with `form_login`");
        }
        let (password, _) = password(true)?;
        let event = self.event("app_credential.saved", &key).route(route);
        self.store
            .put_app_credential((&key, route), username, &password, self.now, event)
            .await?;
        self.say(&format!("kept for {key} on {route}"), &json!({ "subject": key, "route": route }));
        Ok(())
    }

    async fn remove_credential(&self, text: &str, route: &str) -> anyhow::Result<()> {
        let Subject { key, .. } = self.subject(text).await?;
        let event = self.event("app_credential.removed", &key).route(route);
        let there = self.store.forget_app_credential(&key, route, event).await?;
        let human = if there { "forgotten" } else { "there was none" };
        self.say(human, &json!({ "subject": key, "route": route, "removed": there }));
        Ok(())
    }

    async fn set_disabled(&self, text: &str, disabled: bool) -> anyhow::Result<()> {
        let Subject { key, local } = self.subject(text).await?;
        let name = local.context("only local users can be disabled here")?;
        let (what, done) = if disabled {
            ("user.disabled", "disabled")
        } else {
            ("user.enabled", "enabled")
        };
        self.store
            .set_disabled(&name, &key, disabled, self.now, Some(self.event(what, &key)))
            .await?;
        self.say(&format!("{done} {name}"), &json!({ "user": name, "disabled": disabled }));
        Ok(())
    }

    async fn list(&self) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        let mut lines = vec![line("name", "factors", "groups", "e-mail")];
        for user in self.store.users(LISTED).await? {
            let key = self.local(&user.name)?.key;
            let factors = self.store.enrolments(&key).await?.len();
            let name = if user.disabled {
                format!("{} (disabled)", user.name)
            } else {
                user.name.clone()
            };
            let email = user.email.as_deref().unwrap_or_default();
            lines.push(line(&name, &factors.to_string(), &user.groups.join(","), email));
            rows.push(row(&user, factors));
        }
        self.say(lines.join("\n").trim_end(), &json!(rows));
        Ok(())
    }
}

fn owner(user: &NewUser) -> Owner<'_> {
    Owner {
        name: &user.name,
        display_name: user.display_name.as_deref(),
        email: user.email.as_deref(),
    }
}

fn line(name: &str, factors: &str, groups: &str, email: &str) -> String {
    format!("{name:<32} {factors:<8} {groups:<32} {email}").trim_end().to_owned()
}

fn row(user: &User, factors: usize) -> serde_json::Value {
    json!({
        "user": user.name,
        "name": user.display_name,
        "email": user.email,
        "groups": user.groups,
        "disabled": user.disabled,
        "must_change": user.must_change,
        "factors": factors,
        "created": user.created,
    })
}

/// Attributes travel in headers to the app: nothing may be in them that ends a header or a list.
pub(super) fn check_attributes(user: &NewUser) -> anyhow::Result<()> {
    let all = user.groups.iter().chain(&user.display_name).chain(&user.email);
    if all
        .clone()
        .any(|value| value.len() > 256 || value.chars().any(char::is_control))
    {
        bail!("name, e-mail and groups have at most 256 bytes and no control characters");
    }
    if user.groups.iter().any(|group| group.contains(',')) {
        bail!("a group's name has no comma");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_password_is_long_and_never_the_same() {
        let (one, two) = (generate_password(), generate_password());
        assert_eq!(one.expose_secret().len(), 23);
        assert_ne!(one.expose_secret(), two.expose_secret());
        let rules = Rules::of(&crate::policy::tests_support::settings(vec![])).unwrap();
        let owner = Owner { name: "anna", display_name: None, email: None };
        assert_eq!(rules.judge(&one, &owner), Ok(()));
    }

    #[test]
    fn attributes_cannot_break_out_of_a_header() {
        let user = |email: &str| NewUser {
            name: "anna".into(),
            display_name: None,
            email: Some(email.into()),
            groups: vec![],
            password_hash: SecretString::from(""),
            disabled: false,
            must_change: false,
        };
        assert!(check_attributes(&user("anna@example.com")).is_ok());
        assert!(check_attributes(&user("anna\r\nRemote-User: root")).is_err());
    }
}
