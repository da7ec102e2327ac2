//! Delivery receipts, recorded: what became of a message that carried a code.
//!
//! They are told to the audit log and change nothing else. Which person a message was for is not kept
//! with it, so a receipt names the vendor's reference alone.

use crate::delivery::receipts::{NotTaken, Outcome, Report};
use crate::store::AuditEvent;

use super::{ChallengeError, Challenges};

impl Challenges {
    /// Takes one receipt for the sender of this name; recorded when this returns.
    ///
    /// # Errors
    /// The outer when the store cannot record it, so that the vendor tries again; the inner when it is
    /// not to be believed or says nothing.
    pub async fn receipt(
        &self,
        sender: &str,
        report: &Report<'_>,
    ) -> Result<Result<(), NotTaken>, ChallengeError> {
        let receipt = match self.receipts.read(sender, report, self.clock.now()) {
            Ok(Some(receipt)) => receipt,
            Ok(None) => return Ok(Ok(())),
            Err(not) => return Ok(Err(not)),
        };
        let what = match receipt.outcome {
            Outcome::Delivered => "message.delivered",
            Outcome::Failed(_) => "message.failed",
            Outcome::Underway => return Ok(Ok(())),
        };
        let result = match receipt.outcome {
            Outcome::Failed(reason) => reason.name(),
            Outcome::Delivered | Outcome::Underway => "ok",
        };
        let event = AuditEvent::new(self.clock.now(), what, result)
            .with("sender", sender)
            .with("reference", receipt.reference.as_str());
        self.store.append_audit(event).await?;
        self.receipts.told(sender, &receipt);
        Ok(Ok(()))
    }
}
