//! Where accounts and certificates are kept: `acme/` in the state directory, for its owner alone.
//!
//! A file is there whole or not at all; key and certificate share one, so that they cannot part.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

use crate::config::certificate::Certificate;

use super::{AcmeError, order};

const ACCOUNT: &str = "account.json";

#[derive(Debug)]
pub(super) struct Place(PathBuf);

/// An account belongs to one directory.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    credentials: AccountCredentials,
}

impl Place {
    pub(super) fn new(state: &Path) -> Self {
        Self(state.join("acme"))
    }

    /// The certificate of an earlier run; `None` when there is none that can be used.
    pub(super) fn read(&self, host: &str) -> Option<Certificate> {
        let path = self.certificate(host);
        let text = fs::read_to_string(&path).ok()?;
        order::from_pem(&text, &text)
            .inspect_err(|error| {
                tracing::warn!(%error, path = %path.display(), "a kept certificate cannot be used; another will be obtained");
            })
            .ok()
    }

    pub(super) fn write(&self, host: &str, text: &str) -> Result<(), AcmeError> {
        self.put(&self.certificate(host), text.as_bytes())
    }

    pub(super) fn account(&self, directory: &str) -> Option<AccountCredentials> {
        let text = fs::read(self.0.join(ACCOUNT)).ok()?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        (kept.directory == directory).then_some(kept.credentials)
    }

    pub(super) fn keep_account(
        &self,
        directory: &str,
        credentials: AccountCredentials,
    ) -> Result<(), AcmeError> {
        let kept = Kept { directory: directory.to_owned(), credentials };
        let path = self.0.join(ACCOUNT);
        let text = serde_json::to_vec(&kept).map_err(|error| trouble(&path, &error))?;
        self.put(&path, &text)
    }

    /// Hosts are letters, digits, `-`, `_` and `.` (see `host::exact`), so this stays inside.
    fn certificate(&self, host: &str) -> PathBuf {
        self.0.join(format!("{host}.pem"))
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), AcmeError> {
        self.try_put(path, bytes).map_err(|error| trouble(path, &error))
    }

    fn try_put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let new = path.with_extension("new");
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        fs::File::open(&self.0)?.sync_all()
    }
}

fn trouble(path: &Path, why: &dyn std::fmt::Display) -> AcmeError {
    AcmeError::File { path: path.display().to_string(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_is_nobody_elses() {
        let state = tempfile::tempdir().unwrap();
        let place = Place::new(state.path());
        assert!(place.read("a.example").is_none());
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let text = format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem());
        place.write("a.example", &text).unwrap();
        assert!(place.read("a.example").unwrap().covers("a.example"));
        let file = state.path().join("acme/a.example.pem");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(state.path().join("acme")).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(&file, "half").unwrap();
        assert!(place.read("a.example").is_none());
    }
}
