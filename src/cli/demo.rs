//! `stepgate demo`: app, person, factor and gate in one process, for trying things out.
//!
//! It writes a configuration text and then goes the same way as `stepgate run`; nothing in it is special but the
//! prepared person. It serves on loopback only, because its password and secret are printed for all to see.

mod app;
mod pages;
mod place;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::users::generate_password;
use super::{UNREACHABLE, USAGE, run};
use crate::ambient::{Clock, UnixTime, random_bytes};
use crate::config::{self, Environment, FactorKind, Settings, Sources};
use crate::factors::{self, Enrolling, Setup};
use crate::identity::local;
use crate::policy::SubjectKey;
use crate::store::{AuditEvent, NewEnrolment, NewUser, Store};
use app::App;
use place::{Note, Place};

const USER: &str = "demo";

/// Everything embedded: an app, a person, an authenticator secret and the gate.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to serve, on loopback; port 0 takes any free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", global = true)]
    listen: Option<SocketAddr>,
    /// Print one line of JSON for scripts instead of instructions
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the code that the demo person's authenticator app shows now
    Code,
}

/// Runs the demo until it is told to stop, or prints a code.
///
/// # Errors
/// When a port is taken or the temporary directory cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if matches!(args.command, Some(Command::Code)) {
        return Ok(print_code(args.listen));
    }
    let listen = args.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    if !listen.ip().is_loopback() {
        eprintln!("stepgate: the demo prints its password, so it serves on loopback only: not {listen}");
        return Ok(ExitCode::from(USAGE));
    }
    let (listen, reserved) = match reserve(listen) {
        Ok(reserved) => reserved,
        Err(error) => {
            eprintln!(
                "stepgate: cannot listen on {listen}: {error}; `--listen 127.0.0.1:0` takes any free port"
            );
            return Ok(ExitCode::from(UNREACHABLE));
        }
    };
    run::control_runtime()?.block_on(serve(listen, reserved, args.json))
}

/// What a newcomer or a script needs to know.
struct Opening {
    site: String,
    password: SecretString,
    totp_secret: String,
    upstream: String,
    json: bool,
}

async fn serve(listen: SocketAddr, reserved: Socket, json: bool) -> anyhow::Result<ExitCode> {
    let place = Place::make().context("cannot make a temporary directory")?;
    let app = App::start().await.context("cannot start the demo app")?;
    let text = configuration(listen, app.address(), place.path());
    let loaded = config::load(&Sources::text("demo", &text), &Environment::default());
    let Some(settings) = loaded.settings else {
        bail!("the demo's configuration is refused:\n{}", loaded.diagnostics.to_text(false));
    };
    let password = generate_password();
    let totp_secret = prepare(&settings, &password, Clock::system().now()).await?;
    place
        .leave(&Note { listen, totp_secret: totp_secret.clone() })
        .context("cannot write the note")?;
    let opening = Opening {
        site: settings.server.public_url.origin(),
        password,
        totp_secret,
        upstream: format!("http://{}", app.address()),
        json,
    };
    run::start_log(&settings.logging);
    run::serve(&settings, None, |listening| {
        drop(reserved);
        opening.print(listening.operations);
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// Finds the port before the gate is built, because its public address is part of the configuration. The socket
/// never listens; it keeps others from taking the port until the gate has it.
fn reserve(listen: SocketAddr) -> std::io::Result<(SocketAddr, Socket)> {
    // Shared ports let a second demo in beside the first, and every other request would go to the wrong one.
    let patience = std::time::Duration::from_millis(300);
    if listen.port() != 0 && std::net::TcpStream::connect_timeout(&listen, patience).is_ok() {
        return Err(std::io::ErrorKind::AddrInUse.into());
    }
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, None)?;
    // Both, because the gate looks first whether it can have the port to itself.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&listen.into())?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(listen);
    Ok((bound, socket))
}

/// Also an example of a small complete file.
fn configuration(listen: SocketAddr, app: SocketAddr, state: &Path) -> String {
    format!(
        r#"version: 1
server:
  listen: "{listen}"
  public_url: http://localhost:{port}
  operations: "127.0.0.1:0"
  drain: 2s
storage:
  state_directory: "{state}"
identity:
  - {{ name: local, type: local }}
factors:
  totp: {{ issuer: Acme Intranet }}
levels:
  - name: recent-code
    any_of: [totp]
    valid_for: 5m
routes:
  - name: intranet
    host: localhost
    upstream: http://{app}
    require: signed-in
    rules:
      - {{ path: [/, /index.asp], require: public }}
      - {{ path: /admin/**, require: recent-code, reason: Administration needs a recent code. }}
      - {{ path: /transfer, require: recent-code, reason: A transfer needs a recent code. }}
enrolment:
  first_factor: open
logging:
  level: warn
branding:
  name: Acme
"#,
        port = listen.port(),
        state = state.display(),
    )
}

/// Adds the person and their factor, as an administrator and an enrolment would have. Returns the secret.
async fn prepare(settings: &Arc<Settings>, password: &SecretString, now: UnixTime) -> anyhow::Result<String> {
    let store = Store::open(&settings.storage).await?;
    let user = NewUser {
        name: USER.to_owned(),
        display_name: Some("Demo Person".to_owned()),
        email: None,
        groups: vec!["staff".to_owned()],
        password_hash: local::hash(password)?,
        disabled: false,
        must_change: false,
    };
    let key = SubjectKey::new("local", USER);
    let event = |what| AuditEvent::new(now, what, "ok").who(key.as_str());
    store.add_user(user, now, Some(event("user.added"))).await?;
    let factors = factors::all(settings)?;
    let totp = factors.get(FactorKind::Totp).context("authenticator apps are on")?;
    let none = std::collections::BTreeMap::new();
    let new = Enrolling {
        account: USER,
        display_name: USER,
        email: None,
        person: random_bytes(),
        details: &none,
        enrolled: &[],
    };
    let (material, setup) = totp.begin(&new)?;
    let Setup::Totp { key: secret, .. } = setup else {
        bail!("an authenticator app shows a key")
    };
    let enrolment = NewEnrolment { factor: FactorKind::Totp, name: "Demo app".to_owned(), material };
    store
        .add_enrolment(&key, enrolment, now, Some(event("enrolment.added")))
        .await?;
    store.close().await;
    Ok(secret.split_whitespace().collect())
}

impl Opening {
    fn print(&self, operations: Option<SocketAddr>) {
        let operations = operations.map(|address| format!("http://{address}"));
        if self.json {
            let line = json!({
                "site": self.site,
                "username": USER,
                "password": self.password.expose_secret(),
                "totp_secret": self.totp_secret,
                "operations": operations,
                "upstream": self.upstream,
            });
            println!("{line}");
            return;
        }
        println!(
            "The demo is running. An old intranet app stands behind Stepgate; it knows nothing of second factors.\n\n\
             1. Open the public page:              {site}/\n\
             2. Open your account and sign in:     {site}/account\n\
             \x20      user name  {USER}\n\
             \x20      password   {password}\n\
             3. Open what needs a second factor:   {site}/admin\n\
             \x20      code       run `stepgate demo code` in another terminal,\n\
             \x20                 or type this key into an authenticator app: {secret}\n\
             4. Send a transfer from your account. It is asked for a code again after five minutes.\n\n\
             The app itself, without the gate:     {upstream}/admin\n\
             Health and metrics:                   {operations}/metrics\n\n\
             Everything is gone when you press Ctrl-C.",
            site = self.site,
            password = self.password.expose_secret(),
            secret = self.totp_secret,
            upstream = self.upstream,
            operations = operations.unwrap_or_default(),
        );
    }
}

fn print_code(listen: Option<SocketAddr>) -> ExitCode {
    let Some(note) = place::find(listen) else {
        eprintln!("stepgate: no demo of yours is running; start one with `stepgate demo`");
        return ExitCode::from(1);
    };
    let Some(code) = code_at(&note.totp_secret, Clock::system().now()) else {
        eprintln!("stepgate: the demo's note is damaged");
        return ExitCode::from(1);
    };
    println!("{code}");
    ExitCode::SUCCESS
}

/// What an authenticator app shows at a time.
fn code_at(secret: &str, now: UnixTime) -> Option<String> {
    let secret = totp_rs::Secret::try_from_base32(secret).ok()?;
    let totp = totp_rs::Builder::new().with_secret(secret).build().ok()?;
    Some(totp.generate(u64::try_from(now.0).ok()?).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_accepted() {
        let text = configuration(
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            SocketAddr::from(([127, 0, 0, 1], 9)),
            Path::new("/tmp/demo"),
        );
        let loaded = config::load(&Sources::text("demo", &text), &Environment::default());
        assert!(loaded.settings.is_some(), "{}", loaded.diagnostics.to_text(false));
    }

    #[test]
    fn rfc_6238_vector() {
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(code_at(secret, UnixTime(59)).as_deref(), Some("287082"));
    }

    #[test]
    fn the_port_is_known_before_it_listens_and_stays_ours() {
        let (listen, reserved) = reserve(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        assert_ne!(listen.port(), 0);
        drop(reserved);
        let _other = std::net::TcpListener::bind(listen).unwrap();
        assert_eq!(reserve(listen).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    }
}
