//! What is read of a sale: listings, search, history, report.

pub mod closed_sales;
pub mod events;
pub mod history;
pub mod listings;
pub mod report;
pub mod ticket_search;
