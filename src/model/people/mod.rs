//! Credentials, roles and rights.

pub mod credential;
pub mod rights;
