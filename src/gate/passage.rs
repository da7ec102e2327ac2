//! The gate's other side: what portal and API need to lead a person through and back.
//!
//! Who is calling, where they were going, what is still missing there, and the cookies and the
//! address to go on with. It shows nothing and verifies no factor.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq as _;

use super::{Gate, activity, canonical, client, journeys};
use crate::ambient::{self, UnixTime};
use crate::challenge::view::{Caller, Locked, Purpose};
use crate::config::settings::{FirstFactor, IdentityKind, SourceSet};
use crate::delivery::Language;
use crate::identity::{ClientCertificate, Credentials, Established, IdentityError, Stop};
use crate::policy::{Accepted, Binding, Facts, Truth};
use crate::session::{Ending, Ours, Remembered};
use crate::store::{AuditEvent, StoreError};

mod app_credential;
mod arrival;
mod journey;
mod passwords;
mod provider;
mod sessions;
mod sign_in;
mod trusted;

pub use super::limits::TooMany;
pub use provider::{Away, Back, SignedOutThere};
pub use sessions::SessionView;

/// One request to the portal or the API, as far as it says who is there.
#[derive(Clone)]
pub struct Visitor {
    /// `None` until the first factor.
    pub caller: Option<Caller>,
    /// The client's address, from trusted proxies only.
    pub address: IpAddr,
    /// "Firefox on Linux".
    pub agent: String,
    /// The one that their browser asks for, of those that are spoken here.
    pub language: Option<Language>,
    established: Option<Established>,
    claim: Option<Arc<Remembered>>,
    id_cookie: Option<String>,
    browser_cookie: Option<String>,
    trusted_cookie: Option<String>,
}

/// What became of a sign-in.
pub enum SignIn {
    /// Set these cookies; the person is signed in from the next request on.
    Welcome {
        cookies: Vec<HeaderValue>,
        caller: Caller,
    },
    /// One text for every failure. `gone`: id of a passkey that is nobody's, for the browser to forget.
    Refused {
        gone: Option<String>,
    },
    /// The page was open for too long, or was another browser's.
    Stale,
    Locked(Locked),
    /// The source of the password lets this person in with none, and says why.
    Stopped(Stop),
    /// Right, and another password has to be chosen first, with this ticket.
    NewPassword {
        ticket: String,
    },
}

/// The ways to sign in on our own pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaysIn {
    /// With a name and a password.
    pub password: bool,
    /// With a passkey alone.
    pub passkey: bool,
    /// At other sites, which send people back.
    pub providers: Vec<Provider>,
}

impl WaysIn {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many people can choose among; a passkey stands beside the password.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.password) + self.providers.len()
    }

    /// The provider, where there is no other way.
    #[must_use]
    pub fn only_provider(&self) -> Option<&Provider> {
        self.providers.first().filter(|_| self.count() == 1)
    }
}

/// Another site where people sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The identity source.
    pub source: String,
    /// As people call it.
    pub label: String,
}

/// Where a person was going when the gate asked for more.
#[derive(Clone, Debug)]
pub struct Journey {
    pub id: String,
    /// Canonical host of the site.
    pub site: Arc<str>,
    /// Path and query, as judged.
    pub target: String,
    pub method: String,
    /// Whether the request's body is kept for a click on "Send it now".
    pub held: bool,
    /// The route's name as people see it.
    pub app: String,
    nonce: Option<String>,
    /// Binding of whoever was led away from the site.
    person: Option<Binding>,
}

/// What a journey still needs from this person.
#[derive(Clone, Debug)]
pub enum Missing {
    Nothing,
    Proof {
        purpose: Purpose,
        /// What counts for at least one missing level.
        accepted: Accepted,
    },
    /// Somebody else is asked for there: a person of another identity source.
    SignIn,
    /// No proof will help.
    Denied,
}

/// How a person goes on.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub cookies: Vec<HeaderValue>,
    /// A same-origin path, or the hand-off callback of another site.
    pub next: String,
    /// Name of the app they are taken to.
    pub app: String,
}

/// Why a return address is not acceptable (security.md G01).
#[derive(Debug, thiserror::Error)]
#[error("the return address must be a path on a site this gate serves")]
pub struct BadReturn;

/// What can go wrong at the portal that is nobody's wrong answer.
#[derive(Debug, thiserror::Error)]
pub enum PassageError {
    /// Fail closed: the page says that nothing can be checked right now.
    #[error("{0}")]
    Unavailable(String),
    /// Too many passwords are being checked: come again in a few seconds.
    #[error("too many passwords are being checked")]
    Busy,
    /// The request's credentials contradict themselves.
    #[error("{0}")]
    Refused(&'static str),
    #[error(transparent)]
    BadReturn(#[from] BadReturn),
    /// Nobody may sign in as this person.
    #[error("sign-ins are stopped")]
    Stopped,
}

/// One for each configuration; cheap to clone.
#[derive(Clone)]
pub struct Passage {
    gate: Arc<Gate>,
}

impl Passage {
    #[must_use]
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    /// Counts one request to sign-in, challenge or enrolment against the client's network.
    ///
    /// # Errors
    /// When the network has used up its share.
    pub fn admit(&self, address: IpAddr) -> Result<(), TooMany> {
        self.gate.shared.attempts.admit(address)
    }

    /// The client's address, for who reads nothing else of a request. `peer` is the socket's.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        canonical::client(peer, headers, &self.gate.policy.settings().server.trusted_proxies)
    }

    fn portal_host(&self) -> &str {
        &self.gate.policy.settings().server.public_url.host
    }

    fn portal_path(&self, name: &str) -> String {
        format!("{}/{name}", self.gate.policy.settings().server.prefix)
    }

    /// Reads who is there. `peer` is the socket's address.
    ///
    /// # Errors
    /// When an identity source cannot be asked or refuses what came.
    pub async fn visitor(&self, parts: &Parts, peer: IpAddr) -> Result<Visitor, PassageError> {
        let headers = &parts.headers;
        let gate = &*self.gate;
        let now = gate.now();
        if gate.shared.revocations.is_stale(now) {
            return Err(PassageError::Unavailable("the revocation feed is stale".to_owned()));
        }
        let cookies = gate.shared.mode.read(headers);
        let address = self.client(peer, headers);
        let root = PathAndQuery::from_static("/");
        let certificate = parts.extensions.get::<Arc<ClientCertificate>>();
        let credentials = Credentials {
            site: self.portal_host(),
            method: &parts.method,
            target: parts.uri.path_and_query().unwrap_or(&root),
            headers,
            peer: peer.to_canonical(),
            client: address,
            cookies,
            certificate: certificate.map(|certificate| &**certificate),
        };
        let established = match gate.identify(credentials, self.sources_here(), now).await? {
            None => self.guest(cookies.id, now).await?,
            established => established,
        };
        if let Some(established) = &established {
            let kind = gate.policy.settings().sessions.activity;
            activity::note(established, kind, &parts.method, headers, now);
        }
        let claim = established.as_ref().and_then(|established| {
            gate.claims
                .verified(cookies.claim?, self.portal_host(), &established.identity, now)
        });
        let (agent, language) = (client::agent(headers), client::language(headers));
        let mut visitor = Visitor {
            caller: None,
            address,
            agent,
            language,
            established,
            claim,
            id_cookie: cookies.id.map(str::to_owned),
            browser_cookie: cookies.browser.map(str::to_owned),
            trusted_cookie: cookies.trusted.map(str::to_owned),
        };
        visitor.caller = visitor
            .established
            .as_ref()
            .map(|established| self.caller(established, &visitor, now));
        Ok(visitor)
    }

    /// The sources that say who is at the portal. The session of an app is known at that app's sites alone:
    /// its cookies may come here too, and there is nobody here to be asked about them.
    fn sources_here(&self) -> SourceSet {
        let route = self.gate.policy.route_for(self.portal_host());
        let sources = self.gate.policy.settings().identity.iter().enumerate();
        let here = sources.filter(|(index, source)| match source.kind {
            IdentityKind::AppSession(_) => route.is_some_and(|route| route.identity.contains(*index)),
            _ => true,
        });
        here.fold(SourceSet::NONE, |set, (index, _)| set.with(index))
    }

    /// Somebody for whom a site has vouched: a session of ours at the portal, of a source whose people
    /// do not sign in here.
    async fn guest(&self, token: Option<&str>, now: UnixTime) -> Result<Option<Established>, PassageError> {
        let Some(token) = token else { return Ok(None) };
        let session = self.gate.shared.sessions.resolve(token, self.portal_host(), now).await?;
        Ok(session
            .filter(|session| self.is_accepted(SourceSet::ALL, &session.identity.source))
            .map(Established::of_ours))
    }

    /// Where to ask who is there, if the journey was begun by somebody whom the portal does not have
    /// before it; with the cookie that the answer will be tied to.
    #[must_use]
    pub fn to_be_vouched_for(
        &self,
        visitor: &Visitor,
        journey: &Journey,
    ) -> Option<(String, Option<HeaderValue>)> {
        let person = journey.person?;
        let here = visitor.established.as_ref().map(|established| established.identity.binding);
        if here == Some(person) || !self.gate.policy.is_site(&journey.site) {
            return None;
        }
        let (visitor, cookie) = self.pre_session(visitor.clone());
        let nonce = journeys::nonce_digest(visitor.browser_cookie.as_deref()?);
        let site = self.gate.origin_of(&journey.site);
        Some((format!("{site}{}?j={}&b={nonce}", self.portal_path("vouch"), journey.id), cookie))
    }

    fn caller(&self, established: &Established, visitor: &Visitor, now: UnixTime) -> Caller {
        let gate = &*self.gate;
        let trusted_place = match &gate.policy.settings().enrolment.first_factor {
            FirstFactor::When(when) => {
                let facts = Facts { identity: Some(&established.identity), now };
                gate.policy.holds(when, visitor.address, &facts) == Truth::True
            }
            FirstFactor::Invitation | FirstFactor::Open => false,
        };
        Caller {
            identity: Arc::clone(&established.identity),
            proofs: visitor
                .claim
                .as_ref()
                .map(|claim| claim.claim.proofs.clone())
                .unwrap_or_default(),
            browser: visitor.browser_cookie.clone(),
            address: visitor.address,
            trusted_place,
            agent: visitor.agent.clone(),
            language: visitor.language,
        }
    }

    /// How people can sign in here, where a journey leads (or anywhere, without one).
    #[must_use]
    pub fn ways_in(&self, journey: Option<&Journey>) -> WaysIn {
        let mut ways = WaysIn::default();
        for source in self.gate.accepted(self.accepted_on(journey)) {
            match &source.kind {
                IdentityKind::Local => (ways.password, ways.passkey) = (true, true),
                IdentityKind::Oidc(settings) => ways.providers.push(Provider {
                    source: source.name.clone(),
                    label: settings.label.clone().unwrap_or_else(|| source.name.clone()),
                }),
                IdentityKind::Ldap(_) => ways.password = true,
                IdentityKind::TrustedHeader(_)
                | IdentityKind::AppSession(_)
                | IdentityKind::Jwt(_)
                | IdentityKind::Introspection(_)
                | IdentityKind::ClientCertificate(_) => {}
            }
        }
        ways
    }

    /// Whether people sign in with a name and a password here at all.
    #[must_use]
    pub fn has_password_sign_in(&self) -> bool {
        self.ways_in(None).password
    }

    /// Whether who is there counts where the journey leads. Another source may be asked for there.
    #[must_use]
    pub fn counts_for(&self, caller: &Caller, journey: Option<&Journey>) -> bool {
        self.is_accepted(self.accepted_on(journey), &caller.identity.source)
    }

    fn is_accepted(&self, accepted: SourceSet, source: &str) -> bool {
        self.gate.accepted(accepted).any(|accepted| accepted.name == source)
    }

    fn accepted_on(&self, journey: Option<&Journey>) -> SourceSet {
        let route = journey.and_then(|journey| self.gate.policy.route_for(&journey.site));
        route.map_or(SourceSet::ALL, |route| route.identity)
    }

    /// Ends this session, or all of the person's; on every site within a second. Returns cookies to clear.
    ///
    /// # Errors
    /// When the store cannot be written: the person is still signed in.
    pub async fn sign_out(
        &self,
        visitor: &Visitor,
        everywhere: bool,
    ) -> Result<Vec<HeaderValue>, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        if let Some(established) = &visitor.established {
            let key = &established.identity.key;
            let event = |result| {
                AuditEvent::new(now, "session.ended", result)
                    .who(key.as_str())
                    .from(visitor.address)
            };
            if everywhere {
                gate.shared
                    .sessions
                    .end(Ending::AllOf(key), event("signed_out_everywhere"), now)
                    .await?;
            }
            if let Some(session) = &established.session {
                gate.shared.sessions.end(Ending::One(session), event("signed_out"), now).await?;
            }
            if let Some(claim) = &visitor.claim {
                gate.shared
                    .sessions
                    .end(Ending::Claims(&claim.claim.session), event("signed_out"), now)
                    .await?;
            }
        }
        Ok(vec![
            gate.shared.mode.clear(Ours::Id),
            gate.shared.mode.clear(Ours::Claim),
        ])
    }

    /// A token that binds a form to this browser: to the session when signed in, else to the
    /// pre-session cookie that [`Passage::pre_session`] sets.
    #[must_use]
    pub fn csrf_token(&self, visitor: &Visitor) -> String {
        // The binding names the session, which keeps it when its token is renewed: forms in other tabs stay good.
        let binding = visitor.established.as_ref().map(|e| BASE64.encode(e.identity.binding.0));
        let parts = match &binding {
            Some(binding) => ["signed-in", binding.as_str()],
            None => ["stranger", visitor.browser_cookie.as_deref().unwrap_or_default()],
        };
        self.gate.shared.ring.load().form_token(&parts)
    }

    /// Whether a form's token is this browser's. Constant time.
    #[must_use]
    pub fn csrf_ok(&self, visitor: &Visitor, token: &str) -> bool {
        let bound = visitor.established.is_some() || visitor.browser_cookie.is_some();
        bound && bool::from(self.csrf_token(visitor).as_bytes().ct_eq(token.as_bytes()))
    }

    /// A cookie to set on the sign-in page for a browser that has none of ours yet, and the visitor
    /// as they will be with it.
    #[must_use]
    pub fn pre_session(&self, mut visitor: Visitor) -> (Visitor, Option<HeaderValue>) {
        if visitor.browser_cookie.is_some() {
            return (visitor, None);
        }
        let token = ambient::random_token();
        let cookie = self.gate.shared.mode.set(Ours::Browser, &token, Some(journeys::LIFE));
        visitor.browser_cookie = Some(token);
        (visitor, Some(cookie))
    }

    /// Whether a state-changing request comes from our own pages: `Sec-Fetch-Site`, else `Origin`.
    /// Neither present: a non-browser client, allowed for the JSON API only.
    #[must_use]
    pub fn same_origin(&self, headers: &HeaderMap) -> Option<bool> {
        client::same_origin(headers, &self.gate.policy.settings().server.public_url.origin())
    }

    /// Now, for pages that say until when.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.gate.now()
    }
}

impl From<StoreError> for PassageError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<IdentityError> for PassageError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Refused(why) => Self::Refused(why),
            IdentityError::Unavailable(why) | IdentityError::NotReached(why) => Self::Unavailable(why),
            locked @ IdentityError::Locked(_) => Self::Unavailable(locked.to_string()),
        }
    }
}
