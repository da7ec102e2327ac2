//! What the result of a bind means: pure, from RFC 4511, the password policy draft and the codes that
//! Active Directory puts into its text.
//!
//! What is not known is a wrong password. It must never take anything but success for right.

use super::message::Outcome;
use crate::identity::StopReason;

/// What a server said about a name and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Nobody comes in. `proved`: the server says so only to those who know the password.
    Stopped {
        why: StopReason,
        proved: bool,
    },
    /// It did not judge.
    Unable,
}

/// Reads the result.
pub(super) fn verdict(outcome: &Outcome) -> Verdict {
    let stopped = |why, proved| Verdict::Stopped { why, proved };
    match (outcome.code, outcome.policy) {
        (0, None) => Verdict::Right,
        // accountLocked comes before the password is looked at.
        (_, Some(1)) => stopped(StopReason::Barred, false),
        // changeAfterReset comes with success, which is good for nothing but changing it; so does
        // passwordExpired at a last grace sign-in, and without one it comes with 49.
        (0, Some(_)) | (49, Some(0)) => stopped(StopReason::MustChange, true),
        (49, _) => active_directory(&outcome.text),
        // busy, unavailable, protocol and server errors, referral: nothing was said about the password.
        (1 | 2 | 3 | 7 | 8 | 10 | 11 | 13 | 51 | 52 | 80, _) => Verdict::Unable,
        _ => Verdict::Wrong,
    }
}

/// `80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580`.
fn active_directory(text: &str) -> Verdict {
    let data = text
        .split_once(", data ")
        .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default());
    let (why, proved) = match data {
        // Password expired; must be reset.
        Some("532" | "773") => (StopReason::MustChange, true),
        // Not at this time, not from here, disabled, account expired: said after the password was right.
        Some("530" | "531" | "533" | "701") => (StopReason::Barred, true),
        // Locked out, whatever the password.
        Some("775") => (StopReason::Barred, false),
        _ => return Verdict::Wrong,
    };
    Verdict::Stopped { why, proved }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u32, text: &str, policy: Option<u32>) -> Verdict {
        verdict(&Outcome { code, text: text.to_owned(), policy })
    }

    #[test]
    fn nothing_but_success_is_right() {
        assert_eq!(of(0, "", None), Verdict::Right);
        for code in 1..200 {
            assert_ne!(of(code, "", None), Verdict::Right, "{code}");
        }
        for policy in 0..10 {
            assert_ne!(of(0, "", Some(policy)), Verdict::Right, "{policy}");
        }
    }

    #[test]
    fn active_directory_says_why_in_its_text() {
        let said = |data: &str| {
            of(
                49,
                &format!(
                    "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v2580"
                ),
                None,
            )
        };
        let stopped = |why, proved| Verdict::Stopped { why, proved };
        for data in ["532", "773"] {
            assert_eq!(said(data), stopped(StopReason::MustChange, true));
        }
        for data in ["530", "531", "533", "701"] {
            assert_eq!(said(data), stopped(StopReason::Barred, true));
        }
        assert_eq!(said("775"), stopped(StopReason::Barred, false));
        for data in ["52e", "525", "7755", "x"] {
            assert_eq!(said(data), Verdict::Wrong, "{data}");
        }
        assert_eq!(of(49, "data 773", None), Verdict::Wrong, "not that server's text");
    }

    #[test]
    fn a_password_policy_says_why_in_its_control() {
        let stopped = |why, proved| Verdict::Stopped { why, proved };
        assert_eq!(of(0, "", Some(2)), stopped(StopReason::MustChange, true));
        assert_eq!(of(49, "", Some(0)), stopped(StopReason::MustChange, true));
        assert_eq!(of(49, "", Some(1)), stopped(StopReason::Barred, false));
        assert_eq!(of(49, "", None), Verdict::Wrong);
        assert_eq!(of(10, "", None), Verdict::Unable, "a referral is not followed");
        assert_eq!(of(53, "", None), Verdict::Wrong);
    }
}
