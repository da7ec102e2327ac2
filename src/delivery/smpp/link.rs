//! The connection to an SMS centre: made and bound when it is needed, kept alive, and made anew when it
//! has gone. Everything that runs for it ends with it.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rusmpp::pdus::{BindTransceiver, DeliverSmResp};
use rusmpp::types::COctetString;
use rusmpp::values::{InterfaceVersion, Npi, Ton};
use rusmpp::{CommandStatus, Pdu};
use rusmppc::error::Error;
use rusmppc::{Client, ConnectionBuilder, Event};
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::super::{NotSent, Reason};
use super::{receipt, says, status};
use crate::calls::{self, Trouble};
use crate::config::settings;

/// Name, connection and TLS together.
const CONNECT: Duration = Duration::from_secs(4);
/// How often a silent connection is asked whether it lives.
const ENQUIRE: Duration = Duration::from_secs(30);
/// No answer of an SMS centre is longer.
const LONGEST: usize = 64 * 1024;

pub(super) struct Link {
    name: Arc<str>,
    settings: settings::Smpp,
    /// `None`: without TLS.
    tls: Option<TlsConnector>,
    patience: Duration,
    bound: Mutex<Option<Bound>>,
}

/// Why there is no connection, and what would have to be mended.
pub(super) struct Unbound {
    pub(super) not: NotSent,
    pub(super) trouble: Trouble,
}

/// Dropped, its tasks end and the connection closes.
struct Bound {
    client: Client,
    _tasks: JoinSet<()>,
}

impl Unbound {
    fn unreached(says: String) -> Self {
        Self { not: NotSent::surely(Reason::Unavailable, says), trouble: Trouble::Unreachable }
    }

    fn late(says: String) -> Self {
        Self { not: NotSent::late(true, says), trouble: Trouble::Unreachable }
    }

    /// What only the operator can mend.
    fn ours(trouble: Trouble, says: String) -> Self {
        Self { not: NotSent::surely(Reason::Misconfigured, says), trouble }
    }
}

impl Link {
    pub(super) fn new(name: &str, settings: &settings::Smpp, patience: Duration) -> Result<Self, String> {
        let tls = if settings.tls {
            let config = calls::tls(settings.authority.as_deref()).map_err(|error| error.to_string())?;
            Some(TlsConnector::from(Arc::new(config)))
        } else {
            None
        };
        Ok(Self {
            name: name.into(),
            settings: settings.clone(),
            tls,
            patience: patience.saturating_sub(patience / 10),
            bound: Mutex::default(),
        })
    }

    /// A client that is bound. Until it is used nothing has been sent.
    pub(super) async fn client(&self) -> Result<Client, Unbound> {
        let mut bound = self.bound.lock().await;
        if let Some(bound) = bound.as_ref().filter(|bound| bound.client.is_active()) {
            return Ok(bound.client.clone());
        }
        *bound = None;
        let new = self.bind().await?;
        let client = new.client.clone();
        *bound = Some(new);
        Ok(client)
    }

    /// The connection did not do what it should: the next message gets a new one.
    pub(super) async fn give_up(&self, client: &Client) {
        let mut bound = self.bound.lock().await;
        // Somebody else may have made a new one already, which is alive.
        if !client.is_active() || bound.as_ref().is_some_and(|bound| !bound.client.is_active()) {
            *bound = None;
        }
    }

    async fn bind(&self) -> Result<Bound, Unbound> {
        let bound = self.connect().await?;
        let request = self.request().map_err(|why| Unbound::ours(Trouble::NotAdmitted, why))?;
        match bound.client.bind_transceiver(request).await {
            Ok(_) => Ok(bound),
            Err(error @ Error::ResponseTimeout { .. }) => Err(Unbound::late(says(&error))),
            Err(Error::UnexpectedResponse { response }) => {
                let (reason, trouble) = not_bound(response.status());
                Err(Unbound { not: NotSent::surely(reason, status(&response)), trouble })
            }
            Err(error) => Err(Unbound::unreached(says(&error))),
        }
    }

    async fn connect(&self) -> Result<Bound, Unbound> {
        let slow = || Unbound::late("no connection in time".to_owned());
        let unreached = |error: std::io::Error| Unbound::unreached(error.to_string());
        let stream = timeout(CONNECT, TcpStream::connect((self.settings.host.as_str(), self.settings.port)))
            .await
            .map_err(|_| slow())?
            .map_err(unreached)?;
        stream.set_nodelay(true).map_err(unreached)?;
        let Some(tls) = &self.tls else {
            return Ok(self.over(stream));
        };
        let name = ServerName::try_from(self.settings.host.clone())
            .map_err(|error| Unbound::ours(Trouble::Untrusted, error.to_string()))?;
        let stream = timeout(CONNECT, tls.connect(name, stream)).await.map_err(|_| slow())?;
        let stream = stream.map_err(|error| match error.get_ref() {
            // Its certificate, or what it speaks: the same next time.
            Some(inner) if inner.is::<rustls::Error>() => {
                Unbound::ours(Trouble::Untrusted, error.to_string())
            }
            _ => unreached(error),
        })?;
        Ok(self.over(stream))
    }

    /// Runs the protocol over a connection, in tasks that end with it.
    fn over<S>(&self, stream: S) -> Bound
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
    {
        let (client, mut events, connection) = ConnectionBuilder::new()
            .max_command_length(LONGEST)
            .enquire_link_interval(ENQUIRE)
            .response_timeout(self.patience)
            // The library counts itself as 5.0; what is used here is the same in 3.4.
            .disable_interface_version_check()
            .no_spawn()
            .connected(stream);
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let (answering, name) = (client.clone(), Arc::clone(&self.name));
        tasks.spawn(async move {
            while let Some(event) = events.next().await {
                if !heard(&name, &answering, event).await {
                    break;
                }
            }
        });
        Bound { client, _tasks: tasks }
    }

    fn request(&self) -> Result<BindTransceiver, String> {
        let text = |name: &str| format!("`{name}` is too long, or not in ASCII");
        Ok(BindTransceiver::builder()
            .system_id(COctetString::from_str(&self.settings.system_id).map_err(|_| text("system_id"))?)
            .password(
                COctetString::from_str(self.settings.password.expose_secret())
                    .map_err(|_| text("password"))?,
            )
            .system_type(COctetString::from_str(&self.settings.system_type).map_err(|_| text("system_type"))?)
            .interface_version(InterfaceVersion::Smpp3_4)
            .addr_ton(Ton::Unknown)
            .addr_npi(Npi::Unknown)
            .address_range(COctetString::empty())
            .build())
    }
}

/// What the SMS centre says by itself. `false`: the connection is to end.
async fn heard(name: &str, client: &Client, event: Event) -> bool {
    match event {
        Event::Incoming(command) => match command.pdu() {
            Some(Pdu::DeliverSm(delivered)) => {
                receipt::told(name, delivered);
                client
                    .deliver_sm_resp(command.sequence_number(), DeliverSmResp::default())
                    .await
                    .is_ok()
            }
            Some(Pdu::Unbind) => {
                let _ = client.unbind_resp(command.sequence_number()).await;
                let _ = client.close().await;
                false
            }
            _ => true,
        },
        Event::Error(error @ (Error::EnquireLinkTimeout { .. } | Error::ConnectionClosedByPeer)) => {
            tracing::info!(sender = name, says = %error, "the connection to the SMS centre has ended");
            let _ = client.close().await;
            false
        }
        Event::Error(error) => {
            tracing::warn!(sender = name, says = %says(&error), "the SMS centre was not understood");
            true
        }
    }
}

/// Why the centre does not bind: nobody will change that but the operator, unless it only is not well.
const fn not_bound(status: CommandStatus) -> (Reason, Trouble) {
    match status {
        CommandStatus::EsmeRsyserr | CommandStatus::EsmeRalybnd => (Reason::Unavailable, Trouble::Odd),
        CommandStatus::EsmeRthrottled => (Reason::Throttled, Trouble::Odd),
        _ => (Reason::Misconfigured, Trouble::NotAdmitted),
    }
}
