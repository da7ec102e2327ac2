//! An authenticator app: `oathtool` computes the codes, never our own crate.

use std::process::Command;

use super::{unix_now, wait_until_long};

/// Seconds a code stands for.
const PERIOD: u64 = 30;
/// A code of the step before is used only while this many seconds of the current step remain.
const MARGIN: u64 = 10;

/// One enrolled secret, and which of its time steps have been used.
pub struct Authenticator {
    secret: String,
    last_step: u64,
}

impl Authenticator {
    /// `secret` in base32, with or without groups.
    pub fn new(secret: &str) -> Self {
        let secret = secret
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_uppercase();
        Self { secret, last_step: 0 }
    }

    /// The secret, base32 without spaces.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// A code that is acceptable now and whose step was not handed out before. Three can be had at once
    /// (one step of drift is allowed either way); the next has to wait for the clock.
    pub fn code(&mut self) -> String {
        let step = wait_until_long("a time step that was not used yet", || {
            let now = unix_now();
            let current = now / PERIOD;
            let earliest = if PERIOD - now % PERIOD > MARGIN {
                current - 1
            } else {
                current
            };
            let step = earliest.max(self.last_step + 1);
            (step <= current + 1).then_some(step)
        });
        self.last_step = step;
        self.at_step(step)
    }

    /// The code of the current step, whether used or not.
    pub fn current(&self) -> String {
        self.at_step(unix_now() / PERIOD)
    }

    /// The last time step handed out.
    pub fn last_step(&self) -> u64 {
        self.last_step
    }

    /// Waits until the current step's code is one that was not handed out.
    pub fn wait_for_fresh(&self) {
        wait_until_long("a fresh time step", || (unix_now() / PERIOD > self.last_step).then_some(()));
    }

    /// The last code handed out, again.
    pub fn last(&self) -> String {
        self.at_step(self.last_step)
    }

    /// A code of the right shape that is not right now, nor a step to either side of now.
    pub fn wrong(&self, salt: u32) -> String {
        let step = unix_now() / PERIOD;
        let right: Vec<String> = (step - 3..=step + 3).map(|s| self.at_step(s)).collect();
        (0..1_000)
            .map(|i| format!("{:06}", (salt.wrapping_mul(7919) + i) % 1_000_000))
            .find(|code| !right.contains(code))
            .expect("seven codes are not all there are")
    }

    fn at_step(&self, step: u64) -> String {
        let output = Command::new("oathtool")
            .args([
                "--totp",
                "--base32",
                &format!("--now=@{}", step * PERIOD),
                &self.secret,
            ])
            .output()
            .expect("oathtool is installed (tests/run installs it)");
        assert!(output.status.success(), "oathtool: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("digits").trim().to_owned()
    }
}
