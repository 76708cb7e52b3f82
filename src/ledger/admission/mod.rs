//! Batches and holds in Postgres.

pub(crate) mod holds;
