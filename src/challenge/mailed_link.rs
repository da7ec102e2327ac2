//! The link with which a local user who has forgotten the password chooses a new one.
//!
//! Who asks is answered before anything is looked up, so neither words nor time tell whether somebody
//! bears the name. Links are counted per person and address, apart from messages with codes: who asks for
//! them is anybody, and must keep nobody from signing in. How many questions wait is bounded. The link is kept as a hash, counts once and for half an hour.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Challenges;
use super::new_password::identity;
use super::notice::{Act, browser};
use super::sends::{self, Reserved};
use crate::ambient::{UnixTime, random_token};
use crate::delivery::{Event, Opening};
use crate::observe::metrics;
use crate::policy::SubjectKey;
use crate::store::{AuditEvent, StoreError, canonical_user_name};

/// Seconds that a link counts.
const LIFE: i64 = 1800;
/// Questions that wait to be looked at.
const WAITING: usize = 64;

/// Bounds the questions. One for the process.
#[derive(Clone)]
pub(super) struct Asked(Arc<Semaphore>);

impl Default for Asked {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WAITING)))
    }
}

/// Who asks, as the mail says it.
pub struct Asker {
    pub address: IpAddr,
    /// "Firefox on Linux".
    pub agent: String,
}

impl Challenges {
    /// Whether links for new passwords are mailed here at all.
    #[must_use]
    pub fn mails_password_links(&self) -> bool {
        self.settings.passwords.reset_by_mail && self.settings.local_source().is_some()
    }

    /// Mails a link to the local user of this name, if there is one with an address. Returns at once, in
    /// any case the same.
    pub fn mail_password_link(&self, name: &str, asker: Asker) {
        let Ok(place) = Arc::clone(&self.asked.0).try_acquire_owned() else {
            metrics().limited("password_links");
            return;
        };
        let (challenges, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            if let Err(error) = challenges.mail(&name, &asker, place).await {
                tracing::error!(%error, "A link for a new password was not sent.");
            }
        });
    }

    async fn mail(&self, typed: &str, asker: &Asker, _place: OwnedSemaphorePermit) -> Result<(), StoreError> {
        let (Some(source), Ok(name)) = (self.settings.local_source(), canonical_user_name(typed)) else {
            return Ok(());
        };
        let found = self.store.user(&name).await?.filter(|user| !user.disabled);
        let Some((user, email)) = found.and_then(|user| user.email.clone().map(|email| (user, email))) else {
            return Ok(());
        };
        if self.store.is_stopped(&SubjectKey::new(source, &user.name)).await? {
            return Ok(());
        }
        let (token, now) = (random_token(), self.clock.now());
        let event = Event::PasswordLink {
            link: Opening::new(self.link(&token)),
            minutes: u32::try_from(LIFE / 60).unwrap_or_default(),
        };
        let act = Act::new(event, browser(&asker.agent, asker.address));
        let identity = identity(source, &user);
        let audit = AuditEvent::new(now, "user.password_link", "sent")
            .who(identity.key.as_str())
            .from(asker.address)
            .with("agent", &*asker.agent);
        let (teller, figures) = (self.teller(), self.settings.limits.messages);
        self.store
            .write(move |mut tx| async move {
                let reserved = sends::reserve_link(&mut tx, &figures, &identity.key, &email, now).await?;
                if matches!(reserved, Reserved::Held { .. }) {
                    return Ok(());
                }
                let told = teller.prepare_mail(&identity, act, now);
                tx.insert_password_link(&token, &user.name, now, expires(now)).await?;
                tx.audit(audit).await?;
                tx.commit(()).await?;
                told.tell();
                Ok(())
            })
            .await
    }

    /// When every question has been looked at.
    #[cfg(test)]
    pub(super) async fn asked_all(&self) {
        let all = u32::try_from(WAITING).unwrap_or(u32::MAX);
        drop(self.asked.0.acquire_many(all).await);
    }

    fn link(&self, token: &str) -> String {
        let server = &self.settings.server;
        format!("{}{}/new-password?link={token}", server.public_url.origin(), server.prefix)
    }
}

fn expires(now: UnixTime) -> UnixTime {
    now.plus(LIFE)
}
