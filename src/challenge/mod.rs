//! The life of a challenge, limits and locks; the only place that makes proofs.
//!
//! Portal and API both stand on this room and add nothing to it but words. Every answer, at a
//! challenge and at an enrolment, goes through one function that has the counter inside
//! (security.md E05).

pub mod view;
