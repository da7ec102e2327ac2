//! The key ring's file: read, made once, replaced whole. Mode 0600, never half written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::keys::{KeyError, StoredRing};
use crate::ambient;

/// A ring of keys is a few kilobytes; more is not one.
const LARGEST: u64 = 256 * 1024;

/// Where the ring lives.
pub(super) fn path(state: &Path) -> PathBuf {
    state.join("keys.json")
}

/// Reads the file; on first start makes it. Two processes that start at once agree on one file.
pub(super) fn read_or_make(state: &Path, make: impl FnOnce() -> StoredRing) -> Result<StoredRing, KeyError> {
    let path = path(state);
    if let Some(ring) = read(&path)? {
        return Ok(ring);
    }
    let ring = make();
    let draft = write_draft(state, &ring)?;
    // A hard link fails when the file exists by now: the other process was first, and its keys count.
    let linked = std::fs::hard_link(&draft, &path);
    let _ = std::fs::remove_file(&draft);
    match linked {
        Ok(()) => sync_directory(state).map(|()| ring),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(&path)?.ok_or_else(|| KeyError::Broken(path.clone()))
        }
        Err(source) => Err(KeyError::Io { path, source }),
    }
}

/// Replaces the file whole.
pub(super) fn replace(state: &Path, ring: &StoredRing) -> Result<(), KeyError> {
    let draft = write_draft(state, ring)?;
    let path = path(state);
    std::fs::rename(&draft, &path).map_err(|source| KeyError::Io { path, source })?;
    sync_directory(state)
}

fn read(path: &Path) -> Result<Option<StoredRing>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Open(path.to_owned()));
    }
    if metadata.len() > LARGEST {
        return Err(KeyError::Broken(path.to_owned()));
    }
    let text = zeroize::Zeroizing::new(io::read_to_string(file).map_err(failed)?);
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| KeyError::Broken(path.to_owned()))
}

fn write_draft(state: &Path, ring: &StoredRing) -> Result<PathBuf, KeyError> {
    let draft = state.join(format!(".keys-{}", ambient::random_token()));
    let failed = |source| KeyError::Io { path: draft.clone(), source };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .map_err(failed)?;
    let text = zeroize::Zeroizing::new(serde_json::to_vec_pretty(ring).map_err(|e| failed(e.into()))?);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(draft)
}

fn sync_directory(state: &Path) -> Result<(), KeyError> {
    File::open(state)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| KeyError::Io { path: state.to_owned(), source })
}
