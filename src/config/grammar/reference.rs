//! The grammar as the reference page.
