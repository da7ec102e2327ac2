//! The sections about the process itself: server, storage, factors, sessions, limits, looks.

use std::path::PathBuf;

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Problems};
use super::super::node::{Kind, Node};
use super::super::settings::{
    Activity, Branding, Enrolment, FirstFactor, Limits, LogFormat, Logging, MessageLimits, Server, Sessions,
    Storage, Timeouts,
};
use super::super::source::Environment;
use super::super::values::{address, quantity};
use super::{Build, conditions, duration, front, value, values};

/// `None` when something in the section was wrong.
pub(super) fn server(build: &mut Build<'_>) -> Option<Server> {
    let node = build.root.get("server")?;
    let tls = front::tls(build, node);
    let operations = match node.text_of("operations")? {
        "false" => None,
        text => Some(address::listen(text).ok()?),
    };
    Some(Server {
        listen: front::listen(build, node),
        public_url: value(node, "public_url", address::public_url)?,
        tls,
        trusted_proxies: values(node, "trusted_proxies", address::peers),
        connections: front::connections(node)?,
        operations,
        workers: node.text_of("workers").and_then(|text| text.parse().ok()),
        prefix: node.text_of("prefix")?.trim_end_matches('/').to_owned(),
        timeouts: timeouts(node.get("timeouts")?)?,
        max_body: value(node, "max_body", quantity::size),
        max_header: front::bounded_size(build, node, "max_header", 4 << 10, 64 << 10)?,
        max_target: front::bounded_size(build, node, "max_target", 1 << 10, 32 << 10)?,
        drain: duration(node, "drain")?,
    })
}

fn timeouts(node: &Node) -> Option<Timeouts> {
    Some(Timeouts {
        handshake: duration(node, "handshake")?,
        headers: duration(node, "headers")?,
        idle: duration(node, "idle")?,
        body_idle: duration(node, "body_idle")?,
        upstream_connect: duration(node, "upstream_connect")?,
        upstream_response: duration(node, "upstream_response")?,
    })
}

/// Forged `X-Forwarded-For` is as good as any from an address that is trusted by mistake.
pub(super) fn warn_of_wide_proxies(build: &mut Build<'_>) {
    let Some(proxies) = build.root.get("server").and_then(|server| server.get("trusted_proxies")) else {
        return;
    };
    for item in proxies.items() {
        let Some(network) = item.text().and_then(|text| address::peers(text).ok()) else {
            continue;
        };
        let narrow = if network.addr().is_ipv4() { 24 } else { 64 };
        if network.prefix_len() < narrow {
            build.report(
                Diagnostic::warning(Code::WideProxy, "many addresses are trusted as proxies")
                    .at(item.span, "any of them can claim to speak for any client address")
                    .fix("list the proxies' own addresses"),
            );
        }
    }
}

/// Fewer bytes than the cipher's key cannot be one, whether written as base64 or as they are.
const SHORTEST_KEY: usize = 32;

pub(super) fn storage(build: &mut Build<'_>, environment: &Environment) -> Storage {
    let node = build.root.get("storage");
    for key in node
        .and_then(|node| node.get("encryption_keys"))
        .map(Node::items)
        .unwrap_or_default()
    {
        if key.text().is_some_and(|text| text.len() < SHORTEST_KEY) {
            build.report(
                Diagnostic::error(Code::WeakSecret, "this key is too short")
                    .at(key.span, "32 random bytes are needed, best as base64")
                    .fix("openssl rand -base64 32"),
            );
        }
    }
    let own = |key| node.and_then(|node| node.text_of(key)).map(PathBuf::from);
    // systemd separates several by colons; the first is the unit's main one.
    let systemd = environment.get("STATE_DIRECTORY").and_then(|list| list.split(':').next());
    let usual = || PathBuf::from(systemd.filter(|path| !path.is_empty()).unwrap_or("/var/lib/stepgate"));
    let state_directory = own("state_directory").unwrap_or_else(usual);
    Storage {
        database: own("database").unwrap_or_else(|| state_directory.join("stepgate.db")),
        encryption_keys: node
            .map(|node| node.texts_of("encryption_keys"))
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        state_directory,
    }
}

pub(super) fn sessions(build: &mut Build<'_>) -> Option<Sessions> {
    let node = build.root.get("sessions")?;
    let sessions = Sessions {
        idle_timeout: duration(node, "idle_timeout")?,
        absolute_timeout: duration(node, "absolute_timeout")?,
        activity: activity(node).unwrap_or_default(),
    };
    let longest = std::time::Duration::from_hours(24);
    for (key, value) in [
        ("idle_timeout", sessions.idle_timeout),
        ("absolute_timeout", sessions.absolute_timeout),
    ] {
        if value.is_zero() || value > longest {
            let at = node.get(key).map_or(node.span, |node| node.span);
            build.report(
                Diagnostic::error(Code::Bound, format!("`{key}` is out of bounds"))
                    .at(at, "from 1s to 24h: a session that lasts longer outlives the day it was proved on"),
            );
        }
    }
    Some(sessions)
}

/// What `activity` says there.
pub(super) fn activity(node: &Node) -> Option<Activity> {
    match node.text_of("activity")? {
        "any" => Some(Activity::Any),
        "navigation" => Some(Activity::Navigation),
        "false" => Some(Activity::None),
        _ => Some(Activity::Actions),
    }
}

pub(super) fn enrolment(build: &mut Build<'_>) -> Enrolment {
    let node = build.root.get("enrolment");
    let first = node.and_then(|node| node.get("first_factor"));
    let first_factor = match first.map(|first| (&first.kind, first)) {
        Some((Kind::Scalar(scalar), _)) if scalar.text == "open" => FirstFactor::Open,
        Some((Kind::Map(_), map)) => {
            match map.get("allow_when").and_then(|when| conditions::when(build, when)) {
                Some(when) => FirstFactor::When(when),
                None => FirstFactor::Invitation,
            }
        }
        _ => FirstFactor::Invitation,
    };
    Enrolment { first_factor, grace_period: node.and_then(|node| duration(node, "grace_period")) }
}

pub(super) fn limits(root: &Node, problems: &mut Problems) -> Option<Limits> {
    let node = root.get("limits")?;
    let wrong = value(node, "wrong_answers", quantity::rate)?;
    let network = value(node, "per_network", quantity::rate)?;
    let per_minute = u64::from(network.count) * 60 / network.window.as_secs().max(1);
    Some(Limits {
        wrong_answers: wrong.count,
        window: wrong.window,
        hard_stop: node.text_of("lock_user_after")?.parse().ok()?,
        per_network_per_minute: u32::try_from(per_minute.max(1)).ok()?,
        messages: messages(node.get("messages")?, problems)?,
    })
}

/// What is counted is kept for a day.
fn messages(node: &Node, problems: &mut Problems) -> Option<MessageLimits> {
    let longest = std::time::Duration::from_hours(24);
    let mut rate = |key: &str| {
        let rate = value(node, key, quantity::rate)?;
        if rate.window > longest {
            let at = node.get(key).map_or(node.span, |node| node.span);
            problems.push(
                Diagnostic::error(Code::Bound, format!("the window of `{key}` is out of bounds"))
                    .at(at, "at most a day, such as `1000 per 1d`"),
            );
        }
        Some(rate)
    };
    Some(MessageLimits {
        per_prefix: rate("per_prefix")?,
        per_country: rate("per_country")?,
        per_network: rate("per_network")?,
        overall: rate("overall")?,
        unanswered: rate("unanswered")?,
    })
}

pub(super) fn logging(root: &Node) -> Logging {
    let node = root.get("logging");
    let text = |key| node.and_then(|node| node.text_of(key)).unwrap_or_default();
    let format = match text("format") {
        "json" => LogFormat::Json,
        "human" => LogFormat::Human,
        _ => LogFormat::Auto,
    };
    Logging { format, level: text("level").to_owned() }
}

pub(super) fn branding(root: &Node) -> Branding {
    let node = root.get("branding");
    let text = |key| node.and_then(|node| node.text_of(key)).map(str::to_owned);
    Branding { name: text("name").unwrap_or_default(), support_url: text("support_url") }
}
