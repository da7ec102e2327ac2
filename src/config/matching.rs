//! Whether factors fill the groups of a level: each group by a kind of its own, and among them at
//! least one that counts by itself.
//!
//! The only place that knows this rule: the policy judges proofs by it, `check` finds levels that
//! nobody could pass. It looks at kinds alone; what else a proof must have is filtered before.

use super::factor_kind::{FactorKind, FactorSet};

/// Whether `kinds` can fill every slot. Kinds in `companions` count only beside one that is not.
#[must_use]
pub fn fills(slots: &[FactorSet], kinds: FactorSet, companions: FactorSet) -> bool {
    if slots.is_empty() {
        return true;
    }
    if kinds.intersection(companions).is_empty() {
        return matching(slots, kinds);
    }
    // One of the slots is filled by a kind that stands alone: whichever makes it work.
    let mut narrowed = slots.to_vec();
    (0..slots.len()).any(|at| {
        let Some((slot, whole)) = narrowed.get_mut(at).zip(slots.get(at)) else {
            return false;
        };
        *slot = whole.without(companions);
        let filled = matching(&narrowed, kinds);
        if let Some(slot) = narrowed.get_mut(at) {
            *slot = *whole;
        }
        filled
    })
}

/// How many kinds more, beside these, fill every slot at the least. For slots that nothing could fill it is all
/// of them.
#[must_use]
pub fn lacking(slots: &[FactorSet], kinds: FactorSet, companions: FactorSet) -> usize {
    let mut narrowed = slots.to_vec();
    let every = slots.iter().fold(FactorSet::EMPTY, |all, slot| all.union(*slot));
    // The slot that is filled by a kind that stands alone: wherever that is possible.
    let each = (0..slots.len()).map(|at| {
        let (Some(slot), Some(whole)) = (narrowed.get_mut(at), slots.get(at)) else {
            return slots.len();
        };
        *slot = whole.without(companions);
        let filled = if matching(&narrowed, every) {
            seated(&narrowed, kinds)
        } else {
            0
        };
        if let Some(slot) = narrowed.get_mut(at) {
            *slot = *whole;
        }
        slots.len() - filled
    });
    each.min().unwrap_or(0)
}

/// Whether a kind of its own can be found for every slot.
fn matching(slots: &[FactorSet], kinds: FactorSet) -> bool {
    seated(slots, kinds) == slots.len()
}

/// For how many slots at most: a bipartite matching by augmenting paths.
fn seated(slots: &[FactorSet], kinds: FactorSet) -> usize {
    let kinds: Vec<_> = kinds.iter().collect();
    let mut holder: Vec<Option<usize>> = vec![None; kinds.len()];
    (0..slots.len())
        .filter(|slot| {
            let mut tried = vec![false; kinds.len()];
            seat(*slot, slots, &kinds, &mut holder, &mut tried)
        })
        .count()
}

/// Finds a kind for `slot`, moving other slots to other kinds where that makes room.
fn seat(
    slot: usize,
    slots: &[FactorSet],
    kinds: &[FactorKind],
    holder: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for (at, kind) in kinds.iter().enumerate() {
        let fits = slots.get(slot).is_some_and(|accepted| accepted.contains(*kind));
        let Some(tried_here) = tried.get_mut(at).filter(|tried| fits && !**tried) else {
            continue;
        };
        *tried_here = true;
        let free = match holder.get(at).copied().flatten() {
            None => true,
            Some(other) => seat(other, slots, kinds, holder, tried),
        };
        if free {
            if let Some(holder) = holder.get_mut(at) {
                *holder = Some(slot);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kinds: &[FactorKind]) -> FactorSet {
        kinds.iter().copied().collect()
    }

    const TOTP: FactorKind = FactorKind::Totp;
    const EMAIL: FactorKind = FactorKind::Email;
    const SMS: FactorKind = FactorKind::Sms;

    #[test]
    fn a_companion_counts_only_beside_another() {
        let (either, weak) = (set(&[TOTP, EMAIL, SMS]), set(&[EMAIL, SMS]));
        assert!(!fills(&[either], set(&[EMAIL]), weak));
        assert!(fills(&[either], set(&[EMAIL]), FactorSet::EMPTY));
        assert!(fills(&[either], set(&[EMAIL, TOTP]), weak));
        assert!(!fills(&[either, either], set(&[EMAIL, SMS]), weak), "two weak ones make no strong one");
        assert!(fills(&[either, either], set(&[EMAIL, TOTP]), weak));
        assert!(fills(&[set(&[EMAIL]), either], set(&[EMAIL, TOTP]), weak));
        assert!(!fills(&[set(&[EMAIL]), set(&[SMS])], set(&[EMAIL, SMS, TOTP]), weak));
    }

    #[test]
    fn how_many_more_are_needed_counts_companions_beside_others_only() {
        let (either, weak) = (set(&[TOTP, EMAIL, SMS]), set(&[EMAIL, SMS]));
        let two = [either, either];
        assert_eq!(lacking(&two, FactorSet::EMPTY, weak), 2);
        assert_eq!(lacking(&two, set(&[TOTP]), weak), 1);
        assert_eq!(lacking(&two, set(&[EMAIL]), weak), 1);
        assert_eq!(lacking(&two, set(&[EMAIL, SMS]), weak), 1, "a strong one is missing still");
        assert_eq!(lacking(&two, set(&[EMAIL, TOTP]), weak), 0);
        assert_eq!(lacking(&[set(&[TOTP]), set(&[TOTP, SMS])], set(&[TOTP]), FactorSet::EMPTY), 1);
        assert_eq!(lacking(&[], FactorSet::EMPTY, weak), 0);
        let email_beside = [either, set(&[EMAIL])];
        assert_eq!(
            lacking(&email_beside, set(&[SMS]), weak),
            2,
            "a text fills neither: one is for a strong one"
        );
        assert_eq!(lacking(&email_beside, set(&[EMAIL]), weak), 1);
    }

    #[test]
    fn slots_need_kinds_of_their_own() {
        assert!(fills(&[], FactorSet::EMPTY, FactorSet::EMPTY));
        let two = [set(&[TOTP, SMS]), set(&[SMS])];
        assert!(!fills(&two, set(&[SMS]), FactorSet::EMPTY));
        assert!(fills(&two, set(&[SMS, TOTP]), FactorSet::EMPTY));
    }
}
