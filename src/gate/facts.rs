//! Facts that are looked up only when a decision hangs on them.
//!
//! What a person has enrolled is remembered until the revocation feed says that it changed
//! (decision 9). A fact that cannot be had is unknown, and unknown never relaxes.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::ambient::UnixTime;
use crate::config::FactorSet;
use crate::policy::{Enrolled, SubjectKey};
use crate::session::Revocations;
use crate::store::Store;

/// People remembered at most.
const REMEMBERED: usize = 50_000;

/// Facts about people.
pub struct People {
    store: Store,
    revocations: Arc<Revocations>,
    /// What was enrolled, and the row of the feed up to which that is known.
    enrolled: Cache<SubjectKey, (i64, FactorSet)>,
    /// What everybody has without enrolling.
    automatic: FactorSet,
}

impl People {
    #[must_use]
    pub fn new(store: Store, revocations: Arc<Revocations>, automatic: FactorSet) -> Self {
        Self { store, revocations, enrolled: Cache::new(REMEMBERED), automatic }
    }

    /// Which kinds of factor the person has, among those that are switched on.
    pub async fn enrolled(&self, person: &SubjectKey, on: FactorSet) -> Enrolled {
        let version = self.revocations.enrolled_version(person);
        if let Some((known, kinds)) = self.enrolled.get(person)
            && known == version
        {
            return Enrolled::Kinds(kinds.intersection(on));
        }
        match self.store.enrolments(person).await {
            Ok(enrolments) => {
                let kinds: FactorSet = enrolments.iter().map(|enrolment| enrolment.factor).collect();
                let kinds = kinds.union(self.automatic);
                self.enrolled.insert(person.clone(), (version, kinds));
                Enrolled::Kinds(kinds.intersection(on))
            }
            Err(error) => {
                tracing::error!(%error, "enrolments cannot be read");
                Enrolled::Unknown
            }
        }
    }

    /// End of this person's period of grace: `period` seconds after they were first seen, and none
    /// once they have ever enrolled anything (decision 10).
    pub async fn grace_until(&self, person: &SubjectKey, period: i64, now: UnixTime) -> Option<UnixTime> {
        let first_seen = self.store.see_person(person, now).await.ok()?;
        let ever_enrolled = self.store.person(person).await.ok()??.first_enrolled.is_some();
        (!ever_enrolled).then(|| first_seen.plus(period))
    }
}
