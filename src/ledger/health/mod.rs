//! How Postgres is set up, and which gateways run.

pub(crate) mod gateways;
pub(crate) mod setup;
