//! Sets of levels, and what a request must meet: a demand that only ever grows.
//!
//! There must never be an operation here that takes something out of a demand.

use crate::config::settings::{Activity, LevelId, Require, Requirement};

/// A set of levels, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct LevelSet(u64);

impl LevelSet {
    pub const EMPTY: Self = Self(0);

    /// How many levels a configuration can have.
    pub const CAPACITY: usize = 64;

    /// This set and one level more. A level beyond [`Self::CAPACITY`] cannot be held and is left
    /// out; compiling a policy refuses such configurations.
    #[must_use]
    pub const fn with(self, level: LevelId) -> Self {
        if level.0 < 64 {
            Self(self.0 | 1 << level.0)
        } else {
            self
        }
    }

    #[must_use]
    pub const fn contains(self, level: LevelId) -> bool {
        level.0 < 64 && self.0 & (1 << level.0) != 0
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every level of `other` is in this set.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The first level in the order of the configuration.
    #[must_use]
    pub fn first(self) -> Option<LevelId> {
        self.iter().next()
    }

    /// The levels in it, in the order of the configuration.
    pub fn iter(self) -> impl Iterator<Item = LevelId> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let lowest = u8::try_from(left.trailing_zeros()).ok().filter(|_| left != 0)?;
            left &= left - 1;
            Some(LevelId(lowest))
        })
    }

    /// As one word, for the store.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// From [`Self::bits`]. Only meaningful under the configuration that made them.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl FromIterator<LevelId> for LevelSet {
    fn from_iter<I: IntoIterator<Item = LevelId>>(levels: I) -> Self {
        levels.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// What a request must meet. The empty demand is `public`; `deny` absorbs everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Demand {
    required: LevelSet,
    optional: LevelSet,
    firm: LevelSet,
    deny: bool,
    deny_in_doubt: bool,
    voice: Option<u16>,
    activity: Activity,
}

impl Demand {
    /// Nothing is asked, not even who it is.
    pub const PUBLIC: Self = Self {
        required: LevelSet::EMPTY,
        optional: LevelSet::EMPTY,
        firm: LevelSet::EMPTY,
        deny: false,
        deny_in_doubt: false,
        voice: None,
        activity: Activity::Any,
    };

    /// Nothing suffices.
    pub const DENY: Self = Self { deny: true, ..Self::PUBLIC };

    /// What one place of the configuration asks.
    #[must_use]
    pub fn of(requirement: &Requirement) -> Self {
        match &requirement.require {
            Require::Public => Self::PUBLIC,
            Require::Deny => Self::DENY,
            Require::Levels(levels) => {
                let levels = levels.iter().copied().collect();
                if requirement.optional {
                    Self { optional: levels, ..Self::PUBLIC }
                } else {
                    Self { required: levels, ..Self::PUBLIC }
                }
            }
        }
    }

    /// The AND of both.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self {
            required: self.required.union(other.required),
            optional: self.optional.union(other.optional),
            firm: self.firm.union(other.firm),
            deny: self.deny || other.deny,
            deny_in_doubt: self.deny_in_doubt || other.deny_in_doubt,
            voice: if self.voice.is_some() {
                self.voice
            } else {
                other.voice
            },
            activity: if (self.activity as u8) < other.activity as u8 {
                other.activity
            } else {
                self.activity
            },
        }
    }

    /// The same demand, out of reach of a period of grace: floors and raises (decision 10).
    #[must_use]
    pub const fn firmly(self) -> Self {
        Self { firm: self.required.union(self.optional), ..self }
    }

    /// Nothing is asked, not even who it is: the request needs no identity.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        !self.deny && !self.deny_in_doubt && self.required.is_empty() && self.optional.is_empty()
    }

    /// Nobody passes.
    #[must_use]
    pub const fn is_deny(&self) -> bool {
        self.deny
    }

    /// Levels that everyone must meet.
    #[must_use]
    pub const fn required(&self) -> LevelSet {
        self.required
    }

    /// Levels asked only of people who have enrolled something that counts for them.
    #[must_use]
    pub const fn optional(&self) -> LevelSet {
        self.optional
    }

    /// Levels for which no period of grace is given.
    #[must_use]
    pub const fn firm(&self) -> LevelSet {
        self.firm
    }

    /// Every level that may be asked.
    #[must_use]
    pub const fn levels(&self) -> LevelSet {
        self.required.union(self.optional)
    }

    /// The rule of the route that asked first, by its position; `None`: the route itself.
    #[must_use]
    pub fn asked_by(&self) -> Option<usize> {
        self.voice.map(usize::from)
    }

    /// Which requests count as activity where this is asked: the least that any place says which it
    /// was joined from.
    #[must_use]
    pub const fn activity(&self) -> Activity {
        self.activity
    }

    /// The same demand, made where only these requests count as activity.
    pub(super) const fn counting(self, activity: Activity) -> Self {
        Self { activity, ..self }
    }

    /// `deny`, unless it hangs on who the person is, which is not known yet (see `decide`).
    pub(super) const fn denies_in_doubt(&self) -> bool {
        self.deny_in_doubt
    }

    /// The same demand, its `deny` hanging on who the person is.
    pub(super) const fn doubting(self) -> Self {
        Self { deny: false, deny_in_doubt: self.deny || self.deny_in_doubt, ..self }
    }

    /// The same demand, said by the rule at this position; who asks nothing says nothing.
    pub(super) fn voiced_by(self, rule: usize) -> Self {
        let voice = if self.is_public() {
            None
        } else {
            u16::try_from(rule).ok()
        };
        Self { voice, ..self }
    }
}

#[cfg(test)]
impl Demand {
    /// Whether whoever passes this demand passes `other` too.
    pub(super) const fn is_at_least(&self, other: &Self) -> bool {
        self.lets_nobody_pass()
            || (!other.lets_nobody_pass()
                && self.required.covers(other.required)
                && self.levels().covers(other.optional)
                && self.firm.covers(other.firm))
    }

    const fn lets_nobody_pass(&self) -> bool {
        self.deny || self.deny_in_doubt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(levels: &[u8]) -> LevelSet {
        levels.iter().copied().map(LevelId).collect()
    }

    fn asks(required: &[u8], optional: &[u8]) -> Demand {
        Demand { required: levels(required), optional: levels(optional), ..Demand::PUBLIC }
    }

    #[test]
    fn sets_hold_sixty_four_levels_in_order() {
        let all: LevelSet = (0..=u8::MAX).map(LevelId).collect();
        assert_eq!(all.iter().count(), LevelSet::CAPACITY);
        assert_eq!(levels(&[9, 3, 63]).iter().map(|level| level.0).collect::<Vec<_>>(), [3, 9, 63]);
        assert_eq!(levels(&[9, 3]).minus(levels(&[3])).first(), Some(LevelId(9)));
        assert!(!all.contains(LevelId(64)) && levels(&[3, 9]).covers(levels(&[9])));
    }

    #[test]
    fn joining_is_the_and_of_both() {
        let joined = asks(&[1], &[2]).join(asks(&[2], &[3]));
        assert_eq!((joined.required(), joined.optional()), (levels(&[1, 2]), levels(&[2, 3])));
        assert_eq!(joined.join(Demand::PUBLIC), joined);
        assert!(joined.join(Demand::DENY).is_deny() && Demand::DENY.join(joined).is_deny());
    }

    #[test]
    fn firm_is_what_was_firm_when_it_was_said() {
        let demand = asks(&[1], &[]).join(asks(&[2], &[3]).firmly());
        assert_eq!(demand.firm(), levels(&[2, 3]));
    }

    #[test]
    fn only_the_empty_demand_is_public() {
        assert!(Demand::PUBLIC.is_public());
        for demand in [
            asks(&[0], &[]),
            asks(&[], &[0]),
            Demand::DENY,
            Demand::DENY.doubting(),
        ] {
            assert!(!demand.is_public(), "{demand:?}");
        }
    }

    #[test]
    fn the_first_that_asks_speaks() {
        let joined = Demand::PUBLIC
            .voiced_by(4)
            .join(asks(&[1], &[]).voiced_by(7))
            .join(Demand::DENY.voiced_by(8));
        assert_eq!(joined.asked_by(), Some(7));
    }
}
