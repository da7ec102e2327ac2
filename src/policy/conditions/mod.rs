//! Conditions: three-valued, one file each.

/// Whether something holds, as far as it can be established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

#[derive(Debug)]
pub(super) struct Conditions;

#[derive(Debug)]
pub(super) struct When;
