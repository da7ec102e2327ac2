//! One folder per identity source, behind one trait: who does the first factor say this is?
//!
//! A source reads what a request carries, and one that watches an app's own login the body of that one
//! request (`onlooker.rs`). It never decides what the person may do.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};

use crate::ambient::{Clock, UnixTime};
use crate::config::settings::{IdentityKind, IdentitySource as SourceSettings, PublicUrl, SourceSet};
use crate::policy::{CanonicalRequest, Door, Identity, Policy};
use crate::session::{Carried, LiveSession, Sessions};
use crate::store::Store;

pub mod app_session;
pub mod certificate;
pub mod claims;
pub mod client_certificate;
pub mod dpop;
pub mod grammar;
pub mod guesses;
pub mod introspection;
pub mod jwt;
pub mod ldap;
pub mod local;
pub mod oidc;
mod onlooker;
pub mod own;
pub mod password;
pub mod presented;
pub mod trusted_header;
mod turns;

pub use certificate::ClientCertificate;
pub use onlooker::{Noting, Onlooker};
pub use password::{Candidate, PasswordAnswer, PasswordSource, SourceDown, Stop, StopReason};

/// What a source may look at.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The site the request is for: its canonical host.
    pub site: &'a str,
    pub method: &'a Method,
    /// Path and query, as they were judged.
    pub target: &'a PathAndQuery,
    pub headers: &'a HeaderMap,
    /// The peer of the socket, never a forwarded address.
    pub peer: IpAddr,
    /// The client, from trusted proxies only.
    pub client: IpAddr,
    /// Our own cookies.
    pub cookies: Carried<'a>,
    /// The certificate that our own TLS has verified.
    pub certificate: Option<&'a ClientCertificate>,
}

impl<'a> Credentials<'a> {
    /// What a request of a client brings along. `peer` is the socket's other end.
    #[must_use]
    pub fn of(request: &'a CanonicalRequest, parts: &'a Parts, peer: IpAddr, cookies: Carried<'a>) -> Self {
        // At a check door the connection, and so its certificate, is another proxy's.
        let device = parts
            .extensions
            .get::<Arc<ClientCertificate>>()
            .filter(|_| request.door == Door::Proxy);
        Self {
            site: &request.host,
            method: &request.method,
            target: &request.target,
            headers: &parts.headers,
            peer,
            client: request.client,
            cookies,
            certificate: device.map(|device| &**device),
        }
    }
}

/// A person, and the session of ours that says so, if it is one of ours.
#[derive(Clone)]
pub struct Established {
    pub identity: Arc<Identity>,
    /// Id of a first-factor session that we keep ourselves.
    pub session: Option<Arc<str>>,
    /// The same session as this process remembers it, where it was found that way.
    pub live: Option<Arc<LiveSession>>,
    /// No claim of this session may live longer.
    pub expires: UnixTime,
    /// Until when what came with the request says so, whatever the session does.
    pub until: UnixTime,
}

impl Established {
    /// What a session of ours says.
    #[must_use]
    pub fn of_ours(session: Arc<LiveSession>) -> Self {
        Self {
            identity: Arc::clone(&session.identity),
            session: Some(Arc::clone(&session.id)),
            expires: session.expires,
            until: UnixTime::NEVER,
            live: Some(session),
        }
    }

    /// The same, said by something that holds no longer than this.
    #[must_use]
    pub fn held_until(self, until: UnixTime) -> Self {
        Self { until, ..self }
    }
}

/// What a source can say without waiting.
pub enum Recall {
    Known(Established),
    /// Nothing here that this source reads.
    Nothing,
    /// It takes [`IdentitySource::establish`] to tell.
    Ask,
}

/// Why a source that should have answered could not.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    /// Credentials are there and contradict themselves or break the grammar: refuse the request.
    #[error("the identity that came with the request is not acceptable: {0}")]
    Refused(&'static str),
    /// The source cannot be asked right now: fail closed.
    #[error("the identity source cannot be reached: {0}")]
    Unavailable(String),
    /// The same, and it surely knows nothing of what it was to be asked.
    #[error("the identity source cannot be reached: {0}")]
    NotReached(String),
    /// Too many wrong names and passwords: seconds until the next one is judged.
    #[error("too many wrong passwords: none is judged for {0} s")]
    Locked(i64),
}

/// The answer of a source that may have to wait.
pub type Establishing<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Established>, IdentityError>> + Send + 'a>>;

/// One way to learn who a person is.
pub trait IdentitySource: Send + Sync {
    /// Answers from memory alone: the ordinary case of every request.
    ///
    /// # Errors
    /// When what the request carries is not acceptable.
    fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError>;

    /// Answers, asking whom it must. `None`: nothing here that this source accepts.
    fn establish<'a>(&'a self, credentials: Credentials<'a>, now: UnixTime) -> Establishing<'a>;

    /// Whether the `Cookie` field alone says who it is, by a session of ours: then the same field means
    /// the same person until that session says otherwise.
    fn reads_cookies_alone(&self) -> bool {
        false
    }

    /// Whether it ever wants to see what the app answers.
    fn looks_on(&self) -> bool {
        false
    }

    /// Whether a request is one whose body it has to read: a login that the app judges.
    fn reads_body(&self, method: &Method, target: &PathAndQuery) -> bool {
        let _ = (method, target);
        false
    }

    /// Who shall see the app's answer to a request that is about to be forwarded. `known`: who sends it,
    /// where that was asked. `body`: all of it, where [`IdentitySource::reads_body`] said so and it was
    /// small enough.
    ///
    /// # Errors
    /// When what the request carries is not acceptable.
    fn onlooker(
        &self,
        credentials: &Credentials<'_>,
        known: Option<&Established>,
        body: Option<&Bytes>,
    ) -> Result<Option<Box<dyn Onlooker>>, IdentityError> {
        let _ = (credentials, known, body);
        Ok(None)
    }

    /// Where people sign in to it, if that is anywhere we can lead them.
    fn doorstep(&self) -> Option<Doorstep<'_>> {
        None
    }
}

/// Where somebody can sign in whom nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doorstep<'a> {
    /// At the portal.
    Ours,
    /// At a page of the app, on the request's own site.
    Page(&'a str),
    /// By what a browser asks for itself, under this realm.
    Basic(&'a str),
}

/// What sources are built with.
pub struct Building<'a> {
    pub sessions: &'a Arc<Sessions>,
    pub store: &'a Store,
    pub clock: &'a Clock,
    pub public_url: &'a PublicUrl,
    /// The rules that the sources serve.
    pub policy: &'a Arc<Policy>,
    /// Whoever counts wrong passwords.
    pub guesses: &'a Arc<dyn guesses::Guesses>,
}

/// The configured sources, asked in order; the first that answers says who it is.
pub struct Sources {
    /// In the order of the configuration, which [`SourceSet`] counts by.
    sources: Vec<Box<dyn IdentitySource>>,
    /// Those of them where people sign in elsewhere.
    providers: Vec<Arc<oidc::Oidc>>,
    /// Those that read more than cookies.
    beyond_cookies: SourceSet,
    /// Those that want to see what apps answer.
    onlooking: SourceSet,
}

impl Sources {
    /// The sources of a configuration.
    ///
    /// # Errors
    /// When a key cannot be read as the configured kind.
    pub fn new(settings: &[SourceSettings], building: &Building<'_>) -> Result<Self, SourceError> {
        let mut providers = Vec::new();
        let sources = settings
            .iter()
            .map(|source| build(source, building, &mut providers))
            .collect::<Result<Vec<_>, _>>()?;
        let those = |is: fn(&dyn IdentitySource) -> bool| {
            let found = sources.iter().enumerate().filter(|(_, source)| is(&***source));
            found.fold(SourceSet::NONE, |set, (index, _)| set.with(index))
        };
        Ok(Self {
            beyond_cookies: those(|source| !source.reads_cookies_alone()),
            onlooking: those(|source| source.looks_on()),
            sources,
            providers,
        })
    }

    /// Whether nothing but cookies can say who it is, where these sources count.
    #[must_use]
    pub const fn read_cookies_alone(&self, accepted: SourceSet) -> bool {
        !self.beyond_cookies.overlaps(accepted)
    }

    /// Whether one of these sources may want to see what the app answers.
    #[must_use]
    pub const fn look_on(&self, accepted: SourceSet) -> bool {
        self.onlooking.overlaps(accepted)
    }

    /// Whether one of these sources has to read the body of such a request.
    #[must_use]
    pub fn read_body(&self, accepted: SourceSet, method: &Method, target: &PathAndQuery) -> bool {
        self.look_on(accepted) && self.accepted(accepted).any(|source| source.reads_body(method, target))
    }

    /// Whoever of these sources wants to see the answer to a request that is about to be forwarded.
    ///
    /// # Errors
    /// When what the request carries is not acceptable.
    pub fn onlookers(
        &self,
        credentials: &Credentials<'_>,
        accepted: SourceSet,
        known: Option<&Established>,
        body: Option<&Bytes>,
    ) -> Result<Vec<Box<dyn Onlooker>>, IdentityError> {
        let mut onlookers = Vec::new();
        for source in self.accepted(accepted).filter(|source| source.looks_on()) {
            onlookers.extend(source.onlooker(credentials, known, body)?);
        }
        Ok(onlookers)
    }

    /// Where somebody whom nobody knows can sign in: at the first of these sources that has a place.
    #[must_use]
    pub fn doorstep(&self, accepted: SourceSet) -> Option<Doorstep<'_>> {
        self.accepted(accepted).find_map(IdentitySource::doorstep)
    }

    /// The provider behind this source, if it is one.
    #[must_use]
    pub fn provider(&self, source: &str) -> Option<&Arc<oidc::Oidc>> {
        self.providers.iter().find(|provider| provider.source() == source)
    }

    fn accepted(&self, accepted: SourceSet) -> impl Iterator<Item = &dyn IdentitySource> {
        let sources = self.sources.iter().enumerate();
        sources
            .filter(move |(index, _)| accepted.contains(*index))
            .map(|(_, source)| &**source)
    }

    /// Answers from memory alone if that is possible, by the sources that are accepted.
    ///
    /// # Errors
    /// When what the request carries is not acceptable.
    pub fn recall(
        &self,
        credentials: &Credentials<'_>,
        accepted: SourceSet,
        now: UnixTime,
    ) -> Result<Recall, IdentityError> {
        for source in self.accepted(accepted) {
            match source.recall(credentials, now)? {
                Recall::Nothing => {}
                answer => return Ok(answer),
            }
        }
        Ok(Recall::Nothing)
    }

    /// Who it is, asking whom the sources must.
    ///
    /// # Errors
    /// When a source that should have answered could not: nobody is let in on a guess.
    pub async fn establish(
        &self,
        credentials: Credentials<'_>,
        accepted: SourceSet,
        now: UnixTime,
    ) -> Result<Option<Established>, IdentityError> {
        for source in self.accepted(accepted) {
            if let Some(established) = source.establish(credentials, now).await? {
                return Ok(Some(established));
            }
        }
        Ok(None)
    }
}

fn build(
    source: &SourceSettings,
    building: &Building<'_>,
    providers: &mut Vec<Arc<oidc::Oidc>>,
) -> Result<Box<dyn IdentitySource>, SourceError> {
    let name = &*source.name;
    let (public_url, now) = (building.public_url, building.clock.now());
    Ok(match &source.kind {
        IdentityKind::Local => Box::new(own::Own::new(name, Arc::clone(building.sessions))),
        IdentityKind::TrustedHeader(header) => Box::new(trusted_header::TrustedHeaders::new(name, header)?),
        IdentityKind::Jwt(jwt) => Box::new(jwt::Jwt::new(name, jwt, public_url, now)?),
        IdentityKind::Introspection(asked) => {
            Box::new(introspection::Introspection::new(name, asked, public_url, now)?)
        }
        IdentityKind::ClientCertificate(shown) => {
            Box::new(client_certificate::Certificates::new(name, shown)?)
        }
        IdentityKind::AppSession(app) => Box::new(app_session::AppSession::new(name, app, building)?),
        IdentityKind::Oidc(settings) => {
            let provider = Arc::new(oidc::Oidc::new(name, settings)?);
            providers.push(Arc::clone(&provider));
            Box::new(oidc::OidcSource::new(provider, building))
        }
        IdentityKind::Ldap(settings) => {
            let own = own::Own::new(name, Arc::clone(building.sessions));
            match settings.recheck {
                None => Box::new(own),
                Some(every) => {
                    let (sessions, clock) = (Arc::clone(building.sessions), building.clock.clone());
                    let directory = ldap::Directory::new(name, settings)?;
                    Box::new(ldap::Rechecked::new(own, directory, sessions, clock, every))
                }
            }
        }
    })
}

/// The sources that judge passwords themselves, in the order of the configuration.
///
/// # Errors
/// When one cannot be built from its configuration.
pub fn password_sources(settings: &[SourceSettings]) -> Result<Vec<Arc<dyn PasswordSource>>, SourceError> {
    let mut sources: Vec<Arc<dyn PasswordSource>> = Vec::new();
    for source in settings {
        if let IdentityKind::Ldap(ldap) = &source.kind {
            sources.push(Arc::new(ldap::Directory::new(&source.name, ldap)?));
        }
    }
    Ok(sources)
}

/// Why a source cannot be built from its configuration.
#[derive(Debug, thiserror::Error)]
#[error("identity source `{name}`: {why}")]
pub struct SourceError {
    pub name: String,
    pub why: String,
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A GET of `/` at `a.example` from this machine, without cookies of ours.
    pub(crate) fn of(headers: &HeaderMap) -> Credentials<'_> {
        static ROOT: std::sync::LazyLock<PathAndQuery> =
            std::sync::LazyLock::new(|| PathAndQuery::from_static("/"));
        Credentials {
            site: "a.example",
            method: &Method::GET,
            target: &ROOT,
            headers,
            peer: IpAddr::from([127, 0, 0, 1]),
            client: IpAddr::from([127, 0, 0, 1]),
            cookies: Carried::default(),
            certificate: None,
        }
    }
}
