//! What a vendor is told during a call: who calls and that a key shall be pressed, as often as it asks;
//! the code once, and only then.
//!
//! Whose call it is does not matter here: what was kept with the question that began it is all that is
//! ever said.

use super::{ChallengeError, Challenges};
use crate::delivery::receipts::{NotTaken, Report};
use crate::delivery::voice::asked::{Reply, Step};

impl Challenges {
    /// What the sender of this name is to say in the call of this token.
    ///
    /// # Errors
    /// The outer when the store cannot be asked; the inner when the question is not to be believed.
    pub async fn said_in_call(
        &self,
        sender: &str,
        token: &str,
        report: &Report<'_>,
    ) -> Result<Result<Reply, NotTaken>, ChallengeError> {
        let now = self.clock.now();
        let step = match self.calls.read(sender, token, report, now) {
            Ok(step) => step,
            Err(not) => return Ok(Err(not)),
        };
        let kept = match step {
            Step::Answered | Step::Unpressed => self.store.call(token, now).await?,
            Step::Pressed => self.store.take_call(token, now).await?,
            Step::Over => None,
        };
        Ok(Ok(self.calls.reply(sender, token, step, kept.as_ref())))
    }
}
