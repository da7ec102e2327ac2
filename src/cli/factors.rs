//! `stepgate factors`: tries what the configuration says about factors, with the real services.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::records::{Common, REFUSED, UNREACHABLE};
use crate::ambient::{random_bytes, random_token};
use crate::config::{self, Environment, Settings, Sources};
use crate::delivery::{Channel, Code, Content, Delivery, Language, Message, NotSent, Reason, Sent};

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
    /// Send one message with a code that opens nothing
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

/// Exit code 0 when a sender has taken the message, 69 when none could be reached or none would take
/// anything, 1 when this destination was refused, 78 when the configuration is.
///
/// # Errors
/// None today: every reason is printed.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&Sources::paths(args.common.config.clone()), &Environment::of_process());
    let Some(settings) = loaded.settings else {
        eprint!("{}", loaded.diagnostics.to_text(false));
        return Ok(ExitCode::from(REFUSED));
    };
    let Command::Test { factor, to } = args.command;
    let delivery = match Delivery::new(&settings) {
        Ok(delivery) => delivery,
        Err(error) => {
            eprintln!("stepgate: {error}");
            return Ok(ExitCode::from(UNREACHABLE));
        }
    };
    let sent = delivery.send(&message(&settings, factor, to)).await;
    Ok(tell(&sent, args.common.json))
}

fn message(settings: &Settings, factor: SentFactor, to: String) -> Message {
    let channel = match factor {
        SentFactor::Email => Channel::Email,
        SentFactor::Sms => Channel::Sms,
        SentFactor::Voice => Channel::Voice,
    };
    let digits = u32::from_be_bytes(random_bytes()) % 100_000_000;
    let code = Code {
        code: format!("{digits:08}").into(),
        lives: Duration::from_mins(5),
        app: "a test".to_owned(),
        brand: settings.branding.name.clone(),
        domain: settings.server.public_url.host.clone(),
    };
    Message {
        channel,
        to,
        content: Content::Code(code),
        language: Language::En,
        id: random_token(),
    }
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
        Err(NotSent { reason, certain, says }) => {
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
