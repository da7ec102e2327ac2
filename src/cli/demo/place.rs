//! Where a running demo keeps its throw-away state, and how `stepgate demo code` finds it.
//!
//! A directory of mode 0700 in the system's place for temporary files, gone when the demo ends. It must never
//! outlive the demo nor be readable by anybody else: it holds the demo person's secret.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const PREFIX: &str = "stepgate-demo-";
const NOTE: &str = "demo.json";

/// What `stepgate demo code` needs to know of a running demo.
#[derive(Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) listen: SocketAddr,
    pub(super) totp_secret: String,
}

/// The directory; removed when dropped.
pub(super) struct Place {
    directory: PathBuf,
}

impl Place {
    /// Makes a fresh directory.
    pub(super) fn make() -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("{PREFIX}{}", crate::ambient::random_token()));
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    pub(super) fn path(&self) -> &Path {
        &self.directory
    }

    /// Leaves the note for `stepgate demo code`.
    pub(super) fn leave(&self, note: &Note) -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.directory.join(NOTE))?;
        file.write_all(serde_json::to_string(note)?.as_bytes())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is still readable by nobody else.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The newest demo of this user that runs now; with `listen`, the one at that address.
pub(super) fn find(listen: Option<SocketAddr>) -> Option<Note> {
    let me = fs::metadata("/proc/self").ok()?.uid();
    let mut notes: Vec<_> = fs::read_dir(std::env::temp_dir())
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .filter(|entry| is_private(&entry.path(), me))
        .filter_map(|entry| {
            let path = entry.path().join(NOTE);
            let written = fs::metadata(&path).ok()?.modified().ok()?;
            let note: Note = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
            (listen.is_none_or(|wanted| wanted == note.listen) && answers(note.listen))
                .then_some((written, note))
        })
        .collect();
    notes.sort_by_key(|(written, _)| *written);
    notes.pop().map(|(_, note)| note)
}

/// A real directory of ours that nobody else can look into: not one that somebody else put there.
fn is_private(directory: &Path, me: u32) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|m| m.is_dir() && m.uid() == me && m.mode() & 0o077 == 0)
}

/// A demo that was killed hard leaves its note behind, but nobody listens.
fn answers(listen: SocketAddr) -> bool {
    std::net::TcpStream::connect_timeout(&listen, std::time::Duration::from_millis(300)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_running_demo_of_ours_is_found_and_nothing_stays_behind() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        let place = Place::make().unwrap();
        place.leave(&Note { listen, totp_secret: "JBSWY3DPEHPK3PXP".into() }).unwrap();
        let note = fs::metadata(place.path().join(NOTE)).unwrap();
        assert_eq!(note.mode() & 0o777, 0o600);
        assert_eq!(find(Some(listen)).unwrap().totp_secret, "JBSWY3DPEHPK3PXP");
        drop(listener);
        assert!(find(Some(listen)).is_none(), "nobody listens there any more");
        let path = place.path().to_owned();
        drop(place);
        assert!(!path.exists());
    }
}
