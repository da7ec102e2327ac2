//! The two ceremonies of WebAuthn, by webauthn-rs: what to ask the browser, and the judgement on
//! what it answers. What the browser was asked is a wish; here it is checked (security.md E19). It
//! must never accept anything that the library has not verified (E18).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{
    AttestationCaList, AttestationCaListBuilder, AuthenticationResult, Credential, CredentialID,
    DiscoverableKey, Passkey, SecurityKey, Url, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::answer;
use super::kept::{Authentication, Enrolled, Registration};

/// What is asked of authenticators.
pub(super) struct Wishes {
    /// Required, else preferred.
    pub(super) verified: bool,
    /// AAGUIDs that are accepted; empty: every one.
    pub(super) models: BTreeSet<Uuid>,
    /// DER certificates that an attestation must lead to; empty: no attestation is asked for.
    pub(super) roots: Vec<Vec<u8>>,
}

/// Us, towards browsers.
pub(super) struct RelyingParty {
    webauthn: Webauthn,
    wishes: Wishes,
    roots: Option<AttestationCaList>,
}

/// Who a passkey is made for.
pub(super) struct Person<'a> {
    pub(super) handle: Uuid,
    pub(super) account: &'a str,
    pub(super) display_name: &'a str,
}

/// Why a ceremony did not count.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Its counter went back: there may be two of it.
    #[error("the signature counter went back")]
    Cloned,
    /// The answer is not by this passkey.
    #[error("it is another passkey")]
    Another,
    /// The authenticator is none of those that are accepted, or does not prove that it is.
    #[error("the authenticator is not accepted: {0}")]
    Unfit(String),
    #[error(transparent)]
    Library(WebauthnError),
    #[error("{0}")]
    Ours(&'static str),
}

impl From<WebauthnError> for Refusal {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::CredentialPossibleCompromise => Self::Cloned,
            other => Self::Library(other),
        }
    }
}

impl RelyingParty {
    /// `own` is the portal's origin, and must lie under `id` unless it is one of the related ones.
    pub(super) fn new(
        name: &str,
        id: &str,
        own: &Url,
        related: &[Url],
        wishes: Wishes,
    ) -> Result<Self, WebauthnError> {
        let home = Url::parse(&format!("https://{id}")).map_err(|_| WebauthnError::Configuration)?;
        let mut builder = if related.contains(own) {
            WebauthnBuilder::new(id, &home)?.append_allowed_origin(own)
        } else {
            WebauthnBuilder::new(id, own)?
        };
        for origin in related {
            builder = builder.append_allowed_origin(origin);
        }
        let roots = trusted(&wishes)?;
        let webauthn = builder.rp_name(name).build()?;
        Ok(Self { webauthn, wishes, roots })
    }

    /// Options for `navigator.credentials.create` and what to judge its answer by.
    pub(super) fn register(
        &self,
        person: &Person<'_>,
        enrolled: Vec<CredentialID>,
    ) -> Result<(Value, Registration), WebauthnError> {
        let (handle, name, shown) = (person.handle, person.account, person.display_name);
        let exclude = Some(enrolled);
        let (options, registration) = match (&self.roots, self.wishes.verified) {
            (Some(roots), true) => {
                let (options, state) = self.webauthn.start_attested_passkey_registration(
                    handle,
                    name,
                    shown,
                    exclude,
                    roots.clone(),
                    None,
                )?;
                (options, Registration::Attested(state))
            }
            (None, true) => {
                let (options, state) =
                    self.webauthn.start_passkey_registration(handle, name, shown, exclude)?;
                (options, Registration::Verified(state))
            }
            (roots, false) => {
                let (options, state) = self.webauthn.start_securitykey_registration(
                    handle,
                    name,
                    shown,
                    exclude,
                    roots.clone(),
                    None,
                )?;
                (options, Registration::Present(state))
            }
        };
        let options = serde_json::to_value(options).map_err(WebauthnError::ParseJSONFailure)?;
        Ok((self.creation(options), registration))
    }

    /// As the library asks, but for a passkey that can be found without a name where the
    /// authenticator has room for it, on devices of every kind.
    fn creation(&self, mut options: Value) -> Value {
        let Some(public_key) = options.get_mut("publicKey").and_then(Value::as_object_mut) else {
            return options;
        };
        if let Some(selection) = public_key.get_mut("authenticatorSelection") {
            selection["residentKey"] = json!("preferred");
        }
        public_key.remove("hints");
        // Whether the user was verified is judged here each time; the policy is one more lock for those keys that
        // know it. Browsers refuse all others where it is enforced, and everything where it asks for more than
        // is asked for besides.
        if let Some(extensions) = public_key.get_mut("extensions").and_then(Value::as_object_mut) {
            extensions.remove("enforceCredentialProtectionPolicy");
            if !self.wishes.verified {
                extensions.remove("credentialProtectionPolicy");
            }
        }
        if self.roots.is_none() && !self.wishes.models.is_empty() {
            // Some browsers hide the make unless an attestation is asked for.
            public_key.insert("attestation".to_owned(), json!("direct"));
        }
        options
    }

    /// Judges the answer to [`RelyingParty::register`].
    pub(super) fn registered(
        &self,
        registration: &Registration,
        user: Uuid,
        json: &str,
    ) -> Result<Enrolled, Refusal> {
        let answer = answer::registered(json).ok_or(Refusal::Ours("it is no registration"))?;
        let judged: Result<Credential, WebauthnError> = match registration {
            Registration::Verified(state) => {
                self.webauthn.finish_passkey_registration(&answer, state).map(Into::into)
            }
            Registration::Present(state) => {
                self.webauthn.finish_securitykey_registration(&answer, state).map(Into::into)
            }
            Registration::Attested(state) => self
                .webauthn
                .finish_attested_passkey_registration(&answer, state)
                .map(Into::into),
        };
        let mut credential = judged.map_err(unproved)?;
        let aaguid = answer::aaguid(&answer);
        if !self.wishes.models.is_empty() && !self.wishes.models.contains(&aaguid) {
            return Err(Refusal::Unfit(format!("its make is {aaguid}")));
        }
        // Judged, and of no use any more: certificates would fill the row.
        credential.attestation = webauthn_rs::prelude::ParsedAttestation::default();
        Ok(Enrolled { credential, user, aaguid, transports: answer::transports(json) })
    }

    /// Options for `navigator.credentials.get` with any of these passkeys, and what to judge its
    /// answer by.
    pub(super) fn authenticate(
        &self,
        enrolled: &[Enrolled],
    ) -> Result<(Value, Authentication), WebauthnError> {
        let credentials = enrolled.iter().map(|one| one.credential.clone());
        let (options, authentication) = if self.wishes.verified {
            let keys: Vec<Passkey> = credentials.map(Passkey::from).collect();
            let (options, state) = self.webauthn.start_passkey_authentication(&keys)?;
            (options, Authentication::Verified(state))
        } else {
            let keys: Vec<SecurityKey> = credentials.map(SecurityKey::from).collect();
            let (options, state) = self.webauthn.start_securitykey_authentication(&keys)?;
            (options, Authentication::Present(state))
        };
        let mut options = serde_json::to_value(options).map_err(WebauthnError::ParseJSONFailure)?;
        if let Some(public_key) = options.get_mut("publicKey").and_then(Value::as_object_mut) {
            public_key.remove("hints");
            let allowed = public_key.get_mut("allowCredentials").and_then(Value::as_array_mut);
            for (allowed, one) in allowed.into_iter().flatten().zip(enrolled) {
                if !one.transports.is_empty() {
                    allowed["transports"] = json!(one.transports);
                }
            }
        }
        Ok((options, authentication))
    }

    /// Options for a sign-in by whichever passkey of ours the person picks, and what to judge the
    /// answer by. The user is always verified.
    pub(super) fn authenticate_anyone(&self) -> Result<(Value, Authentication), WebauthnError> {
        let (options, state) = self.webauthn.start_discoverable_authentication()?;
        let options = serde_json::to_value(options).map_err(WebauthnError::ParseJSONFailure)?;
        Ok((options, Authentication::Anyone(state)))
    }

    /// Judges an assertion by this passkey, as it is kept now. What comes back is the passkey with
    /// its new counter, and whether its user was verified this time.
    pub(super) fn authenticated(
        &self,
        authentication: Authentication,
        enrolled: &Enrolled,
        json: &str,
    ) -> Result<(Enrolled, bool), Refusal> {
        let answer = answer::asserted(json).ok_or(Refusal::Ours("it is no assertion"))?;
        if answer.raw_id != enrolled.credential.cred_id {
            return Err(Refusal::Another);
        }
        let discoverable = matches!(authentication, Authentication::Anyone(_));
        match answer::user(&answer) {
            Some(user) if user != enrolled.user.as_bytes() => {
                return Err(Refusal::Ours("its user handle is another person's"));
            }
            None if discoverable => return Err(Refusal::Ours("it names no user")),
            _ => {}
        }
        let result = match authentication {
            Authentication::Verified(state) => {
                self.webauthn.finish_passkey_authentication(&answer, &state)?
            }
            Authentication::Present(state) => {
                self.webauthn.finish_securitykey_authentication(&answer, &state)?
            }
            Authentication::Anyone(state) => self.webauthn.finish_discoverable_authentication_v2(
                &answer,
                state,
                DiscoverableKey::from(Passkey::from(enrolled.credential.clone())),
            )?,
        };
        let updated = updated(enrolled, &result)?;
        Ok((updated, result.user_verified()))
    }
}

/// Tells an authenticator that is not what the operator wants from a registration that is not right.
fn unproved(error: WebauthnError) -> Refusal {
    match error {
        WebauthnError::AttestationChainNotTrusted(_)
        | WebauthnError::AttestationNotVerifiable
        | WebauthnError::AttestationNotSupported
        | WebauthnError::AttestationTrustFailure
        | WebauthnError::AttestationUntrustedAaguid
        | WebauthnError::AttestationFormatMissingAaguid
        | WebauthnError::AttestationCertificateRequirementsNotMet
        | WebauthnError::CredentialMayNotBeHardwareBound => Refusal::Unfit(error.to_string()),
        other => other.into(),
    }
}

/// The passkey after this use. The library has compared with what was kept when the challenge
/// began; here it is compared with what is kept now.
fn updated(enrolled: &Enrolled, result: &AuthenticationResult) -> Result<Enrolled, Refusal> {
    let (before, after) = (enrolled.credential.counter, result.counter());
    if (before > 0 || after > 0) && after <= before {
        return Err(Refusal::Cloned);
    }
    let mut passkey = Passkey::from(enrolled.credential.clone());
    if passkey.update_credential(result).is_none() {
        return Err(Refusal::Another);
    }
    Ok(Enrolled { credential: passkey.into(), ..enrolled.clone() })
}

/// The roots as the library wants them: each good for every accepted make.
fn trusted(wishes: &Wishes) -> Result<Option<AttestationCaList>, WebauthnError> {
    if wishes.roots.is_empty() {
        return Ok(None);
    }
    let mut list = AttestationCaListBuilder::new();
    for root in &wishes.roots {
        for model in &wishes.models {
            list.insert_device_der(root, *model, String::new(), std::collections::BTreeMap::new())
                .map_err(|_| WebauthnError::Configuration)?;
        }
    }
    Ok(Some(list.build()))
}
