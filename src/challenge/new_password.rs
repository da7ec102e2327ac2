//! Another password for a local user: by the one they have, by a mailed link, or because an
//! administrator wants one.
//!
//! Whatever led here, one function puts it in place ([`Challenges::put`]): in one transaction with the
//! condition that it rests on, with the end of the sessions and links that rested on the old one, and
//! with the notice. Factors are neither asked for less nor touched: a mailbox alone opens nothing. Never
//! told apart from outside: names that somebody bears and names that nobody does.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::hashing::Turn;
use super::notice::{Act, browser};
use super::password::PasswordOutcome;
use super::view::{Caller, Change, ChangePermission, Locked};
use super::{ChallengeError, Challenges};
use crate::ambient::UnixTime;
use crate::delivery::Event;
use crate::identity::local::{self, BadPassword, Owner};
use crate::policy::{Binding, Identity, SubjectKey};
use crate::store::seal::Place;
use crate::store::{AuditEvent, CounterKey, CounterKind, StoreError, Tx, User};

/// Seconds for which a right password lets its owner choose the next one.
const TICKET_LIFE: i64 = 600;

/// What became of a new password.
#[derive(Debug, PartialEq, Eq)]
pub enum NewPassword {
    /// It counts from now on, and the user's other sessions are over.
    Changed,
    /// The password that there is now was not right; it was counted.
    WrongNow,
    /// What there was to choose it with has run out, was used, or is another browser's.
    Gone,
    Unfit(BadPassword),
    Locked(Locked),
}

/// What a new password rests on, looked at again where it is put in place.
enum Ground {
    /// The user was known by this hash, whose digest is here, and it has not changed since.
    Hash([u8; 32]),
    /// A link that was mailed, to be used up.
    Link(String),
}

impl Ground {
    /// Whether this user, as they are now, may be known by it. Of a link the store alone can tell.
    fn is_of(&self, user: &User) -> bool {
        match self {
            Self::Hash(hash) => fingerprint(&user.password_hash) == *hash,
            Self::Link(_) => true,
        }
    }
}

/// A new password on its way.
struct Put {
    user: User,
    source: String,
    hash: SecretString,
    ground: Ground,
    /// Of the audit log.
    by: &'static str,
    /// The session that stays.
    session: Option<String>,
    address: IpAddr,
    agent: String,
}

/// A ticket, as the browser keeps it.
#[derive(Serialize, Deserialize)]
struct Ticket {
    name: String,
    hash: [u8; 32],
    expires: UnixTime,
}

fn place(browser: &str) -> Place<'_> {
    Place { table: "sign_in", column: "new_password", row: browser.as_bytes() }
}

fn fingerprint(hash: &SecretString) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, hash.expose_secret().as_bytes()).as_ref());
    bytes
}

impl Challenges {
    /// Characters that a new password has at least.
    #[must_use]
    pub fn shortest_password(&self) -> usize {
        self.passwords.least()
    }

    /// Whether this is somebody whose password we keep.
    #[must_use]
    pub fn has_password(&self, caller: &Caller) -> bool {
        Some(&*caller.identity.source) == self.settings.local_source()
    }

    /// Whether the caller may change their password now, or has to prove something first. Who has no
    /// factor to prove anything with may: they have proved the password that there is.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn may_change_password(&self, caller: &Caller) -> Result<bool, ChallengeError> {
        Ok(self.permission(caller, Change::Other).await? != ChangePermission::NeedsProof)
    }

    /// Changes the caller's own password. `session` is the one that stays signed in.
    ///
    /// # Errors
    /// When it needs a fresh proof first, too many passwords are being checked, or the store cannot be
    /// asked.
    pub async fn change_password(
        &self,
        caller: &Caller,
        session: Option<&str>,
        current: SecretString,
        new: SecretString,
    ) -> Result<NewPassword, ChallengeError> {
        if !self.has_password(caller) {
            return Ok(NewPassword::Gone);
        }
        if !self.may_change_password(caller).await? {
            return Err(ChallengeError::NotPermitted(ChangePermission::NeedsProof));
        }
        let name = &caller.identity.subject;
        let turn = self.turn(name, caller.browser.as_deref()).await?;
        let found = self.store.user(name).await?;
        let subject = caller.identity.key.clone();
        let lane = self.lane(&subject, caller.browser.as_deref()).await?;
        let key = CounterKey { subject, kind: CounterKind::Password, lane };
        let user = match self.compare_local(&turn, key, found, current, caller.address).await? {
            PasswordOutcome::Right(user) => *user,
            PasswordOutcome::Wrong | PasswordOutcome::RightElsewhere(_) | PasswordOutcome::Stopped(_) => {
                return Ok(NewPassword::WrongNow);
            }
            PasswordOutcome::Locked(locked) => return Ok(NewPassword::Locked(locked)),
        };
        let hash = match self.fit(&turn, new, &user, false).await? {
            Ok(hash) => hash,
            Err(unfit) => return Ok(NewPassword::Unfit(unfit)),
        };
        let ground = Ground::Hash(fingerprint(&user.password_hash));
        self.put(Put {
            user,
            source: caller.identity.source.to_string(),
            hash,
            ground,
            by: "current_password",
            session: session.map(str::to_owned),
            address: caller.address,
            agent: caller.agent.clone(),
        })
        .await
    }

    /// What lets a user whose password was right a moment ago choose another, in this browser.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn password_ticket(&self, user: &User, browser: &str) -> Result<String, ChallengeError> {
        let ticket = Ticket {
            name: user.name.clone(),
            hash: fingerprint(&user.password_hash),
            expires: self.clock.now().plus(TICKET_LIFE),
        };
        let bytes = serde_json::to_vec(&ticket).map_err(|_| StoreError::Corrupt("a ticket"))?;
        let sealed = self.store.ring().seal(place(browser), &bytes).map_err(StoreError::from)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Chooses a password with a ticket; with the user, who is known by it.
    ///
    /// # Errors
    /// As [`Challenges::change_password`].
    pub async fn redeem_password_ticket(
        &self,
        ticket: &str,
        browser: &str,
        new: SecretString,
        address: IpAddr,
        agent: &str,
    ) -> Result<(NewPassword, Option<User>), ChallengeError> {
        let Some(ticket) = self.opened_ticket(ticket, browser) else {
            return Ok((NewPassword::Gone, None));
        };
        let (name, ground) = (ticket.name.clone(), Ground::Hash(ticket.hash));
        let outcome = self.put_for(name, ground, "must_change", new, address, agent).await?;
        let user = match outcome {
            NewPassword::Changed => self.store.user(&ticket.name).await?,
            _ => None,
        };
        Ok((outcome, user))
    }

    /// Whether a mailed link can be used. Uses nothing up, since programs that look at mail open links.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn is_password_link(&self, token: &str) -> Result<bool, ChallengeError> {
        Ok(self.store.password_link(token, self.clock.now()).await?.is_some())
    }

    /// Chooses a password with a mailed link, and uses it up.
    ///
    /// # Errors
    /// As [`Challenges::change_password`].
    pub async fn redeem_password_link(
        &self,
        token: &str,
        new: SecretString,
        address: IpAddr,
        agent: &str,
    ) -> Result<NewPassword, ChallengeError> {
        let Some(name) = self.store.password_link(token, self.clock.now()).await? else {
            return Ok(NewPassword::Gone);
        };
        let ground = Ground::Link(token.to_owned());
        self.put_for(name, ground, "mailed_link", new, address, agent).await
    }

    fn opened_ticket(&self, ticket: &str, browser: &str) -> Option<Ticket> {
        let sealed = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        let opened = self.store.ring().open(place(browser), &sealed).ok()?;
        let ticket: Ticket = serde_json::from_slice(opened.expose_secret()).ok()?;
        (ticket.expires > self.clock.now()).then_some(ticket)
    }

    async fn put_for(
        &self,
        name: String,
        ground: Ground,
        by: &'static str,
        new: SecretString,
        address: IpAddr,
        agent: &str,
    ) -> Result<NewPassword, ChallengeError> {
        let turn = self.turn(&name, None).await?;
        let (Some(user), Some(source)) = (self.store.user(&name).await?, self.settings.local_source()) else {
            return Ok(NewPassword::Gone);
        };
        // Before anything is said of the new password, which would tell whether it is the present one.
        if !ground.is_of(&user) {
            return Ok(NewPassword::Gone);
        }
        // Whoever holds a link has not shown that they know the present password: they must not learn
        // it by trying. Where another one is wanted, one try is all that a link is good for.
        let may_be_same = matches!(ground, Ground::Link(_)) && !user.must_change;
        let hash = match self.fit(&turn, new, &user, may_be_same).await? {
            Ok(hash) => hash,
            Err(unfit) => {
                if let (BadPassword::Same, Ground::Link(token)) = (&unfit, ground) {
                    self.use_up_link(token).await?;
                }
                return Ok(NewPassword::Unfit(unfit));
            }
        };
        let (source, agent) = (source.to_owned(), agent.to_owned());
        self.put(Put { user, source, hash, ground, by, session: None, address, agent })
            .await
    }

    async fn use_up_link(&self, token: String) -> Result<(), ChallengeError> {
        let now = self.clock.now();
        let used = self.store.write(move |mut tx| async move {
            tx.take_password_link(&token, now).await?;
            tx.commit(()).await
        });
        Ok(used.await?)
    }

    /// Judges the new password and hashes it.
    async fn fit(
        &self,
        turn: &Turn,
        new: SecretString,
        user: &User,
        may_be_same: bool,
    ) -> Result<Result<SecretString, BadPassword>, ChallengeError> {
        let (rules, user) = (self.passwords.clone(), user.clone());
        turn.run(local::weight(&user.password_hash), move || {
            let (display_name, email) = (user.display_name.as_deref(), user.email.as_deref());
            let owner = Owner { name: &user.name, display_name, email };
            // The same again is no new one.
            if may_be_same || local::compare(&new, &user.password_hash) == local::Comparison::Wrong {
                rules.hash(&new, &owner)
            } else {
                Err(BadPassword::Same)
            }
        })
        .await
    }

    /// Puts it in place, if what it rests on still holds.
    async fn put(&self, put: Put) -> Result<NewPassword, ChallengeError> {
        let (teller, now) = (self.teller(), self.clock.now());
        let done = self.store.write(move |mut tx| async move {
            let Some(user) = held(&mut tx, &put, now).await? else {
                return Ok(NewPassword::Gone);
            };
            let identity = identity(&put.source, &user);
            let key = identity.key.clone();
            let act = Act::new(Event::PasswordChanged, browser(&put.agent, put.address));
            let told = teller.prepare(&mut tx, &identity, act, now).await?;
            tx.set_password(&user.name, &key, &put.hash, false, put.session.as_deref(), now)
                .await?;
            let event = AuditEvent::new(now, "user.password_changed", "ok")
                .who(key.as_str())
                .from(put.address)
                .with("by", put.by)
                .with("agent", &*put.agent);
            tx.audit(event).await?;
            tx.commit(()).await?;
            told.tell();
            Ok(NewPassword::Changed)
        });
        Ok(done.await?)
    }
}

/// The user, if the ground still holds; a link is used up by this.
async fn held(tx: &mut Tx, put: &Put, now: UnixTime) -> Result<Option<User>, StoreError> {
    let is_theirs = match &put.ground {
        Ground::Hash(_) => true,
        Ground::Link(token) => tx.take_password_link(token, now).await?.as_ref() == Some(&put.user.name),
    };
    // Who says that it was not them gets no new password by whoever reads their mail.
    let stopped = tx.is_stopped(&SubjectKey::new(&put.source, &put.user.name)).await?;
    let theirs = is_theirs && !stopped;
    let user = tx.user(&put.user.name).await?.filter(|user| theirs && !user.disabled);
    Ok(user.filter(|user| put.ground.is_of(user)))
}

/// A local user as far as notices need to know them; there is no session that it is bound to.
pub(super) fn identity(source: &str, user: &User) -> Identity {
    Identity {
        source: source.into(),
        subject: user.name.as_str().into(),
        key: SubjectKey::new(source, &user.name),
        groups: Some(user.groups.iter().map(|group| Arc::from(group.as_str())).collect()),
        name: user.display_name.as_deref().map(Arc::from),
        email: user.email.as_deref().map(Arc::from),
        attributes: std::collections::BTreeMap::new(),
        binding: Binding::new(source, &user.name, ""),
        authenticated_at: None,
    }
}
