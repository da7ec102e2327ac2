//! Names and passwords that come with a request and that a source has judged elsewhere: each is a guess,
//! and guesses are counted (security.md H02). The counting itself is the challenge room's, whose seam this
//! is; a source must never put a guess to anybody around it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use super::IdentityError;
use super::app_session::Person;

/// The word of whoever judges: `None` where it was wrong, an error where nothing was judged.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Result<Option<Person>, IdentityError>> + Send + 'a>>;

/// One guess.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    pub source: &'a str,
    /// The canonical name within the source.
    pub subject: &'a str,
    /// Where it came from.
    pub client: IpAddr,
}

/// Whoever counts.
pub trait Guesses: Send + Sync {
    /// Counts the guess as wrong, then has it judged, and takes the count back unless it was wrong. At the
    /// limit nothing is judged, and the answer is [`IdentityError::Locked`].
    fn counted<'a>(&'a self, guess: Guess<'a>, judging: Judging<'a>) -> Judging<'a>;
}
