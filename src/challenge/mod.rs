//! The life of a challenge, limits and locks; the only place that makes proofs.
//!
//! Portal and API both stand on this room and add nothing to it but words. Every answer, at a
//! challenge and at an enrolment, goes through one function that has the counter inside
//! ([`attempt`], security.md E05). Nothing here knows HTTP, cookies or pages.

use std::sync::Arc;
use std::time::Duration;

use crate::ambient::Clock;
use crate::config::Settings;
use crate::delivery::notices::Notices;
use crate::delivery::receipts::Receipts;
use crate::delivery::voice::asked::Asked;
use crate::delivery::{Delivery, DeliveryError};
use crate::factors::{self, EnrolError, Factors, FactorsError};
use crate::identity::local::{BadList, Rules};
use crate::identity::{PasswordSource, SourceDown, SourceError, password_sources};
use crate::policy::SubjectKey;
use crate::store::{CounterKey, CounterKind, Lane, Store, StoreError};

mod attempt;
mod calls;
mod directory;
mod enrol;
mod guesses;
mod hashing;
mod in_line;
mod life;
mod limits;
mod mailed_link;
pub mod new_browser;
mod new_password;
mod notice;
pub mod operator;
mod password;
mod permission;
mod receipts;
pub mod report;
mod sends;
mod settle;
mod sign_in;
mod start;
pub mod stranded;
mod target;
#[cfg(test)]
mod tests;
pub mod trusted;
mod verdicts;
pub mod view;
mod ways;

pub use mailed_link::Asker;
pub use new_password::NewPassword;
pub use password::PasswordOutcome;
pub use sign_in::{PasskeyAnswer, PasskeyOutcome, PasskeySignIn};

use limits::Figures;
use notice::Teller;
use view::{Caller, ChangePermission, Locked};

/// Everything about proving more. Cheap to clone; one for the process.
#[derive(Clone)]
pub struct Challenges {
    store: Store,
    settings: Arc<Settings>,
    clock: Clock,
    factors: Arc<Factors>,
    delivery: Delivery,
    receipts: Receipts,
    calls: Asked,
    hashing: hashing::Hashing,
    /// Sources that judge passwords themselves.
    directories: Vec<Arc<dyn PasswordSource>>,
    passwords: Rules,
    asked: mailed_link::Asked,
    notices: Notices,
    in_line: in_line::InLine,
}

/// Why the room cannot be built of the settings.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Factors(#[from] FactorsError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("`passwords.breach_list`: {0}")]
    Passwords(#[from] BadList),
}

/// Why a step could not be taken. An answer that is wrong is no error: see [`view::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    /// Nothing can be checked right now: fail closed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many wrong answers: no challenge is shown and nothing is compared.
    #[error("too many wrong answers")]
    Locked(Locked),
    /// Changing factors needs something first.
    #[error("changing factors is not permitted yet")]
    NotPermitted(ChangePermission),
    /// The factor is not switched on.
    #[error("this factor is not available")]
    NoSuchFactor,
    /// Names have 1 to 64 characters and no control characters.
    #[error("a name has 1 to 64 characters")]
    BadName,
    /// Twenty enrolments are enough for one person.
    #[error("there are too many factors already")]
    TooMany,
    /// A source that judges passwords does not answer.
    #[error("a password source does not answer: {0}")]
    Source(#[from] SourceDown),
    /// More passwords are being checked than the machine can bear.
    #[error("too many passwords are being checked")]
    Busy,
    #[error(transparent)]
    Enrol(#[from] EnrolError),
}

impl Challenges {
    /// Builds the room on a store, within a runtime. After a reload, [`Challenges::with_settings`]
    /// keeps what is shared.
    ///
    /// # Errors
    /// When a factor or a sender cannot be made of the settings.
    pub fn new(store: Store, settings: Arc<Settings>, clock: Clock) -> Result<Self, BuildError> {
        let factors = Arc::new(factors::all(&settings)?);
        let delivery = Delivery::new(&settings)?;
        let receipts = Receipts::new(&settings);
        let calls = Asked::new(&settings);
        let notices = Notices::new(store.clone(), clock.clone());
        let passwords = Rules::of(&settings)?;
        Ok(Self {
            directories: password_sources(&settings.identity)?,
            store,
            settings,
            clock,
            factors,
            delivery,
            receipts,
            calls,
            hashing: hashing::Hashing::new(),
            passwords,
            asked: mailed_link::Asked::default(),
            in_line: in_line::InLine::default(),
            notices,
        })
    }

    /// The same room under other settings.
    ///
    /// # Errors
    /// As [`Challenges::new`].
    pub fn with_settings(&self, settings: Arc<Settings>) -> Result<Self, BuildError> {
        let factors = Arc::new(factors::all(&settings)?);
        let delivery = Delivery::new(&settings)?;
        let receipts = Receipts::new(&settings);
        let calls = Asked::new(&settings);
        let directories = password_sources(&settings.identity)?;
        let passwords = Rules::of(&settings)?;
        Ok(Self {
            settings,
            factors,
            delivery,
            receipts,
            calls,
            directories,
            passwords,
            ..self.clone()
        })
    }

    /// The same room with these sources of passwords, for tests.
    #[cfg(test)]
    pub(crate) fn with_directories(&self, directories: Vec<Arc<dyn PasswordSource>>) -> Self {
        Self { directories, ..self.clone() }
    }

    /// The same room with other factors, for tests.
    #[cfg(test)]
    pub(crate) fn with_factors(&self, factors: Factors) -> Self {
        Self { factors: Arc::new(factors), ..self.clone() }
    }

    /// The kinds of factor a person can be asked for and can enrol.
    #[must_use]
    pub fn factors(&self) -> &Factors {
        &self.factors
    }

    /// Gives notices that wait one last attempt. For the end of the process.
    pub async fn end(&self, patience: Duration) {
        self.notices.end(patience).await;
    }

    fn teller(&self) -> Teller {
        Teller {
            notices: self.notices.clone(),
            delivery: self.delivery.clone(),
            factors: Arc::clone(&self.factors),
            settings: Arc::clone(&self.settings),
        }
    }

    fn figures(&self) -> Figures {
        Figures::of(&self.settings.limits)
    }

    /// Whether answers of this caller are judged at all, by the lane their browser counts in.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn lock(&self, caller: &Caller) -> Result<Option<Locked>, ChallengeError> {
        if self.store.is_stopped(&caller.identity.key).await? {
            return Ok(Some(Locked::Stopped));
        }
        let key = self.factor_counter(caller).await?;
        let count = self.store.counter(&key).await?;
        Ok(self.figures().lock(&count, self.clock.now()))
    }

    async fn factor_counter(&self, caller: &Caller) -> Result<CounterKey, ChallengeError> {
        let lane = self.lane(&caller.identity.key, caller.browser.as_deref()).await?;
        Ok(CounterKey { subject: caller.identity.key.clone(), kind: CounterKind::Factor, lane })
    }

    async fn lane(&self, subject: &SubjectKey, browser: Option<&str>) -> Result<Lane, StoreError> {
        match browser {
            Some(token) if self.store.is_known_browser(subject, token).await? => Ok(Lane::Known),
            _ => Ok(Lane::Other),
        }
    }
}
