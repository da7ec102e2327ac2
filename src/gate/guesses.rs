//! Guesses at apps' passwords, so many a minute from one network, before anything is written for one.
//!
//! The counting that protects people is the challenge room's. This must never let a guess around it.

use std::sync::Arc;

use super::Shared;
use crate::challenge::Challenges;
use crate::identity::IdentityError;
use crate::identity::guesses::{Guess, Guesses, Judging};

/// Whoever counts, behind the limit that sign-ins have.
pub(super) struct Spaced {
    pub(super) shared: Arc<Shared>,
    pub(super) counting: Challenges,
}

impl Guesses for Spaced {
    fn counted<'a>(&'a self, guess: Guess<'a>, judging: Judging<'a>) -> Judging<'a> {
        match self.shared.attempts.admit(guess.client) {
            Ok(()) => self.counting.counted(guess, judging),
            Err(limit) => {
                let wait = IdentityError::Locked(i64::from(limit.retry_after));
                Box::pin(std::future::ready(Err(wait)))
            }
        }
    }
}
