//! The audit log: who did what, from where, by which rule, with which result.
//!
//! A record is written in the same transaction as the act it tells of. It never holds a code, a
//! secret, a cookie, a token or a password.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::transaction::within;
use super::{Store, StoreError, Tx};
use crate::ambient::UnixTime;
use crate::observe::metrics;

/// One thing worth remembering, as typed words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    pub at: UnixTime,
    /// `noun.verb`, such as `challenge.passed` or `enrolment.removed`.
    pub what: String,
    /// The person it is about: their subject key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub who: Option<String>,
    /// Client address; absent for the command line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub route: Option<String>,
    /// The rule, level or setting that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// `ok`, `denied`, `wrong`, `locked`, …
    pub result: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub detail: BTreeMap<String, String>,
}

impl AuditEvent {
    /// An event with the fields that every event has.
    #[must_use]
    pub fn new(at: UnixTime, what: &str, result: &str) -> Self {
        Self {
            at,
            what: what.to_owned(),
            who: None,
            from: None,
            route: None,
            rule: None,
            result: result.to_owned(),
            detail: BTreeMap::new(),
        }
    }

    /// Names the person.
    #[must_use]
    pub fn who(mut self, who: &str) -> Self {
        self.who = Some(who.to_owned());
        self
    }

    /// Names the client's address.
    #[must_use]
    pub fn from(mut self, from: IpAddr) -> Self {
        self.from = Some(from);
        self
    }

    /// Names the route.
    #[must_use]
    pub fn route(mut self, route: &str) -> Self {
        self.route = Some(route.to_owned());
        self
    }

    /// Names the rule.
    #[must_use]
    pub fn rule(mut self, rule: &str) -> Self {
        self.rule = Some(rule.to_owned());
        self
    }

    /// Adds a further word. Never a secret or a code.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// Tells the log and counts; called when the record is durable.
    pub(super) fn log(&self) {
        metrics().acted(&self.what, self.detail.get("factor").map(String::as_str), &self.result);
        let json = serde_json::to_string(self).unwrap_or_default();
        tracing::info!(target: "stepgate::audit", what = %self.what, result = %self.result, event = %json, "audit");
    }
}

/// A stored event with its number.
#[derive(Clone, Debug, Serialize)]
pub struct AuditRecord {
    pub n: i64,
    #[serde(flatten)]
    pub event: AuditEvent,
}

impl Tx {
    /// Writes the event together with the act.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn audit(&mut self, event: AuditEvent) -> Result<(), StoreError> {
        let json = serde_json::to_string(&event).map_err(|_| StoreError::Corrupt("audit event"))?;
        sqlx::query("INSERT INTO audit (at, what, who, json) VALUES ($1, $2, $3, $4)")
            .bind(event.at.0)
            .bind(&event.what)
            .bind(&event.who)
            .bind(json)
            .execute(self.sql())
            .await?;
        self.audited.push(event);
        Ok(())
    }

    /// Writes the event if there is one.
    pub(super) async fn audit_if(&mut self, event: Option<AuditEvent>) -> Result<(), StoreError> {
        match event {
            Some(event) => self.audit(event).await,
            None => Ok(()),
        }
    }
}

impl Store {
    /// Writes one event on its own; durable when this returns.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn append_audit(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.append_audits(vec![event]).await
    }

    /// Writes several events in one transaction.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn append_audits(&self, events: Vec<AuditEvent>) -> Result<(), StoreError> {
        self.write(|mut tx| async move {
            for event in events {
                tx.audit(event).await?;
            }
            tx.commit(()).await
        })
        .await
    }

    /// Events after number `n`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn audit_after(&self, n: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        within(async {
            let rows: Vec<(i64, String)> =
                sqlx::query_as("SELECT n, json FROM audit WHERE n > $1 ORDER BY n LIMIT $2")
                    .bind(n)
                    .bind(i64::from(limit))
                    .fetch_all(self.readers())
                    .await?;
            rows.into_iter().map(|(n, json)| record(n, &json)).collect()
        })
        .await
    }
}

fn record(n: i64, json: &str) -> Result<AuditRecord, StoreError> {
    let event = serde_json::from_str(json).map_err(|_| StoreError::Corrupt("audit record"))?;
    Ok(AuditRecord { n, event })
}
