//! Signing people in to an app through its own form: whether now, and with what.
//!
//! Both requests that this takes, for the page and with the form, are judged like any other and have a permit
//! each; the door makes them. A credential leaves here for the app alone, and one that the app has refused is
//! not tried again.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method};
use quick_cache::sync::Cache;

use super::judge::{Asker, Learned, question};
use super::{Gate, Judgement, Shared, canonical, client};
use crate::ambient::UnixTime;
use crate::config::settings::FormLogin;
use crate::policy::{CanonicalRequest, Decision, Door, Permit, Route, SubjectKey};
use crate::store::{AppCredential, AuditEvent, StoreError};
use crate::upstream::Outgoing;

/// How often somebody is signed in again within [`AGAIN`] before the app's own page is shown: its answer looks
/// right, and does not last.
const MOST: u32 = 3;
/// Seconds.
const AGAIN: i64 = 60;
/// People and routes remembered for that.
const REMEMBERED: usize = 10_000;

/// What a door needs to sign somebody in.
pub struct LogIn {
    /// For the page with the form.
    pub page: (Permit, Outgoing),
    /// For the form itself.
    pub post: (Permit, Outgoing),
    pub form: Arc<FormLogin>,
    pub credential: AppCredential,
    /// The site's own, for `Origin`.
    pub origin: HeaderValue,
    pub refusal: Refusal,
}

impl std::fmt::Debug for LogIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogIn").field("page", &self.page.0).finish_non_exhaustive()
    }
}

/// To be told when the app does not take the credential.
pub struct Refusal {
    shared: Arc<Shared>,
    person: SubjectKey,
    route: Arc<str>,
}

impl Refusal {
    /// From now on the person is asked.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub async fn note(self) -> Result<(), StoreError> {
        let now = self.shared.clock.now();
        let event = AuditEvent::new(now, "app_credential.refused", "by_app")
            .who(self.person.as_str())
            .route(&self.route);
        let store = &self.shared.store;
        store.refuse_app_credential(&self.person, &self.route, now, event).await
    }
}

/// How often each person was signed in to each app of late.
pub(super) struct Attempts(Cache<(SubjectKey, usize), (UnixTime, u32)>);

impl Attempts {
    pub(super) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    /// Whether another one makes sense.
    fn admit(&self, person: &SubjectKey, route: usize, now: UnixTime) -> bool {
        let key = (person.clone(), route);
        let (since, count) = self
            .0
            .get(&key)
            .filter(|(since, _)| now.since(*since) < AGAIN)
            .unwrap_or((now, 0));
        self.0.insert(key, (since, count.saturating_add(1)));
        count < MOST
    }

    /// There is another credential: nothing of the one before counts.
    pub(super) fn forget(&self, person: &SubjectKey, route: usize) {
        self.0.remove(&(person.clone(), route));
    }
}

/// Whether a request is for the page with the form of an app that people are signed in to here.
pub(super) fn is_for_form(route: &Route, request: &CanonicalRequest) -> bool {
    route.form_login.as_ref().is_some_and(|form| {
        request.method == Method::GET
            && request.door == Door::Proxy
            && form.is_page(request.target.path(), request.query())
    })
}

impl Gate {
    /// The next move for somebody who is allowed to see the app's form. `Continue`: they see it as it is.
    pub(super) async fn sign_in_to_app(
        &self,
        permit: Permit,
        route: &Arc<Route>,
        parts: &Parts,
        asker: Option<&Asker>,
    ) -> ControlFlow<Judgement, Permit> {
        let (Some(form), Some(asker)) = (&route.form_login, asker) else {
            return Continue(permit);
        };
        if !is_for_form(route, permit.request())
            || permit.identity().is_none()
            || !client::navigates(&parts.headers)
        {
            return Continue(permit);
        }
        let now = self.now();
        let person = asker.established.identity.key.clone();
        let found = match self.shared.store.app_credential(&person, &route.name).await {
            Ok(found) => found,
            Err(error) => return Break(Judgement::Answer(self.answers.unavailable(&parts.headers, &error))),
        };
        let Some(credential) = found.filter(|credential| !credential.refused) else {
            let identity = Arc::clone(&asker.established.identity);
            // Nothing is kept: a page that is asked for has no form.
            let mut none = None;
            let away = self.lead_to("app-sign-in", parts, &mut none, permit.request(), Some(identity));
            return Break(Judgement::Answer(away.await));
        };
        if !self.attempts.admit(&person, route.index, now) {
            tracing::warn!(route = &*route.name, "the app takes a credential and shows its form again");
            return Continue(permit);
        }
        let Some(post) = self.permit_to_post(form, permit.request(), route, asker, now) else {
            tracing::warn!(route = &*route.name, "the form may not be sent: the rules do not allow it");
            return Continue(permit);
        };
        let event = AuditEvent::new(now, "app_credential.used", "sent")
            .who(person.as_str())
            .from(permit.request().client)
            .route(&route.name);
        if let Err(error) = self.shared.audit.record(event).await {
            return Break(Judgement::Answer(self.answers.unavailable(&parts.headers, &error)));
        }
        // What is left of the cookies changes between the two.
        let plain = Asker { cookie: None, ..asker.clone() };
        let with_headers = |permit: Permit| {
            let outgoing = self.outgoing(&permit, route, Some(&plain));
            (permit, outgoing)
        };
        let origin = self.origin_of(&permit.request().host);
        Break(Judgement::LogIn(Box::new(LogIn {
            origin: HeaderValue::try_from(origin).unwrap_or_else(|_| HeaderValue::from_static("null")),
            page: with_headers(permit),
            post: with_headers(post),
            form: Arc::clone(form),
            credential,
            refusal: Refusal { shared: Arc::clone(&self.shared), person, route: Arc::clone(&route.name) },
        })))
    }

    /// The permit for sending the form, as for any other POST of this person.
    fn permit_to_post(
        &self,
        form: &FormLogin,
        page: &CanonicalRequest,
        route: &Arc<Route>,
        asker: &Asker,
        now: UnixTime,
    ) -> Option<Permit> {
        let target: PathAndQuery = match &form.post {
            Some(path) => path.parse().ok()?,
            None => page.target.clone(),
        };
        let host = Arc::clone(&page.host);
        let request = canonical::judge(Method::POST, host, target, page.client, &self.policy).ok()?;
        let of_anyone = self.of_anyone(route, &request, now);
        let demand = self.demand(of_anyone, route, &request, Some(asker), now);
        match self
            .policy
            .decide(question(request, route, demand, Some(asker), Learned::NOTHING, now))
        {
            Decision::Allow(permit) => Some(permit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_does_not_last_is_not_tried_for_ever() {
        let (attempts, anna) = (Attempts::new(), SubjectKey::new("local", "anna"));
        for _ in 0..MOST {
            assert!(attempts.admit(&anna, 1, UnixTime(100)));
        }
        assert!(!attempts.admit(&anna, 1, UnixTime(101)));
        assert!(attempts.admit(&anna, 2, UnixTime(101)), "another app");
        assert!(attempts.admit(&SubjectKey::new("local", "ben"), 1, UnixTime(101)), "another person");
        attempts.forget(&anna, 1);
        assert!(attempts.admit(&anna, 1, UnixTime(102)), "another credential");
        assert!(attempts.admit(&anna, 1, UnixTime(102 + AGAIN)), "later");
    }
}
