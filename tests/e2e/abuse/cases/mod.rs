//! What is done to every factor. Each case takes a scene of its own.

mod bounds;
mod counting;
mod places;

pub use bounds::{another_factor, ended, expired, foreign_confirmation, other_site, resent, wrong_person};
pub use counting::{brute_force, race, replay};
pub use places::{every_door, written_nowhere};
