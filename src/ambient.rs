//! Time and randomness, the one seam through which both come in.
//!
//! Everything else takes a [`Clock`] or a [`UnixTime`] as a parameter; direct calls to the system
//! are banned in `clippy.toml`. This module must never learn what the time or the bytes are for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

/// Whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// Far enough away to mean "no limit".
    pub const NEVER: Self = Self(i64::MAX);

    /// This time moved by `seconds`, saturating.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this time; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Wall time that never runs backwards within one process, so that a clock set back cannot make
/// a proof young again (security.md F09).
#[derive(Clone)]
pub struct Clock {
    highest: Arc<AtomicI64>,
    source: Source,
}

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The system's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self { highest: Arc::default(), source: Source::System }
    }

    /// A clock that stands still until [`Clock::set`]; for tests.
    #[must_use]
    pub fn manual(at: UnixTime) -> Self {
        Self { highest: Arc::default(), source: Source::Manual(Arc::new(AtomicI64::new(at.0))) }
    }

    /// Moves a manual clock; does nothing to the system's.
    pub fn set(&self, at: UnixTime) {
        if let Source::Manual(time) = &self.source {
            time.store(at.0, Ordering::Relaxed);
        }
    }

    /// Now, or the latest time seen so far if the wall clock has been set back.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        let wall = match &self.source {
            Source::System => system_seconds(),
            Source::Manual(time) => time.load(Ordering::Relaxed),
        };
        UnixTime(self.highest.fetch_max(wall, Ordering::Relaxed).max(wall))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the seam that the ban points to")]
fn system_seconds() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

/// `N` bytes from the operating system's generator.
///
/// # Panics
/// When the operating system has no randomness to give: nothing may go on without it.
#[must_use]
#[expect(clippy::expect_used, reason = "without randomness there is no answer that would be safe")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A fresh 128-bit token as 22 characters of URL-safe base64: unguessable, for ids that grant something.
#[must_use]
pub fn random_token() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random_bytes::<16>())
}
