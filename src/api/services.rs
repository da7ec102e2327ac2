//! What pages and JSON stand on: the same calls, made in the same order.

use crate::challenge::Challenges;
use crate::challenge::view::{Caller, ChallengeView, Change, Purpose};
use crate::config::{FactorKind, FactorSet, Settings};
use crate::gate::passage::{Arrival, Journey, Missing, Passage, Visitor};

use super::failure::Failure;

/// One for the process; cheap to clone.
#[derive(Clone)]
pub struct Services {
    pub passage: Passage,
    pub challenges: Challenges,
    /// The kinds of factor that are switched on.
    pub enabled: FactorSet,
}

/// Where a person stands with what they want to do.
pub enum Standing {
    /// Nothing is missing.
    Clear,
    /// A person of another identity source is asked for.
    SignIn,
    /// No proof will help.
    Denied,
    /// The browser is trusted with what is missing: on without being asked.
    BroughtBack(Arrival),
    /// This challenge is open for them.
    Asked(Box<ChallengeView>),
}

impl Services {
    #[must_use]
    pub fn new(passage: Passage, challenges: Challenges, settings: &Settings) -> Self {
        Self { passage, challenges, enabled: settings.factors.enabled }
    }

    /// What the journey still needs of this person, with a challenge open for it if a proof helps.
    ///
    /// # Errors
    /// When a fact cannot be looked up or the store does not answer.
    pub async fn standing(&self, visitor: &Visitor, journey: &Journey) -> Result<Standing, Failure> {
        let caller = visitor.caller.as_ref().ok_or(Failure::SignInRequired)?;
        match self.passage.missing(caller, journey).await? {
            Missing::Nothing => Ok(Standing::Clear),
            Missing::SignIn => Ok(Standing::SignIn),
            Missing::Denied => Ok(Standing::Denied),
            Missing::Proof { purpose, accepted } => {
                if let Some(arrival) = self.passage.bring_back(visitor, journey).await? {
                    return Ok(Standing::BroughtBack(arrival));
                }
                let view = self.challenges.open(caller, purpose, accepted, Some(&journey.id)).await?;
                Ok(Standing::Asked(Box::new(view)))
            }
        }
    }

    /// A challenge for changing one's own factors, by what counts for that change (decision 23).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn fresh_proof(
        &self,
        caller: &Caller,
        change: Change,
        app: &str,
        reason: &str,
    ) -> Result<ChallengeView, Failure> {
        let purpose = Purpose {
            levels: Vec::new(),
            app: app.to_owned(),
            reason: Some(reason.to_owned()),
            remember: None,
            step: None,
            done: Vec::new(),
        };
        let accepted = self.challenges.counting_for(caller, change).await?;
        Ok(self.challenges.open(caller, purpose, accepted, None).await?)
    }

    /// Whether recovery codes should be offered: switched on, and the person has none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn lacks_recovery_codes(&self, caller: &Caller) -> Result<bool, Failure> {
        if !self.enabled.contains(FactorKind::RecoveryCode) {
            return Ok(false);
        }
        let enrolments = self.challenges.enrolments(caller).await?;
        Ok(enrolments.iter().all(|enrolment| enrolment.factor != FactorKind::RecoveryCode))
    }
}
