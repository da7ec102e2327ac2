//! What counts for the levels that are missing: kinds of factor, each with what it must establish.
//!
//! It says which of a person's factors are worth asking for. Whether a proof then meets a level is
//! judged by the level alone.

use std::fmt;

use crate::config::{FactorKind, FactorSet, Properties};

/// One entry for each level that is missing; a factor counts if it fits one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted(Vec<(FactorSet, Properties)>);

impl Accepted {
    /// Any of these kinds, whatever else they are.
    #[must_use]
    pub fn kinds_of(kinds: FactorSet) -> Self {
        Self::with_properties(kinds, Properties::EMPTY)
    }

    /// Those of these kinds that have these properties.
    #[must_use]
    pub fn with_properties(kinds: FactorSet, properties: Properties) -> Self {
        Self(vec![(kinds, properties)])
    }

    /// Whether a factor of this kind, whose proofs can have at most these properties, counts.
    #[must_use]
    pub fn contains(&self, kind: FactorKind, properties: Properties) -> bool {
        self.0
            .iter()
            .any(|(kinds, needed)| kinds.contains(kind) && properties.covers(*needed))
    }

    /// Every kind that is in one of the entries.
    #[must_use]
    pub fn kinds(&self) -> FactorSet {
        self.0.iter().fold(FactorSet::EMPTY, |all, (kinds, _)| all.union(*kinds))
    }

    /// What every entry asks for; a factor without these counts nowhere here.
    #[must_use]
    pub fn properties(&self) -> Properties {
        let mut each = self.0.iter().map(|(_, needed)| *needed);
        let first = each.next().unwrap_or_default();
        each.fold(first, Properties::intersection)
    }
}

impl FromIterator<(FactorSet, Properties)> for Accepted {
    fn from_iter<I: IntoIterator<Item = (FactorSet, Properties)>>(entries: I) -> Self {
        let mut all = Vec::new();
        for entry in entries {
            if !all.contains(&entry) {
                all.push(entry);
            }
        }
        Self(all)
    }
}

/// As it is stored: `totp,duo;passkey:phishing_resistant+user_verified`.
impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kinds, properties)) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ";" })?;
            let kinds: Vec<_> = kinds.iter().map(FactorKind::name).collect();
            f.write_str(&kinds.join(","))?;
            for (n, name) in properties.names().enumerate() {
                f.write_str(if n == 0 { ":" } else { "+" })?;
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

impl Accepted {
    /// Reads what [`Display`](fmt::Display) wrote. `None` when it asks for a property that this
    /// version does not know, which nothing could be held to have.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let entry = |part: &str| {
            let (kinds, needed) = part.split_once(':').unwrap_or((part, ""));
            let needed = needed.split('+').filter(|name| !name.is_empty()).map(Properties::from_name);
            let needed = needed.collect::<Option<Properties>>()?;
            Some((kinds.split(',').filter_map(FactorKind::from_name).collect(), needed))
        };
        text.split(';').map(entry).collect::<Option<Vec<_>>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kinds: &[FactorKind]) -> FactorSet {
        kinds.iter().copied().collect()
    }

    #[test]
    fn a_factor_counts_where_kind_and_properties_fit_the_same_entry() {
        let strong = Properties::PHISHING_RESISTANT;
        let accepted: Accepted = [
            (set(&[FactorKind::Passkey, FactorKind::Duo]), strong),
            (set(&[FactorKind::Totp]), Properties::EMPTY),
        ]
        .into_iter()
        .collect();
        assert!(accepted.contains(FactorKind::Passkey, strong.with(Properties::USER_VERIFIED)));
        assert!(!accepted.contains(FactorKind::Passkey, Properties::USER_VERIFIED));
        assert!(accepted.contains(FactorKind::Totp, Properties::EMPTY));
        assert!(!accepted.contains(FactorKind::Sms, strong));
        assert_eq!(accepted.properties(), Properties::EMPTY);
        assert_eq!(Accepted::with_properties(set(&[FactorKind::Passkey]), strong).properties(), strong);
    }

    #[test]
    fn what_is_stored_comes_back_and_older_rows_are_read() {
        let both = Properties::DEVICE_BOUND.with(Properties::USER_VERIFIED);
        let accepted: Accepted = [
            (set(&[FactorKind::Totp, FactorKind::Duo]), Properties::EMPTY),
            (set(&[FactorKind::Passkey]), both),
            (FactorSet::EMPTY, Properties::EMPTY),
        ]
        .into_iter()
        .collect();
        let text = accepted.to_string();
        assert_eq!(text, "totp,duo;passkey:device_bound+user_verified;");
        assert_eq!(Accepted::from_stored(&text), Some(accepted));
        let old = Accepted::from_stored("totp,recovery_code").unwrap();
        assert_eq!(old.kinds(), set(&[FactorKind::Totp, FactorKind::RecoveryCode]));
        assert_eq!(Accepted::from_stored("passkey:attested"), None);
    }
}
