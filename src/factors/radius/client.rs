//! Asks RADIUS servers, one after the other: identical packets again after 2, 4 and 8 seconds, the
//! next server when one is silent.
//!
//! Every request has a socket of its own, connected to the server, so its source port is as random
//! as its identifier and 256 identifiers never run short. The same answer is never put to two
//! servers at once: they may share one memory of used codes. A server that was silent is asked last
//! for a while.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::packet::{Ask, MAX_PACKET, Refused, Reply, Request};
use crate::ambient::{UnixTime, random_bytes};
use crate::calls::{Trouble, Unwell};
use crate::config::settings::{MessageAuthenticator, Radius};

/// Between one sending and the next; the last interval goes on until the deadline.
const AGAIN_AFTER: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// Questions under way at once. Each holds a socket.
const AT_ONCE: usize = 256;
/// Seconds that a silent server is asked last.
const REST: i64 = 60;
/// For all servers together: a person waits, and who asks for us waits no longer than this either.
const ALTOGETHER: Duration = Duration::from_secs(70);

/// The servers in the order they are configured.
pub(super) struct Client {
    servers: Vec<Server>,
    rule: MessageAuthenticator,
    nas_identifier: String,
    /// For one server.
    deadline: Duration,
    under_way: Semaphore,
}

struct Server {
    /// `host:port`.
    address: String,
    secret: SecretString,
    /// Asked last until then.
    rests_until: AtomicI64,
}

/// What to ask, whichever server answers.
pub(super) struct Question<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a SecretString,
    pub(super) client: IpAddr,
    /// A challenge goes back to the server that made it, with its state.
    pub(super) challenged_by: Option<(&'a str, &'a [u8])>,
}

/// What a server said, and which.
pub(super) struct Said<'a> {
    pub(super) server: &'a str,
    pub(super) reply: Reply,
}

/// Why no server said anything. The texts are for the log.
pub(super) enum Unheard {
    /// None was asked.
    NotAsked(String),
    /// At least one was, and may have judged.
    NotAnswered(String),
}

/// Why one server gave no answer.
enum Silence {
    /// Not reachable: another may know better.
    Nothing(String),
    /// It was asked, and nothing came: another may know better, and it may have judged all the same.
    Waited(String),
    /// Cannot be asked at all.
    Impossible(String),
}

impl Client {
    pub(super) fn new(settings: &Radius) -> Self {
        let server = |server: &crate::config::settings::RadiusServer| Server {
            address: server.address.clone(),
            secret: server.secret.clone(),
            rests_until: AtomicI64::new(i64::MIN),
        };
        Self {
            servers: settings.servers.iter().map(server).collect(),
            rule: settings.message_authenticator,
            nas_identifier: settings.nas_identifier.clone(),
            deadline: settings.timeout,
            under_way: Semaphore::new(AT_ONCE),
        }
    }

    /// The first answer that any server gives.
    pub(super) async fn ask(&self, question: &Question<'_>, now: UnixTime) -> Result<Said<'_>, Unheard> {
        let _place = self
            .under_way
            .try_acquire()
            .map_err(|_| Unheard::NotAsked("too many questions are under way".to_owned()))?;
        let (mut why, mut asked) = (Vec::new(), false);
        let until = Instant::now() + ALTOGETHER;
        let servers = self.order(question.challenged_by.map(|(server, _)| server), now);
        if servers.is_empty() {
            return Err(Unheard::NotAsked("the server that asked is not configured any more".to_owned()));
        }
        for server in servers {
            let patience = self.deadline.min(until.saturating_duration_since(Instant::now()));
            if patience.is_zero() {
                why.push(format!("{}: no time was left for it", server.address));
                continue;
            }
            match self.ask_one(server, question, patience).await {
                Ok(reply) => {
                    server.rests_until.store(i64::MIN, Ordering::Relaxed);
                    return Ok(Said { server: &server.address, reply });
                }
                Err(silence @ (Silence::Nothing(_) | Silence::Waited(_))) => {
                    asked |= matches!(silence, Silence::Waited(_));
                    let (Silence::Nothing(reason) | Silence::Waited(reason) | Silence::Impossible(reason)) =
                        silence;
                    server.rests_until.store(now.plus(REST).0, Ordering::Relaxed);
                    why.push(format!("{}: {reason}", server.address));
                }
                Err(Silence::Impossible(reason)) if asked => return Err(Unheard::NotAnswered(reason)),
                Err(Silence::Impossible(reason)) => return Err(Unheard::NotAsked(reason)),
            }
        }
        let why = why.join("; ");
        Err(if asked {
            Unheard::NotAnswered(why)
        } else {
            Unheard::NotAsked(why)
        })
    }

    /// Asks every server whether it is there, which proves nothing.
    pub(super) async fn probe(&self) -> Result<(), Unwell> {
        let (mut why, mut trouble) = (Vec::new(), None);
        for server in &self.servers {
            let request = Request::status(id(), random_bytes(), &server.secret, &self.nas_identifier);
            let outcome = match request {
                // Old servers protect answers to this question least of all.
                Ok(request) => exchange(server, &request, MessageAuthenticator::ServerIsOld, self.deadline)
                    .await
                    .map(|_| ()),
                Err(error) => Err(Silence::Impossible(error.to_string())),
            };
            let Err(Silence::Nothing(reason) | Silence::Waited(reason) | Silence::Impossible(reason)) =
                outcome
            else {
                continue;
            };
            trouble.get_or_insert(if reason == Refused::Forged.to_string() {
                Trouble::NotAdmitted
            } else {
                Trouble::Unreachable
            });
            why.push(format!("{}: {reason} (asked with Status-Server, RFC 5997)", server.address));
        }
        trouble.map_or(Ok(()), |trouble| Err(Unwell::new(trouble, why.join("; "))))
    }

    /// Those at rest after the others; only the one server whose challenge is answered.
    fn order(&self, only: Option<&str>, now: UnixTime) -> Vec<&Server> {
        let mut servers: Vec<&Server> = self
            .servers
            .iter()
            .filter(|server| only.is_none_or(|only| only == server.address))
            .collect();
        servers.sort_by_key(|server| server.rests_until.load(Ordering::Relaxed) > now.0);
        servers
    }

    async fn ask_one(
        &self,
        server: &Server,
        question: &Question<'_>,
        patience: Duration,
    ) -> Result<Reply, Silence> {
        let ask = Ask {
            user: question.user,
            password: question.password,
            state: question.challenged_by.map(|(_, state)| state).filter(|state| !state.is_empty()),
            nas_identifier: &self.nas_identifier,
            client: question.client,
        };
        let request = Request::access(id(), random_bytes(), &server.secret, &ask)
            .map_err(|error| Silence::Impossible(error.to_string()))?;
        exchange(server, &request, self.rule, patience).await
    }
}

/// Sends the request, again and again, until the reply is there or patience ends.
async fn exchange(
    server: &Server,
    request: &Request,
    rule: MessageAuthenticator,
    patience: Duration,
) -> Result<Reply, Silence> {
    let (mut refused, mut sent) = (None, 0_u32);
    let wait = async {
        let socket = connect(&server.address).await?;
        let mut pauses = AGAIN_AFTER.into_iter();
        loop {
            socket.send(&request.bytes).await.map_err(said)?;
            sent += 1;
            let until = pauses.next().map(|pause| Instant::now() + pause);
            if let Some(reply) = receive(&socket, server, request, rule, until, &mut refused).await? {
                return Ok(reply);
            }
        }
    };
    match timeout(patience, wait).await {
        Ok(Ok(reply)) => Ok(reply),
        // Nobody is there, and says so at once. Later it may have gone after it had judged.
        Ok(Err(reason)) if sent <= 1 => Err(Silence::Nothing(reason)),
        Ok(Err(reason)) => Err(Silence::Waited(reason)),
        Err(_) if sent == 0 => Err(Silence::Nothing("its name was not resolved in time".to_owned())),
        Err(_) => Err(Silence::Waited(match refused {
            Some(refused) => refused.to_string(),
            None => "no answer; a wrong shared secret looks the same".to_owned(),
        })),
    }
}

fn id() -> u8 {
    let [id] = random_bytes();
    id
}

async fn connect(address: &str) -> Result<UdpSocket, String> {
    let server = lookup_host(address)
        .await
        .map_err(said)?
        .next()
        .ok_or_else(|| "the name has no address".to_owned())?;
    let any: SocketAddr = if server.is_ipv4() {
        (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await.map_err(said)?;
    socket.connect(server).await.map_err(said)?;
    Ok(socket)
}

/// Waits for the reply. `None`: it is time to send again. What is not the reply is dropped, and the
/// latest reason remembered for the log.
async fn receive(
    socket: &UdpSocket,
    server: &Server,
    request: &Request,
    rule: MessageAuthenticator,
    until: Option<Instant>,
    refused: &mut Option<Refused>,
) -> Result<Option<Reply>, String> {
    let mut packet = [0; MAX_PACKET];
    loop {
        let received = match until {
            Some(until) => match timeout_at(until, socket.recv(&mut packet)).await {
                Ok(received) => received,
                Err(_) => return Ok(None),
            },
            None => socket.recv(&mut packet).await,
        };
        let packet = packet.get(..received.map_err(said)?).unwrap_or_default();
        match request.reply(packet, &server.secret, rule) {
            Ok(reply) => return Ok(Some(reply)),
            Err(reason) => *refused = Some(reason),
        }
    }
}

fn said(error: std::io::Error) -> String {
    error.to_string()
}
