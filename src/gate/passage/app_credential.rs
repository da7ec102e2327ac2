//! The credential that an app knows a person by, as the portal's pages keep and forget it.

use secrecy::SecretString;

use super::{Journey, Missing, Passage, PassageError, Visitor};
use crate::challenge::view::Caller;
use crate::policy::SubjectKey;
use crate::store::AuditEvent;

impl Passage {
    /// Whether the journey's app is one that people are signed in to by us.
    #[must_use]
    pub fn wants_app_credential(&self, journey: &Journey) -> bool {
        let route = self.gate.policy.route_for(&journey.site);
        route.is_some_and(|route| route.form_login.is_some())
    }

    /// Whether nothing is missing at the journey's end.
    ///
    /// # Errors
    /// When a fact cannot be looked up.
    pub async fn has_passed(&self, caller: &Caller, journey: &Journey) -> Result<bool, PassageError> {
        Ok(matches!(self.missing(caller, journey).await?, Missing::Nothing))
    }

    /// Whether the app has refused what is kept.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn app_refused(&self, visitor: &Visitor, journey: &Journey) -> Result<bool, PassageError> {
        let known = self.app_credentials(visitor).await?;
        let route = self.route_name(journey)?;
        Ok(known.iter().any(|(name, refused)| *name == route && *refused))
    }

    /// The apps that this person is signed in to by us, with whether they have refused.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn app_credentials(&self, visitor: &Visitor) -> Result<Vec<(String, bool)>, PassageError> {
        Ok(self.gate.shared.store.app_credentials(person(visitor)?).await?)
    }

    /// Keeps a credential for the journey's app.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn keep_app_credential(
        &self,
        visitor: &Visitor,
        journey: &Journey,
        username: &str,
        password: &SecretString,
    ) -> Result<(), PassageError> {
        let (person, route, now) = (person(visitor)?, self.route_name(journey)?, self.gate.now());
        let event = self.app_event("app_credential.saved", person, &route, visitor);
        let store = &self.gate.shared.store;
        store
            .put_app_credential((person, &route), username, password, now, event)
            .await?;
        if let Some(route) = self.gate.policy.route_for(&journey.site) {
            self.gate.attempts.forget(person, route.index);
        }
        Ok(())
    }

    /// Forgets a credential; one that is not there is forgotten already.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_app_credential(&self, visitor: &Visitor, route: &str) -> Result<(), PassageError> {
        let person = person(visitor)?;
        let event = self.app_event("app_credential.removed", person, route, visitor);
        self.gate.shared.store.forget_app_credential(person, route, event).await?;
        Ok(())
    }

    fn route_name(&self, journey: &Journey) -> Result<String, PassageError> {
        let route = self.gate.policy.route_for(&journey.site);
        let route = route.ok_or(PassageError::Refused("no route names that site"))?;
        Ok(route.name.to_string())
    }

    fn app_event(&self, what: &str, person: &SubjectKey, route: &str, visitor: &Visitor) -> AuditEvent {
        AuditEvent::new(self.gate.now(), what, "by_person")
            .who(person.as_str())
            .from(visitor.address)
            .route(route)
    }
}

fn person(visitor: &Visitor) -> Result<&SubjectKey, PassageError> {
    let caller = visitor.caller.as_ref();
    caller
        .map(|caller| &caller.identity.key)
        .ok_or(PassageError::Refused("nobody is signed in"))
}
