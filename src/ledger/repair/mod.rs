//! What a rebuild of Redis reads from Postgres.

pub(crate) mod recovery;
