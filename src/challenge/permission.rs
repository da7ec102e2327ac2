//! May this person add or change factors now? (Decisions 22 to 24, security.md E14.)
//!
//! The rule is one pure function over what counts for a change and the proofs at hand; it is asked
//! when a change begins and again, inside the transaction, when it is made. A proof that a trusted
//! browser brought back never permits anything here.

use super::view::{Caller, Change, ChangePermission};
use super::{ChallengeError, Challenges};
use crate::ambient::UnixTime;
use crate::config::settings::FirstFactor;
use crate::config::{FactorKind, FactorSet, Properties, Settings};
use crate::policy::{Accepted, Proof};
use crate::store::{EnrolmentRecord, StoreError, Tx};

/// How old the proof may be. Seconds.
const FRESH: i64 = 300;
/// How far in the future a proof may lie: clocks of two replicas.
const SKEW: i64 = 60;

/// What is known of the person.
pub(super) struct Facts {
    pub(super) enrolled: Vec<EnrolmentRecord>,
    /// Whether there has ever been a factor, even if none is left.
    pub(super) ever_enrolled: bool,
    /// Whether an invitation was redeemed in this very session.
    pub(super) invited: bool,
}

/// What the configuration says about it.
pub(super) struct Rules<'a> {
    pub(super) first: &'a FirstFactor,
    /// Kinds that are switched on.
    pub(super) enabled: FactorSet,
    /// Whether a code sent by e-mail lets a person add a factor in place of a lost one.
    pub(super) email_recovers: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn of(settings: &'a Settings) -> Self {
        Self {
            first: &settings.enrolment.first_factor,
            enabled: settings.factors.enabled,
            email_recovers: settings.factors.email.as_recovery,
        }
    }
}

/// The rule.
pub(super) fn judge(
    facts: &Facts,
    rules: &Rules<'_>,
    caller: &Caller,
    change: Change,
    now: UnixTime,
) -> ChangePermission {
    if facts.usable(rules).next().is_some() {
        let counting = counting(facts, rules, change);
        return if caller.proofs.iter().any(|proof| permits(facts, proof, &counting, now)) {
            ChangePermission::Granted
        } else {
            ChangePermission::NeedsProof
        };
    }
    // Once there was a factor, its loss (a reset, a removal, a switch) opens nothing: only an
    // invitation does.
    let open = !facts.ever_enrolled
        && match rules.first {
            FirstFactor::Open => true,
            FirstFactor::When(_) => caller.trusted_place,
            FirstFactor::Invitation => false,
        };
    if open || facts.invited {
        ChangePermission::Granted
    } else {
        ChangePermission::NeedsInvitation
    }
}

/// What a fresh proof has to be by, for this change. Whoever has something phishing-resistant uses
/// it. What was kept for the day everything else is gone adds one factor, and changes nothing else;
/// so does a code by e-mail, where it is for that or the person has nothing else.
pub(super) fn counting(facts: &Facts, rules: &Rules<'_>, change: Change) -> Accepted {
    let resistant = |one: &EnrolmentRecord| one.properties().covers(Properties::PHISHING_RESISTANT);
    let has_resistant = facts.usable(rules).any(resistant);
    let email = FactorSet::EMPTY.with(FactorKind::Email);
    let spare: FactorSet = rules.enabled.iter().filter(|kind| kind.is_spare()).collect();
    let ordinary = rules.enabled.without(email).without(spare);
    let needed = if has_resistant {
        Properties::PHISHING_RESISTANT
    } else {
        Properties::EMPTY
    };
    let mut entries = vec![(ordinary, needed)];
    if change == Change::Add {
        entries.push((spare, Properties::EMPTY));
        let nothing_else = facts.usable(rules).all(|one| !ordinary.contains(one.factor));
        if !has_resistant && (rules.email_recovers || nothing_else) {
            entries.push((email, Properties::EMPTY));
        }
    }
    entries.into_iter().collect()
}

/// Whether this proof is one of these, fresh, made here, and not spent.
fn permits(facts: &Facts, proof: &Proof, counting: &Accepted, now: UnixTime) -> bool {
    let own = |one: &EnrolmentRecord| one.id == proof.enrolment && one.factor == proof.factor;
    let once = proof.factor.is_spare() || proof.factor == FactorKind::Email;
    // An issued code is an enrolment too, and not what it was spent on.
    let spent = || {
        facts
            .enrolled
            .iter()
            .any(|one| one.id != proof.enrolment && one.created >= proof.at)
    };
    proof.remembered.is_none()
        && !proof.waived
        && (-SKEW..=FRESH).contains(&now.since(proof.at))
        && counting.contains(proof.factor, proof.properties)
        && facts.enrolled.iter().any(own)
        && !(once && spent())
}

impl Facts {
    /// What the person could prove something with.
    fn usable(&self, rules: &Rules<'_>) -> impl Iterator<Item = &EnrolmentRecord> {
        let enabled = rules.enabled;
        self.enrolled.iter().filter(move |one| enabled.contains(one.factor))
    }
}

impl Challenges {
    /// Whether the caller may make this change now.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn permission(
        &self,
        caller: &Caller,
        change: Change,
    ) -> Result<ChangePermission, ChallengeError> {
        let facts = self.facts(caller).await?;
        Ok(judge(&facts, &Rules::of(&self.settings), caller, change, self.clock.now()))
    }

    /// What a proof has to be by, for the caller to make this change.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn counting_for(&self, caller: &Caller, change: Change) -> Result<Accepted, ChallengeError> {
        let facts = self.facts(caller).await?;
        Ok(counting(&facts, &Rules::of(&self.settings), change))
    }

    async fn facts(&self, caller: &Caller) -> Result<Facts, ChallengeError> {
        let key = &caller.identity.key;
        let person = self.store.person(key).await?;
        Ok(Facts {
            enrolled: self.store.enrolments(key).await?,
            ever_enrolled: person.is_some_and(|person| person.first_enrolled.is_some()),
            invited: self.store.is_invited(key, &caller.identity.binding, self.clock.now()).await?,
        })
    }

    /// As [`Challenges::permission`], as an error when it is anything but granted.
    pub(super) async fn require_permission(
        &self,
        caller: &Caller,
        change: Change,
    ) -> Result<(), ChallengeError> {
        match self.permission(caller, change).await? {
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
