//! Logins under way with one cookie, where the app keeps its cookie over a sign-in.
//!
//! Answers come in any order, and the app has kept the last it acted on: where two people were being
//! signed in at once, nobody can tell whose the cookie is. Only hashes are kept, and only so many.

use std::sync::Arc;

use dashmap::DashMap;

use crate::ambient::{Clock, UnixTime};

/// Cookies with a login under way.
const MOST: usize = 10_000;
/// Seconds for which the app may still act on a login whose answer nobody waited for.
const LINGER: i64 = 10;

#[derive(Clone)]
pub(super) struct Logins {
    under_way: Arc<DashMap<Box<str>, UnderWay>>,
    clock: Clock,
}

struct UnderWay {
    count: usize,
    /// Until when one may go on that nobody waits for.
    until: UnixTime,
    /// Whom all of them name.
    name: Option<Box<str>>,
}

/// One login, from before it is sent until what its answer means is written down.
pub(super) struct Entered {
    logins: Logins,
    /// `None`: there is no room to tell.
    token: Option<Box<str>>,
    is_answered: bool,
}

impl Logins {
    pub(super) fn new(clock: Clock) -> Self {
        Self { under_way: Arc::default(), clock }
    }

    /// `name`: whom it names for certain.
    pub(super) fn enter(&self, token: &str, name: Option<&str>) -> Entered {
        let now = self.clock.now();
        let goes_on = |login: &UnderWay| login.count > 0 || login.until > now;
        if self.under_way.len() >= MOST {
            self.under_way.retain(|_, login| goes_on(login));
        }
        if self.under_way.len() >= MOST {
            return Entered { logins: self.clone(), token: None, is_answered: false };
        }
        let new = || UnderWay { count: 0, until: UnixTime(0), name: name.map(Into::into) };
        let mut login = self.under_way.entry(token.into()).or_insert_with(new);
        if !goes_on(&login) {
            *login = new();
        }
        login.count += 1;
        if login.name.as_deref() != name {
            login.name = None;
        }
        drop(login);
        Entered { logins: self.clone(), token: Some(token.into()), is_answered: false }
    }
}

impl Entered {
    /// Whether nobody else has been signing in with this cookie since it was sent.
    pub(super) fn is_alone(&self) -> bool {
        let login = self.token.as_ref().and_then(|token| self.logins.under_way.get(token));
        login.is_some_and(|login| login.name.is_some())
    }

    /// The app has answered: it acts on it no more.
    pub(super) fn answered(&mut self) {
        self.is_answered = true;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(token) = &self.token else { return };
        let now = self.logins.clock.now();
        self.logins.under_way.remove_if_mut(token, |_, login| {
            login.count = login.count.saturating_sub(1);
            if !self.is_answered {
                login.until = login.until.max(now.plus(LINGER));
            }
            login.count == 0 && login.until <= now
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    #[test]
    fn two_people_at_once_are_nobody_until_both_are_done() {
        let clock = Clock::manual(NOW);
        let logins = Logins::new(clock.clone());
        let mut anna = logins.enter("a", Some("anna"));
        let mut again = logins.enter("a", Some("anna"));
        assert!(anna.is_alone() && again.is_alone(), "a double click");
        let mut ben = logins.enter("a", Some("ben"));
        assert!(!anna.is_alone() && !again.is_alone() && !ben.is_alone());
        assert!(logins.enter("b", Some("ben")).is_alone());
        for login in [&mut anna, &mut again, &mut ben] {
            login.answered();
        }
        drop((anna, ben));
        assert!(!logins.enter("a", Some("anna")).is_alone(), "one is under way");
        drop(again);
        // The one before was not answered: the app may still be at it.
        assert!(!logins.enter("a", Some("anna")).is_alone());
        clock.set(NOW.plus(LINGER));
        assert!(logins.enter("a", Some("anna")).is_alone());
        assert!(!logins.enter("c", None).is_alone());
    }
}
