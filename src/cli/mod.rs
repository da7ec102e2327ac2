//! (skeleton)

pub mod check;
pub mod enrolments;
pub mod explain;
mod records;
pub mod schema;
pub mod users;
