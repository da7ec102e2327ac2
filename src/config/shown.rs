//! What is wrong with the certificates that a configuration names: files that cannot be served with,
//! time that has run out, hosts that none covers.

use std::collections::BTreeSet;
use std::path::Path;

use super::certificate::{self, Certificate, CertificateError};
use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::node::Node;
use super::settings::{Settings, Tls};
use super::source::Span;
use crate::ambient::UnixTime;

/// Renewal should have happened by then.
const SOON: i64 = 14 * 86_400;
const DAY: i64 = 86_400;
/// Hosts named in one message.
const MOST_NAMED: usize = 5;

/// Where the files are named.
#[derive(Default)]
pub(super) struct Places {
    tls: Span,
    /// Certificate and key, in the order of the settings.
    pairs: Vec<(Span, Span)>,
    device_authority: Span,
    directory_authority: Span,
}

impl Places {
    pub(super) fn of(root: &Node) -> Self {
        let Some(tls) = root.get("server").and_then(|server| server.get("tls")) else {
            return Self::default();
        };
        let several = tls.get("certificates").map(Node::items).unwrap_or_default();
        let pair = |node: &Node| Some((node.get("certificate")?.span, node.get("key")?.span));
        let span = |node: Option<&Node>| node.map(|node| node.span).unwrap_or_default();
        Self {
            tls: tls.pointer(),
            pairs: std::iter::once(tls).chain(several).filter_map(pair).collect(),
            device_authority: span(tls.get("device_authority")),
            directory_authority: span(tls.get("acme").and_then(|acme| acme.get("authority"))),
        }
    }
}

pub(super) fn problems(places: &Places, settings: &Settings, now: UnixTime) -> Vec<Diagnostic> {
    let Some(tls) = &settings.server.tls else {
        return Vec::new();
    };
    let (mut found, mut read) = (Vec::new(), Vec::new());
    for (files, (certificate, key)) in tls.certificates.iter().zip(&places.pairs) {
        match certificate::read(files) {
            Ok(good) => {
                found.extend(running_out(&good, *certificate, now));
                read.push(good);
            }
            Err(error) => {
                let at = if error.path() == files.key {
                    *key
                } else {
                    *certificate
                };
                found.push(unusable(&error, at));
            }
        }
    }
    for (path, at) in authorities(tls, places) {
        found.extend(certificate::chain(path).err().map(|error| unusable(&error, at)));
    }
    if read.len() == tls.certificates.len() {
        found.extend(uncovered(settings, &read, places.tls));
    }
    found
}

fn authorities<'a>(tls: &'a Tls, places: &Places) -> Vec<(&'a Path, Span)> {
    let device = tls.device_authority.as_deref().map(|path| (path, places.device_authority));
    let directory = tls.acme.as_ref().and_then(|acme| acme.authority.as_deref());
    device
        .into_iter()
        .chain(directory.map(|path| (path, places.directory_authority)))
        .collect()
}

fn unusable(error: &CertificateError, at: Span) -> Diagnostic {
    Diagnostic::error(Code::Certificate, "this file cannot be served with").at(at, error.to_string())
}

fn running_out(certificate: &Certificate, at: Span, now: UnixTime) -> Option<Diagnostic> {
    let left = certificate.not_after.since(now);
    let label = match left {
        i64::MIN..=0 => format!("it has run out, {} days ago; browsers refuse it", -left / DAY),
        1..=SOON => format!("it runs out in {} days", left / DAY),
        _ => return None,
    };
    Some(Diagnostic::warning(Code::CertificateSoon, "this certificate must be renewed").at(at, label))
}

/// Hosts that browsers would be shown another host's certificate for.
fn uncovered(settings: &Settings, read: &[Certificate], at: Span) -> Option<Diagnostic> {
    if !settings.server.listen.iter().any(|listen| listen.tls) {
        return None;
    }
    let obtained = settings.acme_hosts();
    let sites = settings.routes.iter().flat_map(|route| &route.hosts);
    let missing: BTreeSet<&str> = sites
        .chain([&settings.server.public_url.host])
        .map(String::as_str)
        .filter(|host| !host.starts_with('*') && !obtained.iter().any(|other| other == host))
        .filter(|host| !read.iter().any(|certificate| certificate.covers(host)))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let named: Vec<&str> = missing.iter().take(MOST_NAMED).copied().collect();
    let more = missing.len() - named.len();
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    let label = format!("none is for {}{more}", named.join(", "));
    Some(Diagnostic::warning(Code::CertificateSoon, "a host has no certificate").at(at, label))
}
