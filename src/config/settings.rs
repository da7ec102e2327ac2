//! What a configuration file means, validated: every name resolved, every figure in its unit.
//!
//! Rooms above read these types and never see YAML. A value of [`Settings`] exists only when the
//! whole file was free of errors.

mod duo;
mod factors;
mod form_login;
mod front;
mod identity;
mod outward;
mod passwords;
mod senders;
mod sent;
mod smpp;
mod tokens;
mod upstream;
mod vendors;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

use super::factor_kind::FactorSet;
use super::properties::Properties;

pub use super::values::answer_place::AnswerPlace;
pub use super::values::filter::{Filter, FilterPart, FilterPiece, FilterValue};
pub use super::values::pointer::Pointer;
pub use super::values::template::{Context, Placeholder, Template};
pub use duo::{Duo, DuoApplication};
pub use factors::{Factors, Passkey, RecoveryCodes, Totp, UserVerification};
pub use form_login::{FormLogin, FormValue, Success};
pub use front::{Acme, CertificateFiles, Connections, Listen, ListenAddress, Tls};
pub use identity::{
    AppSession, AppWay, Basic, BindName, CertificateForm, CertificateName, CertificateOrigin,
    CertificateSource, ClaimNames, ClientAuth, Digest, ForwardedCertificate, HmacContent, HmacShape,
    IdentityKind, IdentitySource, Introspection, Jwt, JwtAlgorithm, JwtContract, JwtKey, JwtPlace, Ldap,
    LdapAccount, LdapGroups, LdapGroupsFrom, LdapSearch, LdapSecurity, LdapServer, LoginName, Mark, Oidc,
    Place, Probe, ProbeUrl, Prompt, Question, Signed, SignedFormat, SourceSet, TrustedHeader, Watch, Written,
};
pub use outward::{IdentityTemplate, Inject, Preset, Said, ToUpstream};
pub use passwords::Passwords;
pub use senders::{Channel, Sender, SenderKind, Senders, Smtp, SmtpCredentials, SmtpSecurity};
pub use sent::{Email, Language, MessageLimits, Rate, Telephone};
pub use smpp::{Smpp, SmppAlphabet};
pub use tokens::{Hotp, MessageAuthenticator, Radius, RadiusServer, Yubikey};
pub use upstream::{
    Address, ClientCertificate, Endpoint, MOST_ADDRESSES, Protocol, RouteTimeouts, Upstream, UpstreamTls,
};
pub use vendors::{
    Accepted, Aws, AwsSms, AwsSns, HttpAuth, HttpBody, HttpErrors, HttpGateway, HttpReceipts, Login,
    MessageBird, Plivo, SignatureMethod, Twilio, TwilioFrom, TwilioVerify, Vendor, Vonage, VonageSecret,
    VonageVerify, VonageVoice,
};

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub server: Server,
    pub storage: Storage,
    /// Asked in order; the first that answers says who it is.
    pub identity: Vec<IdentitySource>,
    pub factors: Factors,
    pub senders: Senders,
    /// The built-in levels and the file's own; [`LevelId`] is an index into this list.
    pub levels: Vec<Level>,
    pub conditions: BTreeMap<String, Condition>,
    pub floor: Option<Floor>,
    pub routes: Vec<Route>,
    /// What apps are told unless their route says otherwise.
    pub to_upstream: ToUpstream,
    pub sessions: Sessions,
    pub enrolment: Enrolment,
    pub passwords: Passwords,
    pub limits: Limits,
    pub logging: Logging,
    pub branding: Branding,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub listen: Vec<Listen>,
    pub public_url: PublicUrl,
    pub tls: Option<Tls>,
    /// Peers whose `X-Forwarded-For` and PROXY headers count. Empty trusts nobody. The word `unix` is
    /// the unspecified address, which only peers on unix sockets have.
    pub trusted_proxies: Vec<IpNet>,
    pub connections: Connections,
    pub operations: Option<SocketAddr>,
    /// Data-plane threads; default: one per available processor.
    pub workers: Option<usize>,
    /// The reserved prefix without its trailing slash, `/.stepgate` unless changed.
    pub prefix: String,
    pub timeouts: Timeouts,
    pub max_body: Option<u64>,
    /// Bytes of a request's header block.
    pub max_header: usize,
    /// Bytes of a request's target.
    pub max_target: usize,
    /// After SIGTERM: how long requests in flight may take to end.
    pub drain: Duration,
}

/// The portal's origin. The scheme decides the cookie mode; the host and port identify the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    pub https: bool,
    /// Lower case, without port or trailing dot.
    pub host: String,
    /// Only when it is not the scheme's own.
    pub port: Option<u16>,
}

impl PublicUrl {
    /// `https://host[:port]`, without a trailing slash.
    #[must_use]
    pub fn origin(&self) -> String {
        self.origin_of(&self.host)
    }

    /// The origin of another site behind the same listener: same scheme and port, other host.
    #[must_use]
    pub fn origin_of(&self, host: &str) -> String {
        let scheme = if self.https { "https" } else { "http" };
        match self.port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }
}

/// Deadlines for each phase of a connection. All are enforced below hyper.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// TLS handshake; also the first byte of a connection.
    pub handshake: Duration,
    /// A complete request header block, HTTP/2 CONTINUATION included.
    pub headers: Duration,
    /// A connection with no request in flight.
    pub idle: Duration,
    /// Silence in the middle of a body, in either direction.
    pub body_idle: Duration,
    pub upstream_connect: Duration,
    /// From the request being sent to the upstream's response headers.
    pub upstream_response: Duration,
}

#[derive(Debug, Clone)]
pub struct Storage {
    /// `sqlite:///path` (or a bare path); default `stepgate.db` in the state directory.
    pub database: PathBuf,
    /// Where keys made on first start live.
    pub state_directory: PathBuf,
    /// Newest first; older ones only open what they sealed. Empty: a key file in the state directory.
    pub encryption_keys: Vec<SecretString>,
}

/// Index into [`Settings::levels`]. At most 64 levels exist, so a set of them is one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LevelId(pub u8);

/// Which proofs count, and how fresh they must be. A set, not a rung of a ladder.
#[derive(Debug, Clone)]
pub struct Level {
    pub name: String,
    /// One slot per group, each filled by a proof of a different kind. `any_of` is a single slot;
    /// no slots at all means that only an identity is asked for.
    pub slots: Vec<FactorSet>,
    /// `None`: as long as the session. `Some(0)`: for one request alone (decision 8).
    pub valid_for: Option<Duration>,
    /// What each proof must have to fill a slot.
    pub properties: Properties,
    /// For how long a trusted browser stands for a proof; `None`: not at all.
    pub remember_device: Option<Duration>,
}

impl Level {
    /// The slots with only those kinds left that can fill one: switched on, able to have the
    /// properties, and not by themselves where they count only beside another.
    #[must_use]
    pub fn slots_under(&self, factors: &Factors) -> Vec<FactorSet> {
        let alone = self.slots.len() == 1;
        let counting = factors.counting();
        let fit = |slot: &FactorSet| {
            let able = slot.intersection(counting).able(self.properties);
            if alone {
                able.without(factors.companions)
            } else {
                able
            }
        };
        self.slots.iter().map(fit).collect()
    }
}

/// A requirement as written at one place: the AND of its levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Require {
    Public,
    Deny,
    Levels(Vec<LevelId>),
}

#[derive(Debug, Clone)]
pub struct Requirement {
    pub require: Require,
    /// Asks only people who have enrolled a factor that counts here.
    pub optional: bool,
}

/// What a fact about the request must be. Each is true, false or unknown.
#[derive(Debug, Clone)]
pub enum Condition {
    Network(Vec<IpNet>),
    Time(TimeWindow),
    /// Attribute name → accepted values; all names must match. `groups` is one of the names.
    User(BTreeMap<String, Vec<String>>),
    /// Query parameter → accepted values; empty list: present at all. May only tighten.
    Query(BTreeMap<String, Vec<String>>),
    /// Issuers of the connection's client certificate; empty: any.
    Certificate(Vec<String>),
}

#[derive(Debug, Clone)]
pub struct TimeWindow {
    /// Monday is bit 0.
    pub days: u8,
    /// Minutes after midnight, from inclusive, to exclusive; `None`: the whole day. May wrap.
    pub between: Option<(u16, u16)>,
    pub zone: jiff::tz::TimeZone,
}

/// A combination of named conditions.
#[derive(Debug, Clone)]
pub enum When {
    Is(String),
    All(Vec<When>),
    Any(Vec<When>),
    Not(Box<When>),
}

/// What every request must meet, public ones included, except for `except`.
#[derive(Debug, Clone)]
pub struct Floor {
    pub requirement: Requirement,
    /// Path patterns.
    pub except: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Route {
    pub name: String,
    /// `*.example.com` or `*` are wildcards; lower case.
    pub hosts: Vec<String>,
    pub upstream: Option<Arc<Upstream>>,
    /// The `Host` the app sees; `None`: what the client sent.
    pub host_header: Option<String>,
    pub timeouts: RouteTimeouts,
    /// What the app is told about the person.
    pub to_upstream: ToUpstream,
    /// How people are signed in to the app through its own form.
    pub form_login: Option<Arc<FormLogin>>,
    /// Who; `None`: anyone who is known.
    pub allow: Option<Allow>,
    /// The identity sources that count here.
    pub identity: SourceSet,
    pub requirement: Requirement,
    pub rules: Vec<Rule>,
    pub raise: Vec<Raise>,
    pub encoded_slash: EncodedSlash,
    pub reason: Option<String>,
    pub answer: Answer,
    /// `None`: as `sessions.activity` says.
    pub activity: Option<Activity>,
    pub max_body: Option<u64>,
    /// How long what goes on may do so after its proof has run out.
    pub long_lived_grace: Duration,
    /// Bytes of a request's header block; `None`: the server's bound alone.
    pub max_header: Option<usize>,
    /// Bytes of a request's target; `None`: the server's bound.
    pub max_target: Option<usize>,
    /// Line of the file that begins this route, for `explain` and the audit log.
    pub line: u32,
}

#[derive(Debug, Clone, Default)]
pub struct Allow {
    pub users: Vec<String>,
    pub groups: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Rule {
    /// Path patterns; empty: any path.
    pub path: Vec<String>,
    /// Upper case; empty: any method.
    pub method: Vec<String>,
    pub when: Option<When>,
    pub query: BTreeMap<String, Vec<String>>,
    pub requirement: Requirement,
    pub reason: Option<String>,
    pub answer: Option<Answer>,
    /// `None`: as of the route.
    pub activity: Option<Activity>,
    pub line: u32,
}

#[derive(Debug, Clone)]
pub struct Raise {
    pub when: When,
    pub requirement: Requirement,
    pub line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodedSlash {
    Refuse,
    Judge,
}

/// How an unmet requirement is told to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A page for browsers, a status for everything else.
    Auto,
    /// Always a status.
    Status,
}

#[derive(Debug, Clone)]
pub struct Sessions {
    pub idle_timeout: Duration,
    pub absolute_timeout: Duration,
    /// Where a route says nothing else.
    pub activity: Activity,
}

/// Which requests show that somebody is there, so that the idle limit begins anew. In the order from
/// all to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Activity {
    /// Every one.
    Any,
    /// All but what pages ask for by themselves.
    #[default]
    Actions,
    /// Pages that people open, and forms that they send.
    Navigation,
    None,
}

#[derive(Debug, Clone)]
pub struct Enrolment {
    pub first_factor: FirstFactor,
    /// Counted from the first time a person is seen; `None`: no grace.
    pub grace_period: Option<Duration>,
}

/// What lets a person without any factor enrol the first (decision 24).
#[derive(Debug, Clone)]
pub enum FirstFactor {
    Invitation,
    /// Only where the condition is true; elsewhere by invitation.
    When(When),
    Open,
}

/// Figures of security.md 2.3.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Wrong answers per person before waits begin…
    pub wrong_answers: u32,
    /// …within this window.
    pub window: Duration,
    /// Wrong answers in a row after which only an administrator can help.
    pub hard_stop: u32,
    /// Requests to sign-in, challenge and enrolment per client network per minute.
    pub per_network_per_minute: u32,
    pub messages: MessageLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Human,
    /// Human on a terminal, JSON elsewhere.
    Auto,
}

#[derive(Debug, Clone)]
pub struct Logging {
    pub format: LogFormat,
    pub level: String,
}

#[derive(Debug, Clone)]
pub struct Branding {
    pub name: String,
    pub support_url: Option<String>,
}

impl Settings {
    /// The hosts that certificates are obtained for, each once.
    #[must_use]
    pub fn acme_hosts(&self) -> Vec<String> {
        let Some(acme) = self.server.tls.as_ref().and_then(|tls| tls.acme.as_ref()) else {
            return Vec::new();
        };
        if let Some(hosts) = &acme.hosts {
            return hosts.clone();
        }
        let all = self
            .routes
            .iter()
            .flat_map(|route| &route.hosts)
            .chain([&self.server.public_url.host]);
        // Directories know public names: no addresses, nothing without a dot, no wildcard.
        let public = |host: &&String| {
            host.contains('.') && !host.starts_with(['*', '[']) && host.parse::<std::net::IpAddr>().is_err()
        };
        all.filter(public)
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Every header in which some app is told about people, each once.
    #[must_use]
    pub fn told(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.routes.iter().flat_map(|route| route.to_upstream.names()) {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
        names
    }

    /// The level with this id.
    #[must_use]
    pub fn level(&self, id: LevelId) -> Option<&Level> {
        self.levels.get(usize::from(id.0))
    }
}
