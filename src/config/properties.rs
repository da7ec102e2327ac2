//! What a factor's proof can be worth beyond its kind: the properties a level may ask for.
//!
//! A set, as one byte. A proof never has more of them than the factor itself established.

use serde::{Deserialize, Deserializer, Serialize};

/// A set of properties. As a number in claims and in the store, by name everywhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Properties(u8);

impl Properties {
    pub const EMPTY: Self = Self(0);
    /// It is tied to the site's origin: nothing that was typed or read out elsewhere works here.
    pub const PHISHING_RESISTANT: Self = Self(1);
    /// Its secret does not leave one device.
    pub const DEVICE_BOUND: Self = Self(2);
    /// The device made sure of its person: by PIN, finger or face.
    pub const USER_VERIFIED: Self = Self(4);

    /// Each property, with the name that configuration and API use.
    const NAMED: [(Self, &'static str); 3] = [
        (Self::PHISHING_RESISTANT, "phishing_resistant"),
        (Self::DEVICE_BOUND, "device_bound"),
        (Self::USER_VERIFIED, "user_verified"),
    ];

    /// The names there are.
    pub const NAMES: [&'static str; 3] = [Self::NAMED[0].1, Self::NAMED[1].1, Self::NAMED[2].1];

    /// This set and another's.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As [`with`](Self::with).
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        self.with(other)
    }

    /// Only what both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether every property of `other` is in this set.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The names of those in it, in their fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED
            .into_iter()
            .filter(move |(one, _)| self.covers(*one))
            .map(|(_, name)| name)
    }

    /// The property of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|(_, known)| *known == name).map(|(one, _)| one)
    }
}

impl FromIterator<Self> for Properties {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        all.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// Bits that this version does not know say nothing.
impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let known = Self::NAMED.into_iter().map(|(one, _)| one).collect::<Self>();
        u8::deserialize(input).map(|bits| Self(bits).intersection(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_come_back() {
        for name in Properties::NAMES {
            let one = Properties::from_name(name).unwrap();
            assert_eq!(one.names().collect::<Vec<_>>(), [name]);
            let stored = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<Properties>(&stored).unwrap(), one);
        }
        assert_eq!(Properties::from_name("strong"), None);
        let two = Properties::DEVICE_BOUND.with(Properties::USER_VERIFIED);
        assert_eq!(two.names().collect::<Vec<_>>(), ["device_bound", "user_verified"]);
        assert!(two.covers(Properties::DEVICE_BOUND) && !two.covers(Properties::PHISHING_RESISTANT));
        assert!(two.covers(Properties::EMPTY) && !Properties::EMPTY.covers(two));
    }

    #[test]
    fn what_is_not_known_is_not_believed() {
        assert_eq!(serde_json::from_str::<Properties>("250").unwrap(), Properties::DEVICE_BOUND);
        assert!(serde_json::from_str::<Properties>("256").is_err());
    }
}
