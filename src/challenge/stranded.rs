//! Who is left without a factor by a configuration, as numbers: for `stepgate check`, and for the log
//! when a factor is switched off.
//!
//! It reads the database if there is one, and changes nothing. Kinds and counts, never names.

use serde_json::{Value, json};

use crate::config::{FactorKind, FactorSet, Settings};
use crate::{factors, store};

/// People who have a kind of factor that is off, and none that is on.
#[derive(Debug, PartialEq, Eq)]
pub struct Stranded {
    pub kind: FactorKind,
    pub people: usize,
    /// How many of them have a code that lets them add another.
    pub with_codes: usize,
}

/// There is a database, and it cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread;

/// What these settings mean for the people in the store they name; nothing where there is none yet.
///
/// # Errors
/// [`Unread`]: nobody can say.
pub async fn find(settings: &Settings) -> Result<Vec<Stranded>, Unread> {
    let database = &settings.storage.database;
    match store::survey(database).await {
        Some(people) => Ok(count(&people, &Counting::of(settings))),
        None if database.exists() => Err(Unread),
        None => Ok(Vec::new()),
    }
}

/// What counts for whom.
struct Counting {
    on: FactorSet,
    /// What everybody has without enrolling.
    everybody: FactorSet,
    /// What meets no level by itself.
    not_alone: FactorSet,
}

impl Counting {
    fn of(settings: &Settings) -> Self {
        let spare: FactorSet = FactorKind::ALL.into_iter().filter(|kind| kind.is_spare()).collect();
        let not_alone = spare.union(settings.factors.companions);
        Self {
            on: settings.factors.enabled,
            everybody: factors::all(settings).map_or(FactorSet::EMPTY, |factors| factors.automatic()),
            not_alone: if settings.factors.email.as_factor {
                not_alone
            } else {
                not_alone.with(FactorKind::Email)
            },
        }
    }
}

fn count(people: &[FactorSet], counting: &Counting) -> Vec<Stranded> {
    let Counting { on, everybody, not_alone } = *counting;
    let usable = |has: &FactorSet| has.union(everybody).intersection(on);
    let stranded = |has: &&FactorSet| usable(has).without(not_alone).is_empty();
    let mut found = Vec::new();
    for kind in FactorKind::ALL
        .into_iter()
        .filter(|kind| !on.contains(*kind) && !kind.is_spare())
    {
        let of_kind = people.iter().filter(|has| has.contains(kind)).filter(stranded);
        let (mut people, mut with_codes) = (0, 0);
        for has in of_kind {
            people += 1;
            with_codes += usize::from(!usable(has).is_empty());
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
        let counting = |on, everybody, not_alone: &[FactorKind]| {
            let not_alone = set(not_alone).union(set(&[RecoveryCode, FactorKind::TemporaryCode]));
            Counting { on, everybody, not_alone }
        };
        let lines = |counting| count(&people, &counting).iter().map(Stranded::line).collect::<Vec<_>>();
        let on = set(&[Totp, RecoveryCode]);
        let lines_of = lines(counting(on, FactorSet::EMPTY, &[]));
        assert_eq!(
            lines_of,
            [
                "passkey is off: 1 person has no other factor",
                "sms is off: 2 people have no other factor (1 with a code to add one)"
            ]
        );
        assert!(lines(counting(FactorKind::ALL.into_iter().collect(), FactorSet::EMPTY, &[])).is_empty());
        // Who has something by the service behind it is not stranded; who has only half of what is asked is.
        assert!(lines(counting(on.with(FactorKind::Radius), set(&[FactorKind::Radius]), &[])).is_empty());
        let half = lines(counting(on, FactorSet::EMPTY, &[Totp]));
        assert!(
            half.contains(&"sms is off: 3 people have no other factor (2 with a code to add one)".to_owned()),
            "{half:?}"
        );
    }
}
