//! Listings, exports, the report, closed sales, and what a long history costs.

pub mod closed_sales;
pub mod cost_of_history;
pub mod exports;
pub mod listings;
pub mod report;
