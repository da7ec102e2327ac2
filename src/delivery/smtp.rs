//! Mail through an SMTP server, by lettre.
//!
//! TLS is always checked and never left out, but to this machine. Connections are kept, in a list of our
//! own: lettre's pool takes one back whose exchange was given up in the middle, and the next mail would
//! read the answers of the one before. Here a connection belongs to the exchange that uses it, and is
//! dropped with it.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsVersion,
};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep, timeout};

use super::{Accepted, BoxFuture, Message, NotSent, Reason, Sender, mail};
use crate::calls::{Trouble, Unwell};
use crate::config::settings::{self, SmtpSecurity};

/// Connections kept open.
const MOST_IDLE: usize = 4;
/// Shorter than servers keep silent connections open.
const IDLE: Duration = Duration::from_secs(30);
/// Before the second attempt; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MOST_ATTEMPTS: u32 = 4;

/// One mail server.
pub(super) struct Smtp {
    name: String,
    settings: settings::Smtp,
    from: Mailbox,
    /// `None`: without TLS.
    tls: Option<TlsParameters>,
    /// How long everything may take. Ends before whoever waits for us gives up.
    patience: Duration,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// Why an attempt failed, and whether another one may help.
struct Failed {
    not: NotSent,
    again: bool,
    /// What would have to be mended.
    trouble: Trouble,
}

impl Failed {
    /// Trying again would not help.
    const fn final_one(not: NotSent, trouble: Trouble) -> Self {
        Self { not, again: false, trouble }
    }
}

impl Smtp {
    pub(super) fn new(name: &str, settings: &settings::Smtp, patience: Duration) -> Result<Self, String> {
        let from = settings.from.parse().map_err(|_| "`from` is no mail address".to_owned())?;
        let tls = match settings.security {
            SmtpSecurity::Plain => None,
            SmtpSecurity::Tls | SmtpSecurity::StartTls => Some(tls(settings)?),
        };
        Ok(Self {
            name: name.to_owned(),
            settings: settings.clone(),
            from,
            tls,
            patience: patience.saturating_sub(patience / 10),
            idle: Mutex::default(),
        })
    }

    /// Attempts until it is sent, refused for good, or too late.
    async fn deliver(&self, message: &Message) -> Result<Accepted, NotSent> {
        let mail = self.compose(message)?;
        let end = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let failed = match self.attempt(&mail, end).await {
                Ok(accepted) => return Ok(accepted),
                Err(failed) => failed,
            };
            if !failed.again || attempt == MOST_ATTEMPTS || Instant::now() + pause >= end {
                return Err(failed.not);
            }
            sleep(pause).await;
            pause *= 2;
        }
        Err(NotSent::surely(Reason::Unavailable, "never tried"))
    }

    async fn attempt(&self, mail: &lettre::Message, end: Instant) -> Result<Accepted, Failed> {
        let mut connection = self.connection(end).await?;
        let left = end.saturating_duration_since(Instant::now());
        let raw = mail.formatted();
        let answer = match timeout(left, connection.send(mail.envelope(), &raw)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(refused(&error)),
            Err(_) => {
                return Err(Failed::final_one(
                    NotSent::late(false, "no answer in time"),
                    Trouble::Unreachable,
                ));
            }
        };
        self.keep(connection);
        Ok(Accepted { reference: answer.first_line().map(str::to_owned) })
    }

    /// One that is open and answers, or a new one. Until here nothing has been sent.
    async fn connection(&self, end: Instant) -> Result<AsyncSmtpConnection, Failed> {
        let left = || end.saturating_duration_since(Instant::now());
        while let Some(mut kept) = self.kept() {
            if matches!(timeout(left(), kept.test_connected()).await, Ok(true)) {
                return Ok(kept);
            }
        }
        match timeout(left(), self.connect(left())).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(failed)) => Err(failed),
            Err(_) => Err(Failed::final_one(
                NotSent::late(true, "the server does not finish greeting and signing in"),
                Trouble::Unreachable,
            )),
        }
    }

    async fn connect(&self, patience: Duration) -> Result<AsyncSmtpConnection, Failed> {
        let hello = ClientId::default();
        let server = (self.settings.host.as_str(), self.settings.port);
        let at_once = self.tls.clone().filter(|_| self.settings.security == SmtpSecurity::Tls);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(patience), &hello, at_once, None)
                .await
                .map_err(|error| unreachable_server(&error))?;
        if let (SmtpSecurity::StartTls, Some(tls)) = (self.settings.security, self.tls.clone()) {
            connection
                .starttls(tls, &hello)
                .await
                .map_err(|error| unreachable_server(&error))?;
        }
        if let Some(own) = &self.settings.credentials {
            let secret = own.password.expose_secret().to_owned();
            let credentials = Credentials::new(own.username.clone(), secret);
            connection
                .auth(DEFAULT_MECHANISMS, &credentials)
                .await
                .map_err(|error| not_admitted(&error))?;
        }
        Ok(connection)
    }

    fn kept(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.pop().map(|(connection, _)| connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE && !connection.has_broken() {
            idle.push((connection, Instant::now()));
        }
    }

    fn compose(&self, message: &Message) -> Result<lettre::Message, NotSent> {
        let to = message
            .to
            .parse()
            .map_err(|_| NotSent::surely(Reason::InvalidDestination, "not a mail address"))?;
        let mail = mail::text(&message.content);
        let domain = self.from.email.domain();
        lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(mail.plain, mail.html))
            .map_err(|error| NotSent::surely(Reason::Misconfigured, error.to_string()))
    }
}

impl Sender for Smtp {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Accepted, NotSent>> {
        Box::pin(self.deliver(message))
    }

    /// Connects, secures, signs in; sends nothing.
    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        Box::pin(async move {
            let connection = self.connection(Instant::now() + self.patience).await;
            connection
                .map(|connection| self.keep(connection))
                .map_err(|failed| Unwell::new(failed.trouble, failed.not.says))
        })
    }
}

/// Keeps vacation notices and other answering machines quiet (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn tls(settings: &settings::Smtp) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(settings.host.clone()).set_min_tls_version(TlsVersion::Tlsv12);
    if let Some(pem) = &settings.authority {
        builder = builder.certificate_store(CertificateStore::None);
        builder = builder
            .add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(|error| error.to_string())?);
    }
    builder.build_rustls().map_err(|error| error.to_string())
}

/// An error before anything was sent.
fn unreachable_server(error: &lettre::transport::smtp::Error) -> Failed {
    let ours = error.is_permanent() || error.is_client() || error.is_tls() || is_untrusted(error);
    let reason = if ours {
        Reason::Misconfigured
    } else {
        Reason::Unavailable
    };
    let trouble = if error.is_tls() || is_untrusted(error) {
        Trouble::Untrusted
    } else if ours {
        Trouble::Odd
    } else {
        Trouble::Unreachable
    };
    let (again, slow) = (reason == Reason::Unavailable, error.is_timeout());
    Failed {
        not: NotSent { slow, ..NotSent::surely(reason, error.to_string()) },
        again,
        trouble,
    }
}

/// Whether TLS failed for a reason that will be the same next time: the certificate above all.
fn is_untrusted(error: &lettre::transport::smtp::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The server does not take our name and password: trying again would only lock the account.
fn not_admitted(error: &lettre::transport::smtp::Error) -> Failed {
    let again = error.is_transient();
    let reason = if again {
        Reason::Unavailable
    } else {
        Reason::Misconfigured
    };
    let slow = error.is_timeout();
    let not = NotSent { slow, ..NotSent::surely(reason, error.to_string()) };
    Failed { not, again, trouble: Trouble::NotAdmitted }
}

/// An error after the connection stood. A server that has answered with 4xx or 5xx has sent nothing.
fn refused(error: &lettre::transport::smtp::Error) -> Failed {
    let says = error.to_string();
    let Some(code) = error.status() else {
        let (certain, slow) = (error.is_client(), error.is_timeout());
        let not = NotSent { reason: Reason::Unavailable, certain, slow, says };
        return Failed::final_one(not, Trouble::Unreachable);
    };
    let number = u16::from(code);
    let reason = match number {
        // RFC 5321 section 4.2.3: no such mailbox, not local, name not allowed.
        550 | 551 | 553 => Reason::InvalidDestination,
        // Refused as it stands: policy or content.
        554 | 552 => Reason::Blocked,
        400..=499 => Reason::Throttled,
        // RFC 4954: sign in first, or not like this; and what else is ours to mend.
        _ => Reason::Misconfigured,
    };
    Failed {
        not: NotSent::surely(reason, says),
        again: error.is_transient(),
        trouble: Trouble::Odd,
    }
}
