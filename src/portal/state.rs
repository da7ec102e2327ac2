//! What every handler of the portal has at hand.

use std::sync::Arc;

use axum::extract::FromRef;

use super::detour::Detour;
use super::frame::{Frame, Shell};
use super::onward::{Onward, Params};
use super::text;
use super::views::Timed;
use crate::api::{Failure, Services, Visit};
use crate::challenge::view::Caller;
use crate::gate::passage::Journey;

/// One for the process; cheap to clone.
#[derive(Clone)]
pub struct Portal {
    pub services: Services,
    pub frame: Frame,
    /// Whether signing out may clear this origin's storage: only where no app lives on it.
    pub clear_storage: bool,
    /// Origins that may use the passkeys made here, for `/.well-known/webauthn`; usually none.
    pub related_origins: Arc<[String]>,
}

impl FromRef<Portal> for Services {
    fn from_ref(portal: &Portal) -> Self {
        portal.services.clone()
    }
}

impl Portal {
    /// The person, or the way to sign in and back.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub fn signed_in<'a>(&self, visit: &'a Visit, onward: &Onward) -> Result<&'a Caller, Detour> {
        let sign_in = || Detour::To(onward.on(&self.frame.url("sign-in")));
        visit.visitor.caller.as_ref().ok_or_else(sign_in)
    }

    /// The surroundings of a page for whoever is there.
    #[must_use]
    pub fn shell(&self, title: impl Into<String>, visit: &Visit) -> Shell {
        self.frame
            .shell(title)
            .of(visit.visitor.caller.as_ref().map(|caller| caller.identity.display_name()))
    }

    /// A return address that another proxy or an API answer sent along is checked, kept here, and
    /// replaced by its id; the person goes on with that.
    ///
    /// # Errors
    /// When the address is not one of ours, or cannot be kept.
    pub async fn return_address(&self, params: &Params, visit: &Visit) -> Result<Onward, Failure> {
        let mut onward = params.onward.clone();
        if let (None, Some(address)) = (&onward.journey, &params.rd) {
            self.services.passage.admit(visit.visitor.address)?;
            onward.journey = Some(self.services.passage.begin_journey(address, "GET").await?.id);
        }
        Ok(onward)
    }

    /// Where a person goes once signed in.
    #[must_use]
    pub fn next_page(&self, onward: &Onward) -> String {
        if onward.invitation.is_some() {
            onward.on(&self.frame.url("enrol"))
        } else if let Some(page) = &onward.to {
            onward.journey_only().on(&self.frame.url(page))
        } else if onward.journey.is_some() {
            onward.on(&self.frame.url("challenge"))
        } else {
            self.frame.url("my-mfa")
        }
    }

    /// The journey, if it is still known.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn journey(&self, onward: &Onward) -> Result<Option<Journey>, Failure> {
        match &onward.journey {
            Some(id) => Ok(self.services.passage.journey(id).await?),
            None => Ok(None),
        }
    }

    /// Until when somebody without any way may go on so; `None` for everybody else.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn grace_until(&self, caller: &Caller) -> Result<Option<Timed>, Failure> {
        if !self.services.challenges.enrolments(caller).await?.is_empty() {
            return Ok(None);
        }
        let until = self.services.passage.grace_until(caller).await;
        Ok(until.map(|until| Timed::new(until, text::until)))
    }

    /// Name of the app the person is going to, where that is known; only ever shown.
    pub async fn app_of(&self, onward: &Onward) -> Option<String> {
        self.journey(onward).await.ok().flatten().map(|journey| journey.app)
    }
}
