//! Builds the whole from settings and keeps it running: store, keys, gate, portal, doors.
//!
//! Two kinds of runtime: the data plane's, one thread each, and the control runtime this runs on,
//! which has the portal, the API, the store and every background task (decision 29).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tower::{Service, ServiceExt as _};

use super::acme::Acme;
use super::operations::{Check, Operations};
use super::{Certificates, Plane, Shutdown, Trust};
use crate::ambient::Clock;
use crate::api::{Entry, Services};
use crate::challenge::Challenges;
use crate::config::Settings;
use crate::config::settings::ListenAddress;
use crate::doors::{Checks, Doors, Judge, PortalDoor, ReverseProxy};
use crate::gate::answer::{Problem, from_page, reference};
use crate::gate::check::{Asked, Unclear};
use crate::gate::entrance::Entrance;
use crate::gate::limits::NetworkLimit;
use crate::gate::{AuditQueue, Gate, GateError, InUse, Judgement, Overseer, Passage, Shared, client};
use crate::observe::metrics;
use crate::policy::Door;
use crate::portal::{self, Frame, Portal};
use crate::session::keys::KeyError;
use crate::session::sessions::Lifetimes;
use crate::session::{CookieMode, KeyRing, Revocations, Sessions};
use crate::store::{OpenError, Store, StoreError};
use crate::upstream::{Body, Fault, Forwarder, OriginError, Peer, Rules, UpstreamError};

/// At the end: how long notices to people may still take.
const LAST_NOTICES: Duration = Duration::from_secs(10);

/// Durable audit records a minute for one client network's requests without an identity. Past it they
/// are only logged and counted: a stranger must not fill the disk.
const STRANGER_RECORDS: u32 = 300;

/// Why the whole did not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the store cannot be opened: {0}")]
    Store(#[from] OpenError),
    #[error("the store cannot be read: {0}")]
    Feed(#[from] StoreError),
    #[error("the key ring cannot be used: {0}")]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Upstream(#[from] OriginError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Where it listens, once it does.
#[derive(Clone, Debug)]
pub struct Listening {
    pub addresses: Vec<ListenAddress>,
    pub operations: Option<SocketAddr>,
}

/// What of the listeners can change while they serve.
#[derive(Clone)]
pub struct Front {
    /// The certificates in use, if TLS is served.
    pub certificates: Option<Certificates>,
    pub trust: Trust,
}

/// What one generation of the configuration serves with. Swapped whole on reload.
pub struct Generation {
    pub settings: Arc<Settings>,
    gate: Arc<Gate>,
    rules: Arc<Rules>,
    router: axum::Router,
    frame: Frame,
}

/// The generation in use, for every worker.
#[derive(Clone)]
pub struct Live(Arc<ArcSwap<Generation>>);

/// Everything that is built before anything is served.
pub struct Whole {
    pub shared: Arc<Shared>,
    live: Live,
    plane: Plane,
    operations: Option<Operations>,
    shutdown: Shutdown,
}

impl Generation {
    /// Builds what a configuration serves with; connections to upstreams that `before` has too are kept.
    ///
    /// # Errors
    /// When the configuration cannot be compiled.
    pub fn new(
        shared: &Arc<Shared>,
        settings: &Arc<Settings>,
        before: Option<&Self>,
    ) -> Result<Self, StartError> {
        let frame = Frame::new(settings);
        let gate = Arc::new(Gate::new(Arc::clone(shared), settings, Arc::new(frame.clone()))?);
        let challenges = gate.challenges().clone();
        let services = Services::new(Passage::new(Arc::clone(&gate)), challenges, settings);
        let host = &settings.server.public_url.host;
        let clear_storage = gate.policy().route_for(host).is_none();
        let router = portal::router(Portal {
            services,
            frame: frame.clone(),
            clear_storage,
            related_origins: settings.factors.passkey.related_origins.as_slice().into(),
        });
        let rules = Arc::new(Rules::new(settings, before.map(|before| &*before.rules))?);
        Ok(Self { settings: Arc::clone(settings), gate, rules, router, frame })
    }

    /// What began under other rules is judged by these from now on, too.
    fn put_in_use(&self) {
        self.gate.shared().in_use.replace(self.gate.policy());
    }
}

impl Whole {
    /// Opens the store, the keys and the sockets. Nothing is served yet.
    ///
    /// # Errors
    /// [`StartError`], naming what to look at.
    pub async fn build(settings: &Arc<Settings>, clock: Clock) -> Result<Self, StartError> {
        let store = Store::open(&settings.storage).await?;
        let now = clock.now();
        let issuer = settings.server.public_url.origin();
        let ring =
            Arc::new(ArcSwap::from_pointee(KeyRing::open(&settings.storage.state_directory, issuer, now)?));
        let revocations = Arc::new(Revocations::default());
        super::upkeep::read_feed(&store, &revocations, now).await?;
        let lifetimes = Lifetimes {
            idle: seconds(settings.sessions.idle_timeout),
            absolute: seconds(settings.sessions.absolute_timeout),
        };
        let per_minute = settings.limits.per_network_per_minute;
        let shared = Arc::new(Shared {
            sessions: Arc::new(Sessions::new(store.clone(), Arc::clone(&revocations), lifetimes)),
            challenges: Challenges::new(store.clone(), Arc::clone(settings), clock.clone())
                .map_err(GateError::from)?,
            audit: AuditQueue::start(store.clone()),
            in_use: InUse::default(),
            mode: CookieMode::for_https(settings.server.public_url.https),
            attempts: NetworkLimit::new("network", per_minute),
            journeys: NetworkLimit::new("journeys", per_minute.saturating_mul(5)),
            strangers: NetworkLimit::new("stranger_audit", STRANGER_RECORDS),
            state_directory: settings.storage.state_directory.clone(),
            store,
            clock,
            ring,
            revocations,
        });
        let generation = Generation::new(&shared, settings, None)?;
        let plane = Plane::bind(settings)?;
        let operations = match settings.server.operations {
            Some(address) => Some(operations(address, settings, &shared)?),
            None => None,
        };
        metrics().reload_successful.set(1);
        metrics().reload_time.set(now.0);
        generation.put_in_use();
        let live = Live(Arc::new(ArcSwap::from_pointee(generation)));
        Ok(Self { shared, live, plane, operations, shutdown: Shutdown::new() })
    }

    /// Where it listens.
    #[must_use]
    pub fn listening(&self) -> Listening {
        let operations = self.operations.as_ref().map(Operations::local_addr);
        Listening { addresses: self.plane.local_addrs().to_vec(), operations }
    }

    /// What of the listeners can change while they serve.
    #[must_use]
    pub fn front(&self) -> Front {
        Front {
            certificates: self.plane.certificates().cloned(),
            trust: self.plane.trust().clone(),
        }
    }

    /// The handle that ends it, for tests and the demo.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// The generation in use, for whoever reloads.
    #[must_use]
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// Serves until told to end, then drains.
    ///
    /// # Errors
    /// When a worker cannot start.
    pub async fn serve(self) -> Result<(), StartError> {
        let Self { shared, live, plane, operations, shutdown } = self;
        let mut upkeep = super::upkeep::start(&shared);
        let settings = live.settings();
        let acme = settings.server.tls.as_ref().and_then(|tls| tls.acme.as_ref());
        if let (Some(acme), Some(certificates)) = (acme, plane.certificates()) {
            let acme = Acme::new(acme, certificates.clone(), live.clone(), shared.clock.clone());
            upkeep.also(acme.run());
        }
        let probes = operations.map(|operations| tokio::spawn(operations.serve(shutdown.clone())));
        let control = tokio::runtime::Handle::current();
        let portal = PortalDoor::new(PortalService(live.clone()), control);
        let tunnels = plane.tunnels().clone();
        let challenges = shared.challenges.clone();
        let overseer: Arc<Overseer> = Arc::new(Overseer(Arc::clone(&shared)));
        let judge = Arc::new(live);
        let served = plane
            .serve(
                move |_| {
                    let overseer: Arc<Overseer> = Arc::clone(&overseer);
                    let forwarder = Forwarder::new(tunnels.clone(), overseer);
                    let proxy = ReverseProxy::new(Arc::clone(&judge), forwarder, portal.clone());
                    Doors::new(Arc::clone(&judge), proxy)
                },
                shutdown,
            )
            .await;
        upkeep.end().await;
        challenges.end(LAST_NOTICES).await;
        if let Some(probes) = probes {
            probes.abort();
        }
        served.map_err(StartError::from)
    }
}

impl Live {
    /// Puts another generation in use. Requests in flight end under the one they began with.
    pub fn replace(&self, generation: Generation) {
        generation.put_in_use();
        self.0.store(Arc::new(generation));
    }

    /// The generation in use.
    #[must_use]
    pub fn generation(&self) -> Arc<Generation> {
        self.0.load_full()
    }

    /// The settings in use.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.load().settings)
    }
}

impl Judge for Live {
    async fn judge(
        &self,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        peer: Peer,
    ) -> (Judgement, Arc<Rules>) {
        // One generation per request: no request sees a mix of two configurations.
        let (gate, rules) = {
            let generation = self.0.load();
            (Arc::clone(&generation.gate), Arc::clone(&generation.rules))
        };
        (gate.judge(parts, body, peer).await, rules)
    }

    fn wants_page(&self, headers: &HeaderMap) -> bool {
        client::navigates(headers)
    }

    fn apology(&self, error: &UpstreamError, page: bool) -> Response<Body> {
        let reference = reference();
        let status = error.status();
        metrics().upstream_failed(error.fault.name());
        tracing::warn!(request_id = %reference, status = status.as_u16(), %error, "a request was not answered by the upstream");
        if page {
            return from_page(portal::pages::error(&self.0.load().frame, status, &reference));
        }
        let title = match error.fault {
            Fault::NoUpstream => "This site is not forwarded from here",
            _ => "The app did not answer",
        };
        Problem::new(status, error.fault.name(), title).response(&reference)
    }
}

impl Checks for Live {
    fn entrance(&self, parts: &Parts, peer: Peer) -> Entrance {
        self.0.load().gate.entrance(parts, peer)
    }

    async fn check(
        &self,
        door: Door,
        asked: Asked,
        parts: &mut Parts,
        peer: Peer,
    ) -> (Judgement, Arc<Rules>) {
        let generation = self.0.load_full();
        (generation.gate.check(door, asked, parts, peer).await, Arc::clone(&generation.rules))
    }

    fn unclear(&self, door: Door, unclear: Unclear) -> Response<Body> {
        self.0.load().gate.unclear(door, unclear)
    }

    fn nothing(&self, headers: &HeaderMap) -> Response<Body> {
        self.0.load().gate.nothing_here(headers)
    }

    fn is_ready(&self) -> bool {
        self.0.load().gate.is_ready()
    }
}

/// The portal and the API as the door knows them.
#[derive(Clone)]
struct PortalService(Live);

impl Service<Request<Body>> for PortalService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let router = self.0.0.load().router.clone();
        // Without a peer the router answers 503.
        if let Some(peer) = request.extensions().get::<Peer>().copied() {
            request.extensions_mut().insert(Entry {
                peer: peer.ip(),
                is_portal: true,
                reference: reference(),
            });
        }
        Box::pin(async move {
            router
                .oneshot(request.map(axum::body::Body::new))
                .await
                .map(|response| response.map(Body::boxed))
        })
    }
}

fn operations(
    address: SocketAddr,
    settings: &Settings,
    shared: &Arc<Shared>,
) -> Result<Operations, std::io::Error> {
    let ready = Arc::clone(shared);
    let told = Arc::clone(shared);
    let checks = move || {
        let fresh = !ready.revocations.is_stale(ready.clock.now());
        vec![Check { name: "store", fine: fresh }]
    };
    let text = move || {
        let now = told.clock.now();
        metrics().signing_key_age.set(told.ring.load().signing_key_age(now));
        metrics().revocations_age.set(told.revocations.age(now));
        metrics().render()
    };
    Operations::bind(address, &settings.server.timeouts, checks, text)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
