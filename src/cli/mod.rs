//! (skeleton)

pub mod check;
pub mod enrolments;
mod records;
pub mod schema;
pub mod users;
