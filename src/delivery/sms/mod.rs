//! Text messages through vendors with an HTTP API: one file per vendor, all pure, behind
//! [`super::vendor::Vendor`].
//!
//! None of them was run against a real account: each was written from the vendor's published
//! contract and run against that contract's own server (Prism, moto) or a fake which the vendor's
//! own client has accepted (`tests/peers/texts.py`).

mod aws;
pub(super) mod aws_sms;
pub(super) mod aws_sns;
pub(super) mod gateway;
pub(super) mod messagebird;
pub(super) mod plivo;
pub(super) mod signature;
pub(super) mod text;
pub(super) mod twilio;
pub(super) mod twilio_verify;
pub(super) mod vonage;
pub(super) mod vonage_verify;

use std::sync::Arc;

use super::Sender;
use super::vendor::{self, Ours, OverHttp};
use super::voice::vonage::VonageVoice;
use crate::ambient::Clock;
use crate::calls::Https;
use crate::config::settings::Vendor;

/// The sender of this name. `ours` is where the vendor finds us.
pub(super) fn sender(name: &str, api: &Vendor, ours: Ours, client: Https) -> Arc<dyn Sender> {
    let receipts = ours.receipts.clone();
    match api.clone() {
        Vendor::Twilio(settings) => over_http(name, twilio::Twilio { settings, ours }, client),
        Vendor::TwilioVerify(settings) => over_http(name, twilio_verify::TwilioVerify { settings }, client),
        Vendor::Vonage(settings) => over_http(name, vonage::Vonage { settings, receipts }, client),
        Vendor::VonageVerify(settings) => over_http(name, vonage_verify::VonageVerify { settings }, client),
        Vendor::VonageVoice(settings) => over_http(name, VonageVoice { settings, ours }, client),
        Vendor::AwsSms(settings) => over_http(name, aws_sms::AwsSms { settings }, client),
        Vendor::AwsSns(settings) => over_http(name, aws_sns::AwsSns { settings }, client),
        Vendor::Plivo(settings) => over_http(name, plivo::Plivo { settings, ours }, client),
        Vendor::MessageBird(settings) => {
            over_http(name, messagebird::MessageBird { settings, receipts }, client)
        }
        Vendor::Http(settings) => over_http(name, gateway::Gateway { settings: *settings }, client),
    }
}

fn over_http(name: &str, vendor: impl vendor::Vendor + 'static, client: Https) -> Arc<dyn Sender> {
    // Signatures are made with the system's time, which the vendor compares with its own.
    Arc::new(OverHttp { name: name.to_owned(), vendor, client, clock: Clock::system() })
}

#[cfg(test)]
pub(super) mod testing;
