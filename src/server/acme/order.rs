//! One order: an account, a proof that the host is ours, a certificate.

use std::path::PathBuf;
use std::sync::Arc;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::certificate::{self, Certificate};
use crate::config::settings::{Acme, CertificateFiles};

use super::super::tls::Certificates;
use super::AcmeError;
use super::place::Place;

/// `id-pe-acmeIdentifier`.
const ACME_IDENTIFIER: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 31];

/// Where to order, and how to prove a host.
pub(super) struct Orders {
    directory: String,
    authority: Option<PathBuf>,
    contact: Vec<String>,
    certificates: Certificates,
    /// Ways that can work here, the better one first.
    ways: Vec<ChallengeType>,
    account: tokio::sync::OnceCell<Account>,
}

impl Orders {
    pub(super) fn new(settings: &Acme, certificates: Certificates, encrypted: bool, plain: bool) -> Self {
        let ways = [
            (encrypted, ChallengeType::TlsAlpn01),
            (plain, ChallengeType::Http01),
        ];
        Self {
            directory: settings.directory.clone(),
            authority: settings.authority.clone(),
            contact: settings.contact.iter().map(|address| format!("mailto:{address}")).collect(),
            certificates,
            ways: ways.into_iter().filter_map(|(works, way)| works.then_some(way)).collect(),
            account: tokio::sync::OnceCell::new(),
        }
    }

    /// Obtains a certificate for one host and keeps it. After `failures` another way is tried, where
    /// there is one.
    pub(super) async fn obtain(
        &self,
        host: &str,
        failures: u32,
        place: &Place,
    ) -> Result<Certificate, AcmeError> {
        let account = self.account.get_or_try_init(|| self.enter(place)).await?;
        let identifiers = [Identifier::Dns(host.to_owned())];
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            match authorization.status {
                AuthorizationStatus::Pending => self.prove(host, &mut authorization, failures).await?,
                AuthorizationStatus::Valid => {}
                other => return Err(AcmeError::Order(format!("not authorized: {other:?}"))),
            }
        }
        let status = order.poll_ready(&RetryPolicy::default()).await?;
        if status != OrderStatus::Ready {
            let why = order.state().error.as_ref().and_then(|problem| problem.detail.clone());
            return Err(AcmeError::Order(format!("{status:?}: {}", why.unwrap_or_default())));
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&RetryPolicy::default()).await?;
        let certificate = from_pem(&key, &chain)?;
        if !certificate.covers(host) {
            return Err(AcmeError::Unfit("it is for another host".to_owned()));
        }
        place.write(host, &format!("{key}{chain}"))?;
        Ok(certificate)
    }

    /// The account of an earlier run, else a new one.
    async fn enter(&self, place: &Place) -> Result<Account, AcmeError> {
        let builder = || match &self.authority {
            Some(authority) => Account::builder_with_root(authority),
            None => Account::builder(),
        };
        if let Some(credentials) = place.account(&self.directory) {
            return Ok(builder()?.from_credentials(credentials).await?);
        }
        let contact: Vec<&str> = self.contact.iter().map(String::as_str).collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder()?.create(&new, self.directory.clone(), None).await?;
        place.keep_account(&self.directory, credentials)?;
        tracing::info!(directory = self.directory, "an ACME account has been made");
        Ok(account)
    }

    async fn prove<'a>(
        &self,
        host: &str,
        authorization: &'a mut AuthorizationHandle<'a>,
        failures: u32,
    ) -> Result<(), AcmeError> {
        let offered: Vec<ChallengeType> = authorization
            .challenges
            .iter()
            .map(|challenge| challenge.r#type.clone())
            .collect();
        let usable: Vec<&ChallengeType> = self.ways.iter().filter(|way| offered.contains(way)).collect();
        let turn = usize::try_from(failures).unwrap_or_default() % usable.len().max(1);
        let way = *usable.get(turn).ok_or(AcmeError::NoChallenge)?;
        let mut challenge = authorization.challenge(way.clone()).ok_or(AcmeError::NoChallenge)?;
        let answer = challenge.key_authorization();
        if *way == ChallengeType::TlsAlpn01 {
            let proof = proof(host, answer.digest().as_ref())?;
            self.certificates.validate_by_tls(host, Arc::new(proof));
        } else {
            self.certificates.validate_by_http(host, &challenge.token, answer.as_str());
        }
        Ok(challenge.set_ready().await?)
    }
}

/// For hosts that have no certificate yet.
pub(super) fn placeholder(hosts: &[String]) -> Result<Certificate, AcmeError> {
    let (chain, key) = self_signed(hosts, Vec::new())?;
    put_together(vec![chain], key)
}

/// The answer to TLS-ALPN-01 (RFC 8737, 3). Its critical extension is for the ACME server alone; checks
/// that are made of other certificates do not know it.
fn proof(host: &str, digest: &[u8]) -> Result<CertifiedKey, AcmeError> {
    let content = [&[4, 32], digest].concat();
    let mut identifier = CustomExtension::from_oid_content(ACME_IDENTIFIER, content);
    identifier.set_criticality(true);
    let (chain, key) = self_signed(&[host.to_owned()], vec![identifier])?;
    let provider = aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(key);
    Ok(CertifiedKey::new(vec![chain], key.map_err(|error| AcmeError::Unfit(error.to_string()))?))
}

fn self_signed(
    hosts: &[String],
    extensions: Vec<CustomExtension>,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), AcmeError> {
    let unfit = |error: rcgen::Error| AcmeError::Unfit(error.to_string());
    let mut parameters = CertificateParams::new(hosts.to_vec()).map_err(unfit)?;
    parameters.custom_extensions = extensions;
    let key = KeyPair::generate().map_err(unfit)?;
    let made = parameters.self_signed(&key).map_err(unfit)?;
    Ok((made.der().clone(), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))))
}

/// From the text that a directory gave, or that was kept.
pub(super) fn from_pem(key: &str, chain: &str) -> Result<Certificate, AcmeError> {
    let unfit = |error: rustls_pki_types::pem::Error| AcmeError::Unfit(error.to_string());
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(unfit)?;
    put_together(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(unfit)?)
}

fn put_together(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Certificate, AcmeError> {
    let nowhere = CertificateFiles { certificate: "the certificate".into(), key: "the key".into() };
    certificate::from_parts(chain, key, &nowhere).map_err(|error| AcmeError::Unfit(error.to_string()))
}
