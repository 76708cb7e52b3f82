//! Listings, search and the report of a sale, read from Postgres.

pub(crate) mod listings;
pub(crate) mod report;
pub(crate) mod ticket_search;
