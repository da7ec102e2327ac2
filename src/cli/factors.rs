//! `stepgate factors`: tries what the configuration says about factors, with the real services.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use secrecy::SecretSlice;
use serde_json::json;

use super::records::Common;
use super::{UNREACHABLE, USAGE};
use crate::ambient::{Clock, random_bytes, random_token};
use crate::config::Settings;
use crate::delivery::voice::asked;
use crate::delivery::{
    Channel, Code, Content, Delivery, Language, Message, NotSent, Reason, Sent, addresses,
};
use crate::store::Store;

/// Try a factor with the services that the configuration names.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send one message with a code that opens nothing. A call that waits for a key press asks the running
    /// server for its words
    Test {
        factor: SentFactor,
        /// Mail address, or number with its country: +447700900123
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
}

/// The factors whose codes are sent.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SentFactor {
    Email,
    Sms,
    Voice,
}

/// Exit code 0 when a sender has taken the message, 2 when the destination cannot be one, 69 when none could be reached or none would take
/// anything, 1 when this destination was refused, 78 when the configuration is.
///
/// # Errors
/// None today: every reason is printed.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match args.common.files.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let Command::Test { factor, to } = args.command;
    let Some(to) = destination(factor, &to) else {
        eprintln!("stepgate: write an address as `anna@example.com`, a number as `+447700900123`");
        return Ok(ExitCode::from(USAGE));
    };
    let delivery = match Delivery::new(&settings) {
        Ok(delivery) => delivery,
        Err(error) => {
            eprintln!("stepgate: {error}");
            return Ok(ExitCode::from(UNREACHABLE));
        }
    };
    let message = message(&settings, &delivery, factor, to);
    if let Some((token, says)) = asked::kept(&message)
        && let Err(error) = keep(&settings, token, says).await
    {
        eprintln!("stepgate: what the call says cannot be kept for the running server: {error:#}");
        return Ok(ExitCode::from(UNREACHABLE));
    }
    let sent = delivery.send(&message).await;
    Ok(tell(&sent, args.common.json))
}

/// The vendor of a call asks the running server what to say, which finds it in the store.
async fn keep(settings: &Settings, token: String, says: SecretSlice<u8>) -> anyhow::Result<()> {
    let store = Store::open(&settings.storage).await?;
    let expires = Clock::system().now().plus(asked::LIFE);
    let kept = store.write(move |mut tx| async move {
        tx.put_call(&token, &says, expires).await?;
        tx.commit(()).await
    });
    Ok(kept.await?)
}

/// The destination in its one spelling. Countries and kinds of number are the vendor's business here.
fn destination(factor: SentFactor, to: &str) -> Option<String> {
    match factor {
        SentFactor::Email => addresses::address(to),
        SentFactor::Sms | SentFactor::Voice => {
            let digits: String = to.strip_prefix('+')?.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
            let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| format!("+{digits}"))
        }
    }
}

fn message(settings: &Settings, delivery: &Delivery, factor: SentFactor, to: String) -> Message {
    let (channel, language) = match factor {
        SentFactor::Email => (Channel::Email, Language::default()),
        SentFactor::Sms => (Channel::Sms, Language::default()),
        SentFactor::Voice => (Channel::Voice, settings.factors.voice.language),
    };
    let digits = u32::from_be_bytes(random_bytes()) % 100_000_000;
    let code = Code {
        code: format!("{digits:08}").into(),
        lives: Duration::from_mins(5),
        app: "a test".to_owned(),
        brand: settings.branding.name.clone(),
        domain: settings.server.public_url.host.clone(),
        call: (channel == Channel::Voice && delivery.asks_back(channel)).then(random_token),
    };
    Message { channel, to, content: Content::Code(code), language, id: random_token() }
}

fn tell(sent: &Result<Sent, NotSent>, as_json: bool) -> ExitCode {
    match sent {
        Ok(Sent { sender, reference }) => {
            let by = reference.as_ref().map(|known| format!(" ({known})")).unwrap_or_default();
            if as_json {
                println!("{}", json!({ "sent": true, "sender": sender, "reference": reference }));
            } else {
                println!("taken by `{sender}`{by}; whether it arrives is for you to see");
            }
            ExitCode::SUCCESS
        }
        Err(NotSent { reason, certain, says, .. }) => {
            if as_json {
                let reason = reason.name();
                println!("{}", json!({ "sent": false, "reason": reason, "certain": certain, "says": says }));
            } else {
                let perhaps = if *certain { "" } else { "; it may still arrive" };
                eprintln!("stepgate: not sent, {}{perhaps}: {says}", reason.name());
            }
            match reason {
                Reason::Unavailable | Reason::Misconfigured | Reason::Throttled => {
                    ExitCode::from(UNREACHABLE)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}
