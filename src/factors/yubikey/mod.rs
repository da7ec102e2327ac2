//! The one-time password that a YubiKey types when it is touched, judged by a validation service:
//! YubiCloud, or servers of one's own.
//!
//! An enrolment is bound to the key by its public id; a password of another key is wrong before
//! anybody is asked. All servers are asked at once, and the first that decides, decides. The state is
//! the key's own counter where servers tell it, so a password counts once even if they forget.

mod otp;
mod protocol;

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::task::JoinSet;

use self::otp::Otp;
use self::protocol::{Judgement, Query};
use super::{
    About, Answer, Asking, EnrolError, Enrolling, Factor, Malformed, Material, NormalForm, Prompt, Right,
    Setup, Unavailable, Verdict,
};
use crate::ambient::random_bytes;
use crate::calls::{Https, HttpsError, Trouble, Unwell};
use crate::config::{FactorKind, Properties, settings};
use crate::delivery::BoxFuture;

/// For all servers together. A service that has to ask its other servers first takes seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What no key types: to try servers out with.
const NOBODYS: &str = "vvvvvvvvvvvvcccccccccccccccccccccccccccccccc";

/// The factor `yubikey`.
pub(super) struct Yubikey {
    service: Arc<Service>,
}

/// One validation service.
struct Service {
    /// Or why there is none.
    https: Result<Https, HttpsError>,
    client_id: u64,
    api_key: SecretSlice<u8>,
    servers: Vec<String>,
}

impl Yubikey {
    pub(super) fn new(settings: &settings::Yubikey) -> Self {
        let service = Service {
            https: Https::new(None),
            client_id: settings.client_id,
            api_key: settings.api_key.clone(),
            servers: settings.servers.clone(),
        };
        Self { service: Arc::new(service) }
    }

    async fn judge(&self, asking: &Asking<'_>) -> Result<Verdict, Unavailable> {
        let material = asking.material;
        let Ok(otp) = Otp::read(asking.answer.0.expose_secret()) else {
            return Ok(Verdict::Wrong);
        };
        let about = about(&otp);
        // Without a handle the enrolment is still pending, and takes whichever key was touched.
        if material.about.handle.is_some() && material.about.handle != about.handle {
            return Ok(Verdict::Wrong);
        }
        Ok(match Service::ask(&self.service, otp).await? {
            Judgement::Right { counter: Some(counter) } if counter <= material.state => Verdict::Used,
            Judgement::Right { counter } => {
                let state = counter.unwrap_or_else(|| material.state.saturating_add(1));
                let bound = Material { about, ..Material::new(Vec::new(), state) };
                let right = Right::at(state, &bound);
                let new = material.about.handle.is_none();
                Verdict::Right(Right { material: new.then_some(bound), ..right })
            }
            Judgement::Replayed => Verdict::Used,
            Judgement::Wrong | Judgement::Undecided(_) => Verdict::Wrong,
        })
    }
}

/// What is known of the key that typed this.
fn about(otp: &Otp) -> About {
    About {
        note: otp.serial().map(|serial| format!("serial {serial}")),
        properties: Properties::DEVICE_BOUND,
        handle: Some(format!("yubikey:{}", otp.public_id())),
        ..About::default()
    }
}

impl Service {
    /// The first decision of any server.
    async fn ask(this: &Arc<Self>, otp: Otp) -> Result<Judgement, Unavailable> {
        let otp = Arc::new(otp);
        let nonce: String = random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let nonce: Arc<str> = nonce.into();
        let mut asked = JoinSet::new();
        for index in 0..this.servers.len() {
            let (this, otp, nonce) = (Arc::clone(this), Arc::clone(&otp), Arc::clone(&nonce));
            asked.spawn(async move { this.ask_one(index, &otp, &nonce).await });
        }
        let mut why = Vec::new();
        // Dropping the rest ends it: they have the same nonce and mean the same question.
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Judgement::Undecided(reason)) => why.push(reason),
                Ok(decided) => return Ok(decided),
                Err(_) => why.push("the task ended".to_owned()),
            }
        }
        Err(Unavailable(why.join("; ")))
    }

    async fn ask_one(&self, index: usize, otp: &Otp, nonce: &str) -> Judgement {
        let Some(server) = self.servers.get(index) else {
            return Judgement::Undecided("no such server".to_owned());
        };
        let https = match &self.https {
            Ok(https) => https,
            Err(error) => return Judgement::Undecided(error.to_string()),
        };
        let query = Query { client_id: self.client_id, api_key: &self.api_key, otp, nonce };
        let judged = match asking(server, &query) {
            Ok(request) => match https.call(request, PATIENCE).await {
                Ok(answer) if answer.status().is_success() => query.judge(answer.body()),
                Ok(answer) => Judgement::Undecided(format!("status {}", answer.status().as_u16())),
                Err(error) => Judgement::Undecided(error.to_string()),
            },
            Err(error) => Judgement::Undecided(error.to_string()),
        };
        match judged {
            Judgement::Undecided(reason) => Judgement::Undecided(format!("{server}: {reason}")),
            decided => decided,
        }
    }

    /// Asks every server about a password that no key has typed: whether it is there, and knows us.
    async fn probe(&self) -> Result<(), Unwell> {
        let (mut why, mut trouble) = (Vec::new(), None);
        for server in &self.servers {
            if let Err(unwell) = self.try_out(server).await {
                trouble.get_or_insert(unwell.trouble);
                why.push(format!("{server}: {unwell}"));
            }
        }
        trouble.map_or(Ok(()), |trouble| Err(Unwell::new(trouble, why.join("; "))))
    }

    async fn try_out(&self, server: &str) -> Result<(), Unwell> {
        let odd = |why: String| Unwell::new(Trouble::Odd, why);
        let https = self.https.as_ref().map_err(|error| odd(error.to_string()))?;
        let otp = Otp::read(NOBODYS).map_err(|_| odd("no question could be made".to_owned()))?;
        let nonce: String = random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let query = Query { client_id: self.client_id, api_key: &self.api_key, otp: &otp, nonce: &nonce };
        let request = asking(server, &query).map_err(|error| odd(error.to_string()))?;
        let answer = https.call(request, PATIENCE).await?;
        if !answer.status().is_success() {
            return Err(Unwell::answered(answer.status()));
        }
        match query.judge(answer.body()) {
            Judgement::Undecided(status) => {
                // Statuses that name our id or our key; a wrong key also makes the answer's signature wrong.
                let ours = [
                    "NO_SUCH_CLIENT",
                    "BAD_SIGNATURE",
                    "OPERATION_NOT_ALLOWED",
                    "by our key",
                ];
                let trouble = if ours.iter().any(|word| status.contains(word)) {
                    Trouble::NotAdmitted
                } else {
                    Trouble::Odd
                };
                Err(Unwell::new(trouble, format!("it answers {status}")))
            }
            Judgement::Right { .. } | Judgement::Replayed | Judgement::Wrong => Ok(()),
        }
    }
}

fn asking(server: &str, query: &Query<'_>) -> Result<Request<&'static str>, http::Error> {
    let joint = if server.contains('?') { '&' } else { '?' };
    Request::get(format!("{server}{joint}{}", query.encoded())).body("")
}

impl Factor for Yubikey {
    fn kind(&self) -> FactorKind {
        FactorKind::Yubikey
    }

    fn default_name(&self, _material: &Material) -> String {
        "YubiKey".to_owned()
    }

    fn prompt(&self) -> Prompt {
        Prompt::OneTimePassword
    }

    fn begin(&self, _new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        Ok((Material::new(Vec::new(), 0), Setup::OneTimePassword))
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        let Answer::Code(typed) = answer else {
            return Err(Malformed::NotDigits);
        };
        Otp::read(typed).map(|otp| NormalForm(otp.text().to_owned().into()))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, asking: Asking<'a>) -> BoxFuture<'a, Result<Verdict, Unavailable>> {
        Box::pin(async move { self.judge(&asking).await })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        Box::pin(self.service.probe())
    }
}
