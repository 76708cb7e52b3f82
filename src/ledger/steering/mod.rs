//! Sales and their settings in Postgres.

pub(crate) mod sales;
