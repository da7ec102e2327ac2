//! The first factor of local users: a name and a password, or a passkey alone, which proves more at
//! once. Both are judged and counted in the challenge room; here a session begins.

use std::sync::Arc;

use secrecy::SecretString;

use super::{Passage, PassageError, SignIn, Visitor};
use crate::challenge::view::Caller;
use crate::challenge::{ChallengeError, PasskeyAnswer, PasskeyOutcome, PasskeySignIn, PasswordOutcome};
use crate::factors::Answer;
use crate::identity::Established;
use crate::policy::SubjectKey;
use crate::session::{Ending, NewPerson, Ours};
use crate::store::{AuditEvent, User};

/// A session that has just begun.
struct Begun {
    established: Established,
    caller: Caller,
    /// Value of the session's cookie.
    token: String,
}

impl Passage {
    /// The first factor by password, counted and checked (own counters, decision 18).
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn sign_in(
        &self,
        visitor: &Visitor,
        name: &str,
        password: &str,
    ) -> Result<SignIn, PassageError> {
        let browser = visitor.browser_cookie.as_deref();
        let challenges = &self.gate.challenges;
        let outcome = challenges
            .check_password(name, SecretString::from(password), browser, visitor.address)
            .await;
        let user = match outcome {
            Ok(PasswordOutcome::Right(user)) => user,
            Ok(PasswordOutcome::Wrong) => return Ok(SignIn::Refused { gone: None }),
            Ok(PasswordOutcome::Locked(locked)) | Err(ChallengeError::Locked(locked)) => {
                return Ok(SignIn::Locked(locked));
            }
            Err(error) => return Err(PassageError::Unavailable(error.to_string())),
        };
        let Some(begun) = self.begin_session(visitor, &user).await? else {
            return Ok(SignIn::Refused { gone: None });
        };
        let mode = self.gate.shared.mode;
        let cookies = vec![mode.set(Ours::Id, &begun.token, None), mode.clear(Ours::Claim)];
        Ok(SignIn::Welcome { cookies, caller: begun.caller })
    }

    /// Begins a sign-in by passkey in this browser, which must have its cookie
    /// ([`Passage::pre_session`]). `None` where there is none to be had.
    ///
    /// # Errors
    /// When nothing can be begun.
    pub fn begin_passkey_sign_in(&self, visitor: &Visitor) -> Result<Option<PasskeySignIn>, PassageError> {
        let Some(browser) = visitor.browser_cookie.as_deref().filter(|_| self.has_local_sign_in()) else {
            return Ok(None);
        };
        let begun = self.gate.challenges.begin_passkey_sign_in(browser);
        begun.map_err(|error| PassageError::Unavailable(error.to_string()))
    }

    /// The first factor and a proof in one: a passkey with its user verified.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn sign_in_by_passkey(
        &self,
        visitor: &Visitor,
        ceremony: &str,
        answer: Answer,
    ) -> Result<SignIn, PassageError> {
        let Some(browser) = visitor.browser_cookie.as_deref() else {
            return Ok(SignIn::Stale);
        };
        let (address, agent) = (visitor.address, visitor.agent.as_str());
        let given = PasskeyAnswer { ceremony, answer, browser, address, agent };
        let outcome = self.gate.challenges.passkey_sign_in(given).await;
        let (user, proof, browser) = match outcome {
            Ok(PasskeyOutcome::Right { user, proof, browser }) => (user, *proof, browser),
            Ok(PasskeyOutcome::Refused { gone }) => return Ok(SignIn::Refused { gone }),
            Ok(PasskeyOutcome::Expired) => return Ok(SignIn::Stale),
            Ok(PasskeyOutcome::Locked(locked)) => return Ok(SignIn::Locked(locked)),
            Err(error) => return Err(PassageError::Unavailable(error.to_string())),
        };
        let Some(begun) = self.begin_session(visitor, &user).await? else {
            return Ok(SignIn::Refused { gone: None });
        };
        let Begun { established, caller, token } = begun;
        let signed_in = Visitor {
            caller: Some(caller.clone()),
            established: Some(established),
            claim: None,
            ..visitor.clone()
        };
        let arrival = self.arrive(&signed_in, Some(proof.clone()), browser, None).await?;
        let mut cookies = vec![self.gate.shared.mode.set(Ours::Id, &token, None)];
        cookies.extend(arrival.cookies);
        Ok(SignIn::Welcome { cookies, caller: Caller { proofs: vec![proof], ..caller } })
    }

    /// `None`: the user was disabled in the meantime.
    async fn begin_session(&self, visitor: &Visitor, user: &User) -> Result<Option<Begun>, PassageError> {
        let gate = &*self.gate;
        let source = gate.policy.settings().local_source().unwrap_or_default().to_owned();
        let person = NewPerson {
            source,
            subject: user.name.clone(),
            name: user.display_name.clone(),
            email: user.email.clone(),
            groups: user.groups.clone(),
            attributes: std::collections::BTreeMap::new(),
        };
        let now = gate.now();
        let key = SubjectKey::new(&person.source, &person.subject);
        let event = |what, result| AuditEvent::new(now, what, result).who(key.as_str()).from(visitor.address);
        let sessions = &gate.shared.sessions;
        let begun = event("session.started", "ok");
        let token = sessions.start(&person, self.portal_host(), begun, now).await?;
        let Some(session) = sessions.resolve(&token, self.portal_host(), now).await? else {
            return Err(PassageError::Unavailable("the session ended as it began".to_owned()));
        };
        // Whoever was disabled while the answer was judged: their sessions were ended before this
        // one was there.
        if gate.shared.store.user(&user.name).await?.is_none_or(|user| user.disabled) {
            let ended = event("session.ended", "disabled");
            sessions.end(Ending::One(&session.id), ended, now).await?;
            return Ok(None);
        }
        let established = Established {
            identity: Arc::clone(&session.identity),
            session: Some(Arc::clone(&session.id)),
            expires: session.expires,
            live: Some(Arc::clone(&session)),
        };
        let signed_in = Visitor { claim: None, ..visitor.clone() };
        let caller = self.caller(&established, &signed_in, now);
        Ok(Some(Begun { established, caller, token }))
    }
}
