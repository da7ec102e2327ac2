//! Into whose hands a cookie of the app passes: a login may leave the cookie and change the person.
//!
//! What the app said is believed until the browser sends what may change it. Answers are kept under
//! every cookie of the question, at whichever site and however it is spelled, so that no other way to
//! write the same session is believed for longer. Must never let an answer be believed that the app gave
//! before or while it acted on such a request.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use dashmap::DashMap;
use http::HeaderMap;
use percent_encoding::percent_decode;

use super::{AppSession, Inner};
use crate::ambient::UnixTime;
use crate::identity::IdentityError;
use crate::session::LiveSession;

/// Cookies and headers of one session.
const MOST_PARTS: usize = 64;
/// Cookies that answers are kept under, and as many that are being acted on.
const MOST: usize = 100_000;
/// Answers kept under one cookie.
const MOST_EACH: usize = 32;
/// Seconds for which the app may still act on a request whose answer nobody waited for.
const LINGER: i64 = 10;
/// Seconds between two looks for what can be forgotten.
const SWEEP: i64 = 5;

/// Answers, and what is being acted on.
pub(super) struct Hands {
    answers: DashMap<Box<str>, Vec<Arc<Answer>>>,
    acting: DashMap<Box<str>, Acting>,
    /// Until when everything counts as being acted on, because there is no room to tell.
    crowded: AtomicI64,
    swept: AtomicI64,
}

/// Requests that the app acts on with one cookie.
struct Acting {
    count: usize,
    /// Until when it may go on though nobody waits.
    until: UnixTime,
}

/// What the app says of one credential, from before it is asked.
pub(super) struct Answer {
    token: Box<str>,
    state: Mutex<State>,
}

enum State {
    Asked,
    Believed(Weak<LiveSession>, UnixTime),
    Over,
}

impl Answer {
    /// The app has named this session's person: believed until then, unless it has acted since.
    pub(super) fn believe(&self, session: &Arc<LiveSession>, until: UnixTime) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Over) {
            session.set_recheck(UnixTime(0));
        } else {
            session.set_recheck(until);
            *state = State::Believed(Arc::downgrade(session), until);
        }
    }

    /// Not believed any more. Whether the question is still under way.
    fn end(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *state, State::Over);
        if let State::Believed(session, _) = &before
            && let Some(session) = session.upgrade()
        {
            session.set_recheck(UnixTime(0));
        }
        matches!(before, State::Asked)
    }

    fn matters(&self, now: UnixTime) -> bool {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Asked => true,
            State::Believed(session, until) => *until > now && session.strong_count() > 0,
            State::Over => false,
        }
    }
}

/// A question under way. Without an answer nothing is kept.
pub(super) struct Asked<'a> {
    hands: &'a Hands,
    keys: &'a [Box<str>],
    pub(super) answer: Arc<Answer>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut state = self.answer.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Believed(..)) {
            return;
        }
        *state = State::Over;
        drop(state);
        for key in self.keys {
            self.hands.answers.remove_if_mut(key, |_, answers| {
                answers.retain(|answer| !Arc::ptr_eq(answer, &self.answer));
                answers.is_empty()
            });
        }
    }
}

impl Default for Hands {
    fn default() -> Self {
        Self {
            answers: DashMap::new(),
            acting: DashMap::new(),
            crowded: AtomicI64::new(0),
            swept: AtomicI64::new(0),
        }
    }
}

impl Hands {
    /// To be called before the app is asked.
    pub(super) fn asking<'a>(&'a self, token: &str, keys: &'a [Box<str>], now: UnixTime) -> Asked<'a> {
        let answer = Arc::new(Answer { token: token.into(), state: Mutex::new(State::Asked) });
        for key in keys {
            if self.answers.len() >= MOST {
                self.sweep(now);
                if self.answers.len() >= MOST {
                    answer.end();
                    break;
                }
            }
            let mut answers = self.answers.entry(key.clone()).or_default();
            answers.retain(|answer| answer.matters(now));
            if answers.len() >= MOST_EACH {
                answers.remove(0).end();
            }
            answers.push(Arc::clone(&answer));
        }
        // Once it is listed: whoever begins to act from now on finds it.
        if keys.iter().any(|key| self.is_acting(key, now)) {
            answer.end();
        }
        Asked { hands: self, keys, answer }
    }

    fn is_acting(&self, key: &str, now: UnixTime) -> bool {
        self.crowded.load(Ordering::Acquire) > now.0
            || self
                .acting
                .get(key)
                .is_some_and(|acting| acting.count > 0 || acting.until > now)
    }

    fn begin(&self, keys: &[Box<str>], now: UnixTime) {
        if self.acting.len() >= MOST {
            self.sweep(now);
        }
        for key in keys {
            let mut acting = self
                .acting
                .entry(key.clone())
                .or_insert(Acting { count: 0, until: UnixTime(0) });
            acting.count += 1;
        }
    }

    /// `until`: the app may still act until then.
    fn done(&self, keys: &[Box<str>], until: UnixTime, now: UnixTime) {
        // What waits for an answer is bounded by the connections; what lingers is bounded here.
        let lingers = until > now && self.acting.len() < MOST;
        if until > now && !lingers {
            self.crowded.fetch_max(until.0, Ordering::AcqRel);
        }
        for key in keys {
            self.acting.remove_if_mut(key, |_, acting| {
                acting.count = acting.count.saturating_sub(1);
                if lingers {
                    acting.until = acting.until.max(until);
                }
                acting.count == 0 && acting.until <= now
            });
        }
    }

    /// Nothing that was said under these keys is believed any more. Tokens of questions under way.
    fn end(&self, keys: &[Box<str>]) -> Vec<Box<str>> {
        let mut asked = Vec::new();
        for key in keys {
            let Some((_, answers)) = self.answers.remove(key) else {
                continue;
            };
            asked.extend(answers.iter().filter(|answer| answer.end()).map(|answer| answer.token.clone()));
        }
        asked
    }

    fn sweep(&self, now: UnixTime) {
        let last = self.swept.load(Ordering::Relaxed);
        let due = now.0 >= last.saturating_add(SWEEP);
        let exchanged = due
            && self
                .swept
                .compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !exchanged {
            return;
        }
        self.acting.retain(|_, acting| acting.count > 0 || acting.until > now);
        self.answers.retain(|_, answers| {
            answers.retain(|answer| answer.matters(now));
            !answers.is_empty()
        });
    }
}

impl Inner {
    /// What answers about a request with these headers are kept under; nothing where the same credential
    /// is always the same person.
    ///
    /// # Errors
    /// When there is more than belongs to one session.
    pub(super) fn keys(&self, headers: &HeaderMap) -> Result<Vec<Box<str>>, IdentityError> {
        if !self.way.changes_hands() {
            return Ok(Vec::new());
        }
        let names = self.way.names();
        let fields = names.headers().iter().flat_map(|name| headers.get_all(name));
        let fields = fields.map(http::HeaderValue::as_bytes);
        let parts: Vec<&[u8]> = names.pairs(headers).into_iter().chain(fields).collect();
        if parts.len() > MOST_PARTS {
            return Err(IdentityError::Refused("more than 64 cookies of the app's"));
        }
        Ok(parts.into_iter().map(|part| self.key(part)).collect())
    }

    /// However an app reads it: escapes, case and punctuation do not count.
    pub(super) fn key(&self, part: &[u8]) -> Box<str> {
        let read = percent_decode(part).filter(u8::is_ascii_alphanumeric);
        let plain: Vec<u8> = read.map(|byte| byte.to_ascii_lowercase()).collect();
        let mac = self.store.ring().mac("app session in hands", &[self.name.as_bytes(), &plain]);
        BASE64.encode(mac).into()
    }

    /// The app has acted, or is about to: whose session it is will be asked again.
    pub(super) fn distrust(&self, keys: &[Box<str>]) {
        for token in self.hands.end(keys) {
            self.flights.forget(&token);
        }
    }
}

/// A request that the app acts on, from before it is sent.
pub(super) struct Act {
    app: AppSession,
    keys: Vec<Box<str>>,
    is_answered: bool,
}

impl AppSession {
    pub(super) fn act(&self, keys: Vec<Box<str>>) -> Act {
        self.0.hands.begin(&keys, self.0.clock.now());
        self.0.distrust(&keys);
        Act { app: self.clone(), keys, is_answered: false }
    }
}

impl Act {
    /// The app has answered, and acts no more.
    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        let inner = &*self.app.0;
        let now = inner.clock.now();
        let until = if self.is_answered { now } else { now.plus(LINGER) };
        inner.hands.done(&self.keys, until, now);
        inner.distrust(&self.keys);
    }
}
