//! `stepgate users sessions`: where somebody is signed in.
//!
//! As far as the store knows: when a session was last used is written once a minute, and sessions that an
//! identity source keeps alone are not here. Ending them all reaches those, too.

use serde_json::json;

use super::records::{Records, Subject};
use crate::ambient::UnixTime;

impl Records {
    /// Lists a person's sessions, or ends them all.
    pub(super) async fn sessions(&self, text: &str, end: bool) -> anyhow::Result<()> {
        let Subject { key, .. } = self.subject(text).await?;
        if end {
            let event = self.event("session.ended", &key).with("by", "operator");
            let ended = self.store.end_sessions_of(&key, self.now, Some(event)).await?;
            self.say(&format!("ended {ended} of {key}"), &json!({ "subject": key, "ended": ended }));
            return Ok(());
        }
        let idle = i64::try_from(self.settings.sessions.idle_timeout.as_secs()).unwrap_or(i64::MAX);
        let mut all = self.store.sessions_of(&key, self.now).await?;
        all.retain(|one| self.now.since(one.last_seen) <= idle);
        let mut lines = vec![line("began", "last used", "address", "source", "browser")];
        let mut rows = Vec::new();
        for one in all {
            let address = one.address.as_deref().unwrap_or("-");
            lines.push(line(&when(one.created), &when(one.last_seen), address, &one.source, &one.agent));
            rows.push(json!({
                "id": one.sid,
                "source": one.source,
                "agent": one.agent,
                "address": one.address,
                "since": one.created,
                "last_seen": one.last_seen,
                "until": one.expires,
            }));
        }
        self.say(lines.join("\n").trim_end(), &json!(rows));
        Ok(())
    }
}

fn line(began: &str, seen: &str, address: &str, source: &str, agent: &str) -> String {
    format!("{began:<20} {seen:<20} {address:<20} {source:<16} {agent}")
        .trim_end()
        .to_owned()
}

fn when(time: UnixTime) -> String {
    jiff::Timestamp::from_second(time.0).map_or_else(|_| time.0.to_string(), |at| at.to_string())
}
