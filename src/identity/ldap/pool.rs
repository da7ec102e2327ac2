//! The servers of one directory and the connections that are kept to them.
//!
//! A server that is not there is left alone for a while and asked again when no other is. Connections
//! for the service's own account and those that people's passwords were put to are kept apart, so that
//! a search is never made as somebody who has just signed in. It must never put one password to a second
//! server that the first may have judged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, LdapError, PATIENCE};
use super::message::{Entry, Outcome, Search};
use crate::config::settings::{LdapAccount, LdapServer};

/// Conversations at a time.
pub(super) const AT_ONCE: usize = 16;
/// How long a server that was not there is left alone.
const REST: Duration = Duration::from_secs(30);
/// Connections kept of each kind and server, and for how long: directories close idle ones after minutes.
const KEPT: usize = 4;
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Busy, unavailable, unwilling for now (RFC 4511 A.1): another server may do better.
const ANOTHER_MAY: [u32; 2] = [51, 52];

/// All servers of a directory.
pub(super) struct Pool {
    places: Vec<Place>,
    tls: Arc<ClientConfig>,
    /// Who looks for people; `None`: nobody in particular.
    account: Option<LdapAccount>,
    room: Semaphore,
}

struct Place {
    server: LdapServer,
    rests_until: Mutex<Option<Instant>>,
    searching: Mutex<Vec<Connection>>,
    judging: Mutex<Vec<Connection>>,
}

/// What a server said about a name and a password.
pub(super) struct Judged<'a> {
    pub(super) outcome: Outcome,
    /// Bound as that person, if it was right.
    connection: Connection,
    place: &'a Place,
    _room: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(servers: &[LdapServer], tls: ClientConfig, account: Option<LdapAccount>) -> Self {
        let place = |server: &LdapServer| Place {
            server: server.clone(),
            rests_until: Mutex::default(),
            searching: Mutex::default(),
            judging: Mutex::default(),
        };
        Self {
            places: servers.iter().map(place).collect(),
            tls: Arc::new(tls),
            account,
            room: Semaphore::new(AT_ONCE),
        }
    }

    async fn room(&self) -> Result<SemaphorePermit<'_>, LdapError> {
        let busy = || LdapError::NotReached("too many conversations at once".to_owned());
        let room = timeout(PATIENCE, self.room.acquire()).await.map_err(|_| busy())?;
        room.map_err(|_| busy())
    }

    /// Those that are there in their order, then those that rest.
    fn order(&self) -> impl Iterator<Item = &Place> {
        let now = Instant::now();
        let (resting, there): (Vec<_>, Vec<_>) = self
            .places
            .iter()
            .partition(|place| place.rests_until().is_some_and(|until| until > now));
        there.into_iter().chain(resting)
    }

    /// Looks for entries, by the service's own account.
    pub(super) async fn search(&self, search: &Search<'_>) -> Result<Vec<Entry>, LdapError> {
        let _room = self.room().await?;
        let mut last = LdapError::NotReached("there is no server".to_owned());
        for place in self.order() {
            match self.search_at(place, search).await {
                Ok(entries) => return Ok(entries),
                Err(LdapError::Refused(code, text)) if !ANOTHER_MAY.contains(&code) => {
                    return Err(LdapError::Refused(code, text));
                }
                Err(error) => last = place.rest(error),
            }
        }
        Err(last)
    }

    async fn search_at(&self, place: &Place, search: &Search<'_>) -> Result<Vec<Entry>, LdapError> {
        if let Some(mut kept) = Place::take(&place.searching) {
            // It may have died just now; a new one says more.
            if let Ok(entries) = kept.search(search).await {
                Place::keep(&place.searching, kept);
                return Ok(entries);
            }
        }
        let mut connection = Connection::open(&place.server, &self.tls).await?;
        self.introduce(&mut connection).await?;
        let entries = connection.search(search).await?;
        place.is_there();
        Place::keep(&place.searching, connection);
        Ok(entries)
    }

    /// Binds as the service's own account, if it has one.
    async fn introduce(&self, connection: &mut Connection) -> Result<(), LdapError> {
        let Some(account) = &self.account else {
            return Ok(());
        };
        let outcome = connection.bind(&account.dn, &account.password).await?;
        match outcome.code {
            0 => Ok(()),
            code => Err(LdapError::Refused(code, format!("the account of `bind_dn`: {}", outcome.text))),
        }
    }

    /// Puts a name and its password to the first server that takes them.
    pub(super) async fn judge(&self, dn: &str, password: &SecretString) -> Result<Judged<'_>, LdapError> {
        let room = self.room().await?;
        let mut last = LdapError::NotReached("there is no server".to_owned());
        for place in self.order() {
            let mut connection = match Place::take(&place.judging) {
                Some(kept) => kept,
                None => match Connection::open(&place.server, &self.tls).await {
                    Ok(opened) => opened,
                    Err(error) => {
                        last = place.rest(error);
                        continue;
                    }
                },
            };
            match connection.bind(dn, password).await {
                Ok(outcome) if ANOTHER_MAY.contains(&outcome.code) => {
                    last = place.rest(LdapError::NotReached(outcome.text));
                }
                Ok(outcome) => {
                    place.is_there();
                    return Ok(Judged { outcome, connection, place, _room: room });
                }
                // It may have judged: a second server would count the same guess once more.
                Err(error) => return Err(place.rest(error)),
            }
        }
        Err(last)
    }

    /// Whether every server lets the service's own account in, or is there at all.
    pub(super) async fn probe(&self) -> Result<(), LdapError> {
        for place in &self.places {
            let named = |error: LdapError| match error {
                LdapError::Refused(code, text) => {
                    LdapError::Refused(code, format!("{}: {text}", place.server))
                }
                LdapError::Untrusted(why) => LdapError::Untrusted(format!("{}: {why}", place.server)),
                error => LdapError::NotReached(format!("{}: {error}", place.server)),
            };
            let mut connection = Connection::open(&place.server, &self.tls).await.map_err(named)?;
            self.introduce(&mut connection).await.map_err(named)?;
            connection.close().await;
        }
        Ok(())
    }
}

impl Judged<'_> {
    /// Puts the password to the same server once more, under another name.
    pub(super) async fn bind(&mut self, dn: &str, password: &SecretString) -> Result<Outcome, LdapError> {
        self.connection.bind(dn, password).await
    }

    /// Looks for entries as the person.
    pub(super) async fn search(&mut self, search: &Search<'_>) -> Result<Vec<Entry>, LdapError> {
        self.connection.search(search).await
    }

    /// The connection may be asked about the next password.
    pub(super) fn done(self) {
        Place::keep(&self.place.judging, self.connection);
    }
}

impl Place {
    fn rests_until(&self) -> Option<Instant> {
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, error: LdapError) -> LdapError {
        tracing::warn!(server = %self.server, %error, "A directory server does not do its work.");
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
        error
    }

    fn is_there(&self) {
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A kept connection that still looks alive.
    fn take(kept: &Mutex<Vec<Connection>>) -> Option<Connection> {
        loop {
            let mut connection = kept.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if connection.idle_since.elapsed() < KEPT_FOR && connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    fn keep(kept: &Mutex<Vec<Connection>>, mut connection: Connection) {
        connection.idle_since = Instant::now();
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(connection);
        }
    }
}
