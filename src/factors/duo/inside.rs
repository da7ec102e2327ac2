//! Duo on our own pages, over the Auth API: a push, a call, texted passcodes, or a passcode as it
//! stands. One enrolment has all of them; the person chooses.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::auth_api::{AuthApi, Device, Person, Preauth, Status, number_in};
use super::polls::Polls;
use super::service::CallFailed;
use super::{
    Asking, Judgement, Malformed, NormalForm, Shows, StartError, Started, Starting, read, sealed, unavailable,
};
use crate::delivery::Reason;

/// The normal form of "has it been decided?"; no passcode is so short.
pub(super) const ASK: &str = "ask";
/// Passcodes of apps have six digits, a YubiKey's 44 letters.
const PASSCODE: std::ops::RangeInclusive<usize> = 4..=64;
/// Seconds that a push or a call lives at Duo, and a little more to see its end.
const PENDING: i64 = 90;
/// Seconds for texted passcodes to arrive and be typed.
const TYPING: i64 = 300;

pub(super) struct Inside {
    pub(super) api: Arc<AuthApi>,
    polls: Polls,
    accept_bypass: bool,
}

/// What was begun for one question.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Begun {
    /// A push or a call.
    Pending { txid: String },
    /// Passcodes are on their way.
    Texted,
    /// Duo lets this person pass without asking, and that counts here.
    Bypassed,
}

impl Inside {
    pub(super) fn new(api: AuthApi, accept_bypass: bool) -> Self {
        Self { api: Arc::new(api), polls: Polls::default(), accept_bypass }
    }

    /// Asks Duo to ask the person, by the way that was chosen or the first that there is.
    pub(super) async fn begin(&self, username: &str, starting: &Starting<'_>) -> Result<Started, StartError> {
        let person = Person { username, client: starting.client, now: starting.now };
        let preauth = self.api.preauth(person).await.map_err(|failed| unavailable(&failed))?;
        match preauth.result.as_str() {
            "auth" => {}
            "allow" if self.accept_bypass => {
                return started(&Begun::Bypassed, Shows::Approve { number: None, device: None }, PENDING);
            }
            "enroll" => return Err(StartError::Unknown),
            other => {
                let words = preauth.status_msg.unwrap_or_default();
                tracing::warn!(result = other, %words, "Duo does not let this person be asked");
                return Err(StartError::Refused(Reason::Blocked));
            }
        }
        let Some((way, device)) = chosen(&preauth, starting.choice) else {
            return Err(StartError::Refused(Reason::InvalidDestination));
        };
        match way {
            Way::Text => self.text(person, device).await,
            Way::Push => self.push(person, &preauth, device, starting.app).await,
            Way::Phone => self.call(person, device).await,
        }
    }

    async fn push(
        &self,
        person: Person<'_>,
        preauth: &Preauth,
        device: &Device,
        app: &str,
    ) -> Result<Started, StartError> {
        let about = shown_with(app);
        let mut fields = vec![
            ("factor", "push"),
            ("device", device.device.as_str()),
            ("pushinfo", &about),
        ];
        fields.extend(preauth.txid.as_deref().map(|txid| ("txid", txid)));
        let txid = self.api.begin(person, &fields).await.map_err(|failed| unavailable(&failed))?;
        let number = match (preauth.number(), &preauth.txid) {
            (Some(number), _) => Some(number),
            (None, Some(_)) => self.number(&txid, person).await,
            (None, None) => None,
        };
        started(&Begun::Pending { txid }, Shows::Approve { number, device: device.shown() }, PENDING)
    }

    /// The number to type into the app, from the first news of a push that wants one.
    async fn number(&self, txid: &str, person: Person<'_>) -> Option<String> {
        let news = self.api.status(txid, person.now).await.ok().flatten()?;
        number_in(&news.status_msg)
    }

    async fn call(&self, person: Person<'_>, device: &Device) -> Result<Started, StartError> {
        let fields = [("factor", "phone"), ("device", device.device.as_str())];
        let txid = self.api.begin(person, &fields).await.map_err(|failed| unavailable(&failed))?;
        started(&Begun::Pending { txid }, Shows::Approve { number: None, device: device.shown() }, PENDING)
    }

    async fn text(&self, person: Person<'_>, device: &Device) -> Result<Started, StartError> {
        let fields = [("factor", "sms"), ("device", device.device.as_str())];
        let status = self.api.at_once(person, &fields).await.map_err(|failed| unavailable(&failed))?;
        // That passcodes were sent is no proof: Duo says so as a refusal.
        if status.status != "sent" {
            return Err(StartError::Refused(Reason::Unavailable));
        }
        let to = device.shown().unwrap_or_default();
        started(&Begun::Texted, Shows::Sent { to, doubtful: false }, TYPING)
    }

    /// What Duo says to a passcode, or has been told by the person since.
    pub(super) async fn judge(&self, username: &str, asking: &Asking<'_>) -> Result<Judgement, CallFailed> {
        let answer = asking.answer.0.expose_secret();
        if answer != ASK {
            let person = Person { username, client: asking.client, now: asking.now };
            let status = self
                .api
                .at_once(person, &[("factor", "passcode"), ("passcode", answer)])
                .await?;
            return Ok(self.weigh(&status, Judgement::Wrong));
        }
        match asking.begun.and_then(read::<Begun>) {
            Some(Begun::Pending { txid }) => match self.polls.look(&self.api, asking.now, &txid).await {
                Some(end) => Ok(self.weigh(&end?, Judgement::Denied)),
                None => Ok(Judgement::Waiting),
            },
            Some(Begun::Bypassed) if self.accept_bypass => Ok(Judgement::Allowed),
            Some(Begun::Texted) => Ok(Judgement::Waiting),
            Some(Begun::Bypassed) | None => Ok(Judgement::Denied),
        }
    }

    /// `no`: what a plain refusal means here.
    fn weigh(&self, status: &Status, no: Judgement) -> Judgement {
        match (status.result.as_str(), status.status.as_str()) {
            ("allow", "bypass") if !self.accept_bypass => Judgement::Denied,
            ("allow", _) => Judgement::Allowed,
            ("waiting", _) => Judgement::Waiting,
            (_, "fraud") => Judgement::Fraud,
            (_, "locked_out") => Judgement::Barred,
            (_, "timeout") => Judgement::Lapsed,
            _ => no,
        }
    }
}

fn started(begun: &Begun, shows: Shows, lives: i64) -> Result<Started, StartError> {
    Ok(Started { payload: sealed(begun)?, shows, send: None, handle: None, lives })
}

/// What the push shows beside who asks.
fn shown_with(app: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("App", app).finish()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Push,
    Phone,
    Text,
}

/// What people choose among, as forms and the API name it.
pub(super) const CHOICES: [&str; 3] = [Way::Push.names().0, Way::Phone.names().0, Way::Text.names().0];

impl Way {
    const ALL: [Self; 3] = [Self::Push, Self::Phone, Self::Text];

    /// Its name in forms and the API, and among what a device of Duo's can do.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Push => ("push", "push"),
            Self::Phone => ("phone", "phone"),
            Self::Text => ("text", "sms"),
        }
    }
}

/// The way that was asked for, or the first there is; and the first device that can.
fn chosen<'p>(preauth: &'p Preauth, choice: &str) -> Option<(Way, &'p Device)> {
    Way::ALL
        .into_iter()
        .filter(|way| choice.is_empty() || way.names().0 == choice)
        .find_map(|way| Some((way, preauth.devices.iter().find(|device| device.can(way.names().1))?)))
}

/// A passcode as it is sent to Duo: letters and digits alone.
pub(super) fn passcode(typed: &str) -> Result<NormalForm, Malformed> {
    if typed.len() > 4 * PASSCODE.end() {
        return Err(Malformed::Length { expected: 6, got: typed.chars().count() });
    }
    let code: String = typed.nfkc().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if code.is_empty() {
        Err(Malformed::Empty)
    } else if !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Err(Malformed::NotDigits)
    } else if PASSCODE.contains(&code.len()) {
        Ok(NormalForm(code.into()))
    } else {
        Err(Malformed::Length { expected: 6, got: code.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factors::duo::service::Service;

    fn inside(accept_bypass: bool) -> Inside {
        let service = Service::new("localhost:1", None).unwrap();
        let api = AuthApi { service, integration_key: "DI".to_owned(), secret_key: "s".into() };
        Inside::new(api, accept_bypass)
    }

    fn told(result: &str, status: &str) -> Status {
        Status { result: result.to_owned(), status: status.to_owned(), status_msg: String::new() }
    }

    #[test]
    fn only_allow_allows_and_a_bypass_only_where_it_counts() {
        let weigh = |result, status| inside(false).weigh(&told(result, status), Judgement::Wrong);
        assert_eq!(weigh("allow", "allow"), Judgement::Allowed);
        assert_eq!(weigh("allow", "bypass"), Judgement::Denied);
        assert_eq!(inside(true).weigh(&told("allow", "bypass"), Judgement::Wrong), Judgement::Allowed);
        assert_eq!(weigh("waiting", "pushed"), Judgement::Waiting);
        assert_eq!(weigh("deny", "fraud"), Judgement::Fraud);
        assert_eq!(weigh("deny", "locked_out"), Judgement::Barred);
        assert_eq!(weigh("deny", "timeout"), Judgement::Lapsed);
        for (result, status) in [
            ("deny", "deny"),
            ("deny", "allow"),
            ("", "allow"),
            ("ALLOW", "allow"),
            ("deny", "sent"),
        ] {
            assert_eq!(weigh(result, status), Judgement::Wrong, "{result} {status}");
        }
    }

    #[test]
    fn the_way_that_was_chosen_or_the_first_there_is() {
        let device = |name: &str, can: &[&str]| Device {
            device: name.to_owned(),
            display_name: None,
            number: None,
            capabilities: can.iter().map(ToString::to_string).collect(),
        };
        let preauth = Preauth {
            result: "auth".to_owned(),
            status_msg: None,
            devices: vec![
                device("token", &[]),
                device("desk", &["phone"]),
                device("mobile", &["push", "phone", "sms"]),
            ],
            txid: None,
            verification_code: None,
        };
        let chosen = |choice| chosen(&preauth, choice).map(|(way, device)| (way, device.device.as_str()));
        assert_eq!(chosen(""), Some((Way::Push, "mobile")));
        assert_eq!(chosen("phone"), Some((Way::Phone, "desk")));
        assert_eq!(chosen("text"), Some((Way::Text, "mobile")));
        assert_eq!(chosen("telepathy"), None);
    }
}
