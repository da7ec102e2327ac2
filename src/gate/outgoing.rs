//! What the app is told about the person: identity headers, how surely, and the signed assertion.
//!
//! Prepared once per session, route and set of met levels, and remembered; an allowed request
//! costs one look-up. The assertion is renewed at half its life (decision 16).

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use quick_cache::sync::Cache;
use serde::Serialize;

use super::standing::Warrant;
use crate::ambient::UnixTime;
use crate::config::settings::{PublicUrl, ToUpstream};
use crate::policy::{Binding, CanonicalRequest, Door, Identity, LevelSet, Policy, Route};
use crate::session::claim::{Claim, subject_name};
use crate::session::{KeyRing, Remembered};
use crate::upstream::Outgoing;

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
    warrant: Arc<Warrant>,
    made: UnixTime,
}

/// Makes and remembers what is added to requests.
pub struct Informer {
    names: Names,
    issuer: String,
    cache: Cache<Key, Arc<Prepared>>,
    /// Every name with nothing in it, for public requests through another proxy.
    nobody: Arc<[(HeaderName, HeaderValue)]>,
    /// Scheme and port of all sites' origins.
    public_url: PublicUrl,
}

struct Names {
    user: HeaderName,
    groups: HeaderName,
    name: HeaderName,
    email: HeaderName,
    assertion: Option<HeaderName>,
}

impl Names {
    /// Every header that says anything about a person.
    fn all(&self) -> impl Iterator<Item = &HeaderName> {
        let Self { user, groups, name, email, assertion } = self;
        [user, groups, name, email, &ACR, &AMR, &AUTH_TIME].into_iter().chain(assertion)
    }
}

static ACR: HeaderName = HeaderName::from_static("stepgate-acr");
static AMR: HeaderName = HeaderName::from_static("stepgate-amr");
static AUTH_TIME: HeaderName = HeaderName::from_static("stepgate-auth-time");

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
    amr: Vec<String>,
    acr: &'a str,
    user: &'a str,
    groups: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

/// A configured header name is none.
#[derive(Debug, thiserror::Error)]
#[error("to_upstream: `{0}` is not a header name")]
pub struct BadHeaderName(String);

impl Informer {
    /// # Errors
    /// When a configured name is not a header name.
    pub fn new(settings: &ToUpstream, public_url: &PublicUrl) -> Result<Self, BadHeaderName> {
        let name = |text: &String| HeaderName::try_from(text).map_err(|_| BadHeaderName(text.clone()));
        let names = Names {
            user: name(&settings.user)?,
            groups: name(&settings.groups)?,
            name: name(&settings.name)?,
            email: name(&settings.email)?,
            assertion: settings.assertion.as_ref().map(name).transpose()?,
        };
        let nobody = names.all().map(|name| (name.clone(), HeaderValue::from_static(""))).collect();
        let issuer = public_url.origin();
        let public_url = public_url.clone();
        Ok(Self { names, issuer, cache: Cache::new(REMEMBERED), nobody, public_url })
    }

    /// The headers of a request without a person.
    #[must_use]
    pub fn nobody(&self, door: Door) -> Outgoing {
        match door {
            Door::Proxy => Outgoing::none(),
            _ => Outgoing::shared(Arc::clone(&self.nobody)),
        }
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
            let warrant: Arc<Warrant> = Arc::clone(&prepared.warrant);
            return Outgoing::shared(Arc::clone(&prepared.headers)).resting_on(warrant);
        }
        let mut headers = self.headers(identity, claim, (route, &key.told), met, context);
        if key.told == Told::Upstream {
            // What is not known is not said; no client can say it either.
            headers.retain(|(_, value)| !value.is_empty());
        }
        let headers: Arc<[_]> = headers.into();
        let warrant = Arc::new(warrant());
        let prepared = Prepared {
            identity: Arc::clone(identity),
            _claim: claim.cloned(),
            _route: Arc::clone(route),
            headers: Arc::clone(&headers),
            warrant: Arc::clone(&warrant),
            made: now,
        };
        self.cache.insert(key, Arc::new(prepared));
        Outgoing::shared(headers).resting_on(warrant)
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
        let groups: Vec<&str> = identity.groups().iter().map(|group| &**group).collect();
        let names = &self.names;
        let mut headers = vec![
            (names.user.clone(), value(&identity.subject)),
            (names.groups.clone(), value(&list(&groups))),
            (names.name.clone(), value(identity.name.as_deref().unwrap_or_default())),
            (names.email.clone(), value(identity.email.as_deref().unwrap_or_default())),
            (ACR.clone(), value(&acr)),
            (AMR.clone(), value(&amr.join(" "))),
            (AUTH_TIME.clone(), auth_time.map_or_else(|| value(""), |time| HeaderValue::from(time.0))),
        ];
        let audience = match told {
            Told::Site(host) => Some(self.public_url.origin_of(host)),
            _ => route.upstream.as_ref().map(|upstream| upstream.audience()),
        };
        if let (Some(name), Some(audience)) = (&names.assertion, audience) {
            let assertion = Assertion {
                iss: &self.issuer,
                aud: &audience,
                sub: subject_name(&identity.key),
                iat: now,
                exp: now.plus(ASSERTION_LIFE),
                auth_time,
                amr,
                acr: &acr,
                user: &identity.subject,
                groups,
                name: identity.name.as_deref(),
                email: identity.email.as_deref(),
            };
            match ring.sign_assertion(&assertion) {
                Ok(token) => headers.push((name.clone(), value(&token))),
                Err(error) => {
                    tracing::error!(%error, "no assertion could be signed");
                    headers.push((name.clone(), value("")));
                }
            }
        }
        headers
    }
}

/// Groups as the one line that apps split at commas. A name that has a comma itself would be read as
/// groups that nobody granted: it is left out here, and the assertion has it whole.
fn list(groups: &[&str]) -> String {
    let fit: Vec<&str> = groups.iter().copied().filter(|group| !group.contains(',')).collect();
    fit.join(",")
}

/// As a header value; UTF-8 passes as the bytes it is. Identity grammar allows no controls, so this cannot fail.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b04_no_name_of_a_group_becomes_two() {
        assert_eq!(list(&["hr", "finance"]), "hr,finance");
        assert_eq!(list(&["hr", "guests,admins", "cn=x,ou=y"]), "hr");
        assert_eq!(list(&[]), "");
    }
}
