//! Requests of somebody who has just been here: the same `Cookie` field means the same person.
//!
//! Browsers send the same cookies with every request, so what they mean is worked out once: which
//! session, which claim, and what is left of the field for the app. A hit is only a shorter way to what
//! the session and claim rooms would say: everything that changes with time or by revocation is asked
//! of them again, and the whole field, byte for byte, and the host are what it is remembered under
//! (security.md A17). Must never be used where anything but cookies can say who it is.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use http::header::{COOKIE, HeaderMap};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::judge::Asker;
use crate::ambient::UnixTime;
use crate::session::{Claims, LiveSession, Sessions};
use crate::upstream::AppCookie;

/// Bytes remembered at most, keys and what hangs on them.
const MOST_BYTES: u64 = 32 << 20;
/// Fields remembered, as far as the table's own size goes.
const EXPECTED: usize = 16 * 1024;
/// Longer fields are worked out each time.
const LONGEST: usize = 4 * 1024;
/// What an entry costs besides its field: the shared parts are counted where they live.
const ENTRY: u64 = 256;

/// What one `Cookie` field meant when it was last looked at.
pub(super) struct Familiar {
    session: Arc<LiveSession>,
    pub(super) asker: Asker,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Familiar>> for Weight {
    fn weight(&self, field: &Box<[u8]>, _: &Arc<Familiar>) -> u64 {
        // What is left for the app is at most the field once more.
        ENTRY + 2 * field.len() as u64
    }
}

/// The fields seen lately.
pub(super) struct Faces {
    fields: Cache<Box<[u8]>, Arc<Familiar>, Weight>,
    hasher: RandomState,
}

impl Faces {
    pub(super) fn new() -> Self {
        Self {
            fields: Cache::with_weighter(EXPECTED, MOST_BYTES, Weight),
            hasher: RandomState::new(),
        }
    }

    /// Who sends these cookies, if nothing has changed since it was last worked out.
    pub(super) fn recognise(
        &self,
        headers: &HeaderMap,
        host: &str,
        (sessions, claims): (&Sessions, &Claims),
        now: UnixTime,
    ) -> Option<Arc<Familiar>> {
        let familiar = self.fields.get(field(headers)?)?;
        let asker = &familiar.asker;
        let holds = *familiar.session.site == *host
            && asker.established.until > now
            && sessions.is_still_live(&familiar.session, now)
            && asker.claim.as_ref().is_none_or(|claim| claims.still_holds(claim, now));
        holds.then_some(familiar)
    }

    /// Remembers what these cookies mean, from the second time on: fields that an app changes with
    /// every request would only push others out.
    pub(super) fn remember(&self, headers: &HeaderMap, session: &Arc<LiveSession>, asker: &Asker) {
        let Some(field) = field(headers) else { return };
        if !session.seen_with(self.hasher.hash_one(field)) {
            return;
        }
        let asker = Asker { cookie: Some(AppCookie::of(headers)), ..asker.clone() };
        let familiar = Familiar { session: Arc::clone(session), asker };
        self.fields.insert(field.into(), Arc::new(familiar));
    }
}

/// The one `Cookie` field. HTTP/2 clients may split it; theirs are worked out each time.
fn field(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(COOKIE).iter();
    let field = fields.next()?.as_bytes();
    (fields.next().is_none() && field.len() <= LONGEST).then_some(field)
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use http::HeaderValue;

    use super::*;
    use crate::identity::Established;
    use crate::policy::tests_support;
    use crate::session::sessions::Lifetimes;
    use crate::session::{KeyRing, NewPerson, Revocations};
    use crate::store::AuditEvent;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    #[tokio::test]
    async fn a_cookie_is_familiar_for_as_long_as_it_says_who_it_is() {
        let (directory, store) = crate::store::testing::store().await;
        let revocations = Arc::new(Revocations::default());
        let lifetimes = Lifetimes { idle: 3600, absolute: 43_200 };
        let sessions = Sessions::new(store, Arc::clone(&revocations), lifetimes);
        let ring = KeyRing::open(directory.path(), "https://mfa.example".to_owned(), NOW).unwrap();
        let policy = Arc::new(tests_support::policy(tests_support::route(tests_support::public())));
        let claims = Claims::new(Arc::new(ArcSwap::from_pointee(ring)), revocations, policy);
        let event = AuditEvent::new(NOW, "session.started", "test");
        let person = NewPerson::new("wiki", "anna");
        let token = sessions.start(&person, "a.example", event, NOW).await.unwrap();
        let session = sessions.resolve(&token, "a.example", NOW).await.unwrap().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("sid=1"));
        let established = Established::of_ours(Arc::clone(&session)).held_until(NOW.plus(10));
        let asker = Asker { established, claim: None, cookie: None };
        let faces = Faces::new();
        for _ in 0..2 {
            faces.remember(&headers, &session, &asker);
        }
        let known =
            |now: UnixTime| faces.recognise(&headers, "a.example", (&sessions, &claims), now).is_some();
        assert!(known(NOW.plus(9)));
        assert!(!known(NOW.plus(10)), "the session goes on, the cookie does not");
    }
}
