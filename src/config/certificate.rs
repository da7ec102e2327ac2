//! Certificates as files: read with their keys, their names and their time.
//!
//! What is wrong with a pair is said with the file's name and never with what a key holds.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::settings::CertificateFiles;
use crate::ambient::UnixTime;

/// Larger than any chain.
const LARGEST: u64 = 1 << 20;

/// A certificate that can be served with.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub pair: Arc<CertifiedKey>,
    /// Hosts in lower case; `*.example.com` covers one label.
    pub names: Vec<String>,
    pub not_before: UnixTime,
    pub not_after: UnixTime,
}

/// Why a pair cannot be served with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: String },
    #[error("{} does not belong to {}: {why}", key.display(), certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf, why: String },
}

impl CertificateError {
    /// The file to look at.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File { path, .. } => path,
            Self::Mismatch { key, .. } => key,
        }
    }
}

/// Reads a pair of files.
///
/// # Errors
/// Names the file that is missing, unreadable, or does not hold what it should.
pub fn read(files: &CertificateFiles) -> Result<Certificate, CertificateError> {
    let chain = chain(&files.certificate)?;
    let key = contents(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| unfit(&files.key, pem_trouble(&error, "no private key in it")))?;
    from_parts(chain, key, files)
}

/// Puts a chain and a key together; `files` are where they came from.
///
/// # Errors
/// When they do not belong together or cannot be understood.
pub fn from_parts(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    files: &CertificateFiles,
) -> Result<Certificate, CertificateError> {
    let end = chain
        .first()
        .cloned()
        .ok_or_else(|| unfit(&files.certificate, "no certificate in it"))?;
    let pair = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    let pair = pair.map_err(|error| CertificateError::Mismatch {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        why: error.to_string(),
    })?;
    let (_, parsed) =
        X509Certificate::from_der(&end).map_err(|error| unfit(&files.certificate, error.to_string()))?;
    let validity = parsed.validity();
    Ok(Certificate {
        names: names(&parsed),
        not_before: UnixTime(validity.not_before.timestamp()),
        not_after: UnixTime(validity.not_after.timestamp()),
        pair: Arc::new(pair),
    })
}

/// Reads every certificate of a PEM file; at least one.
///
/// # Errors
/// When the file cannot be read or holds none.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = contents(path)?;
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unfit(path, pem_trouble(&error, "no certificate in it")))?;
    if chain.is_empty() {
        return Err(unfit(path, "no certificate in it"));
    }
    Ok(chain)
}

fn contents(path: &Path) -> Result<Vec<u8>, CertificateError> {
    use io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| unfit(path, error.to_string()))?;
    Ok(bytes)
}

fn pem_trouble(error: &pem::Error, none: &str) -> String {
    match error {
        pem::Error::NoItemsFound => none.to_owned(),
        other => other.to_string(),
    }
}

fn unfit(path: &Path, why: impl Into<String>) -> CertificateError {
    CertificateError::File { path: path.to_owned(), why: why.into() }
}

/// The names that count: alternative names alone. Clients have not looked at the common name for years.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    }
}

/// As hosts are written in requests.
fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(format!("[{}]", std::net::Ipv6Addr::from(sixteen)))
}

impl Certificate {
    /// Whether a client that asked for this host would accept it.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let wild = host.split_once('.').map(|(_, rest)| rest);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(parent) => wild == Some(parent),
            None => name == host,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> (tempfile::TempDir, CertificateFiles) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = |name| directory.path().join(name);
        let files = CertificateFiles { certificate: file("a.crt"), key: file("a.key") };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        (directory, files)
    }

    #[test]
    fn names_cover_hosts() {
        let (_directory, files) = made(&["App.example.com", "*.wiki.example.com", "127.0.0.1", "::1"]);
        let read = read(&files).unwrap();
        for (host, covered) in [
            ("app.example.com", true),
            ("wiki.example.com", false),
            ("a.wiki.example.com", true),
            ("a.b.wiki.example.com", false),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("other", false),
        ] {
            assert_eq!(read.covers(host), covered, "{host} in {:?}", read.names);
        }
        assert!(read.not_before < read.not_after);
    }

    #[test]
    fn r31_the_file_at_fault_is_named() {
        let (_one, good) = made(&["a"]);
        let (_other, other) = made(&["a"]);
        let with = |certificate: &Path, key: &Path| {
            let files = CertificateFiles { certificate: certificate.into(), key: key.into() };
            read(&files).unwrap_err().to_string()
        };
        let missing = good.key.with_file_name("none.pem");
        assert!(with(&missing, &good.key).contains("none.pem"));
        assert!(with(&good.certificate, &missing).contains("none.pem"));
        assert!(with(&good.key, &good.key).contains("a.key: no certificate in it"));
        assert!(with(&good.certificate, &good.certificate).contains("a.crt: no private key in it"));
        let mismatch = with(&good.certificate, &other.key);
        assert!(mismatch.contains("does not belong to"), "{mismatch}");
    }
}
