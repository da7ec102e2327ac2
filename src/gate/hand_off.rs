//! The one-time hand-off that carries a session from the portal to another site, and a person whom
//! only that site knows to the portal.
//!
//! A code of 128 random bits, one use, one minute, for one site, and only in the browser that set
//! out from there (decision 2, security.md G05). What it stands for is sealed in the store.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::ambient::{self, UnixTime};
use crate::policy::{Binding, Identity, Proof};
use crate::session::{Claim, NewPerson};
use crate::store::{HandOff, Store, StoreError};

/// Seconds until a code is void.
const LIFE: i64 = 60;

/// What arrives at the other site.
#[derive(Serialize, Deserialize)]
pub struct Cargo {
    /// Session of ours to make a cookie for; `None` where another source says who it is.
    pub session: Option<String>,
    /// Who it is, on the way to the portal, where another source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// The claim to sign for the site; `None` without a proof.
    pub claim: Option<CargoClaim>,
    /// Journey to end there.
    pub journey: String,
    /// Digest of the nonce that the site's cookie must hold.
    pub nonce: String,
}

/// A person whose session another source keeps, as that source said at the site they come from.
#[derive(Serialize, Deserialize)]
pub struct Guest {
    source: String,
    subject: String,
    name: Option<String>,
    email: Option<String>,
    groups: Option<Vec<String>>,
    attributes: BTreeMap<String, Vec<String>>,
    authenticated_at: Option<UnixTime>,
    expires: UnixTime,
    binding: [u8; 32],
}

impl Guest {
    /// What the source said.
    #[must_use]
    pub fn new(identity: &Identity, expires: UnixTime) -> Self {
        let groups = identity.groups.as_ref();
        Self {
            source: identity.source.to_string(),
            subject: identity.subject.to_string(),
            name: identity.name.as_deref().map(str::to_owned),
            email: identity.email.as_deref().map(str::to_owned),
            groups: groups.map(|groups| groups.iter().map(ToString::to_string).collect()),
            attributes: identity.attributes.clone(),
            authenticated_at: identity.authenticated_at,
            expires,
            binding: identity.binding.0,
        }
    }

    /// As a session at the portal begins with. Claims made there are tied to the session that the
    /// source keeps.
    #[must_use]
    pub fn person(&self) -> NewPerson {
        NewPerson {
            name: self.name.clone(),
            email: self.email.clone(),
            groups: self.groups.clone(),
            attributes: self.attributes.clone(),
            authenticated_at: self.authenticated_at,
            expires: Some(self.expires),
            binding: Some(Binding(self.binding)),
            ..NewPerson::new(&self.source, &self.subject)
        }
    }
}

/// A claim, but for its site.
#[derive(Serialize, Deserialize)]
pub struct CargoClaim {
    pub subject: String,
    pub session: String,
    /// When the portal's claim was made: what is revoked while the code is under way ends it too.
    pub issued: UnixTime,
    pub expires: UnixTime,
    pub binding: [u8; 32],
    pub proofs: Vec<Proof>,
}

impl CargoClaim {
    #[must_use]
    pub fn of(claim: &Claim) -> Self {
        Self {
            subject: claim.subject.clone(),
            session: claim.session.clone(),
            issued: claim.issued_at,
            expires: claim.expires_at,
            binding: claim.binding.0,
            proofs: claim.proofs.clone(),
        }
    }
}

/// Puts the cargo away under a fresh code.
///
/// # Errors
/// When the store cannot be written.
pub async fn send(store: &Store, site: &str, cargo: &Cargo, now: UnixTime) -> Result<String, StoreError> {
    let code = ambient::random_token();
    let payload = serde_json::to_vec(cargo).map_err(|_| StoreError::Corrupt("hand-off"))?;
    let hand_off = HandOff { sid: cargo.session.clone(), payload: payload.into() };
    store.add_hand_off(&code, site, hand_off, now.plus(LIFE)).await?;
    Ok(code)
}

/// Takes it out, once.
///
/// # Errors
/// When the store cannot be asked.
pub async fn receive(
    store: &Store,
    code: &str,
    site: &str,
    now: UnixTime,
) -> Result<Option<Cargo>, StoreError> {
    let Some(hand_off) = store.take_hand_off(code, site, now).await? else {
        return Ok(None);
    };
    Ok(serde_json::from_slice(hand_off.payload.expose_secret()).ok())
}
