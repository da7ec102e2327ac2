//! Every code factor against the same abuse (security.md E01 to E17, H05): one table of factors, one list of
//! cases, and every case for every factor. A new factor joins by one line in [`suite`] and a [`Device`] that
//! knows how to get a right code; a case that has no meaning for it says why.

mod cases;
mod devices;
mod scene;

use crate::support::{Browser, Gate, Setup};
use scene::Scene;

/// What the cases need to know of a factor.
pub trait Device {
    /// Its name in configuration and API.
    fn factor(&self) -> &'static str;

    /// Switches it on, with whatever it needs beside it. Called once, before people are added.
    fn configure(&mut self, setup: Setup) -> Setup {
        setup
    }

    /// What has to be there before a challenge is opened: nothing but for what is issued.
    fn prepare(&mut self, _gate: &Gate, _user: &str) {}

    /// Gives it to a person who is signed in.
    fn enrol(&mut self, gate: &Gate, browser: &mut Browser, user: &str);

    /// How a person begins to enrol one more; `None` where nobody enrols it by themselves.
    fn another(&self, user: &str) -> Option<serde_json::Value>;

    /// Whether a code is sent first, for one question alone.
    fn is_sent(&self) -> bool {
        false
    }

    /// Whether a service judges, which may hear of one code by two processes at once.
    fn is_judged_elsewhere(&self) -> bool {
        false
    }

    /// Whether that service knows people by their names: any right code of theirs enrols it.
    fn is_of_a_name(&self) -> bool {
        false
    }

    /// A right code that was not handed out before; where it is sent, the newest that was.
    fn code(&mut self, gate: &Gate, user: &str) -> String;

    /// A code of the right shape that is right for nobody.
    fn wrong(&self, n: usize) -> String;

    /// What no log may hold besides codes: where codes go.
    fn private(&self) -> Vec<String> {
        Vec::new()
    }

    /// Why a case has no meaning for it.
    fn says(_case: &str) -> Option<&'static str>
    where
        Self: Sized,
    {
        None
    }
}

/// Runs one case, or says why there is none.
fn run<D: Device + 'static>(name: &str, make: impl FnOnce() -> D, case: impl FnOnce(Scene)) {
    if let Some(why) = D::says(name) {
        eprintln!("no such case: {why}");
        return;
    }
    let log = if name == "written_nowhere" {
        "trace"
    } else {
        "info"
    };
    case(Scene::new(Box::new(make()), log));
}

/// Every case there is, by the function that has it.
macro_rules! cases {
    ($name:ident, $device:expr) => {
        cases! { @all $name, $device;
            fn e01_a_code_counts_once: replay;
            fn e02_a_race_of_a_hundred_makes_one_proof_and_locks_nobody: race;
            fn e04_guessing_ends_over_sessions_addresses_factors_doors_and_replicas: brute_force;
            fn e11_an_enrolment_is_confirmed_by_its_own_code_alone: foreign_confirmation;
            fn e12_an_expired_challenge_takes_no_answer: expired;
            fn e12_a_code_is_for_one_challenge_on_one_site: other_site;
            fn e12_the_last_two_that_were_sent_count: resent;
            fn e13_what_has_ended_takes_no_answer: ended;
            fn e15_another_persons_challenge_is_not_there: wrong_person;
            fn e16_another_factors_code_is_wrong_here: another_factor;
            fn e17_every_door_counts_a_code_once: every_door;
            fn h05_codes_and_where_they_go_are_written_nowhere: written_nowhere;
        }
    };
    (@all $name:ident, $device:expr; $(fn $test:ident: $case:ident;)*) => { $(
        #[test]
        fn $test() {
            super::run(stringify!($case), || $device, cases::$case);
        }
    )* };
}

/// One module of tests for each factor.
macro_rules! suite {
    ($($name:ident: $device:expr;)*) => {
        $(mod $name {
            use super::{cases, devices};

            cases! { $name, $device }
        })*

        const ROWS: &[&str] = &[$(stringify!($name)),*];
    };
}

suite! {
    totp: devices::App::default();
    recovery_code: devices::Codes::default();
    temporary_code: devices::Issued::default();
    email: devices::Sent::email();
    sms: devices::Sent::sms();
    voice: devices::Sent::voice();
    hotp: devices::Fob::default();
    yubikey: devices::Key::new();
    radius: devices::Token::new();
    duo: devices::Passcodes::new();
}

/// Factors that ask for no code.
const OTHERS: [(&str, &str); 1] = [("passkey", "a ceremony of the browser's: `passkeys`")];

#[test]
fn every_factor_is_in_the_table() {
    let schema = crate::support::run(&mut crate::support::stepgate(&["schema"])).expect(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    let factors = schema["properties"]["factors"]["properties"].as_object().expect("factors");
    assert!(factors.len() >= 11, "{factors:?}");
    for section in factors.keys() {
        let name = section.trim_end_matches("_codes");
        let is_row = ROWS.iter().any(|row| row.trim_end_matches("_code") == name);
        assert!(is_row || OTHERS.iter().any(|(other, _)| *other == name), "{section} is not in the table");
    }
}
