//! Who is left without a factor by a configuration, as numbers: for `stepgate check`.
//!
//! It reads the database if there is one, and changes nothing. Kinds and counts, never names.

use serde_json::{Value, json};

use crate::config::{FactorKind, FactorSet, Settings};
use crate::store;

/// People who have a kind of factor that is off, and none that is on.
#[derive(Debug, PartialEq, Eq)]
pub struct Stranded {
    kind: FactorKind,
    people: usize,
    /// How many of them have a code that lets them add another.
    with_codes: usize,
}

/// What these settings mean for the people in the store they name.
pub async fn find(settings: &Settings) -> Vec<Stranded> {
    let people = store::survey(&settings.storage.database).await;
    count(&people.unwrap_or_default(), settings.factors.enabled)
}

fn count(people: &[FactorSet], on: FactorSet) -> Vec<Stranded> {
    let spare: FactorSet = FactorKind::ALL.into_iter().filter(|kind| kind.is_spare()).collect();
    let stranded = |has: &&FactorSet| has.intersection(on).without(spare).is_empty();
    let mut found = Vec::new();
    for kind in FactorKind::ALL
        .into_iter()
        .filter(|kind| !on.contains(*kind) && !kind.is_spare())
    {
        let of_kind = people.iter().filter(|has| has.contains(kind)).filter(stranded);
        let (mut people, mut with_codes) = (0, 0);
        for has in of_kind {
            people += 1;
            with_codes += usize::from(!has.intersection(on).is_empty());
        }
        if people > 0 {
            found.push(Stranded { kind, people, with_codes });
        }
    }
    found
}

impl Stranded {
    /// One line for people.
    pub fn line(&self) -> String {
        let (have, who) = match self.people {
            1 => ("has", "1 person".to_owned()),
            n => ("have", format!("{n} people")),
        };
        let codes = match self.with_codes {
            0 => String::new(),
            n => format!(" ({n} with a code to add one)"),
        };
        format!("{} is off: {who} {have} no other factor{codes}", self.kind.name())
    }

    pub fn to_json(&self) -> Value {
        json!({ "factor": self.kind.name(), "people": self.people, "with_codes": self.with_codes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kinds: &[FactorKind]) -> FactorSet {
        kinds.iter().copied().collect()
    }

    #[test]
    fn only_those_with_nothing_else_are_counted() {
        use FactorKind::{Passkey, RecoveryCode, Sms, Totp};
        let people = [
            set(&[Sms]),
            set(&[Sms, RecoveryCode]),
            set(&[Sms, Totp]),
            set(&[Totp]),
            set(&[Passkey]),
            set(&[RecoveryCode]),
        ];
        let lines: Vec<String> =
            count(&people, set(&[Totp, RecoveryCode])).iter().map(Stranded::line).collect();
        assert_eq!(
            lines,
            [
                "passkey is off: 1 person has no other factor",
                "sms is off: 2 people have no other factor (1 with a code to add one)"
            ]
        );
        assert!(count(&people, FactorKind::ALL.into_iter().collect()).is_empty());
    }
}
