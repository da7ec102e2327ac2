//! A login of the app, from the moment it is sent until the app's answer is released.
//!
//! What the cookie stands for is written down before anybody sees the answer. Where it is not clear who
//! has signed in, the cookie stands for nobody: never for who it stood for before.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::logins::Entered;
use super::looking_on::LookingOn;
use super::watch::{Attempt, Outcome, Watch};
use super::{AppSession, Person};
use crate::ambient::UnixTime;
use crate::identity::{Credentials, IdentityError, Noting, Onlooker, grammar};

/// A login that goes by.
pub(super) struct Login {
    app: AppSession,
    site: Box<str>,
    attempt: Attempt,
    /// Beside others with the same cookie, where the app keeps it.
    entered: Option<Entered>,
    /// What an answer to any request may mean.
    otherwise: LookingOn,
}

impl AppSession {
    /// The login that a request is, if it is one.
    pub(super) fn login(
        &self,
        credentials: &Credentials<'_>,
        body: Option<&Bytes>,
    ) -> Result<Option<Login>, IdentityError> {
        let Some(watch) = self.0.way.watch() else {
            return Ok(None);
        };
        let target = (credentials.method, credentials.target);
        let Some(attempt) = watch.attempt(target, credentials.headers, body)? else {
            return Ok(None);
        };
        Ok(Some(Login {
            app: self.clone(),
            site: credentials.site.into(),
            attempt,
            entered: None,
            otherwise: self.looking_on(credentials)?,
        }))
    }
}

impl Onlooker for Login {
    fn sending(&mut self, now: UnixTime) -> Noting<'_> {
        Box::pin(async move {
            let watch = self.app.0.way.watch().filter(|watch| watch.keeps_cookie());
            // The app may change whose the cookie is before its answer arrives, or arrives nowhere.
            match (watch, &self.attempt.before) {
                (Some(watch), Some(cookie)) => {
                    // First of all: whoever is being signed in with it finds that somebody came.
                    let inner = &*self.app.0;
                    let name = self.attempt.name.as_deref();
                    self.entered = Some(inner.logins.enter(&inner.key(cookie.as_bytes()), name));
                    self.end_for_others(watch, cookie, now).await
                }
                _ => Ok(()),
            }
        })
    }

    fn answered(mut self: Box<Self>, status: StatusCode, headers: &HeaderMap, now: UnixTime) -> Noting<'_> {
        if let Some(entered) = &mut self.entered {
            entered.answered();
        }
        let Some(outcome) = self
            .app
            .0
            .way
            .watch()
            .map(|watch| watch.outcome(&self.attempt, status, headers))
        else {
            return Box::pin(std::future::ready(Ok(())));
        };
        match outcome {
            Outcome::Nothing => Box::new(self.otherwise).answered(status, headers, now),
            outcome => Box::pin(async move { self.note(outcome, now).await }),
        }
    }
}

impl Login {
    async fn note(&self, outcome: Outcome, now: UnixTime) -> Result<(), IdentityError> {
        let Some(watch) = self.app.0.way.watch() else {
            return Ok(());
        };
        match outcome {
            Outcome::Nothing => {}
            Outcome::SignedIn { cookie, .. } if self.is_overtaken() => {
                tracing::warn!(source = %self.app.0.name, "two people are signing in at the app at once");
                for cookie in self.attempt.before.iter().chain([&cookie]) {
                    self.end(watch, cookie, now).await?;
                }
            }
            Outcome::SignedIn { name, cookie } => {
                // The browser has moved on to the new cookie.
                if let Some(before) = self.attempt.before.as_ref().filter(|before| **before != cookie) {
                    self.end(watch, before, now).await?;
                }
                let person = Person { user: name, ..Person::default() };
                match self.app.bind(&watch.credential_of(&cookie), person, &self.site, now).await {
                    // The app has taken a name that nobody may have here.
                    Err(IdentityError::Refused(why)) => {
                        tracing::warn!(source = %self.app.0.name, why, "a login of the app is nobody's");
                        self.end(watch, &cookie, now).await?;
                    }
                    bound => bound?,
                }
                if self.is_overtaken() {
                    tracing::warn!(source = %self.app.0.name, "two people were signing in at the app at once");
                    self.end(watch, &cookie, now).await?;
                }
            }
            Outcome::Unclear { cookies } => {
                tracing::warn!(source = %self.app.0.name, "it is not clear who has signed in at the app");
                for cookie in &cookies {
                    self.end_for_others(watch, cookie, now).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether somebody else was being signed in with the same cookie meanwhile: nobody can tell which
    /// of the two the app has kept. True until both are written down.
    fn is_overtaken(&self) -> bool {
        self.entered.as_ref().is_some_and(|entered| !entered.is_alone())
    }

    /// Ends what a cookie stands for, unless it is certainly the person who signs in.
    async fn end_for_others(&self, watch: &Watch, cookie: &str, now: UnixTime) -> Result<(), IdentityError> {
        let inner = &*self.app.0;
        let token = inner.token(&watch.credential_of(cookie), &self.site);
        let Some(session) = inner.running(&token, &self.site, now).await? else {
            return Ok(());
        };
        let same = self.attempt.name.as_ref().is_some_and(|name| {
            if inner.ignores_case {
                grammar::fold(name) == *session.identity.subject
            } else {
                *name == *session.identity.subject
            }
        });
        if same {
            return Ok(());
        }
        inner.end(&session.id, "another_login", now).await
    }

    async fn end(&self, watch: &Watch, cookie: &str, now: UnixTime) -> Result<(), IdentityError> {
        let inner = &*self.app.0;
        let token = inner.token(&watch.credential_of(cookie), &self.site);
        match inner.running(&token, &self.site, now).await? {
            Some(session) => inner.end(&session.id, "another_login", now).await,
            None => Ok(()),
        }
    }
}
