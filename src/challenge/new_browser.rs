//! Tells people of a sign-in from a browser that they have not used before.
//!
//! By e-mail alone, and not the first time ever: that one they know of. A sign-in never waits for it and never
//! fails by it. What a browser is known by is its cookie; a program without one by its name and network.

use std::net::IpAddr;
use std::sync::Arc;

use super::notice::{self, Act};
use super::{ChallengeError, Challenges};
use crate::ambient::UnixTime;
use crate::delivery::Event;
use crate::policy::Identity;

/// A sign-in that has just succeeded.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn<'a> {
    pub identity: &'a Arc<Identity>,
    /// The known-browser cookie that came with it.
    pub browser: Option<&'a str>,
    /// "Firefox on Linux".
    pub agent: &'a str,
    pub address: IpAddr,
    /// When this person was first seen, before this sign-in; `None`: never.
    pub first_seen: Option<UnixTime>,
}

impl Challenges {
    /// Remembers the browser, and tells the person if it is a new one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn signed_in(&self, sign_in: SignedIn<'_>) -> Result<(), ChallengeError> {
        let (teller, now) = (self.teller(), self.clock.now());
        let identity = Arc::clone(sign_in.identity);
        let browser = sign_in.browser.map(str::to_owned);
        let known_by = browser
            .clone()
            .unwrap_or_else(|| format!("{} {}", sign_in.agent, network(sign_in.address)));
        let had_before = sign_in.first_seen.is_some();
        let act = Act::new(Event::SignedIn, notice::browser(sign_in.agent, sign_in.address));
        let told = self.store.write(move |mut tx| async move {
            let noted = tx.note_sign_in_browser(&identity.key, &known_by, now).await?;
            let proved = match &browser {
                Some(browser) => tx.is_known_browser(&identity.key, browser).await?,
                None => false,
            };
            let told = if noted || proved || !had_before {
                None
            } else {
                Some(teller.prepare(&mut tx, &identity, act, now).await?)
            };
            tx.commit(told).await
        });
        if let Some(told) = told.await? {
            told.tell();
        }
        Ok(())
    }
}

/// Programs move within their network.
fn network(address: IpAddr) -> String {
    let length = if address.is_ipv4() { 24 } else { 56 };
    ipnet::IpNet::new(address, length).map_or_else(|_| address.to_string(), |net| net.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("203.0.113.9"), "203.0.113.0/24");
        assert_eq!(of("2001:db8:1:2ff::1"), of("2001:db8:1:200::9"));
        assert_ne!(of("203.0.113.9"), of("203.0.114.9"));
    }
}
