//! The gate's other side: what portal and API need to lead a person through and back.
//!
//! Who is calling, where they were going, what is still missing there, and the cookies and the
//! address to go on with. It shows nothing and verifies no factor.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Method};
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use super::hand_off::{self, Cargo, CargoClaim};
use super::held::Owner;
use super::{Gate, canonical, client, inline, journeys};
use crate::ambient::{self, UnixTime};
use crate::challenge::view::{Caller, Locked, Purpose};
use crate::challenge::{ChallengeError, PasswordOutcome};
use crate::config::FactorSet;
use crate::config::settings::{FirstFactor, LevelId};
use crate::identity::{Credentials, Established, IdentityError, Recall};
use crate::policy::{
    CanonicalRequest, Deadlines, Decision, Facts, LevelSet, Proof, Question, Reserved, Route, Truth,
};
use crate::session::claim::subject_name;
use crate::session::{Claim, Ending, NewPerson, Ours, Remembered};
use crate::store::{AuditEvent, Grant, NewJourney, StoreError};

pub use super::limits::TooMany;

/// Seconds for which a grant may wait for its request (decision 8).
const GRANT_LIFE: i64 = 120;
/// Seconds for which a browser stays known.
const BROWSER_LIFE: i64 = 365 * 24 * 3600;

/// One request to the portal or the API, as far as it says who is there.
#[derive(Clone)]
pub struct Visitor {
    /// `None` until the first factor.
    pub caller: Option<Caller>,
    /// The client's address, from trusted proxies only.
    pub address: IpAddr,
    /// "Firefox on Linux".
    pub agent: String,
    established: Option<Established>,
    claim: Option<Arc<Remembered>>,
    id_cookie: Option<String>,
    browser_cookie: Option<String>,
}

/// What became of a user name and a password.
pub enum SignIn {
    /// Set these cookies; the person is signed in from the next request on.
    Welcome {
        cookies: Vec<HeaderValue>,
        caller: Caller,
    },
    /// One text for every failure.
    Refused,
    Locked(Locked),
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
}

/// What a journey still needs from this person.
#[derive(Clone, Debug)]
pub enum Missing {
    Nothing,
    Proof {
        purpose: Purpose,
        /// Kinds that count for at least one missing level.
        accepted: FactorSet,
    },
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
    /// The request's credentials contradict themselves.
    #[error("{0}")]
    Refused(&'static str),
    #[error(transparent)]
    BadReturn(#[from] BadReturn),
}

/// One for each configuration; cheap to clone.
#[derive(Clone)]
pub struct Passage {
    gate: Arc<Gate>,
}

/// A journey's request, judged for one person.
struct Judged {
    route: Arc<Route>,
    decision: Decision,
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
    pub async fn visitor(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Visitor, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        if gate.shared.revocations.is_stale(now) {
            return Err(PassageError::Unavailable("the revocation feed is stale".to_owned()));
        }
        let cookies = gate.shared.mode.read(headers);
        let address = canonical::client(peer, headers, &gate.policy.settings().server.trusted_proxies);
        let credentials =
            Credentials { site: self.portal_host(), headers, peer: peer.to_canonical(), cookies };
        let established = match gate.sources.recall(&credentials, now)? {
            Recall::Known(established) => Some(established),
            Recall::Nothing => None,
            Recall::Ask => gate.sources.establish(credentials, now).await?,
        };
        let claim = established.as_ref().and_then(|established| {
            gate.claims
                .verified(cookies.claim?, self.portal_host(), &established.identity, now)
        });
        let agent = client::agent(headers);
        let mut visitor = Visitor {
            caller: None,
            address,
            agent,
            established,
            claim,
            id_cookie: cookies.id.map(str::to_owned),
            browser_cookie: cookies.browser.map(str::to_owned),
        };
        visitor.caller = visitor
            .established
            .as_ref()
            .map(|established| self.caller(established, &visitor, now));
        Ok(visitor)
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
        }
    }

    /// Whether people sign in with a name and a password here at all.
    #[must_use]
    pub fn has_local_sign_in(&self) -> bool {
        self.gate.has_local_sign_in()
    }

    /// The first factor, counted and checked (own counters, decision 18).
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn sign_in(
        &self,
        visitor: &Visitor,
        name: &str,
        password: &str,
    ) -> Result<SignIn, PassageError> {
        let gate = &*self.gate;
        let browser = visitor.browser_cookie.as_deref();
        let outcome = gate
            .challenges
            .check_password(name, SecretString::from(password), browser, visitor.address)
            .await;
        let user = match outcome {
            Ok(PasswordOutcome::Right(user)) => user,
            Ok(PasswordOutcome::Wrong) => return Ok(SignIn::Refused),
            Ok(PasswordOutcome::Locked(locked)) | Err(ChallengeError::Locked(locked)) => {
                return Ok(SignIn::Locked(locked));
            }
            Err(error) => return Err(PassageError::Unavailable(error.to_string())),
        };
        let source = gate.policy.settings().local_source().unwrap_or_default().to_owned();
        let person = NewPerson {
            source,
            subject: user.name.clone(),
            name: user.display_name.clone(),
            email: user.email.clone(),
            groups: user.groups.clone(),
            attributes: std::collections::BTreeMap::new(),
        };
        let now = gate.now();
        let key = crate::policy::SubjectKey::new(&person.source, &person.subject);
        let event = AuditEvent::new(now, "session.started", "ok")
            .who(key.as_str())
            .from(visitor.address);
        let token = gate.shared.sessions.start(&person, self.portal_host(), event, now).await?;
        let Some(session) = gate.shared.sessions.resolve(&token, self.portal_host(), now).await? else {
            return Err(PassageError::Unavailable("the session ended as it began".to_owned()));
        };
        // Whoever was disabled while the password was compared: their sessions were ended before
        // this one was there.
        if gate.shared.store.user(&user.name).await?.is_none_or(|user| user.disabled) {
            let event = AuditEvent::new(now, "session.ended", "disabled")
                .who(key.as_str())
                .from(visitor.address);
            gate.shared.sessions.end(Ending::One(&session.id), event, now).await?;
            return Ok(SignIn::Refused);
        }
        let established = Established {
            identity: Arc::clone(&session.identity),
            session: Some(Arc::clone(&session.id)),
            expires: session.expires,
        };
        let signed_in = Visitor { claim: None, ..visitor.clone() };
        let caller = self.caller(&established, &signed_in, now);
        let cookies = vec![
            gate.shared.mode.set(Ours::Id, &token, None),
            gate.shared.mode.clear(Ours::Claim),
        ];
        Ok(SignIn::Welcome { cookies, caller })
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

    /// Keeps where the person wants to go (`return`, `rd`): a path, or a URL on a site of ours.
    ///
    /// # Errors
    /// When it is neither, or the store cannot be written.
    pub async fn begin_journey(&self, return_to: &str, method: &str) -> Result<Journey, PassageError> {
        let gate = &*self.gate;
        let (host, target) = self.parse_return(return_to).ok_or(BadReturn)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| BadReturn)?;
        let local = IpAddr::from([127, 0, 0, 1]);
        let request = canonical::judge(method, host, target, local, &gate.policy).map_err(|_| BadReturn)?;
        if request.reserved(&gate.policy.settings().server.prefix) != Reserved::Outside {
            return Err(BadReturn.into());
        }
        let id = ambient::random_token();
        let now = gate.now();
        let journey = NewJourney {
            id: id.clone(),
            site: request.host.to_string(),
            method: request.method.to_string(),
            target: request.target.to_string(),
            subject: None,
            context: "{}".to_owned(),
            held: None,
            created: now,
            expires: now.plus(journeys::LIFE),
        };
        gate.shared.store.add_journey(journey).await?;
        self.journey(&id)
            .await?
            .ok_or_else(|| PassageError::Unavailable("the journey was not kept".to_owned()))
    }

    /// A path on the portal's own origin, or a URL whose origin is exactly that of a site of ours (G01).
    fn parse_return(&self, text: &str) -> Option<(Arc<str>, PathAndQuery)> {
        if text.bytes().any(|b| b.is_ascii_control() || b == b'\\' || b == b' ') {
            return None;
        }
        if text.starts_with('/') {
            let path = !text.starts_with("//");
            return path.then(|| Some((self.portal_host().into(), text.parse().ok()?))).flatten();
        }
        let uri: Uri = text.parse().ok()?;
        let host = canonical::canonical_host(uri.authority()?.as_str()).ok()?;
        let host = host.trim_matches(['[', ']']).to_owned();
        self.gate.policy.route_for(&host).filter(|_| self.gate.policy.is_site(&host))?;
        let origin = self.gate.origin_of(&host);
        let rest = text.strip_prefix(&origin)?;
        let target = if rest.is_empty() { "/" } else { rest };
        target
            .starts_with('/')
            .then(|| Some((Arc::from(host), target.parse().ok()?)))
            .flatten()
    }

    /// A journey by its opaque id; `None` when unknown or older than 24 h.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn journey(&self, id: &str) -> Result<Option<Journey>, PassageError> {
        let Some(record) = self.gate.shared.store.journey(id, self.gate.now()).await? else {
            return Ok(None);
        };
        let app = self.gate.policy.route_for(&record.site).map(|route| route.name.to_string());
        let context: journeys::Context = serde_json::from_str(&record.context).unwrap_or_default();
        Ok(Some(Journey {
            id: id.to_owned(),
            site: record.site.into(),
            target: record.target,
            method: record.method,
            held: record.holds_body,
            app: app.unwrap_or_default(),
            nonce: context.nonce,
        }))
    }

    /// Judges the journey's request again for this person, by the same policy as the gate.
    ///
    /// # Errors
    /// When a fact cannot be looked up.
    pub async fn missing(&self, caller: &Caller, journey: &Journey) -> Result<Missing, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        let deadlines = gate.policy.deadlines(&caller.proofs, now);
        let granted = self.granted(caller, journey, now).await?;
        let Some(judged) = self.judge(caller, journey, &deadlines, granted).await else {
            return Ok(Missing::Denied);
        };
        Ok(match judged.decision {
            Decision::Allow(_) => Missing::Nothing,
            Decision::Challenge(_, missing) => {
                let levels = gate.policy.level_names(missing.levels).map(str::to_owned).collect();
                let reason = judged.route.reason(&missing.demand).map(ToString::to_string);
                let accepted = gate.policy.kinds_for(missing.levels);
                let accepted = accepted.intersection(gate.policy.settings().factors.enabled);
                Missing::Proof {
                    purpose: Purpose { levels, app: judged.route.name.to_string(), reason },
                    accepted,
                }
            }
            Decision::SignIn(_) | Decision::Deny(..) => Missing::Denied,
        })
    }

    /// The levels already granted for this journey's request, not yet consumed.
    async fn granted(
        &self,
        caller: &Caller,
        journey: &Journey,
        now: UnixTime,
    ) -> Result<LevelSet, StoreError> {
        let digest = inline::request_digest(&journey.target);
        let store = &self.gate.shared.store;
        let names = store
            .granted_levels(&caller.identity.binding, &journey.method, &journey.site, &digest, now)
            .await?;
        Ok(names.iter().filter_map(|name| self.gate.policy.level_named(name)).collect())
    }

    /// `None`: the site, its target or its method is not (or no longer) one that is served.
    async fn judge(
        &self,
        caller: &Caller,
        journey: &Journey,
        deadlines: &Deadlines,
        granted: LevelSet,
    ) -> Option<Judged> {
        let gate = &*self.gate;
        let now = gate.now();
        let request = self.request(caller, journey)?;
        let route = gate.policy.route_for(&request.host)?.clone();
        let facts = Facts { identity: Some(&caller.identity), now };
        let demand = gate.policy.demand(&route, &request, &facts);
        let settings = gate.policy.settings();
        let enrolled = gate.people.enrolled(&caller.identity.key, settings.factors.enabled).await;
        // No period of grace here: who stands at the challenge is asked, and may decline.
        let decision = gate.policy.decide(Question {
            request,
            route: &route,
            demand,
            identity: Some(Arc::clone(&caller.identity)),
            deadlines: Some(deadlines),
            enrolled,
            grace_until: None,
            granted,
            now,
        });
        Some(Judged { route, decision })
    }

    fn request(&self, caller: &Caller, journey: &Journey) -> Option<CanonicalRequest> {
        let method = Method::from_bytes(journey.method.as_bytes()).ok()?;
        let target = journey.target.parse().ok()?;
        canonical::judge(method, Arc::clone(&journey.site), target, caller.address, &self.gate.policy).ok()
    }

    /// Signs a new proof (if any) into the session's claim and says how to go on: to the journey's
    /// site if nothing is missing there, else back to the challenge.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn arrive(
        &self,
        visitor: &Visitor,
        proof: Option<Proof>,
        browser: Option<String>,
        journey: Option<&Journey>,
    ) -> Result<Arrival, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        let (Some(caller), Some(established)) = (&visitor.caller, &visitor.established) else {
            return Err(PassageError::Refused("nobody is signed in"));
        };
        let mut claim = self.claim(visitor, established, now);
        let mut cookies = Vec::new();
        if let Some(proof) = &proof {
            claim.add(proof.clone());
            let token = gate
                .shared
                .ring
                .load()
                .sign_claim(&claim)
                .map_err(|e| PassageError::Unavailable(e.to_string()))?;
            cookies.push(gate.shared.mode.set(Ours::Claim, &token, None));
        }
        if let Some(browser) = browser {
            self.adopt_held(visitor, established).await?;
            cookies.push(gate.shared.mode.set(Ours::Browser, &browser, Some(BROWSER_LIFE)));
        }
        let Some(journey) = journey else {
            let app = gate.policy.settings().branding.name.clone();
            return Ok(Arrival { cookies, next: self.portal_path("my-mfa"), app });
        };
        let next = self.next(caller, established, &claim, proof.as_ref(), journey).await?;
        Ok(Arrival { cookies, next, app: journey.app.clone() })
    }

    /// A form kept before the sign-in belongs to the browser's cookie, which is about to change: from
    /// here on it belongs to the person.
    async fn adopt_held(&self, visitor: &Visitor, established: &Established) -> Result<(), StoreError> {
        let Some(nonce) = &visitor.browser_cookie else {
            return Ok(());
        };
        let before = Owner::new(None, nonce);
        let after = Owner::new(Some(&established.identity), nonce);
        let store = &self.gate.shared.store;
        store
            .adopt_held((&before.subject, &before.binding), (&after.subject, &after.binding))
            .await
    }

    /// The claim as it stands, or an empty one for this session.
    fn claim(&self, visitor: &Visitor, established: &Established, now: UnixTime) -> Claim {
        let lifetime = self.gate.policy.settings().sessions.absolute_timeout.as_secs();
        let limit = now.plus(i64::try_from(lifetime).unwrap_or(i64::MAX)).min(established.expires);
        let old = visitor.claim.as_ref().map(|remembered| &remembered.claim);
        Claim {
            site: self.portal_host().to_owned(),
            subject: subject_name(&established.identity.key),
            session: match (&established.session, old) {
                (Some(session), _) => session.to_string(),
                (None, Some(old)) => old.session.clone(),
                (None, None) => ambient::random_token(),
            },
            issued_at: now,
            // The absolute limit runs from the first proof and is never moved.
            expires_at: old.map_or(limit, |old| old.expires_at.min(limit)),
            binding: established.identity.binding,
            proofs: old.map(|old| old.proofs.clone()).unwrap_or_default(),
        }
    }

    async fn next(
        &self,
        caller: &Caller,
        established: &Established,
        claim: &Claim,
        proof: Option<&Proof>,
        journey: &Journey,
    ) -> Result<String, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        let deadlines = gate.policy.deadlines(&claim.proofs, now);
        if let Some(proof) = proof {
            let fresh = gate.policy.met_at_once(&claim.proofs, now).intersection(gate.policy.once());
            self.grant(caller, journey, fresh, proof, now).await?;
        }
        let granted = self.granted(caller, journey, now).await?;
        if let Some(Judged { decision: Decision::Challenge(..), .. }) =
            self.judge(caller, journey, &deadlines, granted).await
        {
            return Ok(format!("{}?j={}", self.portal_path("challenge"), journey.id));
        }
        if *journey.site == *self.portal_host() {
            let kept = format!("{}?j={}", self.portal_path("callback"), journey.id);
            return Ok(if journey.held {
                kept
            } else {
                gate.place(&journey.site, &journey.target)
            });
        }
        if !gate.policy.is_site(&journey.site) {
            return Err(PassageError::Refused("no route names that site"));
        }
        let site = gate.origin_of(&journey.site);
        let Some(nonce) = &journey.nonce else {
            // Begun without that site's browser cookie: its own gate begins a journey that has one.
            return Ok(format!("{site}{}", journey.target));
        };
        let cargo = Cargo {
            session: established.session.as_ref().map(ToString::to_string),
            claim: (!claim.proofs.is_empty()).then(|| CargoClaim {
                subject: claim.subject.clone(),
                session: claim.session.clone(),
                issued: claim.issued_at,
                expires: claim.expires_at,
                binding: claim.binding.0,
                proofs: claim.proofs.clone(),
            }),
            journey: journey.id.clone(),
            nonce: nonce.clone(),
        };
        let code = hand_off::send(&gate.shared.store, &journey.site, &cargo, now).await?;
        Ok(format!("{site}{}?code={code}", self.portal_path("callback")))
    }

    /// Writes what the gate will consume for exactly this request (decision 8): the levels that are
    /// asked every time, that the request demands, and that this proof has just completed.
    async fn grant(
        &self,
        caller: &Caller,
        journey: &Journey,
        fresh: LevelSet,
        proof: &Proof,
        now: UnixTime,
    ) -> Result<(), PassageError> {
        let policy = &self.gate.policy;
        let Some(request) = self.request(caller, journey) else {
            return Ok(());
        };
        let Some(route) = policy.route_for(&request.host) else {
            return Ok(());
        };
        let demand = policy.demand(route, &request, &Facts { identity: Some(&caller.identity), now });
        let completed = |level: &LevelId| {
            let alone = LevelSet::EMPTY.with(*level);
            policy.kinds_for(alone).contains(proof.factor)
        };
        let earned: LevelSet = fresh.intersection(demand.levels()).iter().filter(completed).collect();
        for level in policy.level_names(earned) {
            let grant = Grant {
                binding: caller.identity.binding,
                method: journey.method.clone(),
                host: journey.site.to_string(),
                digest: inline::request_digest(&journey.target),
                level: level.to_owned(),
                proof: proof.clone(),
            };
            self.gate.shared.store.add_grant(grant, now.plus(GRANT_LIFE)).await?;
        }
        Ok(())
    }

    /// A token that binds a form to this browser: to the session when signed in, else to the
    /// pre-session cookie that [`Passage::pre_session`] sets.
    #[must_use]
    pub fn csrf_token(&self, visitor: &Visitor) -> String {
        let binding = visitor.established.as_ref().map(|e| BASE64.encode(e.identity.binding.0));
        let parts = match &binding {
            Some(binding) => [
                "signed-in",
                binding,
                visitor.id_cookie.as_deref().unwrap_or_default(),
            ],
            None => [
                "stranger",
                visitor.browser_cookie.as_deref().unwrap_or_default(),
                "",
            ],
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
            IdentityError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
