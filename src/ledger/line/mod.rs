//! The journal of the line in Postgres.

pub(crate) mod counts;
pub(crate) mod joins;
pub(crate) mod moves;
pub(crate) mod snapshot;
