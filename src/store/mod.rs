//! Records behind one seam: what counts once, what is counted, what is locked and what is revoked.
//!
//! SQL exists only in this room, one file per kind of record, in words that PostgreSQL knows too.
//! Nothing here decides anything: callers say what to write and under which condition. No secret
//! is ever written in clear: secrets are sealed ([`seal`]), tokens and codes are hashed.
//!
//! Reads go straight to a small pool. Every change is one transaction in a task of its own
//! ([`Store::write`]), so that a handler dropped in the middle cannot leave half of it.

use std::sync::Arc;

mod app_credentials;
mod audit;
mod browsers;
mod calls;
mod ceremonies;
mod challenges;
mod counters;
mod enrolments;
mod grants;
mod hand_offs;
mod hash;
mod invitations;
mod journeys;
mod open;
mod password_links;
mod pending;
mod people;
mod purge;
mod reports;
mod revocations;
pub mod seal;
mod sends;
mod session_list;
mod sessions;
mod sign_in_browsers;
mod site_tokens;
mod source_sessions;
mod started;
mod survey;
mod transaction;
mod trusted;
mod users;

pub use app_credentials::AppCredential;
pub use audit::{AuditEvent, AuditRecord};
pub use challenges::{ChallengeRecord, NewChallenge, Stage};
pub use counters::{CounterKey, CounterKind, CounterRecord, Lane};
pub use enrolments::{EnrolmentRecord, NewEnrolment};
pub use grants::Grant;
pub use hand_offs::HandOff;
pub use hash::TokenHash;
pub use journeys::{HeldBody, Journey, NewJourney};
pub use open::OpenError;
pub use pending::{NewPending, PendingRecord};
pub use people::Person;
pub use reports::Report;
pub use revocations::{Revocation, RevocationKind};
pub use sends::{LINKS, NewSend, Newest, SendScope};
pub use session_list::ListedSession;
pub use sessions::{NewSession, SessionRecord};
pub use site_tokens::Replaced;
pub use source_sessions::Departure;
pub use started::{NewStarted, StartedRecord};
pub use survey::survey;
pub use transaction::Tx;
pub use trusted::TrustedBrowser;
pub use users::{BadUserName, NewUser, User, canonical_user_name};

/// The database there is today; the only place that names it.
type Db = sqlx::Sqlite;
type Pool = sqlx::Pool<Db>;

/// The durable store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// One connection: SQLite has one writer, and waiting in line here is fair and bounded.
    writer: Pool,
    readers: Pool,
    ring: Arc<seal::KeyRing>,
    /// Bounds how many changes wait for the writer.
    waiting: Arc<tokio::sync::Semaphore>,
}

/// Why a record could not be read or written. Whoever meets one answers "not now", never "yes".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Two seconds were not enough, or too many changes wait already. Worth another try.
    #[error("the database did not answer in time")]
    Busy,
    /// The database refused: disk full, file gone, damaged.
    #[error("the database is not available: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// A sealed value does not open: wrong key, or moved from another row.
    #[error(transparent)]
    Sealed(#[from] seal::SealError),
    /// A record does not say what this version wrote.
    #[error("a stored record is not readable: {0}")]
    Corrupt(&'static str),
}

/// A store for the tests of other rooms.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) use super::open::tests::store;
}
