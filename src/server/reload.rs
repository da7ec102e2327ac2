//! Reload: a changed file or SIGHUP builds a new generation; a bad one changes nothing. Certificates
//! are read again on their own, so that a broken configuration does not let them run out.
//!
//! Directories are watched, not files: editors and ConfigMaps replace files. Any event is only a
//! hint; what counts is whether the contents differ.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::supervisor;
use super::whole::{Front, Generation, Live};
use crate::challenge::stranded::{self, Stranded};
use crate::config::settings::Server;
use crate::config::{self, Environment, FactorSet, Loaded, Settings, Sources};
use crate::gate::Shared;
use crate::observe::metrics;

/// Events closer together than this are one change.
const SETTLE: Duration = Duration::from_millis(300);
/// Files are looked at this often even if nothing was heard: network file systems send no events, and
/// neither do links that are swapped further up.
const POLL: Duration = Duration::from_secs(5);

/// Where the configuration comes from, and what of it was last seen.
pub struct Reloader {
    sources: Sources,
    environment: Environment,
    files: BTreeSet<PathBuf>,
    seen: Vec<u8>,
    certificates: BTreeSet<PathBuf>,
    seen_certificates: Vec<u8>,
}

impl Reloader {
    #[must_use]
    pub fn new(sources: Sources, environment: Environment, loaded: &Loaded) -> Self {
        let certificates = loaded.settings.as_deref().map(certificate_files).unwrap_or_default();
        Self {
            sources,
            environment,
            files: loaded.files.clone(),
            seen: fingerprint(&loaded.files),
            seen_certificates: fingerprint(&certificates),
            certificates,
        }
    }

    /// Watches until the process ends; `hangup` asks for a reload at once.
    pub async fn run(mut self, mut hangup: Signal, shared: Arc<Shared>, live: Live, front: Front) {
        let (heard, mut events) = mpsc::channel(1);
        let mut watcher = self.watch(&heard);
        loop {
            let asked = self.wait(&mut hangup, &mut events).await;
            self.follow_certificates(asked, &live, &front);
            let print = fingerprint(&self.files);
            if !asked && print == self.seen {
                continue;
            }
            self.seen = print;
            self.reload(&shared, &live, &front);
            self.follow_certificates(false, &live, &front);
            watcher = watcher.and_then(|_| self.watch(&heard));
        }
    }

    /// Takes changed certificates into use.
    fn follow_certificates(&mut self, asked: bool, live: &Live, front: &Front) {
        let settings = live.settings();
        let (Some(certificates), Some(tls)) = (&front.certificates, &settings.server.tls) else {
            return;
        };
        self.certificates = certificate_files(&settings);
        let print = fingerprint(&self.certificates);
        if !asked && print == self.seen_certificates {
            return;
        }
        self.seen_certificates = print;
        match certificates.reload(tls) {
            Ok(()) => tracing::info!("the certificates have been read again"),
            Err(error) => tracing::error!(%error, "a certificate is refused; the old ones stay in use"),
        }
    }

    /// Returns whether it was asked for by signal.
    async fn wait(&self, hangup: &mut Signal, events: &mut mpsc::Receiver<()>) -> bool {
        tokio::select! {
            _ = hangup.recv() => true,
            _ = events.recv() => {
                let settled = Instant::now() + SETTLE;
                while timeout(settled.saturating_duration_since(Instant::now()), events.recv()).await.is_ok() {}
                false
            }
            () = sleep_until(Instant::now() + POLL) => false,
        }
    }

    fn watch(&self, heard: &mpsc::Sender<()>) -> Option<RecommendedWatcher> {
        let heard = heard.clone();
        let tell = move |_: notify::Result<notify::Event>| {
            // A full channel has a hint already.
            let _ = heard.try_send(());
        };
        let mut watcher = notify::recommended_watcher(tell)
            .inspect_err(
                |error| tracing::warn!(%error, "files cannot be watched; they are looked at every 5 s"),
            )
            .ok()?;
        let files = self.files.union(&self.certificates);
        let directories: BTreeSet<&Path> = files.filter_map(|file| file.parent()).collect();
        for directory in directories {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, directory = %directory.display(), "a directory cannot be watched");
            }
        }
        Some(watcher)
    }

    fn reload(&mut self, shared: &Arc<Shared>, live: &Live, front: &Front) {
        supervisor::reloading();
        let loaded = config::load(&self.sources, &self.environment).with_certificates(shared.clock.now());
        self.files.extend(loaded.files.iter().cloned());
        let before = loaded.settings.as_ref().map(|_| live.settings().factors.enabled);
        let built = match &loaded.settings {
            Some(settings) => {
                let before = live.generation();
                Generation::new(shared, &keep_fixed(&before.settings, settings), Some(&before))
                    .map_err(|e| e.to_string())
            }
            None => Err(loaded.diagnostics.to_text(false)),
        };
        match built {
            Ok(generation) => {
                front.trust.replace(&generation.settings.server.trusted_proxies);
                live.replace(generation);
                metrics().reload_successful.set(1);
                metrics().reload_time.set(shared.clock.now().0);
                tracing::info!("the configuration has been reloaded");
                if let Some(before) = before {
                    tell_of_factors(before, &live.settings());
                }
            }
            Err(why) => {
                metrics().reload_successful.set(0);
                tracing::error!(%why, "the changed configuration is refused; the old one stays in use");
            }
        }
        supervisor::ready();
    }
}

/// Says which factors are off from now on, and whom that leaves without one.
fn tell_of_factors(before: FactorSet, settings: &Arc<Settings>) {
    let off = before.without(settings.factors.enabled);
    if off.is_empty() {
        return;
    }
    for kind in off.iter() {
        tracing::info!(
            factor = kind.name(),
            "a factor is off: nobody is asked for it or can add it, and what it proved counts no more"
        );
    }
    let settings = Arc::clone(settings);
    tokio::spawn(async move {
        for one in stranded::find(&settings).await.unwrap_or_default() {
            if off.contains(one.kind) {
                let Stranded { kind, people, with_codes } = one;
                tracing::warn!(
                    factor = kind.name(),
                    people,
                    with_codes,
                    "a factor is off: people have no other"
                );
            }
        }
    });
}

/// What cannot change in a running process stays as it is, and the log says so.
fn keep_fixed(old: &Arc<Settings>, new: &Arc<Settings>) -> Arc<Settings> {
    let mut settings = Settings::clone(new);
    let wanted = settings.server;
    let mut tls = old.server.tls.clone();
    if let (Some(tls), Some(wanted)) = (&mut tls, &wanted.tls) {
        tls.certificates.clone_from(&wanted.certificates);
    }
    settings.server = Server {
        max_body: wanted.max_body,
        max_target: wanted.max_target,
        trusted_proxies: wanted.trusted_proxies,
        tls,
        ..old.server.clone()
    };
    settings.storage = old.storage.clone();
    settings.sessions = old.sessions.clone();
    settings.logging = old.logging.clone();
    settings.limits.per_network_per_minute = old.limits.per_network_per_minute;
    let changed: Vec<&str> = [
        (
            "server (all but trusted_proxies, max_body, max_target and tls.certificates)",
            differ(&settings.server, &new.server),
        ),
        ("storage", differ(&settings.storage, &new.storage)),
        ("sessions", differ(&settings.sessions, &new.sessions)),
        ("logging", differ(&settings.logging, &new.logging)),
        ("limits.per_network", differ(&settings.limits, &new.limits)),
    ]
    .into_iter()
    .filter_map(|(key, changed)| changed.then_some(key))
    .collect();
    if !changed.is_empty() {
        let keys = changed.join("; ");
        tracing::warn!(keys, "these keys have changed and need a restart; the rest is in use now");
    }
    Arc::new(settings)
}

/// Every file that a certificate or its key is in.
fn certificate_files(settings: &Settings) -> BTreeSet<PathBuf> {
    let pairs = settings.server.tls.iter().flat_map(|tls| &tls.certificates);
    pairs.flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]).collect()
}

/// By what they would print: secrets look alike, and their files are compared elsewhere.
fn differ<T: std::fmt::Debug>(kept: &T, asked: &T) -> bool {
    format!("{kept:?}") != format!("{asked:?}")
}

/// Digest over names and contents; a file that cannot be read counts as absent.
fn fingerprint(files: &BTreeSet<PathBuf>) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for file in files {
        context.update(file.as_os_str().as_encoded_bytes());
        let contents = std::fs::read(file).unwrap_or_default();
        context.update(&(contents.len() as u64).to_be_bytes());
        context.update(&contents);
    }
    context.finish().as_ref().to_vec()
}
