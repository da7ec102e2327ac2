//! `stepgate users temporary-code`: a code for somebody who has lost everything else.
//!
//! It is printed once and kept as a hash alone; what was issued before it counts no more.

use std::time::Duration;

use anyhow::bail;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::records::Records;
use crate::config::FactorKind;
use crate::delivery::Event;
use crate::factors;
use crate::store::NewEnrolment;

/// Bounds of a temporary code's life (security.md 2.2: issued codes live a day at most).
const MIN_LIFE: Duration = Duration::from_mins(1);
const MAX_LIFE: Duration = Duration::from_hours(24);

/// How long a temporary code may live.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    let span = text
        .parse::<jiff::SignedDuration>()
        .map_err(|_| "write it as `60m`".to_owned())?;
    Duration::try_from(span)
        .ok()
        .filter(|span| (MIN_LIFE..=MAX_LIFE).contains(span))
        .ok_or_else(|| "from 1m to 24h".to_owned())
}

impl Records {
    /// Makes a code that counts once, prints it, and tells the person that there is one.
    pub(super) async fn temporary_code(&self, text: &str, valid_for: Duration) -> anyhow::Result<()> {
        let subject = self.subject(text).await?;
        let kind = FactorKind::TemporaryCode;
        if !self.settings.factors.enabled.contains(kind) {
            bail!("`factors.{}` is off in this configuration", kind.section());
        }
        let minutes = valid_for.as_secs() / 60;
        let telling = self.telling(&subject, Event::TemporaryCodeIssued { minutes }, None).await;
        let key = subject.key;
        let (material, code) = factors::temporary_code(valid_for, self.now);
        let enrolment = NewEnrolment { factor: kind, name: "Temporary code".to_owned(), material };
        let event = self
            .event("temporary_code.issued", &key)
            .with("seconds", valid_for.as_secs().to_string());
        let (person, now) = (key.clone(), self.now);
        self.store
            .write(move |mut tx| async move {
                for old in tx.enrolments(&person).await?.iter().filter(|old| old.factor == kind) {
                    tx.remove_enrolment(&person, &old.id, now).await?;
                }
                tx.insert_enrolment(&person, &enrolment, now).await?;
                tx.audit(event).await?;
                tx.commit(()).await
            })
            .await?;
        let code = code.expose_secret();
        let human = format!("{code}\nfor {key} alone: one use, within {minutes} minutes");
        let expires = self.now.plus(i64::try_from(valid_for.as_secs())?);
        self.say(&human, &json!({ "subject": key, "code": code, "expires_at": expires }));
        telling.tell().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_code_lives_a_day_at_most() {
        assert_eq!(lifetime("60m"), Ok(Duration::from_hours(1)));
        assert_eq!(lifetime("24h"), Ok(MAX_LIFE));
        for odd in ["25h", "0s", "-5m", "soon", "60"] {
            assert!(lifetime(odd).is_err(), "{odd}");
        }
    }
}
