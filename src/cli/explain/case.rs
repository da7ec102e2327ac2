//! The case that a command line describes.

use std::collections::BTreeMap;

use http::Request;
use http::request::Parts;
use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::ambient::{Clock, UnixTime};
use crate::config::{self, FactorKind, FactorSet};
use crate::policy::{Binding, Enrolled, EnrolmentId, Identity, Policy, Proof, SubjectKey};

use super::{Args, Usage};

/// One request and everything known about who makes it.
pub(super) struct Case {
    pub(super) url: String,
    pub(super) parts: Parts,
    pub(super) client: std::net::IpAddr,
    pub(super) at: Zoned,
    pub(super) identity: Option<Identity>,
    pub(super) proofs: Vec<Proof>,
    pub(super) enrolled: Enrolled,
}

impl Case {
    pub(super) fn read(args: &Args, policy: &Policy, clock: &Clock) -> Result<Self, Usage> {
        let at = time(args.at.as_deref(), clock)?;
        let now = UnixTime(at.timestamp().as_second());
        let (proofs, enrolled) = factors(&args.has, now)?;
        Ok(Self {
            url: args.url.clone(),
            parts: parts(args)?,
            client: args.ip.to_canonical(),
            at,
            identity: args.user.as_deref().map(|user| identity(user, args, policy)).transpose()?,
            proofs,
            enrolled,
        })
    }

    pub(super) fn now(&self) -> UnixTime {
        UnixTime(self.at.timestamp().as_second())
    }
}

/// The request as it would come over HTTP/1.1.
fn parts(args: &Args) -> Result<Parts, Usage> {
    let no_url = || Usage(format!("`{}` is no URL: write it as https://app.example.com/path", args.url));
    let uri: http::Uri = args.url.parse().map_err(|_| no_url())?;
    let host = uri.authority().filter(|_| uri.scheme().is_some()).ok_or_else(no_url)?;
    let target = uri.path_and_query().ok_or_else(no_url)?;
    let request = Request::builder()
        .method(args.method.as_str())
        .uri(target.as_str())
        .header(http::header::HOST, host.as_str())
        .body(());
    let request = request.map_err(|error| Usage(format!("no such request can be made: {error}")))?;
    Ok(request.into_parts().0)
}

fn time(at: Option<&str>, clock: &Clock) -> Result<Zoned, Usage> {
    let bad = |at: &str| {
        Usage(format!(
            "`{at}` is no time: write 2026-11-21T09:12:00Z or 2026-11-21T09:12[Europe/London]"
        ))
    };
    let Some(at) = at else {
        let now = Timestamp::from_second(clock.now().0).map_err(|_| bad("now"))?;
        return Ok(now.to_zoned(TimeZone::UTC));
    };
    let instant = || at.parse::<Timestamp>().map(|instant| instant.to_zoned(TimeZone::UTC));
    at.parse::<Zoned>().or_else(|_| instant()).map_err(|_| bad(at))
}

/// A person of the named source, or of the first.
fn identity(user: &str, args: &Args, policy: &Policy) -> Result<Identity, Usage> {
    let sources = &policy.settings().identity;
    let named = user
        .split_once(':')
        .filter(|(source, _)| sources.iter().any(|known| known.name == *source));
    let first = || sources.first().map_or("local", |source| source.name.as_str());
    let (source, subject) = named.unwrap_or_else(|| (first(), user));
    let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in &args.attr {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Usage(format!("`{pair}` is no NAME=VALUE")))?;
        attributes.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    let mut one = |name: &str| attributes.remove(name)?.into_iter().next_back().map(Into::into);
    Ok(Identity {
        source: source.into(),
        subject: subject.into(),
        key: SubjectKey::new(source, subject),
        groups: Some(args.groups.iter().map(|group| group.trim().into()).collect()),
        name: one("name"),
        email: one("email"),
        attributes,
        binding: Binding::new(source, subject, ""),
        authenticated_at: None,
    })
}

/// What `--has` says: proofs with their times, and everything that is enrolled.
fn factors(has: &[String], now: UnixTime) -> Result<(Vec<Proof>, Enrolled), Usage> {
    if has.is_empty() {
        return Ok((Vec::new(), Enrolled::Unknown));
    }
    let mut proofs = Vec::new();
    let mut kinds = FactorSet::EMPTY;
    for factor in has.iter().map(|factor| factor.trim()).filter(|factor| *factor != "none") {
        let (name, age) = factor.split_once('@').map_or((factor, None), |(name, age)| (name, Some(age)));
        let kind = FactorKind::from_name(name).ok_or_else(|| {
            let known = FactorKind::ALL.map(FactorKind::name).join(", ");
            Usage(format!("there is no factor `{name}`: there are {known}"))
        })?;
        kinds = kinds.with(kind);
        if let Some(age) = age {
            let age = config::duration(age).and_then(|age| i64::try_from(age.as_secs()).ok());
            let age = age.ok_or_else(|| Usage(format!("`{factor}` has no age: write it as {name}@2m")))?;
            proofs.push(Proof::new(kind, EnrolmentId(name.into()), now.plus(-age)));
        }
    }
    Ok((proofs, Enrolled::Kinds(kinds)))
}
