//! Operators, sessions, API keys and their rights.

pub mod accounts;
pub mod rights;
pub mod roles;
pub mod secrets;
