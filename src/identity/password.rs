//! Sources that judge a name and a password themselves, directories above all.
//!
//! They are asked in two steps, so that every guess is counted under the person's one canonical name
//! before anybody judges it (security.md B08, H02); the challenge room counts. A source must never
//! ask with an empty password, and never let the two steps be about different people.

use std::future::Future;
use std::pin::Pin;

use secrecy::SecretString;

use crate::calls::Unwell;
use crate::session::NewPerson;

/// Answers of a source that has to be asked.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceDown>> + Send + 'a>>;

/// Whether a source can be asked.
pub type Probing<'a> = Pin<Box<dyn Future<Output = Result<(), Unwell>> + Send + 'a>>;

/// A source that people's passwords are put to.
pub trait PasswordSource: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// Who is meant by what was typed as a name. `None`: nobody here bears it.
    fn find<'a>(&'a self, typed: &'a str) -> Asking<'a, Option<Box<dyn Candidate>>>;

    /// Whether it can be asked at all, for `stepgate check --connect`. Proves nothing about anybody.
    fn probe(&self) -> Probing<'_>;
}

/// Whose password is to be judged.
pub trait Candidate: Send + Sync {
    /// The canonical name within the source, to count under.
    fn subject(&self) -> &str;

    /// Whether the source has said that there is such a person. Else the name is only what was typed.
    fn is_known(&self) -> bool;

    /// Puts the password to the source, once.
    fn judge(&self, password: SecretString) -> Asking<'_, PasswordAnswer>;
}

/// What a source said about a password.
#[derive(Debug)]
pub enum PasswordAnswer {
    Right(Box<NewPerson>),
    Wrong,
    /// Right, or as the source does not judge it now: why nobody comes in with it.
    Stopped(Stop),
}

/// Why a person does not come in whatever they type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    pub why: StopReason,
    /// What people call the source.
    pub source: String,
    /// The password was right, so saying why tells nothing to strangers.
    pub proved: bool,
}

/// Likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The password has to be changed at the source first.
    MustChange,
    /// The account is locked, disabled or has run out.
    Barred,
}

/// A source that did not answer. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct SourceDown {
    pub why: String,
    /// Whether it may have judged all the same.
    pub asked: bool,
}
