//! Texts through an SMS centre that speaks SMPP 3.4 (by rusmppc).
//!
//! One connection for the process, bound as transceiver when it is first needed and again after it has
//! gone. What was written to a connection that then broke may have been sent: that is never tried
//! again. The library logs whole commands at its lowest levels, so its own logging stays off
//! (`observe/log.rs`).

mod link;
mod receipt;
mod text;

use std::str::FromStr as _;
use std::time::Duration;

use rusmpp::pdus::SubmitSm;
use rusmpp::types::{COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, Npi, RegisteredDelivery, Ton};
use rusmpp::{Command, CommandStatus};
use rusmppc::error::Error;
use tokio::sync::Semaphore;

use super::{Accepted, BoxFuture, Channel, Content, Message, NotSent, Reason, Sender};
use crate::calls::{Trouble, Unwell};
use crate::config::settings;
use link::Link;
use text::Encoded;

/// Requests without an answer at a time: what SMS centres allow by default.
const WINDOW: usize = 10;
/// How long a text without a code may be on its way.
const NOTICE_LIVES: Duration = Duration::from_secs(4 * 3600);

/// One SMS centre.
pub(super) struct Smpp {
    name: String,
    settings: settings::Smpp,
    link: Link,
    window: Semaphore,
}

impl Smpp {
    pub(super) fn new(name: &str, settings: &settings::Smpp, patience: Duration) -> Result<Self, String> {
        Ok(Self {
            name: name.to_owned(),
            link: Link::new(name, settings, patience)?,
            settings: settings.clone(),
            window: Semaphore::new(WINDOW),
        })
    }

    async fn deliver(&self, message: &Message) -> Result<Accepted, NotSent> {
        let submit = self.submit(message)?;
        let _turn = self
            .window
            .acquire()
            .await
            .map_err(|_| NotSent::surely(Reason::Unavailable, "the sender ends"))?;
        let client = self.link.client().await.map_err(|unbound| unbound.not)?;
        match client.submit_sm(submit).await {
            Ok(answer) => {
                let id = answer.message_id().as_str().to_owned();
                Ok(Accepted { reference: Some(id).filter(|id| !id.is_empty()) })
            }
            Err(error) => {
                let not = refused(&error);
                if not.reason == Reason::Unavailable {
                    self.link.give_up(&client).await;
                }
                Err(not)
            }
        }
    }

    /// SMPP 3.4 section 4.4.
    fn submit(&self, message: &Message) -> Result<SubmitSm, NotSent> {
        if message.channel != Channel::Sms {
            return Err(NotSent::surely(Reason::Misconfigured, "an SMS centre carries texts alone"));
        }
        let lives = match &message.content {
            Content::Code(code) => code.lives,
            Content::Notice(_) => NOTICE_LIVES,
        };
        let (ton, npi) = source(&self.settings.from);
        let to = message.to.trim_start_matches('+');
        let Encoded { bytes, coding } = text::one_segment(message, self.settings.alphabet);
        let submit = SubmitSm::builder()
            .source_addr_ton(ton)
            .source_addr_npi(npi)
            .source_addr(address(self.settings.from.trim_start_matches('+'), Reason::Misconfigured)?)
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(address(to, Reason::InvalidDestination)?)
            // The library's own default says "delivery acknowledgement" (factors.md 6.5).
            .esm_class(EsmClass::from(0))
            // A receipt of the end, whichever it is, and nothing more.
            .registered_delivery(RegisteredDelivery::from(1))
            .validity_period(validity(lives)?)
            .data_coding(DataCoding::from(coding));
        let short = OctetString::from_slice(&bytes).map_err(|error| unfit(&error))?;
        Ok(submit.short_message(short).build())
    }
}

impl Sender for Smpp {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Accepted, NotSent>> {
        Box::pin(self.deliver(message))
    }

    /// Connects and binds, or asks the connection that is there whether it lives.
    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        Box::pin(async move {
            let client = self.link.client().await;
            let client = client.map_err(|unbound| Unwell::new(unbound.trouble, unbound.not.says))?;
            let asked = client.enquire_link().await;
            asked.map_err(|error| Unwell::new(Trouble::Odd, says(&error)))
        })
    }
}

/// Kind of number and numbering plan of the sender's address: a name, a short code, or a number.
fn source(from: &str) -> (Ton, Npi) {
    let digits = from.trim_start_matches('+');
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match (number, digits.len()) {
        (false, _) => (Ton::Alphanumeric, Npi::Unknown),
        (true, ..=6) => (Ton::NetworkSpecific, Npi::Unknown),
        (true, _) => (Ton::International, Npi::Isdn),
    }
}

fn address(text: &str, reason: Reason) -> Result<COctetString<1, 21>, NotSent> {
    COctetString::from_str(text).map_err(|_| NotSent::surely(reason, "it does not fit into an address"))
}

/// `000000000500000R`: from now on (section 7.1.1).
fn validity(lives: Duration) -> Result<EmptyOrFullCOctetString<17>, NotSent> {
    let seconds = lives.as_secs().min(86_399);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let text = format!("000000{hours:02}{minutes:02}{:02}000R", seconds % 60);
    EmptyOrFullCOctetString::from_str(&text).map_err(|error| unfit(&error))
}

fn unfit(error: &impl std::fmt::Display) -> NotSent {
    NotSent::surely(Reason::Misconfigured, error.to_string())
}

/// What an error means. The SMS centre's own answer says that it has not taken the text; without an
/// answer nobody knows.
fn refused(error: &Error) -> NotSent {
    match error {
        Error::UnexpectedResponse { response } => {
            NotSent::surely(reason(response.status()), status(response))
        }
        Error::Encode(_) | Error::UnsupportedInterfaceVersion { .. } => {
            NotSent::surely(Reason::Misconfigured, says(error))
        }
        Error::ResponseTimeout { .. } => NotSent::late(false, says(error)),
        _ => NotSent::perhaps(says(error)),
    }
}

/// Section 5.1.3.
fn reason(status: CommandStatus) -> Reason {
    match status {
        CommandStatus::EsmeRinvdstadr
        | CommandStatus::EsmeRinvdstton
        | CommandStatus::EsmeRinvdstnpi
        | CommandStatus::EsmeRinvnumdests => Reason::InvalidDestination,
        CommandStatus::EsmeRthrottled | CommandStatus::EsmeRmsgqful => Reason::Throttled,
        CommandStatus::EsmeRsyserr
        | CommandStatus::EsmeRsubmitfail
        | CommandStatus::EsmeRinvbndsts
        | CommandStatus::EsmeRdeliveryfailure
        | CommandStatus::EsmeRunknownerr
        | CommandStatus::EsmeRxTAppn => Reason::Unavailable,
        CommandStatus::EsmeRprohibited => Reason::Blocked,
        _ => Reason::Misconfigured,
    }
}

/// An answer's status alone: the rest may hold what was sent.
fn status(response: &Command) -> String {
    let status = response.status();
    // The name as the specification has it: "EsmeRinvpaswd" says more than 0x0000000e.
    format!("status {:#010x} ({status:?})", u32::from(status))
}

/// An error in words, without any command in it.
fn says(error: &Error) -> String {
    match error {
        Error::UnexpectedResponse { response } => status(response),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
