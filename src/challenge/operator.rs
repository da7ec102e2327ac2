//! What people are told of an administrator's act on the command line.

use std::collections::BTreeMap;

use super::Challenges;
use super::notice::{Act, Prepared};
use crate::delivery::{Event, Origin};
use crate::policy::{Binding, EnrolmentId, Identity, SubjectKey};
use crate::store::StoreError;

/// A notice that may be sent once the act is durable.
pub struct OperatorNotice(Prepared);

impl Challenges {
    /// What this person is to be told, wherever they can be reached now. `email`: the address that their
    /// identity source has; `changed`: the factor that it is about.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn operator_notice(
        &self,
        who: &SubjectKey,
        email: Option<&str>,
        event: Event,
        changed: Option<&EnrolmentId>,
    ) -> Result<OperatorNotice, StoreError> {
        let (teller, now, identity) = (self.teller(), self.clock.now(), known(who, email));
        let changed = changed.cloned();
        let prepared = self.store.write(move |mut tx| async move {
            let act = Act { event, changed: changed.as_ref(), origin: Origin::Administrator };
            let prepared = teller.prepare(&mut tx, &identity, act, now).await?;
            tx.commit(prepared).await
        });
        prepared.await.map(OperatorNotice)
    }
}

impl OperatorNotice {
    /// Where it will go, as logs may show it.
    #[must_use]
    pub fn destinations(&self) -> Vec<String> {
        self.0.destinations()
    }

    /// Returns at once.
    pub fn tell(self) {
        self.0.tell();
    }
}

/// As much of a person as a notice needs; no session is bound to it.
fn known(who: &SubjectKey, email: Option<&str>) -> Identity {
    Identity {
        source: "".into(),
        subject: who.as_str().into(),
        key: who.clone(),
        groups: None,
        name: None,
        email: email.map(Into::into),
        attributes: BTreeMap::new(),
        binding: Binding::new("", who.as_str(), ""),
        authenticated_at: None,
    }
}
