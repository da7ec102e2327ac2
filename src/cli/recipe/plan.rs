//! What every recipe is made from: the parts of the configuration that another program must know.
//!
//! Names that get into a recipe are letters, digits, `-`, `_`, `.` and `*` only, so none of its
//! syntaxes needs escaping; what does not fit is refused. Holds no secret.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::config::Settings;
use crate::config::settings::{Address, Endpoint, Listen, Route};

use super::Refused;
use super::headers::{Header, identity_headers, others, told};

/// Where an app is said to be when nothing says it.
const PLACEHOLDER: &str = "http://127.0.0.1:3000";

/// What the command line asks for.
pub(super) struct Wanted<'a> {
    /// Whether the recipe is for a proxy that asks stepgate.
    pub asks: bool,
    pub routes: &'a [String],
    pub at: Option<&'a str>,
    pub apps: &'a [String],
}

/// What a recipe says.
#[derive(Debug)]
pub(super) struct Plan {
    pub version: &'static str,
    /// Where stepgate is found: `host:port`.
    pub gate: String,
    pub gate_host: String,
    pub gate_port: u16,
    /// The reserved prefix, without its trailing slash.
    pub prefix: String,
    /// The portal's host, if none of the sites has it.
    pub portal: Option<String>,
    /// Whether browsers come by TLS.
    pub https: bool,
    /// The port that browsers come to.
    pub port: u16,
    /// Whether that port is the scheme's own.
    pub usual_port: bool,
    pub sites: Vec<Site>,
    /// The headers that tell the app who it is.
    pub headers: Vec<Header>,
    /// Headers of other conventions, which an app might believe as well.
    pub others: Vec<Header>,
    /// Headers in which a sign-in before stepgate says who it is.
    pub sources: Vec<String>,
    /// Headers in which clients send tokens, `Authorization` aside.
    pub tokens: Vec<String>,
    pub drain: Duration,
    /// The addresses that stepgate listens on.
    pub listen: Vec<SocketAddr>,
    /// Where the key of stepgate's own certificate lies.
    pub tls_key: Option<String>,
    /// What the operator should know besides.
    pub notes: Vec<String>,
}

/// One route.
#[derive(Debug)]
pub(super) struct Site {
    pub name: String,
    /// Its name as an identifier; no two sites share one.
    pub slug: String,
    pub hosts: Vec<String>,
    pub app: App,
    pub max_body: Option<u64>,
}

/// Where an app is.
#[derive(Debug)]
pub(super) struct App {
    pub tls: bool,
    /// `host[:port]` as written.
    pub authority: String,
    pub host: String,
    pub port: u16,
}

impl Plan {
    /// # Errors
    /// When the command line names what does not exist, or a name cannot stand in a recipe.
    pub(super) fn of(settings: &Settings, wanted: &Wanted<'_>) -> Result<Self, Refused> {
        let server = &settings.server;
        let mut notes = Vec::new();
        let (gate_host, gate_port) = gate(settings, wanted.at)?;
        let sites = sites(settings, wanted, &mut notes)?;
        let public = &server.public_url;
        let usual = if public.https { 443 } else { 80 };
        let (sources, tokens) = identity_headers(settings)?;
        if wanted.asks {
            note_trust(settings, &gate_host, &sources, &mut notes);
        }
        let certificate = server.tls.as_ref().and_then(|tls| tls.certificates.first());
        let tls_key = certificate.map(|files| files.key.display().to_string());
        let serves_portal = |site: &Site| site.hosts.contains(&public.host);
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            gate: authority(&gate_host, gate_port),
            gate_host,
            gate_port,
            prefix: server.prefix.clone(),
            portal: (!sites.iter().any(serves_portal)).then(|| public.host.clone()),
            https: public.https,
            port: public.port.unwrap_or(usual),
            usual_port: public.port.is_none(),
            headers: told(settings)?,
            others: others(settings, &sources),
            sites,
            sources,
            tokens,
            drain: server.drain,
            listen: addresses(&server.listen, |_| true),
            tls_key,
            notes,
        })
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Headers by which some apps take another method or path than the request's own.
    #[expect(clippy::unused_self, reason = "templates call methods of the plan")]
    pub(super) fn overrides(&self) -> [&'static str; 6] {
        [
            "X-HTTP-Method-Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "X-Original-URL",
            "X-Original-URI",
            "X-Rewrite-URL",
        ]
    }
}

impl Site {
    /// Whether it takes what no other site takes.
    pub(super) fn any_host(&self) -> bool {
        self.hosts.iter().any(|host| host == "*")
    }

    /// Exact names before wildcards before everything.
    pub(super) fn priority(&self) -> u32 {
        let rank = |host: &String| match host.as_str() {
            "*" => 1_000,
            wildcard if wildcard.starts_with("*.") => 10_000 + u32::try_from(wildcard.len()).unwrap_or(0),
            _ => 50_000,
        };
        self.hosts.iter().map(rank).max().unwrap_or(1_000)
    }
}

impl App {
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// `host:port`.
    pub(super) fn with_port(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// Where the proxy finds stepgate.
fn gate(settings: &Settings, at: Option<&str>) -> Result<(String, u16), Refused> {
    if let Some(at) = at {
        let refused = || Refused(format!("--at {at}: write it as HOST:PORT, such as 127.0.0.1:8080"));
        let app = app(&format!("http://{at}")).ok_or_else(refused)?;
        return if at.contains(':') {
            Ok((app.host, app.port))
        } else {
            Err(refused())
        };
    }
    let listeners = &settings.server.listen;
    let first = addresses(listeners, is_plain)
        .into_iter()
        .chain(addresses(listeners, |_| true))
        .next();
    let listen = first.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8080).into());
    let address = match listen.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    Ok((address.to_string(), listen.port()))
}

/// Where these listeners are, unix sockets aside.
fn addresses(listeners: &[Listen], wanted: impl Fn(&Listen) -> bool) -> Vec<SocketAddr> {
    let wanted = listeners.iter().filter(|listener| wanted(listener));
    wanted.filter_map(|listener| listener.address.tcp()).collect()
}

/// Whether a proxy can simply speak HTTP to it.
fn is_plain(listener: &Listen) -> bool {
    !listener.tls && !listener.proxy_protocol
}

fn sites(settings: &Settings, wanted: &Wanted<'_>, notes: &mut Vec<String>) -> Result<Vec<Site>, Refused> {
    let named = |route: &&Route| wanted.routes.contains(&route.name);
    for name in wanted.routes {
        if !settings.routes.iter().any(|route| route.name == *name) {
            return Err(Refused(format!("there is no route `{name}`; there are {}", names(settings))));
        }
    }
    let mut routes: Vec<&Route> = settings.routes.iter().filter(named).collect();
    if routes.is_empty() && wanted.asks {
        routes = settings.routes.iter().filter(|route| route.upstream.is_none()).collect();
    }
    if routes.is_empty() {
        routes = settings.routes.iter().collect();
    }
    if routes.is_empty() && wanted.asks {
        return Err(Refused("the configuration has no routes".to_owned()));
    }
    let apps = apps(settings, wanted.apps)?;
    let mut used = BTreeSet::new();
    let mut sites: Vec<Site> = routes
        .into_iter()
        .map(|route| site(settings, route, &apps, &mut used, notes))
        .collect();
    sites.sort_by_key(|site| std::cmp::Reverse(site.priority()));
    Ok(sites)
}

fn site(
    settings: &Settings,
    route: &Route,
    apps: &[(String, App)],
    used: &mut BTreeSet<String>,
    notes: &mut Vec<String>,
) -> Site {
    let given = apps.iter().find(|(name, _)| *name == route.name).map(|(_, app)| app);
    let configured = route.upstream.as_ref().and_then(|to| to.addresses.iter().find_map(of_address));
    let app = match (given, configured) {
        (Some(given), _) => App { authority: given.authority.clone(), host: given.host.clone(), ..*given },
        (None, Some(configured)) => configured,
        (None, None) => {
            let name = &route.name;
            notes.push(format!(
                "route `{name}` does not say where its app is; {PLACEHOLDER} stands for it. Give it with --app {name}=URL"
            ));
            App {
                tls: false,
                authority: "127.0.0.1:3000".into(),
                host: "127.0.0.1".into(),
                port: 3000,
            }
        }
    };
    Site {
        slug: slug(&route.name, used),
        name: route.name.clone(),
        hosts: route.hosts.clone(),
        app,
        max_body: route.max_body.or(settings.server.max_body),
    }
}

fn names(settings: &Settings) -> String {
    let names: Vec<&str> = settings.routes.iter().map(|route| route.name.as_str()).collect();
    names.join(", ")
}

/// `--app ROUTE=URL`, all of them.
fn apps(settings: &Settings, given: &[String]) -> Result<Vec<(String, App)>, Refused> {
    let one = |text: &String| {
        let (name, url) = text
            .split_once('=')
            .ok_or_else(|| Refused(format!("--app {text}: write it as ROUTE=URL")))?;
        if !settings.routes.iter().any(|route| route.name == name) {
            return Err(Refused(format!(
                "--app {text}: there is no route `{name}`; there are {}",
                names(settings)
            )));
        }
        let app = app(url).ok_or_else(|| {
            Refused(format!("--app {text}: write the URL as {PLACEHOLDER}, without a path"))
        })?;
        Ok((name.to_owned(), app))
    };
    given.iter().map(one).collect()
}

/// An address of the configuration; a proxy is told of TCP alone.
fn of_address(address: &Address) -> Option<App> {
    let scheme = if address.secure { "https" } else { "http" };
    match &address.endpoint {
        Endpoint::Tcp { host, port } => app(&format!("{scheme}://{host}:{port}")),
        Endpoint::Unix(_) => None,
    }
}

/// An origin, if it is written plainly.
fn app(url: &str) -> Option<App> {
    let (scheme, authority) = url.split_once("://")?;
    let tls = match scheme {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let parsed: http::uri::Authority = authority.parse().ok()?;
    let host = parsed.host();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    if host.is_empty() || authority.contains('@') || !authority.bytes().all(plain) {
        return None;
    }
    let port = match parsed.port() {
        Some(port) => port.as_str().parse().ok()?,
        None if tls => 443,
        None => 80,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(App { tls, authority: authority.to_owned(), host, port })
}

/// `host:port`, with the brackets of IPv6.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The name of a route as an identifier: letters, digits and `-`.
fn slug(name: &str, used: &mut BTreeSet<String>) -> String {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    // Some of what it names may have 63 letters only.
    let plain: String = format!("app-{}", plain.trim_matches('-')).chars().take(40).collect();
    let mut slug = plain.clone();
    let mut number = 1;
    while !used.insert(slug.clone()) {
        number += 1;
        slug = format!("{plain}-{number}");
    }
    slug
}

/// What keeps a proxy's questions from being answered.
fn note_trust(settings: &Settings, gate_host: &str, sources: &[String], notes: &mut Vec<String>) {
    let server = &settings.server;
    if addresses(&server.listen, is_plain).is_empty() {
        notes.push("the proxy asks over plain HTTP, which no listener speaks; add to `server.listen`: { address: \"127.0.0.1:8081\", tls: false }".into());
    }
    let loopback: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let local = gate_host == "localhost" || gate_host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let trusted = |address: &IpAddr| server.trusted_proxies.iter().any(|network| network.contains(address));
    if local && !loopback.iter().any(trusted) {
        notes.push(
            "stepgate answers only proxies that it trusts; add to `server`: trusted_proxies: [127.0.0.1]"
                .into(),
        );
    } else if server.trusted_proxies.is_empty() {
        notes.push("stepgate answers only proxies that it trusts; add the proxy's address to `server`: trusted_proxies: [10.0.0.10]".into());
    }
    let wide = addresses(&server.listen, is_plain)
        .into_iter()
        .find(|address| address.ip().is_unspecified());
    if let Some(wide) = wide.filter(|_| local) {
        let port = wide.port();
        notes.push(format!("stepgate listens on every address, but only the proxy needs it; write listen: \"127.0.0.1:{port}\""));
    }
    if !sources.is_empty() {
        notes.push(format!(
            "{}: the recipe removes what clients send; have your sign-in set it where the recipe says so",
            sources.join(", ")
        ));
    }
}
