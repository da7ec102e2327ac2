//! What the app's own answers say about its session: it ends, it gets another cookie, somebody may just
//! have signed in.
//!
//! A log-out is believed at once and ends the session with its proofs before the answer is released. A
//! new cookie is only noted: whose it is, the app is asked when it comes.

use http::header::{COOKIE, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};

use super::credential::{Change, changes};
use super::hands::Act;
use super::{AppSession, Inner};
use crate::ambient::UnixTime;
use crate::identity::{Credentials, IdentityError, Noting, Onlooker};
use crate::session::Carried;

/// What of a request is needed to understand the answer to it.
pub(super) struct LookingOn {
    app: AppSession,
    site: Box<str>,
    method: Method,
    target: PathAndQuery,
    /// The cookies, and the other headers that count.
    headers: HeaderMap,
    addresses: (std::net::IpAddr, std::net::IpAddr),
    /// Whether people sign out by such a request.
    leaves: bool,
    /// A request that the app acts on, whatever it answers.
    act: Option<Act>,
}

impl AppSession {
    /// Looks on at a request that is about to be forwarded. Clones a few references.
    ///
    /// # Errors
    /// When it cannot be told which sessions the app may change by it.
    pub(super) fn looking_on(&self, credentials: &Credentials<'_>) -> Result<LookingOn, IdentityError> {
        let act = if credentials.method.is_safe() {
            None
        } else {
            Some(self.0.keys(credentials.headers)?).filter(|keys| !keys.is_empty())
        };
        let mut headers = HeaderMap::new();
        for name in [&COOKIE].into_iter().chain(self.0.way.names().headers()) {
            for value in credentials.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        Ok(LookingOn {
            app: self.clone(),
            site: credentials.site.into(),
            method: credentials.method.clone(),
            target: credentials.target.clone(),
            headers,
            addresses: (credentials.peer, credentials.client),
            leaves: self.0.sign_out.are_on(credentials.target),
            act: act.map(|keys| self.act(keys)),
        })
    }
}

impl Onlooker for LookingOn {
    fn answered(mut self: Box<Self>, status: StatusCode, headers: &HeaderMap, now: UnixTime) -> Noting<'_> {
        // Refused or failed: then nobody has signed out.
        let leaves = self.leaves && status.as_u16() < 400;
        let changes = changes(self.app.0.way.names(), headers, now);
        let acted = !self.method.is_safe() || status.is_redirection() || !changes.is_empty();
        if let Some(act) = self.act.take() {
            act.answered();
        }
        if !leaves && !acted {
            return Box::pin(std::future::ready(Ok(())));
        }
        // Before anything waits: what was believed may be over with this very answer.
        match self.app.0.keys(&self.headers) {
            Ok(keys) => self.app.0.distrust(&keys),
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        }
        for (_, change) in &changes {
            if let Change::Set(pair) = change {
                self.app.0.distrust(&[self.app.0.key(pair)]);
            }
        }
        Box::pin(async move { self.note(leaves, changes, now).await })
    }
}

impl LookingOn {
    async fn note(
        &self,
        leaves: bool,
        changes: Vec<(Vec<u8>, Change)>,
        now: UnixTime,
    ) -> Result<(), IdentityError> {
        let inner = &*self.app.0;
        let Some(old) = self.token(inner, &self.headers, now)? else {
            return Ok(());
        };
        // Whoever was nobody may be somebody from now on.
        inner.nobodies.forget(&old);
        let pairs = inner.way.names().pairs(&self.headers);
        let had = |name: &[u8]| {
            let named = |pair: &&[u8]| pair.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="));
            pairs.iter().copied().find(named)
        };
        let cleared = |(name, change): &(Vec<u8>, Change)| *change == Change::Cleared && had(name).is_some();
        if leaves || changes.iter().any(cleared) {
            if let Some(session) = inner.running(&old, &self.site, now).await? {
                inner.end(&session.id, "signed_out_at_the_app", now).await?;
            }
            return Ok(());
        }
        let differs = |(name, change): &(Vec<u8>, Change)| match change {
            Change::Set(pair) => had(name) != Some(pair.as_slice()),
            Change::Cleared => false,
        };
        if !changes.iter().any(differs) {
            return Ok(());
        }
        let after = after(&pairs, &changes, &self.headers);
        // Cookies that could be read in two ways go on with nothing.
        if let Ok(Some(new)) = self.token(inner, &after, now)
            && new != old
        {
            inner.nobodies.forget(&new);
            if let Some(session) = inner.running(&old, &self.site, now).await? {
                inner.successors.note(&old, &new, session);
            }
        }
        Ok(())
    }

    /// The token of the session that a request with these headers would be of.
    fn token(
        &self,
        inner: &Inner,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<Option<String>, IdentityError> {
        let credentials = Credentials {
            site: &self.site,
            method: &self.method,
            target: &self.target,
            headers,
            peer: self.addresses.0,
            client: self.addresses.1,
            cookies: Carried::default(),
            certificate: None,
        };
        let credential = inner.way.credential(&credentials, now)?;
        Ok(credential.map(|credential| inner.token(&credential, &self.site)))
    }
}

/// The headers of the browser's next request: cookies replaced in their places, new ones at the end.
fn after(pairs: &[&[u8]], changes: &[(Vec<u8>, Change)], headers: &HeaderMap) -> HeaderMap {
    let mut pairs: Vec<&[u8]> = pairs.to_vec();
    for (name, change) in changes {
        let Change::Set(pair) = change else { continue };
        let named = |old: &&mut &[u8]| old.strip_prefix(name.as_slice()).is_some_and(|r| r.starts_with(b"="));
        match pairs.iter_mut().find(named) {
            Some(old) => *old = pair,
            None => pairs.push(pair),
        }
    }
    let mut after = headers.clone();
    match HeaderValue::from_bytes(&pairs.join(&b"; "[..])) {
        Ok(cookies) => drop(after.insert(COOKIE, cookies)),
        Err(_) => drop(after.remove(COOKIE)),
    }
    after
}
