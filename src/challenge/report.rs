//! "This wasn't me" (P-30): what a link in a notice does.
//!
//! It asks for no sign-in, since whoever reads the notice may have lost theirs. All it can do is take
//! away: it lets nobody in, shows nothing but what the mail said already, and counts once. It is looked at
//! by GET and used by POST, because programs that read mail open links.

use std::net::IpAddr;

use super::{ChallengeError, Challenges};
use crate::ambient::UnixTime;
use crate::observe::metrics;
use crate::store::AuditEvent;

/// Seconds that a link counts: who was away for a few days reads it then.
pub(super) const LIFE: i64 = 7 * 86_400;

/// What a notice was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// In the notice's own words.
    pub what: String,
    pub at: UnixTime,
}

impl Challenges {
    /// What this link is about, while it can be used. Uses nothing up.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn reported(&self, link: &str) -> Result<Option<Reported>, ChallengeError> {
        let found = self.store.report_link(link, self.clock.now()).await?;
        Ok(found.map(|report| Reported { what: report.what, at: report.at }))
    }

    /// Stops all sign-ins of the person whom the notice was for, and ends their sessions. `false`: the link
    /// cannot be used any more.
    ///
    /// # Errors
    /// When the store cannot be written: nothing has changed then.
    pub async fn not_me(&self, link: &str, address: IpAddr, agent: &str) -> Result<bool, ChallengeError> {
        let (link, agent, now) = (link.to_owned(), agent.to_owned(), self.clock.now());
        let stopped = self.store.write(move |mut tx| async move {
            let Some(report) = tx.take_report_link(&link, now).await? else {
                return Ok(None);
            };
            tx.stop_person(&report.subject, now).await?;
            let event = AuditEvent::new(now, "person.stopped", "not_me")
                .who(report.subject.as_str())
                .from(address)
                .with("agent", agent)
                .with("about", &*report.what);
            tx.audit(event).await?;
            tx.commit(Some(report.subject)).await
        });
        let stopped = stopped.await?;
        if let Some(person) = &stopped {
            metrics().people_stopped.inc();
            tracing::warn!(%person, "somebody says \"This wasn't me\": sign-ins are stopped until an administrator allows them");
        }
        Ok(stopped.is_some())
    }
}
