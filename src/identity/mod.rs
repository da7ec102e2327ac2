//! One folder per identity source, behind one trait: who does the first factor say this is?
//!
//! A source reads what a request carries. It never decides what the person may do, and it never
//! sees a request's body.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;

use crate::ambient::UnixTime;
use crate::config::settings::{IdentityKind, IdentitySource as SourceSettings};
use crate::policy::Identity;
use crate::session::{Carried, LiveSession, Sessions};

pub mod grammar;
pub mod jwt;
pub mod local;
pub mod trusted_header;

/// What a source may look at.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The site the request is for: its canonical host.
    pub site: &'a str,
    pub headers: &'a HeaderMap,
    /// The peer of the socket, never a forwarded address.
    pub peer: IpAddr,
    /// Our own cookies.
    pub cookies: Carried<'a>,
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
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Credentials are there and contradict themselves or break the grammar: refuse the request.
    #[error("the identity that came with the request is not acceptable: {0}")]
    Refused(&'static str),
    /// The source cannot be asked right now: fail closed.
    #[error("the identity source cannot be reached: {0}")]
    Unavailable(String),
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
}

/// The configured sources, asked in order; the first that answers says who it is.
pub struct Sources {
    sources: Vec<Box<dyn IdentitySource>>,
    own_alone: bool,
}

impl Sources {
    /// The sources of a configuration.
    ///
    /// # Errors
    /// When a key cannot be read as the configured kind.
    pub fn new(settings: &[SourceSettings], sessions: &Arc<Sessions>) -> Result<Self, SourceError> {
        let sources = settings
            .iter()
            .map(|source| -> Result<Box<dyn IdentitySource>, SourceError> {
                Ok(match &source.kind {
                    IdentityKind::Local => Box::new(local::Local::new(&source.name, Arc::clone(sessions))),
                    IdentityKind::TrustedHeader(header) => {
                        Box::new(trusted_header::TrustedHeaders::new(&source.name, header)?)
                    }
                    IdentityKind::Jwt(jwt) => Box::new(jwt::Jwt::new(&source.name, jwt)?),
                })
            })
            .collect::<Result<_, _>>()?;
        let own_alone = settings.iter().all(|source| matches!(source.kind, IdentityKind::Local));
        Ok(Self { sources, own_alone })
    }

    /// Whether nothing but our own cookies can say who it is.
    #[must_use]
    pub const fn are_our_sessions_alone(&self) -> bool {
        self.own_alone
    }

    /// Answers from memory alone if that is possible.
    ///
    /// # Errors
    /// When what the request carries is not acceptable.
    pub fn recall(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<Recall, IdentityError> {
        for source in &self.sources {
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
        now: UnixTime,
    ) -> Result<Option<Established>, IdentityError> {
        for source in &self.sources {
            if let Some(established) = source.establish(credentials, now).await? {
                return Ok(Some(established));
            }
        }
        Ok(None)
    }
}

/// Why a source cannot be built from its configuration.
#[derive(Debug, thiserror::Error)]
#[error("identity source `{name}`: {why}")]
pub struct SourceError {
    pub name: String,
    pub why: String,
}
