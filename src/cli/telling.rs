//! Tells people what an administrator did to their account on the command line.
//!
//! It never fails the act: what cannot be told is said on standard error and is in the audit log.

use std::time::Duration;

use super::records::{Records, Subject};
use crate::ambient::Clock;
use crate::challenge::Challenges;
use crate::challenge::operator::OperatorNotice;
use crate::delivery::Event;
use crate::policy::EnrolmentId;

/// How long a command waits for its notices at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to be said, and by what. `Err`: why it cannot be.
pub(super) struct Telling(Result<(Challenges, OperatorNotice), String>);

impl Records {
    /// To be made before the act, which may take away what reaches the person.
    pub(super) async fn telling(
        &self,
        subject: &Subject,
        event: Event,
        changed: Option<&EnrolmentId>,
    ) -> Telling {
        Telling(
            self.prepared(subject, event, changed)
                .await
                .map_err(|error| format!("{error:#}")),
        )
    }

    async fn prepared(
        &self,
        subject: &Subject,
        event: Event,
        changed: Option<&EnrolmentId>,
    ) -> anyhow::Result<(Challenges, OperatorNotice)> {
        let user = match &subject.local {
            Some(name) => self.store.user(name).await?,
            None => None,
        };
        let email = user.and_then(|user| user.email);
        let challenges = Challenges::new(self.store.clone(), self.settings.clone(), Clock::system())?;
        let notice = challenges
            .operator_notice(&subject.key, email.as_deref(), event, changed)
            .await?;
        Ok((challenges, notice))
    }
}

impl Telling {
    /// Once the act is done and its outcome printed.
    pub(super) async fn tell(self) {
        match self.0 {
            Ok((challenges, notice)) => {
                let to = notice.destinations();
                if to.is_empty() {
                    eprintln!(
                        "nobody is told of it: there is no address or number for which a sender is configured"
                    );
                    return;
                }
                notice.tell();
                challenges.end(PATIENCE).await;
                eprintln!(
                    "a notice went to {} (`notice.lost` in the audit log says if it could not be sent)",
                    to.join(", ")
                );
            }
            Err(why) => eprintln!("the person could not be told of it: {why}"),
        }
    }
}
