//! What happened, in Postgres: the audit, the export and the history.

pub(crate) mod audit;
pub(crate) mod export;
pub(crate) mod history;
