//! Opening the store: directory, file, migrations, and the proof that the key is the right one.
//!
//! A wrong or missing key is an error here, at start, and never a surprise at the first challenge.
//! A new key is made only for a store that has never been sealed.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use zeroize::Zeroizing;

use super::seal::{KeyRing, Place, SealError};
use super::transaction::DEADLINE;
use super::{Inner, Pool, Store};
use crate::ambient::{random_bytes, random_token};
use crate::config::settings::Storage;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Name of the key file in the state directory.
const KEY_FILE: &str = "encryption.key";
const CHECK: Place<'static> = Place { table: "meta", column: "sealed", row: b"check" };
const CHECK_TEXT: &[u8] = b"stepgate";
/// Changes that may wait for the writer; more are told to come again.
const MAX_WAITING: usize = 2048;
/// How often, 100 ms apart, opening is tried again while another process has the file.
const PATIENCE: u32 = 20;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} can be read by others: its mode must be 0600", path.display())]
    KeyReadable { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Database { path: PathBuf, source: sqlx::Error },
    #[error("{}: the database cannot be brought to this version: {source}", path.display())]
    Migration { path: PathBuf, source: Box<MigrateError> },
    /// The check value was sealed with another key.
    #[error(
        "{} was sealed with another key: put the key it was made with into storage.encryption_keys \
         (older keys may follow newer ones there), or bring back {KEY_FILE} in storage.state_directory",
        path.display()
    )]
    WrongKey { path: PathBuf },
    #[error("storage.encryption_keys: {0}")]
    BadKey(SealError),
}

impl Store {
    /// Opens or creates the store that the settings name.
    ///
    /// # Errors
    /// [`OpenError`], each naming the file or the configuration key to look at.
    pub async fn open(storage: &Storage) -> Result<Self, OpenError> {
        let path = storage.database.clone();
        make_directory(path.parent().unwrap_or(Path::new(".")))?;
        make_directory(&storage.state_directory)?;
        make_private(&path)?;
        let writer = pool(&path, 1).await?;
        migrate(&path, &writer).await?;
        let check = check_value(&path, &writer).await?;
        let ring = Arc::new(key_ring(storage, check.is_none())?);
        verify_key(&path, &writer, &ring, check).await?;
        let readers = pool(&path, 4).await?;
        let waiting = Arc::new(tokio::sync::Semaphore::new(MAX_WAITING));
        Ok(Self { inner: Arc::new(Inner { writer, readers, ring, waiting }) })
    }

    /// Closes every connection; what was acknowledged is on disk already.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }
}

async fn pool(path: &Path, connections: u32) -> Result<Pool, OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last commits when power fails; an acknowledged one may not be lost.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_millis(1500))
        .pragma("trusted_schema", "OFF");
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(DEADLINE)
        .test_before_acquire(false);
    let mut tries = 0;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Ok(pool) => return Ok(pool),
            // Changing a new file to WAL does not wait for `busy_timeout`.
            Err(source) if is_busy(&source) && tries < PATIENCE => tries += 1,
            Err(source) => return Err(OpenError::Database { path: path.to_owned(), source }),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether another process has the file at this moment (SQLITE_BUSY with its extended codes).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

/// The command line and a server may both be first; the loser of that race finds the work done.
async fn migrate(path: &Path, writer: &Pool) -> Result<(), OpenError> {
    let mut tries = 0;
    loop {
        match MIGRATIONS.run(writer).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if tries < PATIENCE => {
                tries += 1;
            }
            Err(source) => {
                return Err(OpenError::Migration { path: path.to_owned(), source: Box::new(source) });
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn check_value(path: &Path, writer: &Pool) -> Result<Option<Vec<u8>>, OpenError> {
    let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT sealed FROM meta WHERE name = 'check'")
        .fetch_optional(writer)
        .await
        .map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
    Ok(row.map(|(sealed,)| sealed))
}

/// Opens the check value, or writes it for a new store; whoever wrote first decides.
async fn verify_key(
    path: &Path,
    writer: &Pool,
    ring: &KeyRing,
    check: Option<Vec<u8>>,
) -> Result<(), OpenError> {
    let sealed = if let Some(sealed) = check {
        sealed
    } else {
        let sealed = ring.seal(CHECK, CHECK_TEXT).map_err(OpenError::BadKey)?;
        sqlx::query("INSERT INTO meta (name, sealed) VALUES ('check', $1) ON CONFLICT (name) DO NOTHING")
            .bind(&sealed)
            .execute(writer)
            .await
            .map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
        check_value(path, writer).await?.unwrap_or_default()
    };
    match ring.open(CHECK, &sealed) {
        Ok(text) if text.expose_secret() == CHECK_TEXT => Ok(()),
        _ => Err(OpenError::WrongKey { path: path.to_owned() }),
    }
}

fn key_ring(storage: &Storage, may_create: bool) -> Result<KeyRing, OpenError> {
    if !storage.encryption_keys.is_empty() {
        return KeyRing::new(&storage.encryption_keys).map_err(OpenError::BadKey);
    }
    let path = storage.state_directory.join(KEY_FILE);
    let key = match read_key(&path)? {
        Some(key) => key,
        None if may_create => {
            create_key(&storage.state_directory, &path)?;
            read_key(&path)?.ok_or_else(|| OpenError::WrongKey { path: storage.database.clone() })?
        }
        None => {
            return Err(OpenError::WrongKey { path: storage.database.clone() });
        }
    };
    KeyRing::new(&[key]).map_err(OpenError::BadKey)
}

fn read_key(path: &Path) -> Result<Option<SecretString>, OpenError> {
    let file = |source| OpenError::File { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file(error)),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            return Err(OpenError::KeyReadable { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    fs::read_to_string(path)
        .map(|text| Some(SecretString::from(text)))
        .map_err(file)
}

/// Writes a complete key beside its final name, then links it there: no process ever sees half a
/// key, and of two that start together one wins.
fn create_key(directory: &Path, path: &Path) -> Result<(), OpenError> {
    let draft = directory.join(format!(".{KEY_FILE}.{}", random_token()));
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(*Zeroizing::new(random_bytes::<32>()))));
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }?;
        fs::File::open(directory)?.sync_all()
    })();
    let removed = fs::remove_file(&draft);
    made.and(removed)
        .map_err(|source| OpenError::File { path: path.to_owned(), source })
}

fn make_directory(path: &Path) -> Result<(), OpenError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| OpenError::File { path: path.to_owned(), source })
}

/// The database file, created if need be, for its owner alone; SQLite gives its side files the
/// same mode.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let private = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))
    };
    private().map_err(|source| OpenError::File { path: path.to_owned(), source })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn storage(directory: &Path) -> Storage {
        Storage {
            database: directory.join("state/stepgate.db"),
            state_directory: directory.join("state"),
            encryption_keys: Vec::new(),
        }
    }

    /// A store in a directory that goes with the returned guard.
    pub(crate) async fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&storage(directory.path())).await.unwrap();
        (directory, store)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn makes_everything_for_its_owner_alone() {
        let (directory, _store) = store().await;
        let state = directory.path().join("state");
        assert_eq!(mode(&state), 0o700);
        for file in ["stepgate.db", "stepgate.db-wal", "encryption.key"] {
            assert_eq!(mode(&state.join(file)), 0o600, "{file}");
        }
        assert_eq!(
            fs::read_dir(&state)
                .unwrap()
                .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
                .count(),
            0
        );
    }

    #[tokio::test]
    async fn a_wrong_or_missing_key_is_an_error_that_names_the_setting() {
        let (directory, store) = store().await;
        store.close().await;
        let mut settings = storage(directory.path());
        settings.encryption_keys = vec![SecretString::from("some other key, long enough to be one")];
        let error = Store::open(&settings).await.err().unwrap().to_string();
        assert!(error.contains("storage.encryption_keys"), "{error}");

        fs::remove_file(directory.path().join("state/encryption.key")).unwrap();
        let error = Store::open(&storage(directory.path())).await.err().unwrap();
        assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
        assert!(!directory.path().join("state/encryption.key").exists());
    }

    #[tokio::test]
    async fn a_key_file_that_others_can_read_is_refused() {
        let (directory, store) = store().await;
        store.close().await;
        let key = directory.path().join("state/encryption.key");
        fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        let error = Store::open(&storage(directory.path())).await.err().unwrap();
        assert!(matches!(error, OpenError::KeyReadable { .. }), "{error}");
    }

    #[tokio::test]
    async fn two_processes_may_start_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let settings = storage(directory.path());
        let (one, two) = tokio::join!(Store::open(&settings), Store::open(&settings));
        one.unwrap();
        two.unwrap();
    }
}
