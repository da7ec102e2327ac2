//! The session claim: person S, in session X, at site A, proved these factors at these times.
//!
//! A strict compact JWS (decision 15). Everything in it is typed and required; what it says about
//! method and time is judged on every request by the policy, never here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;
use crate::policy::{Binding, Proof, SubjectKey};

/// More proofs than this are not carried; the oldest go.
pub const MOST_PROOFS: usize = 8;

/// Subjects longer than this are carried as their hash, to keep the claim under 1 KB.
const LONGEST_SUBJECT: usize = 128;

/// Tokens longer than this are refused before anything is decoded (security.md D10).
pub const LONGEST_TOKEN: usize = 4096;

/// How far in the future a time may lie before the claim is refused, in seconds (F09).
pub const SKEW: i64 = 60;

/// A claim, verified or about to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Canonical host it is for.
    pub site: String,
    /// As [`subject_name`] gives it.
    pub subject: String,
    pub session: String,
    pub issued_at: UnixTime,
    pub expires_at: UnixTime,
    pub binding: Binding,
    pub proofs: Vec<Proof>,
}

/// The JSON of the payload.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: UnixTime,
    exp: UnixTime,
    auth_time: UnixTime,
    amr: Vec<String>,
    proofs: Vec<Proof>,
    bnd: String,
}

/// The name of a person inside a claim: the key itself, or its hash when that is long.
#[must_use]
pub fn subject_name(key: &SubjectKey) -> String {
    if key.as_str().len() <= LONGEST_SUBJECT {
        return key.as_str().to_owned();
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_str().as_bytes());
    format!("sha256:{}", BASE64.encode(digest))
}

impl Claim {
    /// Adds a proof: the newest per enrolment stays, at most [`MOST_PROOFS`] in all. One that a
    /// trusted browser brought back stands beside one made here, since levels may take only either.
    pub fn add(&mut self, proof: Proof) {
        let same = |old: &Proof| {
            old.enrolment == proof.enrolment && old.remembered.is_some() == proof.remembered.is_some()
        };
        self.proofs.retain(|old| !same(old));
        self.proofs.push(proof);
        self.proofs.sort_by_key(|p| p.at);
        let surplus = self.proofs.len().saturating_sub(MOST_PROOFS);
        self.proofs.drain(..surplus);
    }

    /// RFC 8176 values for these proofs.
    #[must_use]
    pub fn amr(proofs: &[Proof]) -> Vec<String> {
        let mut values: Vec<String> = proofs.iter().map(|p| p.factor.amr().to_owned()).collect();
        values.push("mfa".to_owned());
        values.sort();
        values.dedup();
        values
    }

    pub(super) fn to_wire(&self, issuer: &str) -> Wire {
        Wire {
            iss: issuer.to_owned(),
            aud: self.site.clone(),
            sub: self.subject.clone(),
            sid: self.session.clone(),
            iat: self.issued_at,
            exp: self.expires_at,
            auth_time: self.proofs.iter().map(|p| p.at).max().unwrap_or(self.issued_at),
            amr: Self::amr(&self.proofs),
            proofs: self.proofs.clone(),
            bnd: BASE64.encode(self.binding.0),
        }
    }

    pub(super) fn from_wire(wire: Wire, issuer: &str, now: UnixTime) -> Result<Self, ClaimError> {
        let binding: [u8; 32] = BASE64
            .decode(&wire.bnd)
            .ok()
            .and_then(|b| b.try_into().ok())
            .ok_or(ClaimError::Malformed)?;
        if wire.iss != issuer || wire.proofs.is_empty() || wire.proofs.len() > MOST_PROOFS {
            return Err(ClaimError::Malformed);
        }
        let newest = wire.proofs.iter().map(|p| p.at).max().unwrap_or(UnixTime::NEVER);
        if wire.iat.since(now) > SKEW || newest.since(now) > SKEW {
            return Err(ClaimError::FromTheFuture);
        }
        if wire.exp <= now {
            return Err(ClaimError::Expired);
        }
        Ok(Self {
            site: wire.aud,
            subject: wire.sub,
            session: wire.sid,
            issued_at: wire.iat,
            expires_at: wire.exp,
            binding: Binding(binding),
            proofs: wire.proofs,
        })
    }
}

/// Why a claim does not count. The person simply proves again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("not a claim")]
    Malformed,
    #[error("the signature is not by a key of ours")]
    BadSignature,
    #[error("expired")]
    Expired,
    #[error("dated in the future")]
    FromTheFuture,
}
