//! What the app is told about the person: identity headers, how surely, and the signed assertion.
//!
//! Prepared once per session, route and set of met levels, and remembered; an allowed request
//! costs one look-up. The assertion is renewed at half its life (decision 16).

mod telling;

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use quick_cache::sync::Cache;
use serde::Serialize;

use super::standing::Warrant;
use crate::ambient::UnixTime;
use crate::config::Settings;
use crate::config::settings::{IdentityKind, PublicUrl};
use crate::policy::{Binding, CanonicalRequest, Door, Identity, LevelSet, Policy, Route};
use crate::session::claim::{Claim, subject_name};
use crate::session::{KeyRing, Remembered};
use crate::upstream::Outgoing;

pub use telling::BadHeaderName;
use telling::{Proved, Telling, value};

/// Prepared sets remembered at most.
const REMEMBERED: usize = 50_000;
/// Seconds an assertion is valid.
const ASSERTION_LIFE: i64 = 60;
/// Seconds after which it is made anew.
const ASSERTION_RENEWAL: i64 = 30;

/// Which prepared headers fit: everything they say hangs on these.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    binding: Binding,
    /// Address of the remembered claim, kept alive by [`Prepared`]; 0 without a claim.
    claim: usize,
    /// Address of the compiled route, kept alive likewise.
    route: usize,
    met: u64,
    told: Told,
}

/// To whom the headers go.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Told {
    /// To the upstream, from here.
    Upstream,
    /// To another proxy, which sends the request on: nothing may be absent, or what the client sent
    /// under that name could pass.
    Proxy,
    /// Likewise, for a route without an upstream: the assertion is for this site.
    Site(Arc<str>),
}

struct Prepared {
    identity: Arc<Identity>,
    /// Keep the addresses in the key from meaning anything else.
    _claim: Option<Arc<Remembered>>,
    _route: Arc<Route>,
    headers: Arc<[(HeaderName, HeaderValue)]>,
    /// Whether `Authorization` is ours alone.
    credential: bool,
    warrant: Arc<Warrant>,
    made: UnixTime,
}

/// Makes and remembers what is added to requests.
pub struct Informer {
    /// By the routes' places in the configuration.
    tellings: Vec<Telling>,
    /// Sources of people whose requests may not name anybody else to the app, by `Authorization`.
    alone: Box<[Box<str>]>,
    issuer: String,
    cache: Cache<Key, Arc<Prepared>>,
    /// Every name of every route with nothing in it, for other proxies.
    nobody: Arc<[(HeaderName, HeaderValue)]>,
    /// Scheme and port of all sites' origins.
    public_url: PublicUrl,
}

/// The payload of `Stepgate-Assertion`.
#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    iat: UnixTime,
    exp: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixTime>,
    amr: &'a [String],
    acr: &'a str,
    user: &'a str,
    groups: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

impl Informer {
    /// # Errors
    /// When a configured name is not a header name.
    pub fn new(settings: &Settings) -> Result<Self, BadHeaderName> {
        let tellings = settings.routes.iter().map(|route| Telling::new(&route.to_upstream));
        let tellings = tellings.collect::<Result<Vec<_>, _>>()?;
        let mut nobody: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for name in tellings.iter().flat_map(Telling::names) {
            if !nobody.iter().any(|(known, _)| known == name) {
                nobody.push((name.clone(), HeaderValue::from_static("")));
            }
        }
        let public_url = settings.server.public_url.clone();
        let alone = settings.identity.iter().filter(|source| match &source.kind {
            IdentityKind::AppSession(app) => !app.lets_authorization_through(),
            _ => false,
        });
        Ok(Self {
            tellings,
            alone: alone.map(|source| source.name.as_str().into()).collect(),
            issuer: public_url.origin(),
            cache: Cache::new(REMEMBERED),
            nobody: nobody.into(),
            public_url,
        })
    }

    /// The headers of a request without a person.
    #[must_use]
    pub fn nobody(&self, route: &Route, door: Door) -> Outgoing {
        match door {
            Door::Proxy if self.injects(route) => Outgoing::none().with_our_authorization(),
            Door::Proxy => Outgoing::none(),
            _ => Outgoing::shared(Arc::clone(&self.nobody)),
        }
    }

    fn injects(&self, route: &Route) -> bool {
        self.tellings.get(route.index).is_some_and(Telling::injects)
    }

    /// The headers for this person, with this claim, on this route, where `met` was met.
    pub fn outgoing(
        &self,
        identity: &Arc<Identity>,
        claim: Option<&Arc<Remembered>>,
        (route, request): (&Arc<Route>, &CanonicalRequest),
        met: LevelSet,
        context: (&Policy, &KeyRing, UnixTime),
        (expires, warrant): (UnixTime, impl FnOnce() -> Warrant),
    ) -> Outgoing {
        let now = context.2;
        let key = Key {
            binding: identity.binding,
            claim: claim.map_or(0, |claim| Arc::as_ptr(claim) as usize),
            route: Arc::as_ptr(route) as usize,
            met: met.bits(),
            told: match (request.door, &route.upstream) {
                (Door::Proxy, _) => Told::Upstream,
                (_, Some(_)) => Told::Proxy,
                (_, None) => Told::Site(Arc::clone(&request.host)),
            },
        };
        if let Some(prepared) = self.cache.get(&key)
            && now.since(prepared.made) < ASSERTION_RENEWAL
            && prepared.warrant.expires == expires
            && (Arc::ptr_eq(&prepared.identity, identity) || prepared.identity == *identity)
        {
            return prepared.outgoing();
        }
        let headers: Arc<[_]> = self.headers(identity, claim, (route, &key.told), met, context).into();
        let alone = self.alone.iter().any(|source| **source == *identity.source);
        let credential = key.told == Told::Upstream && (alone || self.injects(route));
        let prepared = Arc::new(Prepared {
            identity: Arc::clone(identity),
            _claim: claim.cloned(),
            _route: Arc::clone(route),
            headers,
            credential,
            warrant: Arc::new(warrant()),
            made: now,
        });
        self.cache.insert(key, Arc::clone(&prepared));
        prepared.outgoing()
    }

    fn headers(
        &self,
        identity: &Identity,
        claim: Option<&Arc<Remembered>>,
        (route, told): (&Route, &Told),
        met: LevelSet,
        (policy, ring, now): (&Policy, &KeyRing, UnixTime),
    ) -> Vec<(HeaderName, HeaderValue)> {
        let proofs = claim.map_or(&[][..], |claim| &claim.claim.proofs);
        let auth_time = proofs.iter().map(|p| p.at).max().or(identity.authenticated_at);
        let amr = if proofs.is_empty() {
            Vec::new()
        } else {
            Claim::amr(proofs)
        };
        let acr = policy.level_names(met).collect::<Vec<_>>().join(" ");
        let Some(telling) = self.tellings.get(route.index) else {
            return Vec::new();
        };
        let proved = Proved { acr: &acr, amr: &amr, auth_time };
        let mut headers = telling.about(identity, &proved);
        let audience = match told {
            Told::Site(host) => Some(self.public_url.origin_of(host)),
            _ => route.upstream.as_ref().map(|upstream| upstream.audience()),
        };
        if let (Some(name), Some(audience)) = (&telling.assertion, audience) {
            let assertion = Assertion {
                iss: &self.issuer,
                aud: &audience,
                sub: subject_name(&identity.key),
                iat: now,
                exp: now.plus(ASSERTION_LIFE),
                auth_time,
                amr: &amr,
                acr: &acr,
                user: &identity.subject,
                groups: identity.groups(),
                name: identity.name.as_deref(),
                email: identity.email.as_deref(),
            };
            headers.push((name.clone(), signed(&assertion, ring)));
        }
        if *told == Told::Upstream {
            // What is not known is not said; no client can say it either.
            headers.retain(|(_, value)| !value.is_empty());
            headers.extend(telling.credential(identity).map(|value| (AUTHORIZATION, value)));
        } else {
            let absent =
                |(name, _): &&(HeaderName, HeaderValue)| !headers.iter().any(|(said, _)| said == name);
            let absent: Vec<_> = self.nobody.iter().filter(absent).cloned().collect();
            headers.extend(absent);
        }
        headers
    }
}

impl Prepared {
    fn outgoing(&self) -> Outgoing {
        let warrant: Arc<Warrant> = Arc::clone(&self.warrant);
        let outgoing = Outgoing::shared(Arc::clone(&self.headers)).resting_on(warrant);
        if self.credential {
            return outgoing.with_our_authorization();
        }
        outgoing
    }
}

fn signed(assertion: &Assertion<'_>, ring: &KeyRing) -> HeaderValue {
    match ring.sign_assertion(assertion) {
        Ok(token) => value(&token),
        Err(error) => {
            tracing::error!(%error, "no assertion could be signed");
            value("")
        }
    }
}
