//! The question to an app who is signed in: one GET, with what the configuration lets go along.
//!
//! The address comes from the configuration alone (security.md H04); none but listed cookies and
//! headers leave (A19); the answer is bounded in size and time and redirects are not followed (A18).
//! An app that cannot be asked is an error, never a nobody and never a somebody.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use tokio::time::{Instant, timeout_at};

use super::places::Places;
use super::{Asking, Person};
use crate::calls::{CallError, Https};
use crate::config::settings::{self, ProbeUrl};
use crate::identity::turns::Turns;
use crate::identity::{Building, Credentials, IdentityError};
use crate::observe::metrics;
use crate::policy::Policy;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What the app is asked, ready to be sent.
pub(super) struct Question {
    source: Box<str>,
    whom: Whom,
    policy: Arc<Policy>,
    places: Places,
    signed_in_status: u16,
    patience: Duration,
    turns: Turns,
}

enum Whom {
    /// The upstream of the site's route; clients by the routes' places in the configuration.
    Upstream { path: String, clients: Vec<Option<Https>> },
    /// One address for all sites.
    Fixed { uri: Uri, client: Box<Https> },
}

impl Question {
    pub(super) fn new(
        source: &str,
        user: Option<&settings::Place>,
        question: &settings::Question,
        building: &Building<'_>,
    ) -> Result<Self, String> {
        let whom = match &question.url {
            ProbeUrl::Path(path) => {
                Whom::Upstream { path: path.clone(), clients: clients(building.policy.settings())? }
            }
            ProbeUrl::Absolute(url) => Whom::Fixed {
                uri: url.parse().map_err(|_| format!("`{url}` is no URL"))?,
                client: Box::new(client(question.authority.as_deref(), url.starts_with("https"))?),
            },
        };
        Ok(Self {
            source: source.into(),
            whom,
            policy: Arc::clone(building.policy),
            places: Places::new(user, question).map_err(|error| error.to_string())?,
            signed_in_status: question.signed_in_status,
            patience: question.timeout,
            turns: Turns::default(),
        })
    }

    /// Whom the app names when it gets these headers; `known` where it need not say the name itself.
    pub(super) async fn ask(
        &self,
        asking: &Asking<'_>,
        headers: HeaderMap,
        known: Option<&str>,
    ) -> Result<Option<Person>, IdentityError> {
        let word = match self.in_turn(asking, headers).await {
            Ok(answer) => self.judge(answer, known).await.map_err(|why| self.unavailable(&why)),
            // Cut off: it may have named somebody, and that is not known (A18).
            Err(CallError::TooLarge) => Ok(Err("its answer is too large")),
            Err(error) if error.is_certain() => {
                Err(IdentityError::NotReached(format!("the app of `{}`: {error}", self.source)))
            }
            Err(error) => Err(self.unavailable(&error)),
        };
        let source = &*self.source;
        match word {
            Ok(Ok(person)) => {
                metrics().source_asked(source, "known");
                Ok(Some(person))
            }
            Ok(Err(why)) => {
                tracing::debug!(source, why, "the app names nobody");
                metrics().source_asked(source, "nobody");
                Ok(None)
            }
            Err(error) => {
                metrics().source_asked(source, "unavailable");
                Err(error)
            }
        }
    }

    fn unavailable(&self, why: &dyn std::fmt::Display) -> IdentityError {
        IdentityError::Unavailable(format!("the app of `{}`: {why}", self.source))
    }

    /// The person in an answer, or why it names nobody; an error where the app could not be asked.
    async fn judge(
        &self,
        answer: Response<Bytes>,
        known: Option<&str>,
    ) -> Result<Result<Person, &'static str>, String> {
        let status = answer.status();
        if status.is_server_error() {
            return Err(format!("it answers {status}"));
        }
        if status.as_u16() != self.signed_in_status {
            return Ok(Err("another status"));
        }
        let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if !answer.headers().get(CONTENT_ENCODING).is_none_or(plain) {
            return Err("its answer is compressed: leave `Accept-Encoding` out of `headers`".to_owned());
        }
        let person = if self.places.parse_pages() {
            // Milliseconds for a large page, which other requests of this thread need not wait for.
            let (places, known) = (self.places.clone(), known.map(str::to_owned));
            tokio::task::spawn_blocking(move || places.read(&answer, known.as_deref()))
                .await
                .map_err(|_| "its answer could not be read".to_owned())?
        } else {
            self.places.read(&answer, known)
        };
        Ok(person.ok_or("nobody is named where it should be"))
    }

    /// The app's answer, waited for no longer than configured, the wait for a turn included.
    async fn in_turn(&self, asking: &Asking<'_>, headers: HeaderMap) -> Result<Response<Bytes>, CallError> {
        let until = Instant::now() + self.patience;
        let Some(_turn) = self.turns.take(asking.known, until).await else {
            return Err(CallError::NotReached("too many others are being asked about".to_owned()));
        };
        let answer = timeout_at(until, self.exchange(&asking.credentials, headers)).await;
        answer.unwrap_or(Err(CallError::Slow(self.patience)))
    }

    async fn exchange(
        &self,
        credentials: &Credentials<'_>,
        headers: HeaderMap,
    ) -> Result<Response<Bytes>, CallError> {
        let unreachable = |why: &str| CallError::NotReached(why.to_owned());
        let (path, clients) = match &self.whom {
            Whom::Fixed { uri, client } => {
                return client.call(request(uri.clone(), headers), self.patience).await;
            }
            Whom::Upstream { path, clients } => (path, clients),
        };
        let route = self.policy.route_for(credentials.site);
        let (Some(route), Some(upstream)) = (route, route.and_then(|route| route.upstream.as_ref())) else {
            return Err(unreachable("the site has no upstream"));
        };
        let client = clients.get(route.index).and_then(Option::as_ref);
        let client = client.ok_or_else(|| unreachable("its upstream cannot be asked"))?;
        let headers = self.as_for_the_site(credentials, route.index, headers);
        let mut last = unreachable("it has no address");
        for address in &upstream.addresses {
            let Ok(uri) = format!("{address}{path}").parse() else {
                continue;
            };
            match client.call(request(uri, headers.clone()), self.patience).await {
                Err(error) if error.is_certain() => last = error,
                answer => return answer,
            }
        }
        Err(last)
    }

    /// What the app is told of the site, as with every request that is forwarded to it: some apps tie
    /// their sessions to it.
    fn as_for_the_site(
        &self,
        credentials: &Credentials<'_>,
        route: usize,
        mut headers: HeaderMap,
    ) -> HeaderMap {
        let settings = self.policy.settings();
        let public = &settings.server.public_url;
        let origin = public.origin_of(credentials.site);
        let (scheme, authority) = origin.split_once("://").unwrap_or(("https", credentials.site));
        let own = settings.routes.get(route).and_then(|route| route.host_header.as_deref());
        let mut set = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        };
        set(HOST, own.unwrap_or(authority));
        set(FORWARDED_HOST, authority);
        set(FORWARDED_PROTO, scheme);
        set(FORWARDED_FOR, &credentials.client.to_string());
        headers
    }
}

fn request(uri: Uri, mut headers: HeaderMap) -> Request<Bytes> {
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    request
}

/// A client for each route whose upstream can be asked; routes without a secure one share theirs.
fn clients(settings: &settings::Settings) -> Result<Vec<Option<Https>>, String> {
    let mut plain = None;
    let mut clients = Vec::with_capacity(settings.routes.len());
    for route in &settings.routes {
        let client = match route.upstream.as_deref() {
            None => None,
            Some(upstream) => match &upstream.tls {
                Some(tls) => Some(client(tls.authority.as_deref(), true)?),
                None if plain.is_none() => {
                    plain = Some(client(None, false)?);
                    plain.clone()
                }
                None => plain.clone(),
            },
        };
        clients.push(client);
    }
    Ok(clients)
}

fn client(authority: Option<&str>, secure: bool) -> Result<Https, String> {
    Https::to_app(authority, secure).map_err(|error| error.to_string())
}
