//! The one-time hand-off that carries a session from the portal to another site.
//!
//! A code of 128 random bits, one use, one minute, for one site, and only in the browser that set
//! out from there (decision 2, security.md G05). What it stands for is sealed in the store.

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::ambient::{self, UnixTime};
use crate::policy::Proof;
use crate::store::{HandOff, Store, StoreError};

/// Seconds until a code is void.
const LIFE: i64 = 60;

/// What arrives at the other site.
#[derive(Serialize, Deserialize)]
pub struct Cargo {
    /// Session of ours to make a cookie for; `None` where another source says who it is.
    pub session: Option<String>,
    /// The claim to sign for the site; `None` without a proof.
    pub claim: Option<CargoClaim>,
    /// Journey to end there.
    pub journey: String,
    /// Digest of the nonce that the site's cookie must hold.
    pub nonce: String,
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
