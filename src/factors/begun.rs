//! What has to happen before there can be an answer: a message, a ceremony, a question to a service.
//!
//! What is begun belongs to one challenge (or one pending enrolment) and one enrolment, and the
//! challenge room keeps it sealed until then.

use std::net::IpAddr;

use secrecy::{SecretSlice, SecretString};
use serde::{Deserialize, Serialize};

use super::{Material, NormalForm};
use crate::ambient::UnixTime;
use crate::delivery::{Channel, Reason};

/// When something has to be begun first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    Never,
    /// As soon as the challenge is shown: it disturbs nobody and costs nothing.
    WhenShown,
    /// When the person asks for it, by POST: it sends something, or asks a service.
    OnRequest,
}

/// What is begun.
#[derive(Clone)]
pub struct Started {
    /// For [`super::Factor::check`] and [`super::Factor::ask`]; nobody else reads it.
    pub payload: SecretSlice<u8>,
    pub shows: Shows,
    /// To be sent, once it is counted and stored.
    pub send: Option<Dispatch>,
    /// What another site will send the person back with, unguessable.
    pub handle: Option<String>,
    /// Seconds.
    pub lives: i64,
}

/// What the person sees of it. Serialised as it stands for the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Shows {
    /// A code has been sent there (not the whole address or number).
    Sent {
        to: String,
        /// The service has not said whether it took it: it may never arrive.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        doubtful: bool,
    },
    /// What the browser's `navigator.credentials.get` takes.
    Passkey { options: serde_json::Value },
    /// The other site's address.
    Redirect { url: String },
    /// A number to compare or type there, and the device's name.
    Approve { number: Option<String>, device: Option<String> },
    /// What the service says with its question.
    Question { says: Option<String> },
}

/// A code to be sent.
#[derive(Clone)]
pub struct Dispatch {
    pub channel: Channel,
    /// E.164, or a mail address.
    pub to: String,
    pub code: SecretString,
    /// Seconds.
    pub lives: i64,
}

/// What an answer is judged against.
pub struct Question<'a> {
    pub material: &'a Material,
    /// What was begun for this very challenge, if anything was.
    pub begun: Option<&'a SecretSlice<u8>>,
    pub now: UnixTime,
}

/// What there is to begin with.
pub struct Starting<'a> {
    pub material: &'a Material,
    /// The person's others of the kind, where [`super::Factor::asks_for_any`].
    pub others: &'a [Material],
    /// What was begun before for the same challenge.
    pub before: Option<&'a SecretSlice<u8>>,
    /// What the person chose of the ways within the way; empty for the usual one.
    pub choice: &'a str,
    /// The person's name in their identity source.
    pub account: &'a str,
    /// What it is for, as the person knows it.
    pub app: &'a str,
    /// Where another site sends the person back to.
    pub return_url: &'a str,
    pub client: IpAddr,
    pub now: UnixTime,
}

/// What a service is asked.
pub struct Asking<'a> {
    pub material: &'a Material,
    pub begun: Option<&'a SecretSlice<u8>>,
    pub answer: &'a NormalForm,
    pub account: &'a str,
    pub return_url: &'a str,
    pub client: IpAddr,
    pub now: UnixTime,
}

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The service refuses this person or this destination.
    #[error("the service refuses: {}", .0.name())]
    Refused(Reason),
    /// The service does not know this person yet.
    #[error("the service does not know this person")]
    Unknown,
    /// The service is away, and the operator has chosen to do without it then.
    #[error("the service is away and is done without")]
    Waived,
}

/// Nobody could be asked. The text is for the log alone.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);
