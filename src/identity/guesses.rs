//! Names and passwords that come with a request and that a source has judged elsewhere: each is a guess,
//! and guesses are counted (security.md H02). The counting itself is the challenge room's, whose seam this
//! is; a source must never put a guess to anybody around it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use super::IdentityError;
use super::app_session::Person;

/// The word of whoever judges: `None` where it was wrong; [`IdentityError::NotReached`] where nothing was
/// judged, any other error where that is not known.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Result<Option<Person>, IdentityError>> + Send + 'a>>;

/// One guess.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    pub source: &'a str,
    /// The canonical name within the source.
    pub subject: &'a str,
    /// Where it came from.
    pub client: IpAddr,
    /// Whether this very name and password were right before, which no stranger's are.
    pub was_right: bool,
}

/// Whoever counts.
pub trait Guesses: Send + Sync {
    /// Counts the guess as wrong, then has it judged, and takes the count back where it was right or surely
    /// not judged. At the limit, and where it cannot be counted, nothing is judged, and the answer is
    /// [`IdentityError::Locked`].
    fn counted<'a>(&'a self, guess: Guess<'a>, judging: Judging<'a>) -> Judging<'a>;
}
