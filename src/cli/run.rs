//! `stepgate run`: read the configuration, build the whole, serve until told to end.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::ambient::Clock;
use crate::config::settings::{LogFormat, Logging};
use crate::config::{self, Environment, Settings};
use crate::observe::log;
use crate::server::reload::Reloader;
use crate::server::supervisor;
use crate::server::whole::{Listening, StartError, Whole};

use crate::store::OpenError;

use super::files::Files;
use super::{REFUSED, UNREACHABLE};

/// Serves with a configuration.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub files: Files,

    /// When serving, print one line of JSON with the addresses in use
    #[arg(long)]
    pub ready_json: bool,
}

/// Serves until a signal ends it.
///
/// # Errors
/// When no runtime can be had.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let sources = args.files.sources();
    let environment = Environment::of_process();
    let loaded = config::load(&sources, &environment).with_certificates(Clock::system().now());
    let Some(settings) = loaded.settings.clone() else {
        eprint!("{}", loaded.diagnostics.to_text(false));
        return Ok(ExitCode::from(REFUSED));
    };
    start_log(&settings.logging);
    if loaded.diagnostics.warnings() > 0 {
        tracing::warn!("the configuration has warnings:\n{}", loaded.diagnostics.to_text(false));
    }
    let reloader = Reloader::new(sources, environment, &loaded);
    control_runtime()?.block_on(async move {
        let ready = move |listening: &Listening| {
            supervisor::ready();
            tell_log(listening);
            if args.ready_json {
                tell_script(listening);
            }
        };
        Ok(report(serve(&settings, Some(reloader), ready).await))
    })
}

/// Builds the whole and serves; `ready` is called once it listens. Shared with the demo.
///
/// # Errors
/// When something cannot be opened, or a worker cannot start.
pub async fn serve(
    settings: &Arc<Settings>,
    reloader: Option<Reloader>,
    ready: impl FnOnce(&Listening),
) -> Result<(), StartError> {
    // Signals are ours before anybody is told that we are there to be signalled.
    let hangup = signal(SignalKind::hangup())?;
    let whole = Whole::build(settings, Clock::system()).await?;
    whole.shutdown().on_signals()?;
    ready(&whole.listening());
    let reload = reloader.map(|reloader| {
        tokio::spawn(reloader.run(hangup, Arc::clone(&whole.shared), whole.live(), whole.front()))
    });
    let served = whole.serve().await;
    if let Some(reload) = reload {
        reload.abort();
    }
    served
}

/// The runtime of portal, API, store and background tasks.
///
/// # Errors
/// When threads cannot be started.
pub fn control_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
}

/// Starts logging as configured.
pub fn start_log(logging: &Logging) {
    let format = match logging.format {
        LogFormat::Json => log::Format::Json,
        LogFormat::Human => log::Format::Human,
        LogFormat::Auto => log::Format::detect(),
    };
    log::start(format, &logging.level);
}

fn report(served: Result<(), StartError>) -> ExitCode {
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stepgate: {error}");
            let key = |error: &OpenError| {
                matches!(
                    error,
                    OpenError::WrongKey { .. } | OpenError::BadKey(_) | OpenError::KeyReadable { .. }
                )
            };
            let configuration = match &error {
                StartError::Gate(_) | StartError::Upstream(_) | StartError::Keys(_) => true,
                StartError::Store(error) => key(error),
                StartError::Feed(_) | StartError::Io(_) => false,
            };
            ExitCode::from(if configuration { REFUSED } else { UNREACHABLE })
        }
    }
}

fn tell_log(listening: &Listening) {
    let addresses: Vec<String> = listening.addresses.iter().map(ToString::to_string).collect();
    let operations = listening.operations.map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(listen = addresses.join(", "), operations, version = env!("CARGO_PKG_VERSION"), "serving");
}

fn tell_script(listening: &Listening) {
    let line = serde_json::json!({
        "ready": true,
        "listen": listening.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "operations": listening.operations,
    });
    // Nothing can be done about a script that has gone away.
    let _ = writeln!(std::io::stdout(), "{line}");
}
