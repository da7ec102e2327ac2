//! `stepgate recipe`: what to tell another proxy, systemd, an image or Kubernetes, made from the
//! operator's own configuration.
//!
//! Makes text and nothing else: it opens no socket and no store, and no secret of the configuration
//! gets into what it prints. Every recipe fails closed: without an answer from stepgate no request
//! reaches the app.

mod caddy;
mod docker;
mod envoy;
mod haproxy;
mod headers;
mod kubernetes;
mod nginx;
mod plan;
mod systemd;
mod traefik;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::USAGE;
use super::files::Files;
use plan::{Plan, Wanted};

/// Prints a recipe.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For what
    #[arg(value_enum)]
    pub kind: Kind,

    #[command(flatten)]
    pub files: Files,

    /// Only this route; may be given more than once. Without it: the routes without upstream, else all
    #[arg(long, value_name = "NAME")]
    pub route: Vec<String>,

    /// Where the proxy finds stepgate; default: where it listens
    #[arg(long, value_name = "HOST:PORT")]
    pub at: Option<String>,

    /// Where a route's app is; may be given more than once
    #[arg(long, value_name = "ROUTE=URL")]
    pub app: Vec<String>,

    /// Another form: traefik file, labels or crd; envoy grpc or http; kubernetes native or older
    #[arg(long, value_name = "FORM")]
    pub form: Option<String>,

    /// Write the recipe's files into this directory instead of printing them; none is overwritten
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

/// What a recipe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// nginx with `auth_request`
    Nginx,
    /// Traefik with `ForwardAuth`
    Traefik,
    /// Caddy with `forward_auth`
    Caddy,
    /// Envoy with `ext_authz`
    Envoy,
    /// `HAProxy` with a Lua action
    Haproxy,
    /// A hardened unit
    Systemd,
    /// An image, and a compose file
    Docker,
    /// A sidecar, with kustomize
    Kubernetes,
}

impl Kind {
    /// The forms it comes in; the first is the usual one.
    const fn forms(self) -> &'static [&'static str] {
        match self {
            Self::Traefik => &["file", "labels", "crd"],
            Self::Envoy => &["grpc", "http"],
            Self::Kubernetes => &["native", "older"],
            _ => &[],
        }
    }

    /// Whether it asks stepgate, instead of passing everything through it.
    const fn asks(self) -> bool {
        matches!(self, Self::Nginx | Self::Traefik | Self::Caddy | Self::Envoy | Self::Haproxy)
    }
}

/// One file of a recipe.
#[derive(Debug)]
struct Document {
    name: &'static str,
    text: String,
}

impl Document {
    /// # Errors
    /// When the template cannot be rendered.
    fn of(name: &'static str, template: &impl askama::Template) -> Result<Self, Refused> {
        let text = template.render().map_err(|error| Refused(error.to_string()))?;
        Ok(Self { name, text: format!("{}\n", text.trim()) })
    }
}

/// Why there is no recipe.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// Exit code 0; 2 for a command line that makes no sense; 78 for a configuration that is refused.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let settings = match args.files.load() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let wanted = Wanted {
        asks: args.kind.asks(),
        routes: &args.route,
        at: args.at.as_deref(),
        apps: &args.app,
    };
    let made = Plan::of(&settings, &wanted).and_then(|plan| Ok((documents(&args, &plan)?, plan.notes)));
    match made.and_then(|(documents, notes)| put(&args, &documents).map(|()| notes)) {
        Ok(notes) => {
            for note in notes {
                let _ = writeln!(std::io::stderr(), "note: {note}");
            }
            ExitCode::SUCCESS
        }
        Err(refused) => {
            let _ = writeln!(std::io::stderr(), "stepgate: {refused}");
            ExitCode::from(USAGE)
        }
    }
}

fn documents(args: &Args, plan: &Plan) -> Result<Vec<Document>, Refused> {
    let form = form(args.kind, args.form.as_deref())?;
    match args.kind {
        Kind::Nginx => nginx::documents(plan),
        Kind::Traefik => traefik::documents(plan, form),
        Kind::Caddy => caddy::documents(plan),
        Kind::Envoy => envoy::documents(plan, form),
        Kind::Haproxy => haproxy::documents(plan),
        Kind::Systemd => systemd::documents(plan, &args.files.config),
        Kind::Docker => docker::documents(plan),
        Kind::Kubernetes => kubernetes::documents(plan, form),
    }
}

/// The form asked for, or the usual one.
fn form(kind: Kind, asked: Option<&str>) -> Result<&'static str, Refused> {
    let forms = kind.forms();
    match asked {
        None => Ok(forms.first().copied().unwrap_or_default()),
        Some(asked) => forms.iter().copied().find(|form| *form == asked).ok_or_else(|| {
            Refused(match forms {
                [] => "this recipe has one form only; leave --form out".to_owned(),
                forms => format!("there is no form `{asked}` of this recipe; write {}", forms.join(" or ")),
            })
        }),
    }
}

/// Prints the documents, or writes them into a directory.
fn put(args: &Args, documents: &[Document]) -> Result<(), Refused> {
    let Some(directory) = &args.write else {
        let mut out = std::io::stdout().lock();
        for document in documents {
            if documents.len() > 1 {
                let _ = writeln!(out, "# ---- {} ----", document.name);
            }
            let _ = out.write_all(document.text.as_bytes());
        }
        return Ok(());
    };
    std::fs::create_dir_all(directory)
        .map_err(|error| Refused(format!("{}: {error}", directory.display())))?;
    for document in documents {
        let path = directory.join(document.name);
        std::fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(document.text.as_bytes()))
            .map_err(|error| Refused(format!("{}: {error}", path.display())))?;
        let _ = writeln!(std::io::stderr(), "{}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
