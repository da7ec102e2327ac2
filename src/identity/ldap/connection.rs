//! One connection to a directory: TLS as configured, one question at a time, every step with a
//! deadline, every answer with a bound.
//!
//! No password leaves before TLS stands, this machine's own loopback aside (security.md H01). It must
//! never follow a referral, and never keep a connection on which something did not fit.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::ber::Malformed;
use super::message::{self, Entry, Outcome, Reply, Search};
use crate::calls::{Trouble, Unwell};
use crate::config::settings::{LdapSecurity, LdapServer};

/// For each step: connecting with TLS, a bind, a search.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_SECONDS: u32 = 3;
/// Bytes of one message, and of all answers to one question.
const LARGEST: usize = 256 * 1024;
const LARGEST_ANSWER: usize = 1024 * 1024;

/// Why a directory gave no answer. The texts are for the log.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// Nothing was asked.
    #[error("not reached: {0}")]
    NotReached(String),
    /// Nothing was asked: whoever is there is not believed to be the server.
    #[error("not believed: {0}")]
    Untrusted(String),
    /// It was asked and may have judged.
    #[error("no answer within 3 s")]
    Slow,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("{0}")]
    Lies(&'static str),
    /// It answered, and not what was hoped for.
    #[error("result {0}: {1}")]
    Refused(u32, String),
}

impl From<LdapError> for Unwell {
    fn from(error: LdapError) -> Self {
        let trouble = match error {
            LdapError::NotReached(_) | LdapError::Slow | LdapError::Broken(_) => Trouble::Unreachable,
            LdapError::Untrusted(_) => Trouble::Untrusted,
            // invalidCredentials, inappropriateAuthentication, insufficientAccessRights (RFC 4511 A.1).
            LdapError::Refused(48..=50, _) => Trouble::NotAdmitted,
            LdapError::Lies(_) | LdapError::Refused(..) => Trouble::Odd,
        };
        Self::new(trouble, error.to_string())
    }
}

impl From<Malformed> for LdapError {
    fn from(_: Malformed) -> Self {
        Self::Lies("what came is not LDAP")
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection that is there. Dropped when anything on it went wrong.
pub(super) struct Connection {
    wire: Box<dyn Wire>,
    read: BytesMut,
    last_id: u32,
    /// Since when nobody uses it.
    pub(super) idle_since: Instant,
}

impl Connection {
    /// Connects, with TLS as the server's address says.
    pub(super) async fn open(server: &LdapServer, tls: &Arc<ClientConfig>) -> Result<Self, LdapError> {
        match timeout(PATIENCE, Self::connect(server, tls)).await {
            Ok(connected) => connected.map_err(|error| match error {
                untrusted @ LdapError::Untrusted(_) => untrusted,
                other => LdapError::NotReached(other.to_string()),
            }),
            Err(_) => Err(LdapError::NotReached("no connection within 3 s".to_owned())),
        }
    }

    async fn connect(server: &LdapServer, tls: &Arc<ClientConfig>) -> Result<Self, LdapError> {
        let broken = |error: std::io::Error| LdapError::Broken(error.to_string());
        let tcp = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(broken)?;
        tcp.set_nodelay(true).map_err(broken)?;
        let tcp = match server.security {
            LdapSecurity::Loopback => return Ok(Self::on(Box::new(tcp))),
            LdapSecurity::StartTls => started(tcp).await?,
            LdapSecurity::Tls => tcp,
        };
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| LdapError::Lies("the server's name cannot be in a certificate"))?;
        let secured = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        let wire = secured.map_err(|error| match error.get_ref() {
            Some(inner) if inner.is::<rustls::Error>() => LdapError::Untrusted(error.to_string()),
            _ => broken(error),
        })?;
        Ok(Self::on(Box::new(wire)))
    }

    fn on(wire: Box<dyn Wire>) -> Self {
        Self { wire, read: BytesMut::new(), last_id: 0, idle_since: Instant::now() }
    }

    /// Proves who is asking. An empty password would be a bind as nobody that succeeds (RFC 4513
    /// 5.1.2), so it never leaves.
    pub(super) async fn bind(&mut self, dn: &str, password: &SecretString) -> Result<Outcome, LdapError> {
        if dn.is_empty() || password.expose_secret().is_empty() {
            return Err(LdapError::NotReached("an empty name or password is never sent".to_owned()));
        }
        let id = self.next_id();
        let request = message::bind(id, dn, password.expose_secret().as_bytes());
        let (_, outcome) = self.ask(&request, id, 0).await?;
        Ok(outcome)
    }

    /// The entries that match.
    pub(super) async fn search(&mut self, search: &Search<'_>) -> Result<Vec<Entry>, LdapError> {
        let id = self.next_id();
        let request = message::search(id, search, PATIENCE_SECONDS);
        let most = usize::try_from(search.most).unwrap_or(usize::MAX);
        let (entries, outcome) = self.ask(&request, id, most).await?;
        match outcome.code {
            0 => Ok(entries),
            // noSuchObject: the base is not there, so nothing below it is.
            32 => Ok(Vec::new()),
            code => Err(LdapError::Refused(code, outcome.text)),
        }
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1) & 0x7fff_ffff;
        self.last_id = self.last_id.max(1);
        self.last_id
    }

    async fn ask(
        &mut self,
        request: &[u8],
        id: u32,
        most: usize,
    ) -> Result<(Vec<Entry>, Outcome), LdapError> {
        timeout(PATIENCE, self.exchange(request, id, most))
            .await
            .map_err(|_| LdapError::Slow)?
    }

    async fn exchange(
        &mut self,
        request: &[u8],
        id: u32,
        most: usize,
    ) -> Result<(Vec<Entry>, Outcome), LdapError> {
        let broken = |error: std::io::Error| LdapError::Broken(error.to_string());
        self.wire.write_all(request).await.map_err(broken)?;
        self.wire.flush().await.map_err(broken)?;
        let (mut entries, mut read) = (Vec::new(), 0);
        loop {
            let message = next(&mut self.wire, &mut self.read).await?;
            read += message.len();
            if read > LARGEST_ANSWER {
                return Err(LdapError::Lies("the answer is longer than 1 MiB"));
            }
            match message::reply(&message, id)? {
                Reply::Entry(_) if entries.len() >= most => {
                    return Err(LdapError::Lies("more entries than were asked for"));
                }
                // Taken for all there is, it would be somebody without groups.
                Reply::Entry(entry) if entry.is_partial() => {
                    return Err(LdapError::Lies(
                        "an attribute has more values than the server gives at once",
                    ));
                }
                Reply::Entry(entry) => entries.push(entry),
                Reply::Reference => {}
                Reply::Done(outcome) => return Ok((entries, outcome)),
            }
        }
    }

    /// Whether the server has said something that nobody asked for, or has gone.
    pub(super) fn is_quiet(&mut self) -> bool {
        use futures_util::FutureExt as _;
        self.read.is_empty() && self.wire.read_buf(&mut self.read).now_or_never().is_none()
    }

    /// Says goodbye, and does not wait.
    pub(super) async fn close(mut self) {
        let goodbye = message::unbind(self.next_id());
        let _ = timeout(PATIENCE, self.wire.write_all(&goodbye)).await;
    }
}

/// Asks for TLS. What else came with the answer was said by nobody who has proved who they are.
async fn started(mut tcp: TcpStream) -> Result<TcpStream, LdapError> {
    let broken = |error: std::io::Error| LdapError::Broken(error.to_string());
    tcp.write_all(&message::start_tls(1)).await.map_err(broken)?;
    let mut read = BytesMut::new();
    let answer = next(&mut tcp, &mut read).await?;
    match message::reply(&answer, 1)? {
        Reply::Done(Outcome { code: 0, .. }) if read.is_empty() => Ok(tcp),
        Reply::Done(Outcome { code: 0, .. }) => {
            Err(LdapError::Lies("more came before TLS than was asked for"))
        }
        Reply::Done(Outcome { code, text, .. }) => Err(LdapError::Refused(code, text)),
        _ => Err(LdapError::Lies("no answer to StartTLS")),
    }
}

/// The next whole message.
async fn next(wire: &mut (impl AsyncRead + Unpin), read: &mut BytesMut) -> Result<BytesMut, LdapError> {
    loop {
        match message::length(read)? {
            Some(length) if length > LARGEST => {
                return Err(LdapError::Lies("a message is longer than 256 KiB"));
            }
            Some(length) if read.len() >= length => return Ok(read.split_to(length)),
            _ => {}
        }
        match wire.read_buf(read).await {
            Ok(0) => return Err(LdapError::Broken("closed by the server".to_owned())),
            Ok(_) => {}
            Err(error) => return Err(LdapError::Broken(error.to_string())),
        }
    }
}
