//! Tries every service that a configuration names, without sending or proving anything.
//!
//! For `stepgate check --connect`. What is not reached from here today may be reached by the server
//! tomorrow: the answer is no part of what makes a configuration good.

use serde_json::{Value, json};

use crate::config::Settings;
use crate::delivery::Delivery;

/// One service, and what is wrong with it.
pub(super) struct Probed {
    /// `sender mail`, `factor duo`.
    service: String,
    outcome: Result<(), String>,
}

impl Probed {
    pub(super) const fn is_reached(&self) -> bool {
        self.outcome.is_ok()
    }

    pub(super) fn line(&self) -> String {
        match &self.outcome {
            Ok(()) => format!("{}: reached", self.service),
            Err(why) => format!("{}: NOT reached: {why}", self.service),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "service": self.service,
            "reached": self.is_reached(),
            "says": self.outcome.as_ref().err(),
        })
    }
}

/// Every sender of the configuration, each once and all at the same time.
pub(super) async fn probe(settings: &Settings) -> Vec<Probed> {
    match Delivery::new(settings) {
        Ok(delivery) => delivery
            .probe_all()
            .await
            .into_iter()
            .map(|(name, outcome)| Probed { service: format!("sender {name}"), outcome })
            .collect(),
        Err(error) => {
            let outcome = Err(error.why.clone());
            vec![Probed { service: format!("sender {}", error.name), outcome }]
        }
    }
}
