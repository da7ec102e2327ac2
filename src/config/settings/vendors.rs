//! Settings of vendors that take messages over HTTP.
//!
//! Base URLs are without a trailing slash and can be changed for proxies and tests. What a vendor
//! signs its delivery receipts with is optional everywhere: without it none are taken.

use secrecy::SecretString;

use super::super::values::answer_place::AnswerPlace;
use super::super::values::template::{Context, Placeholder, Template};
use super::Channel;

/// A vendor with an HTTP API.
#[derive(Debug, Clone)]
pub enum Vendor {
    Twilio(Twilio),
    TwilioVerify(TwilioVerify),
    Vonage(Vonage),
    VonageVerify(VonageVerify),
    VonageVoice(VonageVoice),
    AwsSms(AwsSms),
    AwsSns(AwsSns),
    Plivo(Plivo),
    MessageBird(MessageBird),
    Http(Box<HttpGateway>),
}

impl Vendor {
    /// What it carries.
    #[must_use]
    pub fn channels(&self) -> &'static [Channel] {
        match self {
            Self::TwilioVerify(_)
            | Self::VonageVerify(_)
            | Self::Plivo(_)
            | Self::Twilio(Twilio { from: TwilioFrom::Number(_), .. }) => &[Channel::Sms, Channel::Voice],
            Self::VonageVoice(_) => &[Channel::Voice],
            Self::Http(gateway) if gateway.calls => &[Channel::Voice],
            Self::Twilio(_)
            | Self::Vonage(_)
            | Self::AwsSms(_)
            | Self::AwsSns(_)
            | Self::MessageBird(_)
            | Self::Http(_) => &[Channel::Sms],
        }
    }

    /// Where its API is, unless that follows from the region or is a template.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Twilio(Twilio { url, .. })
            | Self::TwilioVerify(TwilioVerify { url, .. })
            | Self::Vonage(Vonage { url, .. })
            | Self::VonageVerify(VonageVerify { url, .. })
            | Self::VonageVoice(VonageVoice { url, .. })
            | Self::Plivo(Plivo { url, .. })
            | Self::MessageBird(MessageBird { url, .. }) => Some(url),
            Self::AwsSms(AwsSms { aws, .. }) | Self::AwsSns(AwsSns { aws, .. }) => aws.url.as_deref(),
            Self::Http(_) => None,
        }
    }
}

/// A user name, or id of a key, and its secret: HTTP Basic.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: String,
    pub password: SecretString,
}

/// Twilio's API of 2010: messages and calls.
#[derive(Debug, Clone)]
pub struct Twilio {
    pub url: String,
    /// `AC…`
    pub account_sid: String,
    /// The account with its token, or an API key.
    pub login: Login,
    pub from: TwilioFrom,
    /// Signs receipts (SHA-1); also what the account signs in with where there is no API key.
    pub auth_token: Option<SecretString>,
    /// Signs receipts (SHA-256) where the account is set so.
    pub webhook_secret: Option<SecretString>,
}

#[derive(Debug, Clone)]
pub enum TwilioFrom {
    /// A number in E.164, or an alphanumeric sender.
    Number(String),
    /// A messaging service, `MG…`: texts only.
    Service(String),
}

/// Twilio Verify, told which code to send.
#[derive(Debug, Clone)]
pub struct TwilioVerify {
    pub url: String,
    /// `VA…`
    pub service_sid: String,
    pub login: Login,
    /// Texts go by WhatsApp.
    pub whatsapp: bool,
}

/// Vonage's SMS API.
#[derive(Debug, Clone)]
pub struct Vonage {
    pub url: String,
    pub api_key: String,
    pub secret: VonageSecret,
    pub from: String,
    /// Signs receipts, as a JWT or as the parameter `sig`.
    pub signature_secret: Option<SecretString>,
    pub signature_method: SignatureMethod,
}

/// How requests to Vonage are authorised.
#[derive(Debug, Clone)]
pub enum VonageSecret {
    /// HTTP Basic with the API secret.
    Api(SecretString),
    /// Every request signed with the signature secret; the secret itself never leaves.
    Signature(SecretString),
}

/// What Vonage's `sig` is made with, as the account is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureMethod {
    Sha256,
    Sha512,
}

/// Vonage Verify v2, told which code to send.
#[derive(Debug, Clone)]
pub struct VonageVerify {
    pub url: String,
    pub login: Login,
    /// Sender shown, where the country allows one.
    pub from: Option<String>,
    /// Texts go by WhatsApp, which needs `from`.
    pub whatsapp: bool,
}

/// Vonage's Voice API, as one application.
#[derive(Debug, Clone)]
pub struct VonageVoice {
    pub url: String,
    pub application_id: String,
    /// PEM of the application's RSA key.
    pub private_key: SecretString,
    /// A number of yours in E.164.
    pub from: String,
    /// Signs what Vonage asks and reports.
    pub signature_secret: Option<SecretString>,
}

/// Keys and region of an AWS account.
#[derive(Debug, Clone)]
pub struct Aws {
    /// `None`: the service's own endpoint in the region.
    pub url: Option<String>,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    pub session_token: Option<SecretString>,
}

/// AWS End User Messaging SMS (SMS Voice v2).
#[derive(Debug, Clone)]
pub struct AwsSms {
    pub aws: Aws,
    /// A number, sender id, pool, or the ARN of one.
    pub origination_identity: Option<String>,
    pub configuration_set: Option<String>,
    /// US dollars for one message, as written.
    pub max_price: Option<String>,
}

/// AWS SNS, publishing to a number.
#[derive(Debug, Clone)]
pub struct AwsSns {
    pub aws: Aws,
    pub sender_id: Option<String>,
    pub origination_number: Option<String>,
    /// US dollars for one message, as written.
    pub max_price: Option<String>,
}

/// Plivo: messages and calls.
#[derive(Debug, Clone)]
pub struct Plivo {
    pub url: String,
    /// Auth id and auth token, which also signs receipts.
    pub login: Login,
    pub from: String,
}

/// MessageBird's REST API, now Bird's older one.
#[derive(Debug, Clone)]
pub struct MessageBird {
    pub url: String,
    pub access_key: SecretString,
    pub from: String,
    /// Signs receipts.
    pub signing_key: Option<SecretString>,
}

/// Any other gateway, described.
#[derive(Debug, Clone)]
pub struct HttpGateway {
    /// Whether it calls rather than texts: the text is then what is spoken.
    pub calls: bool,
    /// GET only where the URL carries everything.
    pub method: http::Method,
    pub url: Template,
    pub headers: Vec<(http::HeaderName, Template)>,
    pub auth: HttpAuth,
    pub body: HttpBody,
    pub accepted: Accepted,
    /// Where an accepted answer has the gateway's own name for the message.
    pub reference: Option<AnswerPlace>,
    pub errors: Option<HttpErrors>,
    pub receipts: Option<HttpReceipts>,
}

impl HttpGateway {
    /// Whether the gateway writes the text itself: then it carries codes alone.
    #[must_use]
    pub fn needs_code(&self) -> bool {
        let says = |wanted: &[Placeholder]| {
            let body = match &self.body {
                HttpBody::None => false,
                HttpBody::Form(fields) => fields.iter().any(|(_, value)| value.mentions(wanted)),
                HttpBody::Text { template, .. } => template.mentions(wanted),
            };
            body || self.url.mentions(wanted)
        };
        says(&[Placeholder::Code]) && !says(&[Placeholder::Text])
    }
}

#[derive(Debug, Clone)]
pub enum HttpAuth {
    None,
    Basic(Login),
    Bearer(SecretString),
}

#[derive(Debug, Clone)]
pub enum HttpBody {
    None,
    /// Names and values of a form.
    Form(Vec<(String, Template)>),
    /// Text with placeholders, escaped for its type.
    Text {
        template: Template,
        context: Context,
        content_type: http::HeaderValue,
    },
}

/// What counts as accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Statuses; empty: every 2xx.
    pub status: Vec<u16>,
    /// And a value of the answer that must be one of these.
    pub value: Option<(AnswerPlace, Vec<String>)>,
}

/// How a refusal is read.
#[derive(Debug, Clone)]
pub struct HttpErrors {
    /// Where the answer has its code.
    pub at: AnswerPlace,
    /// What the gateway's codes mean, as the words of `delivery::Reason`.
    pub reasons: Vec<(String, String)>,
}

/// Delivery receipts of a gateway, with an HMAC-SHA-256 over the body.
#[derive(Debug, Clone)]
pub struct HttpReceipts {
    pub secret: SecretString,
    /// Header with the signature, in hex or base64, perhaps after `sha256=`.
    pub header: http::HeaderName,
    pub reference: AnswerPlace,
    pub status: AnswerPlace,
    pub delivered: Vec<String>,
    pub failed: Vec<String>,
}
