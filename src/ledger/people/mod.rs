//! Operators, API keys and sessions in Postgres.

pub(crate) mod api_keys;
pub(crate) mod operators;
pub(crate) mod sessions;
