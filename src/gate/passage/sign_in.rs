//! The first factor on our own pages: a name and a password, or a passkey alone, which proves more at
//! once. Both are judged and counted in the challenge room; here a session begins, of whatever source.

use http::HeaderValue;
use secrecy::SecretString;

use super::{Journey, Passage, PassageError, SignIn, Visitor};
use crate::challenge::view::Caller;
use crate::challenge::{ChallengeError, PasskeyAnswer, PasskeyOutcome, PasskeySignIn, PasswordOutcome};
use crate::factors::Answer;
use crate::identity::Established;
use crate::policy::SubjectKey;
use crate::session::{Ending, NewPerson, Ours};
use crate::store::{AuditEvent, User};

/// A session that has just begun.
pub struct Begun {
    pub caller: Caller,
    /// To set with the answer; the person is signed in from the next request on.
    pub cookies: Vec<HeaderValue>,
    established: Established,
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
            Ok(PasswordOutcome::RightElsewhere(person)) => {
                let begun = self.begin_session(visitor, *person).await?;
                return Ok(SignIn::Welcome { cookies: begun.cookies, caller: begun.caller });
            }
            Ok(PasswordOutcome::Stopped(stop)) => return Ok(SignIn::Stopped(stop)),
            Ok(PasswordOutcome::Wrong) => return Ok(SignIn::Refused { gone: None }),
            Ok(PasswordOutcome::Locked(locked)) | Err(ChallengeError::Locked(locked)) => {
                return Ok(SignIn::Locked(locked));
            }
            Err(error) => return Err(error.into()),
        };
        if user.must_change {
            let ticket = challenges.password_ticket(&user, browser.unwrap_or_default())?;
            return Ok(SignIn::NewPassword { ticket });
        }
        let Some(begun) = self.begin_local(visitor, &user).await? else {
            return Ok(SignIn::Refused { gone: None });
        };
        Ok(SignIn::Welcome { cookies: begun.cookies, caller: begun.caller })
    }

    /// Begins a sign-in by passkey in this browser, which must have its cookie
    /// ([`Passage::pre_session`]). `None` where there is none to be had, or local users do not count
    /// where the journey leads.
    ///
    /// # Errors
    /// When nothing can be begun.
    pub fn begin_passkey_sign_in(
        &self,
        visitor: &Visitor,
        journey: Option<&Journey>,
    ) -> Result<Option<PasskeySignIn>, PassageError> {
        let offered = self.ways_in(journey).passkey;
        let Some(browser) = visitor.browser_cookie.as_deref().filter(|_| offered) else {
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
        let Some(begun) = self.begin_local(visitor, &user).await? else {
            return Ok(SignIn::Refused { gone: None });
        };
        let Begun { established, caller, token, .. } = begun;
        let signed_in = Visitor {
            caller: Some(caller.clone()),
            established: Some(established),
            claim: None,
            // The session is as new as its token: nothing to renew.
            id_cookie: None,
            ..visitor.clone()
        };
        let arrival = self.arrive(&signed_in, Some(proof.clone()), browser, None).await?;
        let mut cookies = vec![self.gate.shared.mode.set(Ours::Id, &token, None)];
        cookies.extend(arrival.cookies);
        Ok(SignIn::Welcome { cookies, caller: Caller { proofs: vec![proof], ..caller } })
    }

    /// `None`: the user was disabled in the meantime.
    pub(super) async fn begin_local(
        &self,
        visitor: &Visitor,
        user: &User,
    ) -> Result<Option<Begun>, PassageError> {
        let gate = &*self.gate;
        let source = gate.policy.settings().local_source().unwrap_or_default();
        let person = NewPerson {
            name: user.display_name.clone(),
            email: user.email.clone(),
            groups: Some(user.groups.clone()),
            ..NewPerson::new(source, &user.name)
        };
        let begun = self.begin_session(visitor, person).await?;
        // Whoever was disabled while the answer was judged: their sessions were ended before this
        // one was there.
        if gate.shared.store.user(&user.name).await?.is_none_or(|user| user.disabled) {
            self.end_begun(visitor, &begun, "disabled").await?;
            return Ok(None);
        }
        Ok(Some(begun))
    }

    async fn end_begun(&self, visitor: &Visitor, begun: &Begun, why: &str) -> Result<(), PassageError> {
        let Some(session) = &begun.established.session else {
            return Ok(());
        };
        let (gate, now) = (&*self.gate, self.gate.now());
        let event = AuditEvent::new(now, "session.ended", why)
            .who(begun.established.identity.key.as_str())
            .from(visitor.address);
        gate.shared.sessions.end(Ending::One(session), event, now).await?;
        Ok(())
    }

    /// A person's first factor has just been verified, by whatever source: their session begins here,
    /// at the portal. The one way into a session of ours.
    ///
    /// # Errors
    /// When the store cannot be written: there is no session then.
    pub async fn begin_session(&self, visitor: &Visitor, person: NewPerson) -> Result<Begun, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        let person = NewPerson { agent: visitor.agent.clone(), address: Some(visitor.address), ..person };
        let key = SubjectKey::new(&person.source, &person.subject);
        if gate.shared.store.is_stopped(&key).await? {
            return Err(PassageError::Stopped);
        }
        let event = AuditEvent::new(now, "session.started", "ok")
            .who(key.as_str())
            .from(visitor.address);
        let first_seen = gate.shared.store.person(&key).await?.map(|person| person.first_seen);
        let sessions = &gate.shared.sessions;
        let token = sessions.start(&person, self.portal_host(), event, now).await?;
        let Some(session) = sessions.resolve(&token, self.portal_host(), now).await? else {
            return Err(PassageError::Unavailable("the session ended as it began".to_owned()));
        };
        // Whoever was stopped meanwhile: their sessions were ended before this one was there.
        if gate.shared.store.is_stopped(&key).await? {
            let event = AuditEvent::new(now, "session.ended", "stopped")
                .who(key.as_str())
                .from(visitor.address);
            gate.shared.sessions.end(Ending::One(&session.id), event, now).await?;
            return Err(PassageError::Stopped);
        }
        if !session.guest {
            self.end_replaced(visitor).await?;
            self.tell_of(visitor, &session, first_seen).await;
        }
        let established = Established::of_ours(session);
        let signed_in = Visitor { claim: None, ..visitor.clone() };
        let caller = self.caller(&established, &signed_in, now);
        let mode = gate.shared.mode;
        let cookies = vec![mode.set(Ours::Id, &token, None), mode.clear(Ours::Claim)];
        Ok(Begun { caller, cookies, established, token })
    }
}
