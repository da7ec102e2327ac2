//! May this person add or change factors now? (Decisions 23 and 24, security.md E14.)
//!
//! The rule is one pure function; it is asked when a change begins and again, inside the
//! transaction, when it is made.

use super::view::{Caller, ChangePermission};
use super::{ChallengeError, Challenges};
use crate::ambient::UnixTime;
use crate::config::settings::FirstFactor;
use crate::policy::Proof;
use crate::store::{EnrolmentRecord, StoreError, Tx};

/// How old the proof may be. Seconds.
const FRESH: i64 = 300;
/// How far in the future a proof may lie: clocks of two replicas.
const SKEW: i64 = 60;

/// What the rule looks at.
pub(super) struct Facts {
    pub(super) enrolled: Vec<EnrolmentRecord>,
    /// Whether there has ever been a factor, even if none is left.
    pub(super) ever_enrolled: bool,
    /// Whether an invitation was redeemed in this very session.
    pub(super) invited: bool,
}

/// The rule.
pub(super) fn judge(
    facts: &Facts,
    proofs: &[Proof],
    first: &FirstFactor,
    trusted_place: bool,
    now: UnixTime,
) -> ChangePermission {
    if !facts.enrolled.is_empty() {
        let fresh = proofs.iter().any(|proof| {
            (-SKEW..=FRESH).contains(&now.since(proof.at))
                && facts
                    .enrolled
                    .iter()
                    .any(|one| one.id == proof.enrolment && one.factor == proof.factor)
        });
        return if fresh {
            ChangePermission::Granted
        } else {
            ChangePermission::NeedsProof
        };
    }
    // Once there was a factor, its loss (a reset, a removal) opens nothing: only an invitation does.
    let open = !facts.ever_enrolled
        && match first {
            FirstFactor::Open => true,
            FirstFactor::When(_) => trusted_place,
            FirstFactor::Invitation => false,
        };
    if open || facts.invited {
        ChangePermission::Granted
    } else {
        ChangePermission::NeedsInvitation
    }
}

impl Challenges {
    /// Whether the caller may add or change factors now.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn permission(&self, caller: &Caller) -> Result<ChangePermission, ChallengeError> {
        let now = self.clock.now();
        let key = &caller.identity.key;
        let person = self.store.person(key).await?;
        let facts = Facts {
            enrolled: self.store.enrolments(key).await?,
            ever_enrolled: person.is_some_and(|person| person.first_enrolled.is_some()),
            invited: self.store.is_invited(key, &caller.identity.binding, now).await?,
        };
        let first = &self.settings.enrolment.first_factor;
        Ok(judge(&facts, &caller.proofs, first, caller.trusted_place, now))
    }

    /// As [`Challenges::permission`], as an error when it is anything but granted.
    pub(super) async fn require_permission(&self, caller: &Caller) -> Result<(), ChallengeError> {
        match self.permission(caller).await? {
            ChangePermission::Granted => Ok(()),
            other => Err(ChallengeError::NotPermitted(other)),
        }
    }
}

/// The facts as the transaction sees them, so that of two first enrolments one is the first.
pub(super) async fn facts(tx: &mut Tx, caller: &Caller, now: UnixTime) -> Result<Facts, StoreError> {
    let key = &caller.identity.key;
    Ok(Facts {
        enrolled: tx.enrolments(key).await?,
        ever_enrolled: tx.ever_enrolled(key).await?,
        invited: tx.is_invited(key, &caller.identity.binding, now).await?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FactorKind;
    use crate::config::settings::When;
    use crate::policy::EnrolmentId;

    const NOW: UnixTime = UnixTime(10_000);

    fn facts(enrolled: &[&str], ever_enrolled: bool, invited: bool) -> Facts {
        let record = |id: &&str| EnrolmentRecord {
            id: EnrolmentId((*id).into()),
            factor: FactorKind::Totp,
            name: "Phone".into(),
            state: 0,
            about: crate::factors::About::default(),
            created: UnixTime(0),
            last_used: None,
            last_used_by: None,
            last_browser: None,
        };
        Facts { enrolled: enrolled.iter().map(record).collect(), ever_enrolled, invited }
    }

    fn proof(enrolment: &str, age: i64) -> Vec<Proof> {
        vec![Proof::new(
            FactorKind::Totp,
            EnrolmentId(enrolment.into()),
            NOW.plus(-age),
        )]
    }

    #[test]
    fn e14_a_change_needs_a_fresh_proof_by_an_own_factor() {
        let enrolled = facts(&["mine"], true, true);
        let ask = |proofs: &[Proof]| judge(&enrolled, proofs, &FirstFactor::Open, true, NOW);
        assert_eq!(ask(&proof("mine", 300)), ChangePermission::Granted);
        assert_eq!(ask(&proof("mine", 301)), ChangePermission::NeedsProof);
        assert_eq!(ask(&proof("mine", -61)), ChangePermission::NeedsProof);
        assert_eq!(ask(&proof("removed", 1)), ChangePermission::NeedsProof);
        assert_eq!(ask(&[]), ChangePermission::NeedsProof);
    }

    #[test]
    fn the_first_factor_needs_what_the_settings_say_and_a_reset_reopens_nothing() {
        let when = FirstFactor::When(When::Is("office".into()));
        let ask = |ever, invited, first: &FirstFactor, place| {
            judge(&facts(&[], ever, invited), &[], first, place, NOW)
        };
        assert_eq!(ask(false, false, &FirstFactor::Open, false), ChangePermission::Granted);
        assert_eq!(ask(true, false, &FirstFactor::Open, false), ChangePermission::NeedsInvitation);
        assert_eq!(ask(false, false, &when, true), ChangePermission::Granted);
        assert_eq!(ask(false, false, &when, false), ChangePermission::NeedsInvitation);
        assert_eq!(ask(true, false, &when, true), ChangePermission::NeedsInvitation);
        assert_eq!(ask(false, false, &FirstFactor::Invitation, true), ChangePermission::NeedsInvitation);
        assert_eq!(ask(true, true, &FirstFactor::Invitation, false), ChangePermission::Granted);
    }
}
