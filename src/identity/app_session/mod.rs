//! The session that an app keeps itself, as the first factor: nobody signs in twice, and the app is
//! not touched.
//!
//! What a browser carries of the app's (a cookie, a name and password) stands for a session of ours:
//! its token is a keyed hash of that credential (security.md A17), so limits, revocation, replicas,
//! the list of sessions and the claim's binding are the same as everywhere. The credential itself is
//! never kept and goes to nobody but the app. How it is learned whose it is, is a [`Way`]'s business.
//! Whoever the app does not vouch for is nobody; an app that cannot be asked lets nobody in.

mod basic;
mod cookies;
mod credential;
mod flights;
mod hands;
mod keeping;
mod login;
mod logins;
mod looking_on;
mod marks;
mod memory;
mod places;
mod probe;
mod question;
mod signed;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::uri::PathAndQuery;
use zeroize::Zeroizing;

use super::guesses::Guesses;
use super::{
    Building, Credentials, Doorstep, Established, Establishing, IdentityError, IdentitySource, Onlooker,
    Recall, SourceError,
};
use crate::ambient::{Clock, UnixTime};
use crate::config::settings;
use crate::session::Sessions;
use crate::store::Store;

pub use credential::{Credential, Names};
use flights::Flights;
use hands::Hands;
use logins::Logins;
use marks::Marks;
use memory::{Nobodies, Successors};

/// A person as the app names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// As the app spells it.
    pub user: String,
    pub name: Option<String>,
    pub email: Option<String>,
    /// `None`: the app does not say.
    pub groups: Option<Vec<String>>,
    pub attributes: BTreeMap<String, Vec<String>>,
    /// When the app's own session ends, where that is known.
    pub expires: Option<UnixTime>,
    /// When they signed in at the app; `None`: when they were first seen.
    pub authenticated_at: Option<UnixTime>,
}

/// One question whose session it is.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub credentials: Credentials<'a>,
    pub credential: &'a Credential,
    /// Whether this very credential was good before: then nobody is guessing.
    pub known: bool,
    pub now: UnixTime,
}

/// The answer: `None` where nobody is signed in.
pub type Finding<'a> = Pin<Box<dyn Future<Output = Result<Option<Person>, IdentityError>> + Send + 'a>>;

/// One way to learn whose session of an app it is.
pub trait Way: Send + Sync {
    /// What of a request stands for such a session; `None` when nothing does. No I/O.
    ///
    /// # Errors
    /// When what is there must not be accepted from anybody.
    fn credential(
        &self,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Result<Option<Credential>, IdentityError>;

    /// Whose it is.
    fn who<'a>(&'a self, asking: Asking<'a>) -> Finding<'a>;

    /// Whether there is somebody to ask. If not, only a session that was begun by
    /// [`AppSession::bind`] counts.
    fn can_be_asked(&self) -> bool {
        true
    }

    /// Whether the same credential may stand for somebody else once the app has acted on a request with
    /// it, as a cookie does that the app keeps over a login.
    fn changes_hands(&self) -> bool {
        self.can_be_asked()
    }

    /// The cookies and headers that [`Way::credential`] reads. An answer of the app that clears one of
    /// those cookies ends the session.
    fn names(&self) -> &Names;

    /// The app's login, where that is seen as it goes by.
    fn watch(&self) -> Option<&watch::Watch> {
        None
    }

    /// The name in a credential that is a name and a password: then every question is a guess, and
    /// counted.
    fn guessed(&self, credentials: &Credentials<'_>) -> Option<Zeroizing<String>> {
        let _ = credentials;
        None
    }

    /// What a browser is asked for that nobody knows, where the app takes HTTP Basic.
    fn realm(&self) -> Option<&str> {
        None
    }
}

/// An app whose sign-in counts.
#[derive(Clone)]
pub struct AppSession(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    way: Box<dyn Way>,
    /// Seconds for which an answer is believed.
    recheck: i64,
    ignores_case: bool,
    sign_in: Option<Box<str>>,
    sign_out: Marks,
    sessions: Arc<Sessions>,
    store: Store,
    guesses: Arc<dyn Guesses>,
    clock: Clock,
    flights: Flights,
    logins: Logins,
    hands: Hands,
    nobodies: Nobodies,
    successors: Successors,
}

impl AppSession {
    /// # Errors
    /// When the app cannot be asked as configured.
    pub fn new(
        name: &str,
        settings: &settings::AppSession,
        building: &Building<'_>,
    ) -> Result<Self, SourceError> {
        let bad = |why: String| SourceError { name: name.to_owned(), why };
        let way: Box<dyn Way> = match &settings.way {
            settings::AppWay::Probe(probe) => {
                Box::new(probe::Probe::new(name, probe, building).map_err(bad)?)
            }
            settings::AppWay::Basic(basic) => {
                Box::new(basic::Basic::new(name, basic, building).map_err(bad)?)
            }
            settings::AppWay::Watch(watch) => Box::new(watch::Watch::new(watch)),
            settings::AppWay::Signed(signed) => Box::new(signed::Signed::new(signed)),
        };
        Ok(Self::with(way, name, settings, building))
    }

    fn with(way: Box<dyn Way>, name: &str, settings: &settings::AppSession, building: &Building<'_>) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            way,
            recheck: i64::try_from(settings.recheck.as_secs()).unwrap_or(i64::MAX),
            ignores_case: settings.ignores_case,
            sign_in: settings.sign_in.as_deref().map(Into::into),
            sign_out: Marks::new(&settings.sign_out),
            sessions: Arc::clone(building.sessions),
            store: building.store.clone(),
            guesses: Arc::clone(building.guesses),
            clock: building.clock.clone(),
            logins: Logins::new(building.clock.clone()),
            flights: Flights::default(),
            hands: Hands::default(),
            nobodies: Nobodies::default(),
            successors: Successors::default(),
        }))
    }

    /// Says whose this credential is from now on, because the app was seen to sign them in. A session
    /// of somebody else that had it is over. Durable before it returns.
    ///
    /// # Errors
    /// When the name is not acceptable, or the store cannot be written: then it is nobody's.
    pub async fn bind(
        &self,
        credential: &Credential,
        person: Person,
        site: &str,
        now: UnixTime,
    ) -> Result<(), IdentityError> {
        let token = self.0.token(credential, site);
        let before = self.0.running(&token, site, now).await?;
        self.0.admit(&token, site, before, person, now).await.map(drop)
    }
}

impl IdentitySource for AppSession {
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        let inner = &*self.0;
        let Some(credential) = inner.way.credential(credentials, now)? else {
            return Ok(Recall::Nothing);
        };
        let token = inner.token(&credential, credentials.site);
        Ok(match inner.fresh(&token, credentials.site, &credential, now) {
            Some(session) => Recall::Known(Established::of_ours(session).held_until(credential.until())),
            None if inner.nobodies.hold(&token, now) => Recall::Nothing,
            None => Recall::Ask,
        })
    }

    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a> {
        Box::pin(async move {
            let inner = &*self.0;
            let Some(credential) = inner.way.credential(&credentials, now)? else {
                return Ok(None);
            };
            let token = inner.token(&credential, credentials.site);
            if let Some(session) = inner.fresh(&token, credentials.site, &credential, now) {
                return Ok(Some(Established::of_ours(session).held_until(credential.until())));
            }
            if inner.nobodies.hold(&token, now) {
                return Ok(None);
            }
            let asked = inner.flights.share(&token, || inner.ask(&token, &credential, credentials, now));
            let held = |session| Established::of_ours(session).held_until(credential.until());
            Ok(asked.await?.map(held))
        })
    }

    fn reads_cookies_alone(&self) -> bool {
        self.0.way.names().are_cookies_alone()
    }

    fn looks_on(&self) -> bool {
        true
    }

    fn onlooker(
        &self,
        credentials: &Credentials<'_>,
        _known: Option<&Established>,
        body: Option<&Bytes>,
    ) -> Result<Option<Box<dyn Onlooker>>, IdentityError> {
        // Before it is sent: by cookies that only the app can tell apart, somebody else could sign in.
        cookies::plain(credentials.headers, self.0.way.names())?;
        Ok(Some(match self.login(credentials, body)? {
            Some(login) => Box::new(login),
            None => Box::new(self.looking_on(credentials)?),
        }))
    }

    fn reads_body(&self, method: &Method, target: &PathAndQuery) -> bool {
        self.0.way.watch().is_some_and(|watch| watch.may_be_login(method, target))
    }

    fn doorstep(&self) -> Option<Doorstep<'_>> {
        match (&self.0.sign_in, self.0.way.realm()) {
            (Some(page), _) => Some(Doorstep::Page(page)),
            (None, Some(realm)) => Some(Doorstep::Basic(realm)),
            (None, None) => None,
        }
    }
}
