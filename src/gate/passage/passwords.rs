//! Another password, for whoever may choose one: the steps of the challenge room with the session that
//! they are taken in.

use secrecy::SecretString;

use super::{Passage, PassageError, SignIn, Visitor};
use crate::challenge::{Asker, ChallengeError, NewPassword};

impl Passage {
    /// Has a link for a new password mailed, if there is somebody to mail it to. Tells nothing.
    pub fn mail_password_link(&self, visitor: &Visitor, name: &str) {
        let asker = Asker { address: visitor.address, agent: visitor.agent.clone() };
        self.gate.challenges.mail_password_link(name, asker);
    }

    /// Changes the visitor's own password; they stay signed in here and nowhere else.
    ///
    /// # Errors
    /// When it cannot be judged now, or needs a fresh proof first.
    pub async fn change_password(
        &self,
        visitor: &Visitor,
        current: &str,
        new: &str,
    ) -> Result<NewPassword, ChallengeError> {
        let (Some(caller), Some(established)) = (&visitor.caller, &visitor.established) else {
            return Ok(NewPassword::Gone);
        };
        let (current, new) = (SecretString::from(current), SecretString::from(new));
        let session = established.session.as_deref();
        self.gate.challenges.change_password(caller, session, current, new).await
    }

    /// Chooses a password with a mailed link. Nobody is signed in by that.
    ///
    /// # Errors
    /// When it cannot be judged now.
    pub async fn redeem_password_link(
        &self,
        visitor: &Visitor,
        link: &str,
        new: &str,
    ) -> Result<NewPassword, ChallengeError> {
        let challenges = &self.gate.challenges;
        challenges
            .redeem_password_link(link, SecretString::from(new), visitor.address, &visitor.agent)
            .await
    }

    /// Chooses the password that an administrator wants, with the ticket of a sign-in, and goes on with
    /// that sign-in.
    ///
    /// # Errors
    /// When it cannot be judged now, or no session can begin.
    pub async fn sign_in_anew(
        &self,
        visitor: &Visitor,
        ticket: &str,
        new: &str,
    ) -> Result<(NewPassword, Option<SignIn>), PassageError> {
        let browser = visitor.browser_cookie.as_deref().unwrap_or_default();
        let (address, agent) = (visitor.address, visitor.agent.as_str());
        let challenges = &self.gate.challenges;
        let chosen = challenges
            .redeem_password_ticket(ticket, browser, SecretString::from(new), address, agent)
            .await
            .map_err(PassageError::from)?;
        let (outcome, user) = chosen;
        let Some(user) = user else {
            return Ok((outcome, None));
        };
        let begun = self.begin_local(visitor, &user).await?;
        let signed_in = begun.map(|begun| SignIn::Welcome { cookies: begun.cookies, caller: begun.caller });
        Ok((outcome, signed_in))
    }
}

impl From<ChallengeError> for PassageError {
    fn from(error: ChallengeError) -> Self {
        match error {
            ChallengeError::Busy => Self::Busy,
            other => Self::Unavailable(other.to_string()),
        }
    }
}
