//! Orders, payment references, idempotency keys and expiry in Postgres.

pub(crate) mod idempotency;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod sweep;
