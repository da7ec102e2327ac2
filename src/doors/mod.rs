//! Entrances: each translates a request, asks the gate and answers. A door never decides.

pub use crate::upstream::Body;
